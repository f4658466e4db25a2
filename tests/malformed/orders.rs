//! The order session under broken answers: no request is lost, and none is called done or refused
//! unless the text says so.

use std::collections::BTreeMap;

use enigma_types::{
    AccountId, CancelRequest, ClientOrderId, ExecutionReport, InstrumentId, OrderReference,
    OrderRequest, Outcome, Price, Quantity, Query, ReplaceRequest, Report, RequestKind,
    SessionKind, Side, TimeInForce, VenueOrderId,
};
use enigma_venues::binance::usdm::orders::OrderSession;
use enigma_venues::session::Input;
use serde_json::{Map, Value, json};

use crate::mutation::{Dice, mutate, oversized};
use crate::usdm_oracle::{Driven, OrderFacts, Whose, client_text, ready_order_session, sent_text};
use crate::verdict::{Tally, may_be_refused, shown, survive, value_of};
use crate::{Bench, templates};

const BTC: InstrumentId = InstrumentId(1);
const MESSAGES: usize = 40_000;
/// Codes of the venue that a session meets: definite, unsure, throttling, keys, and unknown ones.
const CODES: [i64; 16] = [
    -1000, -1003, -1006, -1007, -1008, -1015, -1021, -1022, -2011, -2013, -2015, -2019, -2022,
    -4116, -5022, -9999,
];

#[test]
fn broken_answers_lose_no_request_and_confirm_none() {
    let is_order = |value: &Value| value.get("result").unwrap_or(value).get("origQty").is_some();
    let Some(orders) = templates(is_order) else { return };
    let orders: Vec<Value> =
        orders.into_iter().map(|value| value.get("result").cloned().unwrap_or(value)).collect();
    let mut run = Run::new(orders);
    while run.tally.messages < MESSAGES {
        let Some((id, client)) = run.request() else { continue };
        let answer = run.answer(id, client);
        let text = match run.dice.one_in(3_000) {
            true => oversized(&answer, &mut run.dice),
            false => mutate(&answer, &mut run.dice),
        };
        run.tally.messages += 1;
        run.feed(&text);
        // Several wait at a time, and one in a while none: the connection is gone.
        if run.dice.one_in(40) {
            run.disconnect();
        }
    }
    run.disconnect();
    println!("answers: {:?}", run.ends);
    for end in ["acknowledged", "rejected", "unknown"] {
        assert!(run.ends.get(end).is_some_and(|count| *count > 100), "{end}: {:?}", run.ends);
    }
    run.tally.finish("answers of order entry", MESSAGES);
}

/// What was asked under an id.
#[derive(Clone, Copy, Debug)]
struct Asked {
    client: u64,
    /// `None` for a query about the order.
    kind: Option<RequestKind>,
}

struct Run {
    bench: Bench,
    dice: Dice,
    orders: Vec<Value>,
    tally: Tally,
    driven: Driven<OrderSession>,
    waiting: BTreeMap<u64, Asked>,
    next_client: u64,
    ends: BTreeMap<&'static str, usize>,
}

impl Run {
    fn new(orders: Vec<Value>) -> Self {
        let bench = Bench::new();
        Self {
            dice: Dice::new("answers of order entry"),
            orders,
            tally: Tally::default(),
            driven: ready_order_session(&bench.plan(SessionKind::Order)),
            bench,
            waiting: BTreeMap::new(),
            next_client: 1,
            ends: BTreeMap::new(),
        }
    }

    /// Sends a request and gives its id; `None` when the session held it back, which it says.
    fn request(&mut self) -> Option<(u64, u64)> {
        let client = self.next_client;
        self.next_client += 1;
        let kind = match self.dice.below(6) {
            0..3 => Some(RequestKind::Submit),
            3 => Some(RequestKind::Cancel),
            4 => Some(RequestKind::Replace),
            _ => None,
        };
        self.driven.now.mono.0 += 1_000_000;
        let reports = ask(&mut self.driven, client, kind);
        if !reports.is_empty() {
            let held = reports.iter().all(|report| match report {
                Report::Execution(report) => matches!(report.outcome, Outcome::NotSent(..)),
                Report::Query(report) => !report.complete,
                Report::Balance(_) | Report::Position(_) => false,
            });
            assert!(held, "{reports:?}");
            *self.ends.entry("not sent").or_default() += 1;
            // Told by a broken answer that the limits are used up, it waits for a minute or more.
            self.disconnect();
            return None;
        }
        let request: Value = serde_json::from_str(&sent_text(&mut self.driven)).unwrap();
        let id = request["id"].as_u64().unwrap();
        self.waiting.insert(id, Asked { client, kind });
        Some((id, client))
    }

