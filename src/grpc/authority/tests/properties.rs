//! Whatever a driver might say, against a model of its side of the connection.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::server::serve;
use super::wire::*;
use super::*;

/// One field of a call, and how it is written where it is not in the table yet.
#[derive(Clone, Debug)]
struct Field {
    name: String,
    value: String,
    form: Form,
    by_index: bool,
    huffman: (bool, bool),
}

/// One call and its frames.
#[derive(Clone, Debug)]
struct Call {
    fields: Vec<Field>,
    resize: Option<usize>,
    cuts: Vec<Index>,
    padding: Option<u8>,
    priority: bool,
    data: Option<usize>,
}

/// The sender's dynamic table.
struct Table {
    entries: VecDeque<(String, String)>,
    most: usize,
}

impl Table {
    fn shrink(&mut self, most: usize) {
        while self.entries.iter().map(|(name, value)| 32 + name.len() + value.len()).sum::<usize>() > most {
            self.entries.pop_back();
        }
    }

    fn write(&mut self, field: &Field, block: &mut Vec<u8>) {
        let place = |position: Option<usize>| position.filter(|_| field.by_index).map(|at| at + 62);
        let whole =
            self.entries.iter().position(|(name, value)| (name, value) == (&field.name, &field.value));
        if let Some(at) = place(whole) {
            block.extend(indexed(at));
            return;
        }
        let known = place(self.entries.iter().position(|(name, _)| *name == field.name));
        let name = match (known, field.huffman.0) {
            (Some(at), _) => Name::At(at),
            (None, _) if field.by_index && field.name == ":authority" => AUTHORITY,
            (None, true) => Name::Huffman(&field.name),
            (None, false) => Name::Plain(&field.name),
        };
        let value = if field.huffman.1 { huffman(&field.value) } else { plain(&field.value) };
        block.extend(literal(field.form, name, &value));
        if field.form == Form::Indexing {
            let size = 32 + field.name.len() + field.value.len();
            self.shrink(self.most.saturating_sub(size));
            if size <= self.most {
                self.entries.push_front((field.name.clone(), field.value.clone()));
            }
        }
    }

    fn block(&mut self, call: &Call) -> Vec<u8> {
        let mut block = Vec::new();
        if let Some(most) = call.resize {
            block.extend(integer(0x20, 5, most));
            self.shrink(most);
            self.most = most;
        }
        block.extend([indexed(3), indexed(6), literal(Form::NoIndexing, Name::At(4), &plain("/p"))].concat());
        call.fields.iter().for_each(|field| self.write(field, &mut block));
        block
    }
}

/// All that the driver sends.
fn conversation(calls: &[Call]) -> Vec<u8> {
    let mut table = Table { entries: VecDeque::new(), most: 4_096 };
    let mut frames = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let stream = 2 * number as u32 + 1;
        let block = table.block(call);
        let mut cuts: Vec<usize> = call.cuts.iter().map(|cut| cut.index(block.len() + 1)).collect();
        cuts.extend([0, block.len()]);
        cuts.sort_unstable();
        let parts: Vec<&[u8]> = cuts.windows(2).map(|cut| &block[cut[0]..cut[1]]).collect();
        for (at, part) in parts.iter().enumerate() {
            let mut flags = if at + 1 == parts.len() { END_HEADERS } else { 0 };
            if at > 0 {
                frames.push(frame(9, flags, stream, part));
                continue;
            }
            let mut payload = part.to_vec();
            if call.priority {
                flags |= PRIORITY;
                payload.splice(0..0, [0, 0, 0, 0, 9]);
            }
            if let Some(padding) = call.padding {
                flags |= PADDED;
                payload.insert(0, padding);
                payload.resize(payload.len() + usize::from(padding), 0);
            }
            frames.push(frame(1, flags | if call.data.is_none() { END_STREAM } else { 0 }, stream, &payload));
        }
        frames.extend(call.data.map(|length| frame(0, END_STREAM, stream, &vec![0x41; length])));
    }
    connection(&frames)
}

fn field(
    name: impl Strategy<Value = String>,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Field> {
    let how = (select(FORMS.to_vec()), any::<bool>(), any::<(bool, bool)>());
    (name, value, how).prop_map(|(name, value, (form, by_index, huffman))| Field {
        name,
        value,
        form,
        by_index,
        huffman,
    })
}

fn calls(authority: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Call>> {
    let other = field("x-[ab]", prop_oneof!["[/a-z]{1,8}", "[/a-z]{100,900}"]);
    let frames =
        (vec(any::<Index>(), 0..4), any::<Option<u8>>(), any::<bool>(), proptest::option::of(0..300_usize));
    let resize = proptest::option::weighted(0.2, select(vec![0, 100, 1_000, 4_096]));
    let call = (field(Just(":authority".to_owned()), authority), vec(other, 0..4), resize, frames);
    let call = call.prop_map(|(authority, mut fields, resize, (cuts, padding, priority, data))| {
        fields.insert(0, authority);
        Call { fields, resize, cuts, padding, priority, data }
    });
    vec(call, 1..12)
}

fn any_authority() -> impl Strategy<Value = String> {
    let paths = ["/run/vault.sock", "/run/a.sock", SOCKET, "localhost", "h:1"].map(str::to_owned).to_vec();
    prop_oneof![4 => select(paths), 1 => "[ -~]{1,200}"]
}

fn good_authority() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9.-]{0,60}(:[1-9][0-9]{0,3})?"
}

