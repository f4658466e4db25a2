//! One record between its neighbours, the same bytes in the ring and on disk.
//!
//! A frame is a 32-byte header (length, checksum, sequence, wall and monotonic time, all
//! little-endian), the payload, and zeros up to the next multiple of eight. The checksum covers
//! every byte but itself. Two more marks share the header's first word: `SKIP` sends a reader of
//! the ring back to its start, `SEAL` carries the hash chain in a segment. Nothing here touches a
//! file.

use enigma_types::{Nanos, UnixNanos};

pub(crate) const HEADER: usize = 32;
pub(crate) const MAX_PAYLOAD: usize = 4_096;
/// Room that always suffices for one record.
pub(crate) const MAX_FRAME: usize = HEADER + MAX_PAYLOAD;
pub(crate) const ALIGNMENT: usize = 8;
/// A ring's reader goes on at the ring's start.
pub(crate) const SKIP: u32 = u32::MAX;
pub(crate) const SEAL_FRAME: usize = HEADER + HASH;
pub(crate) const HASH: usize = 32;
const SEAL: u32 = u32::MAX - 1;

/// A record with its stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) sequence: u64,
    pub(crate) wall: UnixNanos,
    pub(crate) mono: Nanos,
    pub(crate) payload: &'a [u8],
    /// Header, payload and padding.
    pub(crate) bytes: &'a [u8],
}

/// What stands at a place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    Record(Frame<'a>),
    /// The hash chain up to and with the record of this sequence.
    Seal {
        sequence: u64,
        hash: [u8; HASH],
    },
    /// Nothing was written here yet.
    Blank,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameFault {
    #[error("the bytes end inside the frame")]
    Short,
    #[error("no frame has that length")]
    Length,
    #[error("the checksum doesn't match")]
    Checksum,
}

/// The stamps that go before a payload.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamp {
    pub(crate) sequence: u64,
    pub(crate) wall: UnixNanos,
    pub(crate) mono: Nanos,
}

/// Completes a frame whose payload stands behind the header already, and gives its whole length.
/// `None` when the payload is empty or doesn't fit.
pub(crate) fn finish(frame: &mut [u8], stamp: Stamp, payload: usize) -> Option<usize> {
    if payload == 0 || payload > MAX_PAYLOAD {
        return None;
    }
    let length = padded(payload);
    frame.get_mut(HEADER + payload..length)?.fill(0);
    write_header(frame.get_mut(..length)?, payload as u32, stamp);
    Some(length)
}

/// A seal over everything up to the stamp's sequence.
pub(crate) fn seal(stamp: Stamp, hash: [u8; HASH]) -> [u8; SEAL_FRAME] {
    let mut frame = [0; SEAL_FRAME];
    frame[HEADER..].copy_from_slice(&hash);
    write_header(&mut frame, SEAL, stamp);
    frame
}

/// Reads what stands at the start of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, FrameFault> {
    let word = read_u32(bytes, 0)?;
    let length = match word {
        0 => return Ok(Parsed::Blank),
        SEAL => SEAL_FRAME,
        payload if payload as usize <= MAX_PAYLOAD => padded(payload as usize),
        _ => return Err(FrameFault::Length),
    };
    let bytes = bytes.get(..length).ok_or(FrameFault::Short)?;
    if read_u32(bytes, 4)? != checksum(bytes) {
        return Err(FrameFault::Checksum);
    }
    let sequence = read_u64(bytes, 8)?;
    let body = bytes.get(HEADER..).ok_or(FrameFault::Short)?;
    if word == SEAL {
        let hash = body.try_into().map_err(|_| FrameFault::Length)?;
        return Ok(Parsed::Seal { sequence, hash });
    }
    Ok(Parsed::Record(Frame {
        sequence,
        wall: UnixNanos(read_u64(bytes, 16)?),
        mono: Nanos(read_u64(bytes, 24)?),
        payload: body.get(..word as usize).ok_or(FrameFault::Short)?,
        bytes,
    }))
}

/// The length of a frame with a payload this long.
pub(crate) const fn padded(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(ALIGNMENT)
}

fn write_header(frame: &mut [u8], word: u32, stamp: Stamp) {
    let (head, _) = frame.split_at_mut(HEADER);
    head[..4].copy_from_slice(&word.to_le_bytes());
    head[8..16].copy_from_slice(&stamp.sequence.to_le_bytes());
    head[16..24].copy_from_slice(&stamp.wall.0.to_le_bytes());
    head[24..32].copy_from_slice(&stamp.mono.0.to_le_bytes());
    let checksum = checksum(frame);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..4]);
    hasher.update(&frame[8..]);
    hasher.finalize()
}

fn read_u32(bytes: &[u8], at: usize) -> Result<u32, FrameFault> {
    let four = bytes.get(at..at + 4).and_then(|slice| slice.first_chunk());
    four.map(|four| u32::from_le_bytes(*four)).ok_or(FrameFault::Short)
}

fn read_u64(bytes: &[u8], at: usize) -> Result<u64, FrameFault> {
    let eight = bytes.get(at..at + 8).and_then(|slice| slice.first_chunk());
    eight.map(|eight| u64::from_le_bytes(*eight)).ok_or(FrameFault::Short)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xAA; padded(payload.len())];
        bytes[HEADER..HEADER + payload.len()].copy_from_slice(payload);
        let stamp = Stamp { sequence: 7, wall: UnixNanos(8), mono: Nanos(9) };
        assert_eq!(finish(&mut bytes, stamp, payload.len()), Some(bytes.len()));
        bytes
    }

    #[test]
    fn a_frame_is_read_back_with_its_stamps() {
        let bytes = frame(b"thirteen char");
        let Ok(Parsed::Record(read)) = parse(&bytes) else { panic!("no record") };
        assert_eq!(read.payload, b"thirteen char");
        assert_eq!((read.sequence, read.wall, read.mono), (7, UnixNanos(8), Nanos(9)));
        assert_eq!(read.bytes.len(), 48);
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        for original in [frame(b"abc"), seal(Stamp::default(), [5; HASH]).to_vec()] {
            for bit in 0..original.len() * 8 {
                let mut bytes = original.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                // Room behind, so that a longer length isn't refused for want of bytes only.
                bytes.resize(MAX_FRAME + 64, 0);
                let read = parse(&bytes);
                assert!(matches!(read, Err(_) | Ok(Parsed::Blank)), "bit {bit}: {read:?}");
            }
        }
    }

    #[test]
    fn a_cut_frame_is_short_and_a_long_one_is_refused() {
        let bytes = frame(b"abcdef");
        for length in 1..bytes.len() {
            assert_eq!(parse(&bytes[..length]).unwrap_err(), FrameFault::Short, "{length}");
        }
        let mut long = bytes;
        long[..4].copy_from_slice(&(MAX_PAYLOAD as u32 + 1).to_le_bytes());
        assert_eq!(parse(&long), Err(FrameFault::Length));
        assert_eq!(finish(&mut [0; MAX_FRAME + 8], Stamp::default(), MAX_PAYLOAD + 1), None);
        assert_eq!(finish(&mut [0; HEADER], Stamp::default(), 0), None);
    }
}
