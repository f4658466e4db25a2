//! From JSON values to statements, by the venue's documents: what each key means, which values it
//! may have, and what makes a message unusable.

use serde_json::{Map, Value};

use super::values::{
    Read, amount, asset, boolean, cut, integer, need, number, object, on_grid, optional_boolean,
    optional_list, optional_time, positive, present, signed, text, time,
};
use super::{
    BalanceFacts, DepthFacts, Exact, FillFacts, OrderFacts, PositionFacts, Refusal, Statement,
    Symbols, TickerFacts, TradeFacts, Whose,
};

/// What a public stream's message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MarketReading {
    Ticker(TickerFacts),
    Depth(DepthFacts),
    Trade(TradeFacts),
    Acknowledged(Option<u64>),
    Refused(i64),
    Shutdown,
    Foreign,
    Unknown,
}

/// What a private stream's event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserReading {
    Order(Vec<Statement>),
    Account(Vec<Statement>),
    TradeLite,
    ListenKeyExpired,
    MarginCall,
    Shutdown,
    /// Documented, and nothing that is kept.
    Ignored,
    Foreign,
    Unknown,
}

/// Reads for somebody with these instruments and this prefix.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) symbols: Symbols,
    pub(crate) prefix: &'static str,
}

impl Reader {
    pub(crate) fn market(&self, root: &Value) -> Read<MarketReading> {
        let whole = object(root, "message")?;
        let id = whole.get("id").and_then(|id| integer(id).ok());
        if let Some(error) = present(whole, "error") {
            let code = need(object(error, "error")?, "code")?;
            return Ok(MarketReading::Refused(signed(code, "code")?));
        }
        if let (Some(code), None) = (present(whole, "code"), present(whole, "e")) {
            return Ok(MarketReading::Refused(signed(code, "code")?));
        }
        let event = present(whole, "data").map_or(Ok(whole), |data| object(data, "data"))?;
        if whole.get("stream").is_some_and(|stream| stream == "!serverShutdown") {
            return Ok(MarketReading::Shutdown);
        }
        let Some(kind) = present(event, "e") else {
            let acknowledged = whole.contains_key("result");
            let reading = MarketReading::Acknowledged(id);
            return Ok(if acknowledged { reading } else { MarketReading::Unknown });
        };
        match text(kind, "e")? {
            "bookTicker" => self.ticker(event),
            "depthUpdate" => self.depth(event),
            "trade" => self.trade(event),
            "serverShutdown" => Ok(MarketReading::Shutdown),
            _ => Ok(MarketReading::Unknown),
        }
    }

    /// A snapshot of one of our instruments: its id, bids, asks.
    pub(crate) fn snapshot(&self, root: &Value, symbol: &str) -> Read<DepthFacts> {
        let whole = object(root, "message")?;
        let last = number(whole, "lastUpdateId")?;
        Ok(DepthFacts {
            symbol: symbol.to_owned(),
            first: last,
            last,
            previous: last,
            bids: self.levels(whole, "bids", symbol)?,
            asks: self.levels(whole, "asks", symbol)?,
            time_ns: optional_time(whole, "T")?,
        })
    }

    fn ticker(&self, event: &Map<String, Value>) -> Read<MarketReading> {
        let Some(symbol) = self.ours(event, "s")? else { return Ok(MarketReading::Foreign) };
        let side = |price, quantity| {
            Ok((self.price(event, price, symbol)?, self.quantity(event, quantity, symbol)?))
        };
        Ok(MarketReading::Ticker(TickerFacts {
            symbol: symbol.to_owned(),
            sequence: number(event, "u")?,
            bid: side("b", "B")?,
            ask: side("a", "A")?,
            time_ns: time(event, "T")?,
        }))
    }

    fn depth(&self, event: &Map<String, Value>) -> Read<MarketReading> {
        let Some(symbol) = self.ours(event, "s")? else { return Ok(MarketReading::Foreign) };
        Ok(MarketReading::Depth(DepthFacts {
            symbol: symbol.to_owned(),
            first: number(event, "U")?,
            last: number(event, "u")?,
            previous: number(event, "pu")?,
            bids: self.levels(event, "b", symbol)?,
            asks: self.levels(event, "a", symbol)?,
            time_ns: time(event, "T")?,
        }))
    }

