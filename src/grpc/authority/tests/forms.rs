//! Every form of the field.

use super::server::serve;
use super::wire::*;
use super::{SOCKET, name, rewritten};

/// How many bytes of a call are in front of its `:authority`.
const IN_FRONT: usize = 2;

#[test]
fn without_the_rewriter_h2_refuses_the_socket_path() {
    let refused = http::uri::Authority::try_from(SOCKET.as_bytes());
    assert!(refused.is_err());
    assert!(http::uri::Authority::try_from(name(SOCKET.len()).as_bytes()).is_ok());
}

#[test]
fn a_path_becomes_a_name_of_its_length_in_every_form_of_literal() {
    for form in FORMS {
        for name_form in [AUTHORITY, Name::Plain(":authority"), Name::Huffman(":authority")] {
            for value in [plain(SOCKET), huffman(SOCKET)] {
                let sent = call(&literal(form, name_form, &value));
                let expected = call(&literal(form, name_form, &plain(name(SOCKET.len()))));
                let output = rewritten(&connection(&[headers(1, &sent)])).unwrap();
                assert_eq!(output, connection(&[headers(1, &expected)]), "{form:?} {name_form:?}");
                let served = serve(&[&connection(&[headers(1, &sent)])]);
                assert_eq!(served.authorities(), [name(SOCKET.len())], "{form:?} {name_form:?}: {served:?}");
            }
        }
    }
}

#[test]
fn later_calls_that_point_to_the_entry_are_served_and_pass_unchanged() {
    for value in [plain(SOCKET), huffman(SOCKET)] {
        let first = headers(1, &call(&literal(Form::Indexing, AUTHORITY, &value)));
        let later: Vec<u8> = (1..=20).flat_map(|call_| headers(2 * call_ + 1, &call(&indexed(62)))).collect();
        let output = rewritten(&connection(&[first.clone(), later.clone()])).unwrap();
        assert!(output.ends_with(&later));
        let served = serve(&[&connection(&[first, later])]);
        assert_eq!(served.authorities(), vec![name(SOCKET.len()); 21], "{served:?}");
    }
}

#[test]
fn a_name_by_its_place_in_the_dynamic_table_is_known() {
    let other = literal(Form::Indexing, Name::Plain("x-other"), &plain("/a/path"));
    let first =
        [call(&literal(Form::Indexing, Name::Plain(":authority"), &plain("localhost"))), other].concat();
    for form in FORMS {
        // `x-other` is the newest entry, `:authority` the one before it.
        let second = call(&literal(form, Name::At(63), &huffman("/run/second.sock")));
        let moved = usize::from(form == Form::Indexing);
        let third = call(&literal(form, Name::At(63 + moved), &plain("/run/third.sock")));
        let kept =
            [call(&indexed(63 + 2 * moved)), literal(form, Name::At(62 + 2 * moved), &plain("/b"))].concat();
        let input =
            connection(&[headers(1, &first), headers(3, &second), headers(5, &third), headers(7, &kept)]);
        let served = serve(&[&input]);
        let expected = ["localhost".to_owned(), name(16), name(15), "localhost".to_owned()];
        assert_eq!(served.authorities(), expected, "{form:?}: {served:?}");
        let (_, last) = served.requests.last().unwrap();
        assert!(last.contains(&("x-other".to_owned(), "/b".to_owned())), "{form:?}: {last:?}");
    }
}

#[test]
fn what_is_a_valid_authority_passes_byte_for_byte() {
    for text in ["localhost", "localhost:80", "vault.example", "127.0.0.1:8200", "[::1]", "a", "%2Frun@x"] {
        for form in FORMS {
            for value in [plain(text), huffman(text)] {
                let input = connection(&[headers(1, &call(&literal(form, AUTHORITY, &value)))]);
                assert_eq!(rewritten(&input).unwrap(), input, "{text}");
            }
        }
    }
}

#[test]
fn whatever_is_no_authority_is_mended_whatever_its_length() {
    let many = "/".repeat(5_000);
    for text in [
        "/",
        "//",
        "%2Frun%2Fvault.sock",
        "a b",
        "/run/ü.sock",
        "a/b",
        "[",
        &many[..126],
        &many[..127],
        &many[..128],
        &many[..255],
        &many,
    ] {
        for value in [plain(text), huffman(text)] {
            for form in FORMS {
                let served = serve(&[&connection(&[headers(1, &call(&literal(form, AUTHORITY, &value)))])]);
                assert_eq!(served.authorities(), [name(text.len())], "{text}: {:?}", served.error);
            }
        }
    }
    let not_text = [0xff, 0xfe, 0];
    let input = connection(&[headers(1, &call(&literal(Form::Indexing, AUTHORITY, &plain(not_text))))]);
    assert_eq!(serve(&[&input]).authorities(), ["loc"]);
}

#[test]
fn an_empty_authority_has_no_good_name_and_is_left_to_h2() {
    for field in [indexed(1), literal(Form::Indexing, AUTHORITY, &plain(""))] {
        let input = connection(&[
            headers(1, &call(&field)),
            headers(3, &call(&literal(Form::NoIndexing, AUTHORITY, &plain("/s")))),
        ]);
        let served = serve(&[&input]);
        assert_eq!(served.authorities(), ["lo"], "one call refused, the connection goes on: {served:?}");
    }
}

#[test]
fn a_field_of_another_name_may_hold_a_path() {
    let sent = [
        call(&literal(Form::Indexing, AUTHORITY, &plain("localhost"))),
        literal(Form::Indexing, Name::Plain("x-path"), &plain(SOCKET)),
        literal(Form::NeverIndexed, Name::Huffman("authority"), &huffman(SOCKET)),
        literal(Form::NoIndexing, Name::At(58), &huffman(SOCKET)),
    ]
    .concat();
    let input = connection(&[headers(1, &sent)]);
    assert_eq!(rewritten(&input).unwrap(), input);
}

