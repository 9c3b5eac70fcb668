//! What is around a header block, and what is none.

use super::server::serve;
use super::wire::*;
use super::*;

fn path_call() -> Vec<u8> {
    call(&literal(Form::Indexing, AUTHORITY, &huffman(SOCKET)))
}

#[test]
fn other_frames_pass_as_they_are_between_the_calls() {
    let good = headers(1, &call(&literal(Form::Indexing, AUTHORITY, &plain("localhost"))));
    let data = [frame(0, 0, 1, &[7; 16_384]), frame(0, END_STREAM, 1, b""), frame(0xf0, 0xff, 9, b"grease")]
        .concat();
    // A block's bytes in a frame of another kind are no block.
    let ping =
        [frame(6, 0, 0, b"12345678"), frame(5, END_HEADERS, 1, &path_call()), frame(8, 0, 0, &[0, 0, 1, 0])]
            .concat();
    let input = connection(&[good, data.clone(), ping.clone()]);
    assert_eq!(rewritten(&input).unwrap(), input);
    let mended = call(&literal(Form::Indexing, AUTHORITY, &plain(name(SOCKET.len()))));
    let input =
        connection(&[headers(1, &path_call()), data.clone(), ping.clone(), headers(3, &call(&indexed(62)))]);
    let expected = connection(&[headers(1, &mended), data, ping, headers(3, &call(&indexed(62)))]);
    assert_eq!(rewritten(&input).unwrap(), expected);
}

#[test]
fn a_mended_block_too_long_for_a_frame_goes_on_in_another() {
    // 20 bytes of 8 become 32 of 5 bits each.
    let authority = literal(Form::NoIndexing, AUTHORITY, &huffman("/".to_owned() + &"a".repeat(25_000)));
    let block = call(&authority);
    assert!(block.len() < MOST_HELD - 9, "{}", block.len());
    let output = rewritten(&connection(&[headers(1, &block)])).unwrap();
    let frames = &output[PREFACE.len() + 9..];
    assert_eq!(frames[..9], [0, 0x40, 0, 1, END_STREAM, 0, 0, 0, 1]);
    let next = &frames[9 + 16_384..];
    assert_eq!(
        (next[3], next[4], next.len()),
        (9, END_HEADERS, 9 + (usize::from(next[1]) << 8) + usize::from(next[2]))
    );
}

#[test]
fn a_block_is_held_up_to_a_bound_and_no_further() {
    let fill = |length: usize| {
        let block = call(&literal(Form::NoIndexing, AUTHORITY, &plain("localhost")));
        let field = |value: usize| literal(Form::NoIndexing, Name::Plain("x"), &plain("v".repeat(value)));
        let around = block.len() + field(1_000).len() - 1_000;
        let all = [block, field(length - around)].concat();
        assert_eq!(all.len(), length);
        all
    };
    let whole = connection(&[headers(1, &fill(MOST_HELD - 9))]);
    assert_eq!(rewritten(&whole).unwrap(), whole);
    assert_eq!(rewritten(&connection(&[headers(1, &fill(MOST_HELD - 8))])), Err(Nonsense::TooLong));
    // Empty frames count, too.
    let mut endless = connection(&[frame(1, 0, 1, b"")]);
    for _ in 0..MOST_HELD / 9 {
        endless.extend(frame(9, 0, 1, b""));
    }
    assert_eq!(rewritten(&endless), Err(Nonsense::TooLong));
    // Said before the payload is there.
    assert_eq!(
        rewritten(&connection(&[frame(1, END_HEADERS, 1, &[0; 100_000])[..9].to_vec()])),
        Err(Nonsense::TooLong)
    );
}

