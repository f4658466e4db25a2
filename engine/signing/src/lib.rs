//! Signature primitives: bytes in, signature out.
