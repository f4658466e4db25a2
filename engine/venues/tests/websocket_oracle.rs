//! Our WebSocket codec against tungstenite: the same bytes in any pieces must read the same, and
//! what we write must be read by its server side. proptest prints the seed.

use std::io::{Cursor, ErrorKind, Read, Write};

use enigma_types::ClientOrderId;
use enigma_venues::wire::websocket::{FrameClass, FrameReader, Message, Transmit, TransmitFull};
use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

const MESSAGE_BYTES_MAX: usize = 70_000;

/// What both readers are reduced to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, Vec<u8>),
}

/// A stream of fixed bytes that takes everything written to it.
struct Wire {
    incoming: Cursor<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The messages up to the end or the first error, and whether there was one.
fn read_with_tungstenite(bytes: &[u8], role: Role) -> (Vec<Seen>, bool) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let wire = Wire { incoming: Cursor::new(bytes.to_vec()) };
    let mut socket = WebSocket::from_raw_socket(wire, role, Some(config));
    let mut seen = Vec::new();
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) => seen.push(Seen::Text(text.as_bytes().to_vec())),
            Ok(tungstenite::Message::Binary(bytes)) => seen.push(Seen::Binary(bytes.to_vec())),
            Ok(tungstenite::Message::Ping(bytes)) => seen.push(Seen::Ping(bytes.to_vec())),
            Ok(tungstenite::Message::Pong(bytes)) => seen.push(Seen::Pong(bytes.to_vec())),
            Ok(tungstenite::Message::Close(frame)) => {
                let frame = frame.map(|frame| (frame.code.into(), frame.reason));
                let reason =
                    frame.as_ref().map_or(Vec::new(), |(_, reason)| reason.as_bytes().to_vec());
                seen.push(Seen::Close(frame.map(|(code, _)| code), reason));
                return (seen, false);
            }
            Ok(tungstenite::Message::Frame(_)) => return (seen, true),
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                return (seen, false);
            }
            Err(_) => return (seen, true),
        }
    }
}

fn read_with_ours(bytes: &[u8], pieces: &[usize]) -> (Vec<Seen>, bool) {
    let mut reader = FrameReader::with_capacity(MESSAGE_BYTES_MAX);
    let mut seen = Vec::new();
    let mut rest = bytes;
    let mut pieces = pieces.iter().copied();
    while !rest.is_empty() {
        let spare = reader.spare();
        let piece = pieces.next().unwrap_or(usize::MAX).clamp(1, rest.len().min(spare.len()));
        spare[..piece].copy_from_slice(&rest[..piece]);
        reader.filled(piece);
        rest = &rest[piece..];
        loop {
            match reader.next() {
                Ok(Some(Message::Text(text))) => seen.push(Seen::Text(text.to_vec())),
                Ok(Some(Message::Binary(bytes))) => seen.push(Seen::Binary(bytes.to_vec())),
                Ok(Some(Message::Ping(bytes))) => seen.push(Seen::Ping(bytes.to_vec())),
                Ok(Some(Message::Pong(bytes))) => seen.push(Seen::Pong(bytes.to_vec())),
                Ok(Some(Message::Close { code, reason })) => {
                    seen.push(Seen::Close(code, reason.to_vec()));
                    return (seen, false);
                }
                Ok(None) => break,
                Err(_) => return (seen, true),
            }
        }
    }
    (seen, false)
}

fn frame(opcode: OpCode, last: bool, payload: Vec<u8>) -> Vec<u8> {
    let header = FrameHeader { is_final: last, opcode, ..FrameHeader::default() };
    written(&Frame::from_payload(header, payload.into()))
}

fn written(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = frame.payload().len() as u64;
    let header = frame.header().format(length, &mut bytes);
    assert!(header.is_ok(), "a vector takes every header");
    bytes.extend_from_slice(frame.payload());
    bytes
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0_usize..300,
        1 => prop::sample::select(vec![0, 1, 125, 126, 127, 65_535, 65_536, MESSAGE_BYTES_MAX]),
    ]
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        lengths().prop_map(|length| vec![b'x'; length]),
        "\\PC{0,60}".prop_map(String::into_bytes),
    ]
}

/// A message in one frame or several, with control frames between them.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let controls = prop::collection::vec((any::<bool>(), 0_usize..=125), 0..2);
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    (payloads(), any::<bool>(), cuts, controls).prop_map(|(payload, text, cuts, controls)| {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.push(payload.len());
        cuts.sort_unstable();
        let mut bytes = Vec::new();
        let (mut from, last) = (0, cuts.len() - 1);
        for (index, cut) in cuts.into_iter().enumerate() {
            let data = match (index, text) {
                (0, true) => Data::Text,
                (0, false) => Data::Binary,
                _ => Data::Continue,
            };
            bytes.extend(frame(OpCode::Data(data), index == last, payload[from..cut].to_vec()));
            from = cut;
            for (ping, length) in &controls {
                let control = if *ping { Control::Ping } else { Control::Pong };
                bytes.extend(frame(OpCode::Control(control), true, vec![b'c'; *length]));
            }
        }
        bytes
    })
}

