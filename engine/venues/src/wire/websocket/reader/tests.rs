//! Frames read whole, in fragments and broken.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use super::*;

fn reader_of(message_bytes_max: usize, bytes: &[u8]) -> FrameReader {
    let mut reader = FrameReader::with_capacity(message_bytes_max);
    reader.spare()[..bytes.len()].copy_from_slice(bytes);
    reader.filled(bytes.len());
    reader
}

#[track_caller]
fn check_error(bytes: &[u8], expected: WebSocketError, close_code: u16) {
    let mut reader = reader_of(200, bytes);
    let error = loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error in {bytes:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, expected);
    assert_eq!(error.close_code(), close_code);
    assert_eq!(reader.next(), Err(expected), "an error stays");
}

#[test]
fn whole_messages_are_borrowed_with_padding_behind() {
    let mut reader = reader_of(200, b"\x81\x05hello\x82\x02\x00\xff\x81\x00");
    let (begin, length) = (reader.buffer.as_ptr() as usize, reader.buffer.len());
    match reader.next().unwrap() {
        Some(Message::Text(text)) => {
            assert_eq!(text, b"hello");
            let text_at = text.as_ptr() as usize - begin;
            assert_eq!(text_at, 2, "no copy was made");
            assert!(length - (text_at + text.len()) >= READ_PADDING_BYTES);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.next(), Ok(Some(Message::Binary(&mut [0, 255]))));
    assert_eq!(reader.next(), Ok(Some(Message::Text(&mut []))));
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn control_frames_between_fragments_are_delivered_at_once() {
    let bytes = b"\x01\x03abc\x89\x01p\x00\x00\x8a\x00\x80\x03def\x81\x01z";
    let mut reader = reader_of(200, bytes);
    assert_eq!(reader.next(), Ok(Some(Message::Ping(b"p"))));
    assert_eq!(reader.next(), Ok(Some(Message::Pong(b""))));
    assert_eq!(reader.next(), Ok(Some(Message::Text(&mut b"abcdef".to_owned()))));
    assert_eq!(reader.next(), Ok(Some(Message::Text(&mut b"z".to_owned()))));
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn a_character_may_be_split_between_fragments() {
    let mut reader = reader_of(200, b"\x01\x01\xc3\x80\x01\xa4");
    assert_eq!(reader.next(), Ok(Some(Message::Text(&mut "ä".to_owned().into_bytes()))));
}

#[test]
fn nothing_is_read_after_a_close() {
    let mut reader = reader_of(200, b"\x88\x05\x03\xe8bye\x81\x01x");
    let close = Message::Close { code: Some(1000), reason: b"bye" };
    assert_eq!(reader.next(), Ok(Some(close)));
    assert_eq!(reader.next(), Ok(None));
    assert!(reader.spare().len() >= READ_AHEAD_BYTES);
    let mut reader = reader_of(200, b"\x88\x00");
    assert_eq!(reader.next(), Ok(Some(Message::Close { code: None, reason: b"" })));
}

#[test]
fn broken_frames_end_the_connection_with_their_code() {
    check_error(b"\x81\x85\0\0\0\0hello", WebSocketError::MaskedServerFrame, 1002);
    check_error(b"\xc1\x00", WebSocketError::ReservedBits, 1002);
    check_error(b"\x83\x00", WebSocketError::ReservedOpcode(3), 1002);
    check_error(b"\x8b\x00", WebSocketError::ReservedOpcode(11), 1002);
    check_error(b"\x09\x00", WebSocketError::FragmentedControl, 1002);
    check_error(b"\x89\x7e\x00\x80", WebSocketError::ControlTooLong { length: 126 }, 1002);
    check_error(b"\x89\x7f", WebSocketError::ControlTooLong { length: 127 }, 1002);
    check_error(b"\x80\x01a", WebSocketError::UnexpectedContinuation, 1002);
    check_error(b"\x01\x01a\x81\x01b", WebSocketError::ExpectedContinuation, 1002);
    check_error(b"\x81\x7e\x00\x7d", WebSocketError::BadLength, 1002);
    check_error(b"\x81\x7f\0\0\0\0\0\0\xff\xff", WebSocketError::BadLength, 1002);
    check_error(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", WebSocketError::BadLength, 1002);
    check_error(b"\x88\x01\x03", WebSocketError::BadClosePayload, 1002);
    check_error(b"\x88\x02\x03\xed", WebSocketError::BadCloseCode(1005), 1002);
    check_error(b"\x88\x02\x00\x00", WebSocketError::BadCloseCode(0), 1002);
    check_error(b"\x88\x03\x03\xe8\xff", WebSocketError::BadUtf8, 1007);
    check_error(b"\x81\x02\xc3\x28", WebSocketError::BadUtf8, 1007);
    check_error(b"\x01\x01\xc3\x80\x01\x28", WebSocketError::BadUtf8, 1007);
}

#[test]
fn a_message_above_the_limit_is_refused_before_its_payload_comes() {
    let too_large = |length| WebSocketError::MessageTooLarge { length, most: 200 };
    check_error(b"\x81\x7e\x00\xc9", too_large(201), 1009);
    check_error(b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", too_large(1 << 32), 1009);
    let mut fragments = b"\x01\x7d".to_vec();
    fragments.extend([b'a'; 125]);
    fragments.extend(b"\x00\x4c");
    check_error(&fragments, too_large(201), 1009);
}

#[test]
fn the_largest_message_fits_behind_unread_bytes() {
    let mut reader = FrameReader::with_capacity(70_000);
    let mut wire = Vec::new();
    for fill in [b'a', b'b', b'c'] {
        wire.extend(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70");
        wire.extend(vec![fill; 70_000]);
    }
    let mut seen = 0;
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        let spare = reader.spare();
        assert!(spare.len() >= READ_AHEAD_BYTES);
        let take = rest.len().min(READ_AHEAD_BYTES);
        spare[..take].copy_from_slice(&rest[..take]);
        reader.filled(take);
        rest = &rest[take..];
        while let Some(message) = reader.next().unwrap() {
            let mut expected = vec![b"abc"[seen]; 70_000];
            assert_eq!(message, Message::Binary(&mut expected));
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_reset_reader_starts_afresh() {
    let mut reader = reader_of(200, b"\x01\x01a\xff");
    assert_eq!(reader.next(), Ok(None));
    reader.filled(0);
    let spare = reader.spare();
    spare[..1].copy_from_slice(b"\xff");
    reader.filled(1);
    assert!(reader.next().is_err());
    reader.reset();
    reader.spare()[..3].copy_from_slice(b"\x81\x01b");
    reader.filled(3);
    assert_eq!(reader.next(), Ok(Some(Message::Text(&mut b"b".to_owned()))));
}
