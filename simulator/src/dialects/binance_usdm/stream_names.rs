//! The streams of USDⓈ-M futures and the one route under which each lives
//! (`venues/binance.md` section 1).

use crate::dialects::binance::streams::Class;

/// None for a malformed name. A well-formed name of an unknown symbol is fine, and silent.
pub fn classify(stream: &str) -> Option<Class> {
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if let Some(rest) = stream.strip_prefix('!') {
        return match rest {
            "bookTicker" => Some(Class::Public),
            "markPrice@arr" | "markPrice@arr@1s" | "ticker@arr" | "miniTicker@arr"
            | "forceOrder@arr" | "contractInfo" | "assetIndex@arr" => Some(Class::Market),
            _ => None,
        };
    }
    let (symbol, kind) = stream.split_once('@')?;
    if !is_word(symbol) {
        return None;
    }
    match kind {
        "bookTicker" | "trade" => return Some(Class::Public),
        "aggTrade" | "markPrice" | "markPrice@1s" | "ticker" | "miniTicker" | "forceOrder"
        | "compositeIndex" | "assetIndex" => return Some(Class::Market),
        _ => {}
    }
    if let Some(rest) = kind.strip_prefix("depth").or_else(|| kind.strip_prefix("rpiDepth")) {
        let (levels, speed) = rest.split_once('@').unwrap_or((rest, "250ms"));
        let known = ["", "5", "10", "20"].contains(&levels)
            && ["0ms", "100ms", "250ms", "500ms"].contains(&speed);
        return known.then_some(Class::Public);
    }
    let interval = kind.strip_prefix("kline_").or_else(|| kind.strip_prefix("continuousKline_"));
    interval.filter(|interval| is_word(interval)).map(|_| Class::Market)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: Option<Class>) {
        assert_eq!(classify(stream), expected, "{stream}");
    }

    #[test]
    fn streams_live_under_one_route_each() {
        for public in [
            "btcusdt@bookTicker",
            "btcusdt@depth",
            "btcusdt@depth@100ms",
            "btcusdt@depth@0ms",
            "btcusdt@depth5@500ms",
            "btcusdt@trade",
            "!bookTicker",
        ] {
            check(public, Some(Class::Public));
        }
        for market in [
            "btcusdt@aggTrade",
            "btcusdt@markPrice@1s",
            "btcusdt@kline_1m",
            "!markPrice@arr",
            "btcusdt@forceOrder",
        ] {
            check(market, Some(Class::Market));
        }
        for malformed in [
            "btcusdt",
            "btcusdt@nothing",
            "@depth",
            "btcusdt@depth7",
            "btcusdt@depth@1ms",
            "!nothing",
            "btc usdt@trade",
        ] {
            check(malformed, None);
        }
    }
}
