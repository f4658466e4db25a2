//! The envelope of WebSocket requests and replies (`venues/binance.md` section 4.1).

use serde_json::{Map, Value, json};

use super::reject::Reject;

#[derive(Debug)]
pub struct Envelope {
    pub id: Value,
    pub version: Option<String>,
    pub method: String,
    pub params: Map<String, Value>,
}

/// The error carries the id as far as it could be read.
pub fn open(text: &str) -> Result<Envelope, Box<(Value, Reject)>> {
    let malformed = |id: Value, text: &str| Box::new((id, Reject::bad(-1135, text)));
    let Ok(Value::Object(mut message)) = serde_json::from_str::<Value>(text) else {
        return Err(malformed(Value::Null, "Invalid JSON Request"));
    };
    let id = message.remove("id").unwrap_or(Value::Null);
    if !(id.is_null() || id.is_i64() || id.is_u64() || id.is_string()) {
        return Err(malformed(Value::Null, "Invalid JSON Request: id"));
    }
    let Some(Value::String(method)) = message.remove("method") else {
        return Err(malformed(id, "Invalid JSON Request: method"));
    };
    let params = match message.remove("params") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(params)) => params,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(malformed(id, "Invalid JSON Request: params"));
        }
    };
    let (version, method) = match method.split_once('/') {
        Some((version, name)) => (Some(version.to_owned()), name.to_owned()),
        None => (None, method),
    };
    Ok(Envelope { id, version, method, params })
}

pub fn success(id: &Value, result: Value, limits: Option<Value>) -> String {
    let mut reply = json!({"id": id, "status": 200, "result": result});
    attach(&mut reply, limits);
    reply.to_string()
}

pub fn failure(id: &Value, reject: &Reject, limits: Option<Value>) -> String {
    let mut error = reject.body();
    if let (Some(data), Value::Object(members)) = (&reject.data, &mut error) {
        members.insert("data".to_owned(), data.clone());
    }
    let mut reply = json!({"id": id, "status": reject.status, "error": error});
    attach(&mut reply, limits);
    reply.to_string()
}

fn attach(reply: &mut Value, limits: Option<Value>) {
    if let (Some(limits), Value::Object(members)) = (limits, reply) {
        members.insert("rateLimits".to_owned(), limits);
    }
}