/// As a connection that is read in pieces, DATA taking the short way.
fn rewritten_in_pieces(input: &[u8], cuts: &[Index]) -> (Vec<u8>, Result<(), Nonsense>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    let (mut rewriter, mut output) = (Rewriter::new(), Vec::new());
    for cut in cuts.windows(2) {
        let piece = &input[cut[0]..cut[1]];
        let (passed, rest) = piece.split_at(rewriter.pass(piece));
        output.extend_from_slice(passed);
        let (before, most) = (output.len(), rewriter.most_output(rest.len()));
        let outcome = rewriter.push(rest, &mut output);
        assert!(output.len() - before <= most && rewriter.held.len() <= MOST_HELD);
        if outcome.is_err() {
            return (output, outcome);
        }
    }
    (output, Ok(()))
}

fn agrees_however_it_is_cut(input: &[u8], cuts: &[Index]) -> Result<(), TestCaseError> {
    let mut whole = Vec::new();
    let outcome = Rewriter::new().push(input, &mut whole);
    let (pieces, of_pieces) = rewritten_in_pieces(input, cuts);
    prop_assert_eq!(of_pieces, outcome);
    prop_assert_eq!(pieces, whole);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn h2_reads_what_the_driver_said_but_for_the_authority(calls in calls(any_authority()), cuts in vec(any::<Index>(), 0..6)) {
        let mut calls = calls;
        // A block that needs no mending passes with the frames it has, of which h2 takes a few only.
        calls.iter_mut().for_each(|call| call.cuts.truncate(3));
        let input = conversation(&calls);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
        let served = serve(&pieces);
        prop_assert_eq!(&served.error, &None);
        prop_assert_eq!(served.requests.len(), calls.len());
        for ((authority, headers), call) in served.requests.iter().zip(&calls) {
            let (sent, others) = call.fields.split_first().expect("a call has an authority");
            let good = http::uri::Authority::try_from(sent.value.as_str()).is_ok();
            prop_assert_eq!(authority, &if good { sent.value.clone() } else { name(sent.value.len()) });
            let mut expected: Vec<_> = others.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
            // h2 gives the values of one name together.
            expected.sort_by(|(one, _), (other, _)| one.cmp(other));
            let mut headers = headers.clone();
            headers.sort_by(|(one, _), (other, _)| one.cmp(other));
            prop_assert_eq!(headers, expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_connection_without_a_bad_authority_is_unchanged(calls in calls(good_authority()), cuts in vec(any::<Index>(), 0..20)) {
        let input = conversation(&calls);
        prop_assert_eq!(rewritten_in_pieces(&input, &cuts), (input, Ok(())));
    }

    #[test]
    fn how_a_connection_is_cut_makes_no_difference(calls in calls(any_authority()), cuts in vec(any::<Index>(), 0..40)) {
        agrees_however_it_is_cut(&conversation(&calls), &cuts)?;
    }

    #[test]
    fn a_connection_with_wrong_bytes_in_it_is_walked_as_far_as_it_goes(
        calls in calls(any_authority()),
        wrong in vec((any::<Index>(), any::<u8>()), 1..10),
        cuts in vec(any::<Index>(), 0..10),
    ) {
        let mut input = conversation(&calls);
        for (at, byte) in wrong {
            *at.get_mut(&mut input) = byte;
        }
        agrees_however_it_is_cut(&input, &cuts)?;
    }

    #[test]
    fn any_bytes_at_all_are_taken_in_good_order(
        bytes in vec(any::<u8>(), 0..2_000),
        kinds in vec((select(vec![0, 1, 1, 9, 9, 4, 0x77]), any::<u8>(), 0..4_u32, vec(any::<u8>(), 0..64)), 0..20),
        cuts in vec(any::<Index>(), 0..10),
    ) {
        agrees_however_it_is_cut(&bytes, &cuts)?;
        agrees_however_it_is_cut(&[&PREFACE[..], &bytes].concat(), &cuts)?;
        let frames: Vec<Vec<u8>> = kinds.iter().map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect();
        agrees_however_it_is_cut(&connection(&frames), &cuts)?;
    }
}
