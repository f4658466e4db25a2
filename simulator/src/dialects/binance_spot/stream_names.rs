//! The market streams of spot (`venues/binance.md` section 3). All are on one route.

use crate::dialects::binance::streams::Class;

/// None for a malformed name. A well-formed name of an unknown symbol is fine, and silent.
pub fn classify(stream: &str) -> Option<Class> {
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let known = if let Some(rest) = stream.strip_prefix('!') {
        matches!(rest, "miniTicker@arr" | "ticker@arr" | "ticker_1h@arr" | "ticker_4h@arr")
    } else {
        let (symbol, kind) = stream.split_once('@')?;
        is_word(symbol) && is_kind(kind, is_word)
    };
    known.then_some(Class::Public)
}

fn is_kind(kind: &str, is_word: impl Fn(&str) -> bool) -> bool {
    let plain = [
        "bookTicker",
        "trade",
        "aggTrade",
        "ticker",
        "miniTicker",
        "avgPrice",
        "referencePrice",
        "blockTrade",
    ];
    if plain.contains(&kind) {
        return true;
    }
    if let Some(rest) = kind.strip_prefix("depth") {
        let (levels, speed) = rest.split_once('@').unwrap_or((rest, "1000ms"));
        return ["", "5", "10", "20"].contains(&levels) && ["100ms", "1000ms"].contains(&speed);
    }
    let interval = kind.strip_prefix("kline_").or_else(|| kind.strip_prefix("ticker_"));
    interval.is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, known: bool) {
        assert_eq!(classify(stream).is_some(), known, "{stream}");
    }

    #[test]
    fn spots_streams_are_known_and_futures_are_not() {
        for stream in [
            "btcusdt@bookTicker",
            "btcusdt@depth",
            "btcusdt@depth@100ms",
            "btcusdt@depth20@1000ms",
            "btcusdt@trade",
            "btcusdt@aggTrade",
            "btcusdt@kline_1m",
            "!miniTicker@arr",
        ] {
            check(stream, true);
        }
        for stream in
            ["btcusdt", "btcusdt@markPrice", "btcusdt@depth@0ms", "btcusdt@depth7", "@trade", "!x"]
        {
            check(stream, false);
        }
    }
}
