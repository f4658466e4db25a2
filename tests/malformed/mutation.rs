//! Breaks messages, and rewrites some without breaking them, from a seed. It must not know what a
//! message means: it sees brackets, quotes, keys and values.

use std::ops::Range;

/// SplitMix64: small, and the same on every machine.
#[derive(Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// From `ENIGMA_SEED`, else always the same; printed, so that a failure can be had again.
    pub(crate) fn new(what: &str) -> Self {
        let seed = std::env::var("ENIGMA_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(20_261_124);
        println!("{what}: ENIGMA_SEED={seed}");
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Where things stand in a message.
#[derive(Debug, Default)]
struct Anatomy {
    /// Numbers, words and texts that are values.
    values: Vec<Range<usize>>,
    /// `"key":value`, without a comma.
    fields: Vec<Range<usize>>,
    keys: Vec<Range<usize>>,
}

/// Changes a message in one way, and now and then in a second.
pub(crate) fn mutate(message: &str, dice: &mut Dice) -> Vec<u8> {
    let anatomy = Anatomy::of(message);
    let changed = match dice.below(20) {
        0..4 => reworded(message, &anatomy, dice),
        4..6 => retyped(message, &anatomy, dice),
        6..9 => replaced(message, dice, &anatomy.values, &ODD_VALUES),
        9..11 => replaced(message, dice, &anatomy.values, &HUGE_VALUES),
        11 => replaced(message, dice, &anatomy.values, &["null", "true", "[]", "{}", "\"\""]),
        12 => dropped(message, &anatomy, dice),
        13..15 => doubled(message, &anatomy, dice),
        15 => replaced(message, dice, &anatomy.keys, &["\"e\"", "\"q\"", "\"\"", "\"\\u0062\""]),
        16 => nested(message, &anatomy, dice),
        17 => digit_changed(message, &anatomy, dice),
        18 => swapped(message, &anatomy, dice),
        _ => message.to_owned(),
    };
    let mut bytes = changed.into_bytes();
    match dice.below(12) {
        0 => bytes.truncate(dice.below(bytes.len())),
        1 => flip(&mut bytes, dice),
        2 => {
            let at = dice.below(bytes.len());
            bytes.insert(at, *dice.pick(b"{}[],:\"\\ \0\x80eE-+.0"));
        }
        3 => drop(bytes.remove(dice.below(bytes.len()))),
        _ => {}
    }
    bytes
}

/// A message that a bound must stop, or a long text that nobody reads.
pub(crate) fn oversized(message: &str, dice: &mut Dice) -> Vec<u8> {
    let anatomy = Anatomy::of(message);
    let filler = match dice.below(3) {
        0 => format!("\"zz\":\"{}\"", "x".repeat(70_000)),
        1 => format!("\"zz\":[{}0]", "0,".repeat(30_000)),
        _ => format!("\"b\":[{}[\"1\",\"1\"]]", "[\"1\",\"1\"],".repeat(9_000)),
    };
    with_field(message, &anatomy, &filler, dice)
        .unwrap_or_else(|| message.repeat(2_000))
        .into_bytes()
}

/// The same said otherwise: other spaces, unknown fields, numbers in or out of quotes.
fn reworded(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => message.replace(':', " :\t").replace(',', "\r\n, "),
        1 => {
            let field = *dice.pick(&["\"zz\":[1,{\"b\":\"2\"}]", "\"z z\":null", "\"ZZ\":-1.5e3"]);
            with_field(message, anatomy, field, dice).unwrap_or_else(|| message.to_owned())
        }
        2 => {
            let numeric = |range: &&Range<usize>| is_numeric(unquoted(&message[(*range).clone()]));
            let numbers: Vec<Range<usize>> =
                anatomy.values.iter().filter(numeric).cloned().collect();
            replaced_by(message, dice, &numbers, |value| match value.strip_prefix('"') {
                Some(_) => unquoted(value).to_owned(),
                None => format!("\"{value}\""),
            })
        }
        _ => format!(" {message}\n"),
    }
}

/// A value of another type.
fn retyped(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    let wrapped = dice.below(3);
    replaced_by(message, dice, &anatomy.values, |value| match wrapped {
        0 => format!("[{value}]"),
        1 if value.starts_with('"') => unquoted(value).to_owned(),
        1 => format!("\"{value}\""),
        _ => format!("{{\"v\":{value}}}"),
    })
}

fn replaced(message: &str, dice: &mut Dice, places: &[Range<usize>], by: &[&str]) -> String {
    let by = *dice.pick(by);
    let quoted = dice.one_in(2) && !by.starts_with('"');
    replaced_by(message, dice, places, |value| match value.starts_with('"') && quoted {
        true => format!("\"{by}\""),
        false => by.to_owned(),
    })
}

fn replaced_by(
    message: &str,
    dice: &mut Dice,
    places: &[Range<usize>],
    new: impl FnOnce(&str) -> String,
) -> String {
    if places.is_empty() {
        return message.to_owned();
    }
    let place = dice.pick(places).clone();
    let new = new(&message[place.clone()]);
    format!("{}{new}{}", &message[..place.start], &message[place.end..])
}

fn dropped(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    if anatomy.fields.is_empty() {
        return message.to_owned();
    }
    let field = dice.pick(&anatomy.fields).clone();
    let (before, after) = (&message[..field.start], &message[field.end..]);
    match after.strip_prefix(',') {
        Some(after) => format!("{before}{after}"),
        None => format!("{}{after}", before.strip_suffix(',').unwrap_or(before)),
    }
}

/// A field twice, the second time with its own value, another's, or an odd one.
fn doubled(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    if anatomy.fields.is_empty() || anatomy.values.is_empty() {
        return message.to_owned();
    }
    let field = dice.pick(&anatomy.fields).clone();
    let text = &message[field.clone()];
    let key = &text[..text.find(':').unwrap_or(0)];
    let other = &message[dice.pick(&anatomy.values).clone()];
    let value = match dice.below(3) {
        0 => other,
        1 => *dice.pick(&ODD_VALUES),
        _ => return format!("{}{text},{}", &message[..field.start], &message[field.start..]),
    };
    let at = if dice.one_in(2) { field.start } else { field.end };
    let (before, after) = message.split_at(at);
    if at == field.start {
        format!("{before}{key}:{value},{after}")
    } else {
        format!("{before},{key}:{value}{after}")
    }
}

/// A field that is deeper than any venue's.
fn nested(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    let depth = 1 + dice.below(200);
    let (open, close) = *dice.pick(&[("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")]);
    let field = format!("\"zz\":{}1{}", open.repeat(depth), close.repeat(depth));
    with_field(message, anatomy, &field, dice).unwrap_or_else(|| message.to_owned())
}

/// One digit of one number: still a message that means something.
fn digit_changed(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    let digit = char::from(b'0' + u8::try_from(dice.below(10)).unwrap());
    let place = dice.below(20);
    replaced_by(message, dice, &anatomy.values, |value| {
        let mut at = value.match_indices(|letter: char| letter.is_ascii_digit());
        let count = at.clone().count();
        match at.nth(place % count.max(1)) {
            Some((at, _)) => format!("{}{digit}{}", &value[..at], &value[at + 1..]),
            None => value.to_owned(),
        }
    })
}

/// The value of one place at another.
fn swapped(message: &str, anatomy: &Anatomy, dice: &mut Dice) -> String {
    if anatomy.values.is_empty() {
        return message.to_owned();
    }
    let other = message[dice.pick(&anatomy.values).clone()].to_owned();
    replaced_by(message, dice, &anatomy.values, |_| other)
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << dice.below(8);
        }
    }
}