    /// A good answer, most often to the newest request.
    fn answer(&mut self, id: u64, client: u64) -> String {
        let limits = json!([{
            "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300,
            "count": 1,
        }]);
        if self.dice.one_in(4) {
            let code = *self.dice.pick(&CODES);
            let status = if code == -1003 { 418 } else { 400 };
            let error = json!({ "code": code, "msg": "Words of the venue." });
            let answer =
                json!({ "id": id, "status": status, "error": error, "rateLimits": limits });
            return answer.to_string();
        }
        let mut order = self.dice.pick(&self.orders).clone();
        order["clientOrderId"] = client_text(client).into();
        order["symbol"] = "BTCUSDT".into();
        json!({ "id": id, "status": 200, "result": order, "rateLimits": limits }).to_string()
    }

    fn feed(&mut self, text: &[u8]) {
        let effects = survive(text, || self.driven.frame(text));
        let (root, is_json) = value_of(text, effects.result.is_ok() || !effects.reports.is_empty());
        let envelope = root.as_ref().and_then(Envelope::of);
        match (&envelope, &effects.result) {
            (Some(_), Err(_)) if !is_json => {}
            (Some(_), Err(_)) if may_be_refused(text) => self.tally.stricter += 1,
            (Some(envelope), _) => self.check_answer(envelope, &effects.reports, text),
            (None, Ok(())) => panic!("read as an answer: {}", shown(text)),
            (None, Err(_)) => {}
        }
        let decoded = effects.result.is_ok();
        self.tally.decoded += usize::from(decoded);
        self.tally.decoded_no_json += usize::from(decoded && !is_json);
        self.tally.statements += self.bench.teller.statements(&effects.reports).len();
        self.settle(&effects.reports, text);
        if effects.reconnect.is_some() {
            self.disconnect();
        }
    }

    /// Each report must be about the request that the answer names, and say what it says.
    fn check_answer(&self, envelope: &Envelope<'_>, reports: &[Report], text: &[u8]) {
        let asked = envelope.id.and_then(|id| self.waiting.get(&id));
        for report in reports {
            let Report::Execution(report) = report else { continue };
            // The connection was given up: everything that waits is in doubt.
            if let Outcome::Unknown(..) = report.outcome {
                continue;
            }
            let asked = asked.unwrap_or_else(|| panic!("{report:?} of {}", shown(text)));
            self.check_report(envelope, asked, report, text);
        }
        // A good answer to a request that waits must be told.
        let good = asked.filter(|_| envelope.order(&self.bench).is_some());
        if let Some(asked) = good {
            let told = reports.iter().any(|report| {
                matches!(report, Report::Execution(report)
                if matches!(report.outcome, Outcome::Working(..)))
            });
            let ours = envelope.order(&self.bench).is_some_and(|order| {
                order.whose == Whose::Ours(asked.client) && order.symbol == "BTCUSDT"
            });
            let escaped = may_be_refused(text);
            assert!(!ours || told || escaped, "{reports:?} of {}", shown(text));
        }
    }

    fn check_report(
        &self,
        envelope: &Envelope<'_>,
        asked: &Asked,
        report: &ExecutionReport,
        text: &[u8],
    ) {
        let client = ClientOrderId::new(asked.client).unwrap();
        assert_eq!(report.order, OrderReference::Ours(client), "{}", shown(text));
        match report.outcome {
            Outcome::Acknowledged(kind) => {
                assert_eq!(Some(kind), asked.kind, "{}", shown(text));
                assert!(envelope.order(&self.bench).is_some(), "{}", shown(text));
            }
            Outcome::Working(working, _) => {
                let told = self.bench.teller.order(report, &working);
                assert_eq!(Some(told), envelope.order(&self.bench), "{}", shown(text));
            }
            Outcome::Rejected(kind, reason) => {
                assert_eq!(Some(kind), asked.kind, "{}", shown(text));
                assert_eq!(Some(i64::from(reason.code)), envelope.code, "{}", shown(text));
            }
            // Only one code proves that there is no such order, and never from a broken server.
            Outcome::NotFound { .. } => {
                assert_eq!((asked.kind, envelope.code), (None, Some(-2013)), "{}", shown(text));
                assert!(envelope.status < 500, "{}", shown(text));
            }
            Outcome::Fill(_) | Outcome::NotSent(..) | Outcome::Unknown(..) => {
                panic!("{report:?} of {}", shown(text));
            }
        }
    }

