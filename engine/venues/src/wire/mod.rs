//! How bytes become messages: WebSocket frames, HTTP/1.1 and JSON, over the caller's buffers.
//!
//! Nothing here knows a venue, and nothing here may touch a socket, a clock or randomness: the
//! caller reads, writes and seeds.

pub mod http1;
pub mod json;
pub mod websocket;