    fn trade(&self, event: &Map<String, Value>) -> Read<MarketReading> {
        let Some(symbol) = self.ours(event, "s")? else { return Ok(MarketReading::Foreign) };
        // A maker who buys was hit by a seller.
        let aggressor = if boolean(need(event, "m")?, "m")? { "sell" } else { "buy" };
        Ok(MarketReading::Trade(TradeFacts {
            symbol: symbol.to_owned(),
            trade_id: number(event, "t")?,
            price: self.price(event, "p", symbol)?,
            quantity: self.quantity(event, "q", symbol)?,
            aggressor,
            time_ns: time(event, "T")?,
        }))
    }

    fn levels(
        &self,
        event: &Map<String, Value>,
        key: &'static str,
        symbol: &str,
    ) -> Read<Vec<(Exact, Exact)>> {
        let (price_digits, quantity_digits) = self.symbols.digits(symbol).ok_or(Refusal("s"))?;
        let list = need(event, key)?.as_array().ok_or(Refusal(key))?;
        let level = |item: &Value| {
            let pair = item.as_array().ok_or(Refusal(key))?;
            let [price, quantity, ..] = pair.as_slice() else { return Err(Refusal(key)) };
            Ok((positive(price, price_digits, key)?, positive(quantity, quantity_digits, key)?))
        };
        list.iter().map(level).collect()
    }

    pub(crate) fn user(&self, root: &Value) -> Read<UserReading> {
        let whole = object(root, "message")?;
        let event = present(whole, "data").map_or(Ok(whole), |data| object(data, "data"))?;
        let Some(kind) = present(event, "e") else { return Ok(UserReading::Unknown) };
        match text(kind, "e")? {
            "ORDER_TRADE_UPDATE" => {
                let order = object(need(event, "o")?, "o")?;
                self.order_event(order)
            }
            "ACCOUNT_UPDATE" => {
                let time_ns = time(event, "T")?;
                self.account_event(object(need(event, "a")?, "a")?, time_ns)
            }
            "TRADE_LITE" => Ok(UserReading::TradeLite),
            "listenKeyExpired" => Ok(UserReading::ListenKeyExpired),
            "MARGIN_CALL" => Ok(UserReading::MarginCall),
            "serverShutdown" => Ok(UserReading::Shutdown),
            "ACCOUNT_CONFIG_UPDATE"
            | "ALGO_UPDATE"
            | "STRATEGY_UPDATE"
            | "GRID_UPDATE"
            | "CONDITIONAL_ORDER_TRIGGER_REJECT" => Ok(UserReading::Ignored),
            _ => Ok(UserReading::Unknown),
        }
    }

    /// The fill, if it is one, and the order's state after it.
    fn order_event(&self, order: &Map<String, Value>) -> Read<UserReading> {
        let Some(symbol) = self.ours(order, "s")? else { return Ok(UserReading::Foreign) };
        let execution = text(need(order, "x")?, "x")?;
        let known = ["NEW", "CANCELED", "CALCULATED", "EXPIRED", "TRADE", "AMENDMENT"];
        let (quantity, filled) =
            (self.quantity(order, "q", symbol)?, self.quantity(order, "z", symbol)?);
        let status = status_word(text(need(order, "X")?, "X")?, filled, quantity);
        let facts = OrderFacts {
            symbol: symbol.to_owned(),
            whose: self.whose(order, "c")?,
            venue_order_id: number(order, "i")?,
            status: if known.contains(&execution) { status } else { "unrecognised" },
            side: side_word(need(order, "S")?, "S")?,
            price: self.price(order, "p", symbol)?,
            quantity,
            filled,
            time_in_force: time_in_force_word(present(order, "f"))?,
            reduce_only: optional_boolean(order, "R")?,
            time_ns: time(order, "T")?,
        };
        let mut statements = Vec::new();
        let trades = matches!(execution, "TRADE" | "CALCULATED");
        if trades && self.quantity(order, "l", symbol)? != 0 {
            let keys = FillKeys {
                trade: "t",
                price: "L",
                quantity: "l",
                maker: "m",
                fee: "n",
                asset: "N",
                side: "S",
            };
            let (whose, id) = (facts.whose.clone(), facts.venue_order_id);
            let fill = self.fill(order, &keys, symbol, whose, id, facts.time_ns)?;
            statements.push(Statement::Fill(fill));
        }
        statements.push(Statement::Order(facts));
        Ok(UserReading::Order(statements))
    }