fn with_field(message: &str, anatomy: &Anatomy, field: &str, dice: &mut Dice) -> Option<String> {
    let at = (!anatomy.fields.is_empty()).then(|| dice.pick(&anatomy.fields).start)?;
    Some(format!("{}{field},{}", &message[..at], &message[at..]))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A number that JSON writes so too.
fn is_numeric(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let leading = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let ends = digits.starts_with('.') || digits.ends_with('.') || digits.is_empty();
    plain && !leading && !ends && digits.matches('.').count() < 2
}

impl Anatomy {
    /// Of a message that is valid JSON without escapes.
    fn of(message: &str) -> Self {
        let mut anatomy = Self::default();
        let bytes = message.as_bytes();
        // Where the fields begin that aren't at their end, and how deep each stands.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let (mut at, mut depth) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            let end = at + token_length(&bytes[at..]);
            match byte {
                b'{' | b'[' => depth += 1,
                b',' | b'}' | b']' => {
                    if let Some((start, _)) = open.pop_if(|(_, standing)| *standing == depth) {
                        anatomy.fields.push(start..at);
                    }
                    depth -= usize::from(byte != b',');
                }
                b'"' if bytes.get(end) == Some(&b':') => {
                    anatomy.keys.push(at..end);
                    open.push((at, depth));
                }
                b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
                _ => anatomy.values.push(at..end),
            }
            at = end;
        }
        anatomy
    }
}

fn token_length(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n');
    match bytes.first() {
        Some(b'"') => {
            bytes.iter().skip(1).position(|byte| *byte == b'"').map_or(bytes.len(), |at| at + 2)
        }
        Some(b'{' | b'[' | b'}' | b']' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') | None => 1,
        Some(_) => bytes.iter().position(ends).unwrap_or(bytes.len()),
    }
}

const ODD_VALUES: [&str; 22] = [
    "1e5",
    "1E-3",
    "NaN",
    "Infinity",
    "-Infinity",
    "-0",
    "1.",
    ".5",
    "0x10",
    "1_000",
    "007",
    "+1",
    "",
    " 1",
    "1,5",
    "-1",
    "0",
    "0.0000000001",
    "HALF_DONE",
    "nul",
    "\"BUY\"",
    "\"NEW\"",
];

const HUGE_VALUES: [&str; 10] = [
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073710",
    "99999999999999999999999999999999999999999999",
    "170141183460469231731687303715884105728",
    "0.00000000000000000000000000000000000000001",
    "1.00000000000000000000000000000000000000000",
    "-9223372036854775809",
];

#[test]
fn the_parts_of_a_message_are_found() {
    let message = "{\"a\":1,\"b\":{\"c\":[\"x\",true],\"d\":-2.5},\"e\":null}";
    let anatomy = Anatomy::of(message);
    let texts = |ranges: &[Range<usize>]| -> Vec<String> {
        ranges.iter().map(|range| message[range.clone()].to_owned()).collect()
    };
    assert_eq!(texts(&anatomy.values), ["1", "\"x\"", "true", "-2.5", "null"]);
    assert_eq!(texts(&anatomy.keys), ["\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""]);
    let fields = texts(&anatomy.fields);
    let whole = "\"b\":{\"c\":[\"x\",true],\"d\":-2.5}";
    assert_eq!(fields, ["\"a\":1", "\"c\":[\"x\",true]", "\"d\":-2.5", whole, "\"e\":null"]);
}