fn conversations() -> impl Strategy<Value = Vec<u8>> {
    let close = prop::option::of((1000_u16..=1003, "[a-z]{0,20}"));
    (prop::collection::vec(messages(), 1..6), close).prop_map(|(messages, close)| {
        let mut bytes = messages.concat();
        if let Some((code, reason)) = close {
            let close = CloseFrame { code: code.into(), reason: reason.into() };
            bytes.extend(written(&Frame::close(Some(close))));
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_split_reads_as_tungstenite_reads(
        bytes in conversations(),
        pieces in prop::collection::vec(prop_oneof![1_usize..20, 1_usize..20_000], 0..40),
    ) {
        let theirs = read_with_tungstenite(&bytes, Role::Client);
        prop_assert!(!theirs.1, "the conversation is valid");
        prop_assert_eq!(read_with_ours(&bytes, &pieces), theirs);
    }

    #[test]
    fn mutated_bytes_never_panic_and_read_the_same_in_any_split(
        bytes in conversations(),
        mutations in prop::collection::vec((0_usize..400, any::<u8>()), 1..4),
        pieces in prop::collection::vec(1_usize..40, 0..40),
    ) {
        let mut bytes = bytes;
        for (at, byte) in mutations {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = read_with_ours(&bytes, &[]);
        prop_assert_eq!(&read_with_ours(&bytes, &pieces), &whole);
        // We want minimal lengths, and judge a text's UTF-8 when it is whole; tungstenite judges
        // each fragment. So either may stop first, but neither may have seen another thing.
        let theirs = read_with_tungstenite(&bytes, Role::Client);
        if theirs.1 && !whole.1 {
            let (same, more) = whole.0.split_at(theirs.0.len());
            prop_assert_eq!(same, &theirs.0);
            prop_assert!(!more.iter().any(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_))));
        } else if whole.1 {
            let shorter = whole.0.len().min(theirs.0.len());
            prop_assert_eq!(&whole.0[..shorter], &theirs.0[..shorter]);
        } else {
            prop_assert_eq!(&whole, &theirs);
        }
    }

    #[test]
    fn frames_we_write_are_read_by_a_tungstenite_server(
        seed in any::<u64>(),
        texts in prop::collection::vec(
            prop_oneof![
                "\\PC{0,200}",
                prop::sample::select(vec![0_usize, 1, 125, 126, 127, 65_535])
                    .prop_map(|length| "y".repeat(length)),
            ],
            1..6,
        ),
        ping in prop::collection::vec(any::<u8>(), 0..=125),
    ) {
        let mut transmit = Transmit::with_capacity(1 << 19, 16, seed);
        let mut expected = Vec::new();
        for text in &texts {
            let written: Result<(), TransmitFull> =
                transmit.text(FrameClass::Session, |payload| {
                    payload.push_str(text);
                    assert_eq!(payload.as_slice(), text.as_bytes());
                    Ok(())
                });
            prop_assert_eq!(written, Ok(()));
            expected.push(Seen::Text(text.clone().into_bytes()));
        }
        prop_assert_eq!(transmit.ping(&ping), Ok(()));
        prop_assert_eq!(transmit.pong(&ping), Ok(()));
        prop_assert_eq!(transmit.close(1000, "bye"), Ok(()));
        expected.push(Seen::Ping(ping.clone()));
        expected.push(Seen::Pong(ping));
        expected.push(Seen::Close(Some(1000), b"bye".to_vec()));
        let seen = read_with_tungstenite(transmit.pending(), Role::Server);
        prop_assert_eq!(seen, (expected, false));
    }

    #[test]
    fn what_waits_is_what_was_written_less_what_was_taken(
        steps in prop::collection::vec((0_u8..5, 0_usize..300), 1..120),
    ) {
        let mut transmit = Transmit::with_capacity(2_000, 8, 7);
        // The model: class, text and whether a part has gone.
        let mut model: std::collections::VecDeque<(FrameClass, usize)> = Default::default();
        for (index, (step, amount)) in steps.into_iter().enumerate() {
            let client_order_id = ClientOrderId::new(index as u64 + 1).unwrap_or_else(|| {
                unreachable!("an index is a small number")
            });
            match step {
                0 | 1 => {
                    let class = match step {
                        0 => FrameClass::Order { client_order_id },
                        _ => FrameClass::Cancel { client_order_id },
                    };
                    let before = transmit.pending().to_vec();
                    let written: Result<(), TransmitFull> =
                        transmit.text(class, |payload| {
                            payload.push_str(&"z".repeat(amount));
                            Ok(())
                        });
                    let bytes = amount + if amount < 126 { 6 } else { 8 };
                    if written.is_ok() {
                        prop_assert_eq!(&transmit.pending()[..before.len()], &before[..]);
                        model.push_back((class, bytes));
                    } else {
                        prop_assert!(model.len() == 8 || before.len() + amount + 8 > 2_000);
                        prop_assert_eq!(transmit.pending(), &before[..]);
                    }
                }
                2 => prop_assert_eq!(
                    transmit.consume_front(),
                    model.pop_front().map(|(class, _)| class)
                ),
                3 => {
                    let mut left = amount.min(transmit.pending().len());
                    let mut gone = Vec::new();
                    transmit.advance(left, |class| gone.push(class));
                    let mut expected = Vec::new();
                    while let Some((class, bytes)) = model.front_mut() {
                        if left < *bytes {
                            *bytes -= left;
                            break;
                        }
                        left -= *bytes;
                        expected.push(*class);
                        model.pop_front();
                    }
                    prop_assert_eq!(gone, expected);
                }
                _ => {
                    let begun = transmit.front_begun().is_some();
                    let mut place = 0;
                    model.retain(|(class, _)| {
                        place += 1;
                        (begun && place == 1) || !matches!(class, FrameClass::Order { .. })
                    });
                    transmit.purge_orders(|_| ());
                }
            }
            let waiting: Vec<(FrameClass, usize)> = transmit.waiting().collect();
            prop_assert_eq!(&waiting, &Vec::from(model.clone()));
            let sum: usize = model.iter().map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(transmit.pending().len(), sum);
        }
    }
}