    fn account_event(&self, account: &Map<String, Value>, time_ns: u64) -> Read<UserReading> {
        let mut statements = Vec::new();
        for item in optional_list(account, "B")? {
            let item = object(item, "B")?;
            statements.push(Statement::Balance(BalanceFacts {
                asset: asset(need(item, "a")?)?,
                wallet: amount(need(item, "wb")?, "wb")?,
                available: None,
                time_ns,
            }));
        }
        for item in optional_list(account, "P")? {
            let item = object(item, "P")?;
            let Some(symbol) = self.ours(item, "s")? else { continue };
            statements.push(Statement::Position(self.position(
                item,
                ["ps", "pa", "ep"],
                symbol,
                time_ns,
            )?));
        }
        Ok(UserReading::Account(statements))
    }

    /// An order object of order entry or REST; `None` when it is of another's instrument.
    pub(crate) fn order(&self, root: &Value) -> Read<Option<OrderFacts>> {
        let order = object(root, "order")?;
        let Some(symbol) = self.ours(order, "symbol")? else { return Ok(None) };
        let quantity = self.quantity(order, "origQty", symbol)?;
        let filled = self.quantity(order, "executedQty", symbol)?;
        Ok(Some(OrderFacts {
            symbol: symbol.to_owned(),
            whose: self.whose(order, "clientOrderId")?,
            venue_order_id: number(order, "orderId")?,
            status: status_word(text(need(order, "status")?, "status")?, filled, quantity),
            side: side_word(need(order, "side")?, "side")?,
            price: self.price(order, "price", symbol)?,
            quantity,
            filled,
            time_in_force: time_in_force_word(present(order, "timeInForce"))?,
            reduce_only: optional_boolean(order, "reduceOnly")?,
            time_ns: optional_time(order, "updateTime")?,
        }))
    }

    pub(crate) fn balance(&self, root: &Value) -> Read<BalanceFacts> {
        let row = object(root, "balance")?;
        let available = present(row, "availableBalance");
        Ok(BalanceFacts {
            asset: asset(need(row, "asset")?)?,
            wallet: amount(need(row, "balance")?, "balance")?,
            available: available.map(|value| amount(value, "availableBalance")).transpose()?,
            time_ns: optional_time(row, "updateTime")?,
        })
    }

    /// A row of positions; `None` when it is of another's instrument.
    pub(crate) fn position_row(&self, root: &Value) -> Read<Option<PositionFacts>> {
        let row = object(root, "position")?;
        let Some(symbol) = self.ours(row, "symbol")? else { return Ok(None) };
        let time_ns = optional_time(row, "updateTime")?;
        let keys = ["positionSide", "positionAmt", "entryPrice"];
        self.position(row, keys, symbol, time_ns).map(Some)
    }

    /// A row of fills; `None` when it is of another's instrument.
    pub(crate) fn fill_row(&self, root: &Value) -> Read<Option<FillFacts>> {
        let row = object(root, "trade")?;
        number(row, "id")?;
        let Some(symbol) = self.ours(row, "symbol")? else { return Ok(None) };
        let keys = FillKeys {
            trade: "id",
            price: "price",
            quantity: "qty",
            maker: "maker",
            fee: "commission",
            asset: "commissionAsset",
            side: "side",
        };
        let id = number(row, "orderId")?;
        // The venue doesn't tell the client's id with a fill.
        self.fill(row, &keys, symbol, Whose::Others(String::new()), id, time(row, "time")?)
            .map(Some)
    }

    fn fill(
        &self,
        row: &Map<String, Value>,
        keys: &FillKeys,
        symbol: &str,
        whose: Whose,
        venue_order_id: u64,
        time_ns: u64,
    ) -> Read<FillFacts> {
        let (price, quantity) =
            (self.price(row, keys.price, symbol)?, self.quantity(row, keys.quantity, symbol)?);
        if price == 0 || quantity == 0 {
            return Err(Refusal("fill"));
        }
        let fee = present(row, keys.fee).map(|fee| amount(fee, "fee")).transpose()?;
        let fee_asset = present(row, keys.asset).map(asset).transpose()?;
        Ok(FillFacts {
            symbol: symbol.to_owned(),
            whose,
            venue_order_id,
            trade_id: number(row, keys.trade)?,
            side: side_word(need(row, keys.side)?, "side")?,
            price,
            quantity,
            maker: boolean(need(row, keys.maker)?, keys.maker)?,
            fee: fee.unwrap_or(0),
            fee_asset: fee_asset.unwrap_or_default(),
            time_ns,
        })
    }

