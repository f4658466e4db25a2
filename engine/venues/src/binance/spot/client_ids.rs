//! The ids that our orders and their cancels carry. A cancel takes the order's id and a letter of
//! its own: the venue renames a canceled order to its cancel's id, and so the order is still known
//! for ours, and a cancel that is half of a replace for what it is. It must not make an id up.

use arrayvec::ArrayString;
use enigma_types::{ClientOrderId, InstallationPrefix, OrderReference};

pub use crate::binance::answers::CancelKind;
use crate::binance::fields::ReadError;
use crate::wire::json::RawValue;

/// An id as the venue tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToldId {
    pub(super) order: OrderReference,
    /// The id is a cancel's.
    pub(super) cancel: Option<CancelKind>,
}

impl CancelKind {
    const fn letter(self) -> u8 {
        match self {
            Self::Plain => b'c',
            Self::Replace => b'r',
        }
    }
}

/// The id of a cancel: letters and digits only, as the venue wants them.
pub(super) fn cancel_text(
    order: ClientOrderId,
    prefix: InstallationPrefix,
    kind: CancelKind,
) -> [u8; ClientOrderId::TEXT_LENGTH + 1] {
    let mut text = [kind.letter(); ClientOrderId::TEXT_LENGTH + 1];
    if let Some(id) = text.first_chunk_mut() {
        *id = order.text(prefix);
    }
    text
}

/// Reads an id; one that isn't ours is kept as it is.
pub(super) fn told_id(
    field: RawValue<'_>,
    prefix: InstallationPrefix,
) -> Result<ToldId, ReadError> {
    let mut buffer = [0; 64];
    let text = field.as_str(&mut buffer)?;
    if let Some(id) = ClientOrderId::parse_text(text.as_bytes(), prefix) {
        return Ok(ToldId { order: OrderReference::Ours(id), cancel: None });
    }
    for kind in [CancelKind::Plain, CancelKind::Replace] {
        let stem = text.as_bytes().strip_suffix(&[kind.letter()]);
        if let Some(id) = stem.and_then(|stem| ClientOrderId::parse_text(stem, prefix)) {
            return Ok(ToldId { order: OrderReference::Ours(id), cancel: Some(kind) });
        }
    }
    let mut kept = ArrayString::new();
    for letter in text.chars() {
        // The venue allows 36 characters; more than fit would be cut off.
        let _ = kept.try_push(letter);
    }
    Ok(ToldId { order: OrderReference::External(kept), cancel: None })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn told(text: &[u8]) -> ToldId {
        let json = format!("\"{}\"", std::str::from_utf8(text).unwrap());
        let prefix = InstallationPrefix::from_number(0xdead_beef);
        told_id(RawValue::of_message(json.as_bytes()).unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_cancels_id_names_its_order_and_its_purpose() {
        let prefix = InstallationPrefix::from_number(0xdead_beef);
        let id = ClientOrderId::new(0xc0ffee).unwrap();
        let ours = OrderReference::Ours(id);
        assert_eq!(told(&id.text(prefix)), ToldId { order: ours, cancel: None });
        for kind in [CancelKind::Plain, CancelKind::Replace] {
            let text = cancel_text(id, prefix, kind);
            assert!(text.iter().all(u8::is_ascii_alphanumeric) && text.len() <= 36);
            assert_eq!(told(&text), ToldId { order: ours, cancel: Some(kind) });
        }
    }

    #[test]
    fn what_only_looks_like_ours_is_another_persons() {
        let prefix = InstallationPrefix::from_number(0xdead_beef);
        let id = ClientOrderId::new(7).unwrap();
        let text = id.text(prefix);
        for tail in ["x", "rr", "R"] {
            let mut longer = text.to_vec();
            longer.extend(tail.bytes());
            assert!(matches!(told(&longer).order, OrderReference::External(_)), "{tail}");
        }
        assert!(matches!(told(b"web_4d96324f").order, OrderReference::External(_)));
        let foreign = id.text(InstallationPrefix::from_number(1));
        assert!(matches!(told(&foreign).order, OrderReference::External(_)));
    }
}
