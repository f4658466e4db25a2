//! The parameters of one request, as sent, and the checks of their form.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::reject::Reject;

const NUMBER: &str = r"^([0-9]{1,20})(\.[0-9]{1,20})?$";
const INTEGER: &str = "^[0-9]{1,20}$";
/// What one request may carry.
const PARAMETERS_MAX: usize = 128;

#[derive(Clone, Debug, Default)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Query first: where a name is in both, the query's value wins.
    pub fn from_query_and_body(query: &str, body: &str) -> Result<Self, Reject> {
        let mut pairs = Vec::new();
        for part in [query, body] {
            for pair in part.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                pairs.push((percent_decode(name)?, percent_decode(value)?));
            }
        }
        Self::bounded(pairs)
    }

    /// The textual form of each value is kept: it is what the client signed.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, Reject> {
        let mut pairs = Vec::new();
        for (name, value) in object {
            let text = match value {
                Value::Null => continue,
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                Value::Array(_) | Value::Object(_) => return Err(Reject::not_valid(name)),
            };
            pairs.push((name.clone(), text));
        }
        Self::bounded(pairs)
    }

    fn bounded(pairs: Vec<(String, String)>) -> Result<Self, Reject> {
        if pairs.len() > PARAMETERS_MAX {
            return Err(Reject::bad(-1101, "Too many parameters sent for this endpoint."));
        }
        Ok(Self { pairs })
    }

    /// None where it was not sent or is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let sent = self.pairs.iter().find(|(sent, _)| sent == name);
        sent.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn mandatory(&self, name: &str) -> Result<&str, Reject> {
        self.get(name).ok_or_else(|| Reject::missing(name))
    }

    /// What a WebSocket request signs: all but the signature, by name, not encoded.
    pub fn sorted_payload(&self) -> String {
        let mut pairs: Vec<_> = self.pairs.iter().filter(|(name, _)| name != "signature").collect();
        pairs.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let joined: Vec<String> =
            pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        joined.join("&")
    }

    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, Reject> {
        let Some(text) = self.get(name) else { return Ok(None) };
        if !is_number(text) {
            return Err(Reject::illegal(name, NUMBER));
        }
        // Twenty digits and twenty decimals may pass the pattern and not fit.
        text.parse::<Decimal>().map(Some).map_err(|_| Reject::too_precise(name))
    }

    pub fn integer(&self, name: &str) -> Result<Option<u64>, Reject> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let digits = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(value) if digits => Ok(Some(value)),
            Ok(_) | Err(_) => Err(Reject::illegal(name, INTEGER)),
        }
    }

    pub fn mandatory_integer(&self, name: &str) -> Result<u64, Reject> {
        self.integer(name)?.ok_or_else(|| Reject::missing(name))
    }

    pub fn mandatory_decimal(&self, name: &str) -> Result<Decimal, Reject> {
        self.decimal(name)?.ok_or_else(|| Reject::missing(name))
    }

    pub fn boolean(&self, name: &str) -> Result<bool, Reject> {
        match self.get(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Reject::not_valid(name)),
        }
    }

    /// Whether the name was sent at all, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(sent, _)| sent == name)
    }

    /// The same parameters under other names: `prefix` + `Name` becomes `name`, for requests
    /// that carry several orders.
    pub fn under(&self, prefix: &str, shared: &[(&str, &str)]) -> Self {
        let stripped = |(name, value): &(String, String)| {
            let rest = name.strip_prefix(prefix)?;
            let mut letters = rest.chars();
            let first = letters.next().filter(char::is_ascii_uppercase)?.to_ascii_lowercase();
            Some((format!("{first}{}", letters.as_str()), value.clone()))
        };
        let own = self.pairs.iter().filter_map(stripped);
        let copied = shared.iter().filter_map(|(from, to)| {
            self.get(from).map(|value| ((*to).to_owned(), value.to_owned()))
        });
        Self { pairs: own.chain(copied).collect() }
    }
}

fn is_number(text: &str) -> bool {
    let digits = |part: &str| {
        (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    match text.split_once('.') {
        None => digits(text),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    }
}

fn percent_decode(text: &str) -> Result<String, Reject> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let pair = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
                let decoded = hex::decode(pair).map_err(|_| malformed())?;
                bytes.extend(decoded);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> Reject {
    Reject::bad(-1104, "Not all sent parameters were read; malformed encoding.")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn the_query_wins_over_the_body_and_values_are_decoded() {
        let sent = Parameters::from_query_and_body("a=1&b=%2F%3A", "a=2&c=x+y").unwrap();
        assert_eq!(sent.get("a"), Some("1"));
        assert_eq!(sent.get("b"), Some("/:"));
        assert_eq!(sent.get("c"), Some("x y"));
        assert!(Parameters::from_query_and_body("a=%zz", "").is_err());
    }

    #[track_caller]
    fn check(value: &str, code: Option<i32>) {
        let sent = Parameters { pairs: vec![("price".into(), value.into())] };
        assert_eq!(sent.decimal("price").err().map(|reject| reject.code), code, "{value}");
    }

    #[test]
    fn numbers_have_no_sign_no_exponent_and_no_bare_point() {
        check("1", None);
        check("0.10", None);
        for bad in ["-1", "+1", "1e5", ".5", "5.", "NaN", "1,5", "0x1", "1.2.3"] {
            check(bad, Some(-1100));
        }
    }
}