    fn position(
        &self,
        row: &Map<String, Value>,
        [leg, quantity, entry]: [&'static str; 3],
        symbol: &str,
        time_ns: u64,
    ) -> Read<PositionFacts> {
        let (price_digits, quantity_digits) = self.symbols.digits(symbol).ok_or(Refusal("s"))?;
        let quantity = on_grid(need(row, quantity)?, quantity_digits, quantity)?;
        let entry_price = match present(row, entry) {
            Some(value) if quantity != 0 => Some(cut(value, price_digits, entry)?),
            Some(_) | None => None,
        };
        let leg = match present(row, leg).map(|value| text(value, leg)).transpose()? {
            None | Some("BOTH") => "both",
            Some("LONG") => "long",
            Some("SHORT") => "short",
            Some(_) => return Err(Refusal(leg)),
        };
        Ok(PositionFacts { symbol: symbol.to_owned(), leg, quantity, entry: entry_price, time_ns })
    }

    fn ours<'a>(&self, row: &'a Map<String, Value>, key: &'static str) -> Read<Option<&'a str>> {
        let symbol = text(need(row, key)?, key)?;
        Ok(self.symbols.digits(symbol).map(|_| symbol))
    }

    /// Ours are our prefix and twelve hex digits.
    fn whose(&self, row: &Map<String, Value>, key: &'static str) -> Read<Whose> {
        let id = text(need(row, key)?, key)?;
        let hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let digits = id.strip_prefix(self.prefix);
        let digits = digits.filter(|digits| digits.len() == 12 && digits.bytes().all(hex));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Ok(match number.filter(|number| *number > 0) {
            Some(number) => Whose::Ours(number),
            None => Whose::Others(cut_id(id)),
        })
    }

    fn price(&self, row: &Map<String, Value>, key: &'static str, symbol: &str) -> Read<Exact> {
        let (digits, _) = self.symbols.digits(symbol).ok_or(Refusal("s"))?;
        positive(need(row, key)?, digits, key)
    }

    fn quantity(&self, row: &Map<String, Value>, key: &'static str, symbol: &str) -> Read<Exact> {
        let (_, digits) = self.symbols.digits(symbol).ok_or(Refusal("s"))?;
        positive(need(row, key)?, digits, key)
    }
}

/// How a fill's fields are called.
struct FillKeys {
    trade: &'static str,
    price: &'static str,
    quantity: &'static str,
    maker: &'static str,
    fee: &'static str,
    asset: &'static str,
    side: &'static str,
}

/// Another's id as it is kept: the venue's longest has 36 letters, and 40 bytes are kept.
fn cut_id(id: &str) -> String {
    id.chars().fold(String::new(), |mut kept, letter| {
        if kept.len() + letter.len_utf8() <= 40 {
            kept.push(letter);
        }
        kept
    })
}

fn status_word(word: &str, filled: Exact, quantity: Exact) -> &'static str {
    match word {
        "NEW" | "PARTIALLY_FILLED" => "open",
        "NEW_ADL" | "NEW_INSURANCE" => {
            if filled < quantity {
                "open"
            } else {
                "filled"
            }
        }
        "FILLED" => "filled",
        "CANCELED" => "canceled",
        "EXPIRED" | "EXPIRED_IN_MATCH" => "expired",
        "REJECTED" => "rejected",
        _ => "unrecognised",
    }
}

fn side_word(value: &Value, key: &'static str) -> Read<&'static str> {
    match text(value, key)? {
        "BUY" => Ok("buy"),
        "SELL" => Ok("sell"),
        _ => Err(Refusal(key)),
    }
}

/// What rests without being one of our four is good till it is canceled.
fn time_in_force_word(value: Option<&Value>) -> Read<&'static str> {
    Ok(match value.map(|value| text(value, "timeInForce")).transpose()? {
        Some("IOC") => "ioc",
        Some("FOK") => "fok",
        Some("GTX" | "RPI") => "post_only",
        Some(_) | None => "gtc",
    })
}