#[test]
fn size_updates_in_front_of_the_fields_are_walked_over() {
    let updates = [integer(0x20, 5, 0), integer(0x20, 5, 30), integer(0x20, 5, 4_096)].concat();
    let first = [updates, call(&literal(Form::Indexing, AUTHORITY, &huffman(SOCKET)))].concat();
    let emptied = [integer(0x20, 5, 0), call(&literal(Form::Indexing, AUTHORITY, &plain("/again")))].concat();
    let served =
        serve(&[&connection(&[headers(1, &first), headers(3, &call(&indexed(62))), headers(5, &emptied)])]);
    assert_eq!(served.authorities(), [name(SOCKET.len()), name(SOCKET.len()), name(6)], "{served:?}");
}

#[test]
fn entries_are_evicted_as_the_driver_thinks() {
    // Each entry of 1,024 bytes: 32, its name and its value. Of six, four fit the table's 4,096 bytes.
    let entry = |number: usize, text: usize| {
        literal(Form::Indexing, Name::Plain(&format!("x-{number}")), &plain("v".repeat(text)))
    };
    let socket = format!("/{}", "s".repeat(1_024 - 32 - 10 - 1));
    let mut first = call(&literal(Form::Indexing, AUTHORITY, &huffman(&socket)));
    for number in 1..=3 {
        first.extend(entry(number, 1_024 - 32 - 3));
    }
    let second = call(&indexed(65));
    // One byte too many, and all is as if the socket's entry were a byte longer.
    let third =
        [call(&literal(Form::NoIndexing, AUTHORITY, &plain("x"))), entry(4, 1_024 - 32 - 3), indexed(65)]
            .concat();
    let served = serve(&[&connection(&[headers(1, &first), headers(3, &second), headers(5, &third)])]);
    assert_eq!(
        served.authorities(),
        [name(socket.len()), name(socket.len()), "x".to_owned()],
        "{:?}",
        served.error
    );
    let (_, last) = served.requests.last().unwrap();
    let names: Vec<&str> =
        last.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("x-")).collect();
    assert_eq!(names, ["x-4", "x-1"], "the socket's entry is gone, and nothing else");
}

#[test]
fn a_block_may_be_split_between_any_two_bytes() {
    let block = call(&literal(Form::Indexing, AUTHORITY, &huffman(SOCKET)));
    let whole = call(&literal(Form::Indexing, AUTHORITY, &plain(name(SOCKET.len()))));
    let expected = connection(&[headers(1, &whole)]);
    for at in 0..=block.len() {
        let (first, second) = block.split_at(at);
        let input = connection(&[split_headers(1, &[first, second])]);
        assert_eq!(rewritten(&input).unwrap(), expected, "split at {at}");
        assert_eq!(serve(&[&input]).authorities(), [name(SOCKET.len())], "split at {at}");
    }
    let single: Vec<&[u8]> = block.chunks(1).collect();
    assert_eq!(rewritten(&connection(&[split_headers(1, &single)])).unwrap(), expected);
}

#[test]
fn padding_goes_and_priority_stays() {
    let block = call(&literal(Form::Indexing, AUTHORITY, &huffman(SOCKET)));
    let whole = call(&literal(Form::Indexing, AUTHORITY, &plain(name(SOCKET.len()))));
    let priority = [0x80, 0, 0, 3, 200];
    for padding in [0_u8, 1, 255] {
        let pad = vec![0; usize::from(padding)];
        let padded = [&[padding], &block[..], &pad].concat();
        let both = [&[padding], &priority[..], &block, &pad].concat();
        let prioritised = [&priority[..], &block].concat();
        let expected_prioritised = [&priority[..], &whole].concat();
        let all = END_HEADERS | END_STREAM;
        for (flags, payload, expected) in [
            (PADDED, &padded, frame(1, all, 1, &whole)),
            (PRIORITY, &prioritised, frame(1, all | PRIORITY, 1, &expected_prioritised)),
            (PADDED | PRIORITY, &both, frame(1, all | PRIORITY, 1, &expected_prioritised)),
        ] {
            let input = connection(&[frame(1, all | flags, 1, payload)]);
            assert_eq!(rewritten(&input).unwrap(), connection(&[expected]), "{flags:#x} {padding}");
            assert_eq!(serve(&[&input]).authorities(), [name(SOCKET.len())], "{flags:#x} {padding}");
        }
        // The padding of a split block is the first frame's.
        let (first, second) = block.split_at(IN_FRONT + 3);
        let first = [&[padding], &priority[..], first, &pad].concat();
        let frames = [frame(1, END_STREAM | PADDED | PRIORITY, 1, &first), frame(9, END_HEADERS, 1, second)];
        assert_eq!(serve(&[&connection(&frames)]).authorities(), [name(SOCKET.len())]);
    }
}

#[test]
fn what_grpc_go_was_recorded_to_send_is_served() {
    // Nine calls each by the client of drivers 1.5.6 and 1.6.0.
    let old = include_bytes!("../../../../fuzz/corpus/authority/grpc-go-1.56");
    let served = serve(&[old]);
    assert_eq!(served.authorities(), vec![name(SOCKET.len()); 9], "{:?}", served.error);
    let new = include_bytes!("../../../../fuzz/corpus/authority/grpc-go-1.79");
    assert_eq!(rewritten(new).unwrap(), new);
    assert_eq!(serve(&[new]).authorities(), ["localhost"; 9]);
}