    /// Takes what was reported off the list of what waits.
    fn settle(&mut self, reports: &[Report], text: &[u8]) {
        for report in reports {
            let (client, end) = match report {
                Report::Execution(report) => {
                    let OrderReference::Ours(client) = report.order else {
                        panic!("{report:?} of {}", shown(text));
                    };
                    let end = match report.outcome {
                        Outcome::Acknowledged(_) => "acknowledged",
                        Outcome::Rejected(..) => "rejected",
                        Outcome::Unknown(..) => "unknown",
                        _ => continue,
                    };
                    (client.get(), end)
                }
                Report::Query(report) => match report.query {
                    Query::Order { client_order_id, .. } => (client_order_id.get(), "query"),
                    query => panic!("{query:?} of {}", shown(text)),
                },
                Report::Balance(_) | Report::Position(_) => panic!("{report:?}"),
            };
            let known = self.waiting.iter().find(|(_, asked)| asked.client == client);
            let id = known.map(|(id, _)| *id);
            let id = id.unwrap_or_else(|| panic!("{report:?} told twice of {}", shown(text)));
            self.waiting.remove(&id);
            *self.ends.entry(end).or_default() += 1;
        }
    }

    /// The connection ends: whatever still waits must be told, and a new session begins.
    fn disconnect(&mut self) {
        let effects = self.driven.handle(Input::Disconnected);
        self.settle(&effects.reports, b"the end of the connection");
        assert!(self.waiting.is_empty(), "never heard of again: {:?}", self.waiting);
        self.driven = ready_order_session(&self.bench.plan(SessionKind::Order));
    }
}

/// An answer, its envelope read; `None` when it is none.
struct Envelope<'a> {
    id: Option<u64>,
    status: u64,
    code: Option<i64>,
    result: Option<&'a Value>,
}

impl<'a> Envelope<'a> {
    fn of(root: &'a Value) -> Option<Self> {
        let fields = root.as_object()?;
        let present = |key: &str| fields.get(key).filter(|value| !value.is_null());
        let status = integer(present("status")?).filter(|status| *status <= 65_535)?;
        let id = present("id").and_then(integer);
        if let Some(error) = present("error") {
            let code = error_code(error.as_object()?)?;
            return Some(Self { id, status, code: Some(code), result: None });
        }
        let result = present("result").filter(|_| status == 200)?;
        Some(Self { id, status, code: None, result: Some(result) })
    }

    fn order(&self, bench: &Bench) -> Option<OrderFacts> {
        bench.reader.order(self.result?).ok().flatten()
    }
}

fn error_code(error: &Map<String, Value>) -> Option<i64> {
    let code = match error.get("code")? {
        Value::String(text) => text.parse::<i64>().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    i32::try_from(code).ok().map(i64::from)
}

/// In quotes or bare, without sign and leading zeros.
fn integer(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| plain && !leading)
}

/// Sends a request or, for `None`, a query about an order.
fn ask(driven: &mut Driven<OrderSession>, client: u64, kind: Option<RequestKind>) -> Vec<Report> {
    let client_order_id = ClientOrderId::new(client).unwrap();
    let (account, instrument) = (AccountId(0), BTC);
    let (side, price, quantity) = (Side::Buy, Price(1), Quantity(1));
    let venue_order_id = VenueOrderId(0);
    let effects = match kind {
        Some(RequestKind::Submit) => driven.handle(Input::Submit(&OrderRequest {
            client_order_id,
            account,
            instrument,
            side,
            time_in_force: TimeInForce::Gtc,
            price,
            quantity,
            reduce_only: false,
        })),
        Some(RequestKind::Cancel) => {
            let cancel = CancelRequest { client_order_id, account, instrument, venue_order_id };
            driven.handle(Input::Cancel(&cancel))
        }
        Some(RequestKind::Replace) => driven.handle(Input::Replace(&ReplaceRequest {
            client_order_id,
            account,
            instrument,
            venue_order_id,
            side,
            price,
            quantity,
        })),
        None => {
            let query = Query::Order { account, instrument, client_order_id };
            driven.handle(Input::Query(&query))
        }
    };
    effects.reports
}