#[test]
fn a_connection_that_makes_no_sense_ends_with_a_word() {
    let block = path_call();
    let all = END_HEADERS | END_STREAM;
    let unfinished = frame(1, END_STREAM, 1, &block[..5]);
    let string_past_the_end = call(&literal(Form::Indexing, AUTHORITY, &integer(0, 7, 5_000)));
    let endless_integer = [indexed(3), vec![0xff; 20]].concat();
    let eos = [integer(0x80, 7, 4), vec![0xff; 4]].concat();
    let zero_padding = [integer(0x80, 7, 1), vec![0b0001_1000]].concat();
    let byte_of_padding = [integer(0x80, 7, 2), vec![0b0001_1111, 0xff]].concat();
    let cases = [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Nonsense::NotHttp2),
        (connection(&[unfinished.clone(), frame(0, 0, 1, b"x")]), Nonsense::Interrupted),
        (connection(&[unfinished.clone(), frame(9, END_HEADERS, 3, &block[5..])]), Nonsense::Interrupted),
        (connection(&[unfinished, headers(1, &block)]), Nonsense::Interrupted),
        (connection(&[frame(1, all | PADDED, 1, b"")]), Nonsense::Padding),
        (connection(&[frame(1, all | PADDED, 1, &[2, 0])]), Nonsense::Padding),
        (connection(&[frame(1, all | PRIORITY, 1, &[0; 4])]), Nonsense::Padding),
        (connection(&[frame(1, all | PADDED | PRIORITY, 1, &[1, 0, 0, 0, 0, 0])]), Nonsense::Padding),
        (connection(&[headers(1, &string_past_the_end)]), Nonsense::NotHpack),
        (connection(&[headers(1, &endless_integer)]), Nonsense::NotHpack),
        (connection(&[headers(1, &[0x41])]), Nonsense::NotHpack),
        (connection(&[headers(1, &[0xff])]), Nonsense::NotHpack),
        (connection(&[headers(1, &call(&literal(Form::Indexing, AUTHORITY, &eos)))]), Nonsense::NotHuffman),
        (
            connection(&[headers(1, &call(&literal(Form::Indexing, AUTHORITY, &zero_padding)))]),
            Nonsense::NotHuffman,
        ),
        (
            connection(&[headers(1, &call(&literal(Form::Indexing, AUTHORITY, &byte_of_padding)))]),
            Nonsense::NotHuffman,
        ),
    ];
    for (input, nonsense) in cases {
        assert_eq!(rewritten(&input), Err(nonsense), "{input:02x?}");
        let served = serve(&[&input]);
        assert!(served.error.is_some() && served.requests.is_empty(), "{nonsense}: {served:?}");
    }
}

#[test]
fn after_an_error_nothing_more_is_read() {
    let mut rewriter = Rewriter::new();
    let mut output = Vec::new();
    assert_eq!(rewriter.push(b"GET", &mut output), Err(Nonsense::NotHttp2));
    assert_eq!(rewriter.push(PREFACE, &mut output), Err(Nonsense::NotHttp2));
    assert_eq!((rewriter.pass(PREFACE), output.len()), (0, 0));
}

#[test]
fn what_is_no_headers_frame_is_left_to_h2() {
    // h2 answers each with GOAWAY by itself.
    for wrong in [
        frame(9, END_HEADERS, 1, &path_call()),
        frame(5, END_HEADERS, 1, &path_call()),
        frame(0, 0, 1, &[0; 20_000]),
    ] {
        let input = connection(&[wrong]);
        assert_eq!(rewritten(&input).unwrap(), input);
        assert!(serve(&[&input]).error.is_some());
    }
}

#[test]
fn the_huffman_code_is_the_one_of_the_rfc() {
    use super::super::huffman::decode;
    // RFC 7541, C.4 and C.6.
    for (code, text) in [
        ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
        ("a8eb10649cbf", "no-cache"),
        ("25a849e95ba97d7f", "custom-key"),
        ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"),
        (
            "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ] {
        let code = hex::decode(code).unwrap();
        assert_eq!(decode(&code).unwrap(), text.as_bytes());
        assert_eq!(huffman_code(text.as_bytes()), code);
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(decode(&huffman_code(&all)).unwrap(), all);
    // h2 reads every byte that a header may hold alike.
    let legal: Vec<u8> = (0x21..=0xff).filter(|byte| *byte != 0x7f).collect();
    let field = literal(Form::NoIndexing, Name::Plain("x"), &huffman(&legal));
    let block = [call(&literal(Form::NoIndexing, AUTHORITY, &plain("/s"))), field].concat();
    let served = serve(&[&connection(&[headers(1, &block)])]);
    let (_, fields) = &served.requests[0];
    assert!(fields.contains(&("x".to_owned(), String::from_utf8_lossy(&legal).into_owned())), "{served:?}");
}
