//! The account's queries under broken bodies: each row that is reported stands in the text, and a
//! query is called complete only when the whole text could be read.

use enigma_types::{AccountId, InstrumentId, Query, Report, SessionKind, TradeId, UnixNanos};
use enigma_venues::binance::usdm::orders::OrderSession;
use enigma_venues::session::{CallRequest, Input};
use serde_json::Value;

use crate::mutation::{Dice, mutate, oversized};
use crate::usdm_oracle::{Driven, Refusal, Statement, ready_order_session};
use crate::verdict::{Tally, may_be_refused, shown, survive, value_of};
use crate::{Bench, templates};

const MESSAGES: usize = 30_000;

/// What a body answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    OpenOrders,
    Balances,
    Positions,
    Fills,
}

#[test]
fn broken_bodies_report_only_rows_that_they_hold() {
    let Some(bodies) = bodies() else { return };
    let bench = Bench::new();
    let mut dice = Dice::new("bodies of queries");
    let mut tally = Tally::default();
    let mut driven = ready_order_session(&bench.plan(SessionKind::Order));
    while tally.messages < MESSAGES {
        let (asked, body) = dice.pick(&bodies).clone();
        let body = match dice.one_in(3_000) {
            true => oversized(&body, &mut dice),
            false => mutate(&body, &mut dice),
        };
        tally.messages += 1;
        let call = call_for(&mut driven, asked);
        let effects = survive(&body, || driven.answer(&call, 200, &body));
        let complete = end_of(&mut driven, asked, &effects.reports, &effects.calls);
        let accepted = effects.result.is_ok() || effects.reports.len() > 1;
        let (root, is_json) = value_of(&body, accepted);
        let (said, all_read) = root.map_or((Vec::new(), false), |root| rows(&bench, asked, &root));
        let told = bench.teller.statements(&effects.reports);
        let told = told.get(..told.len() - flat_rows(&effects.reports)).unwrap();
        let text = (body.as_slice(), is_json);
        check(text, &said, told, all_read, effects.result.is_ok(), &mut tally);
        let hedged = asked == Asked::Positions && !complete && effects.result.is_ok();
        assert!(complete == effects.result.is_ok() || hedged, "{}", shown(&body));
        tally.decoded += usize::from(effects.result.is_ok());
        tally.statements += told.len();
    }
    tally.finish("bodies of queries", MESSAGES);
}

#[track_caller]
fn check(
    (body, is_json): (&[u8], bool),
    said: &[Statement],
    told: &[Statement],
    all_read: bool,
    read: bool,
    tally: &mut Tally,
) {
    // Rows go out as they are read, so that some may stand before the one that is broken.
    assert!(said.starts_with(told), "{said:?}\nbut told {told:?}\nof {}", shown(body));
    match (all_read, read) {
        (true, true) => {
            assert_eq!(said.len(), told.len(), "{}", shown(body));
            tally.decoded_no_json += usize::from(!is_json);
        }
        (false, false) => {}
        (true, false) if !is_json => {}
        (true, false) if may_be_refused(body) => tally.stricter += 1,
        (true, false) => panic!("refused, and says {said:?}: {}", shown(body)),
        (false, true) => panic!("called complete: {}", shown(body)),
    }
}

/// The rows that a body holds up to the first broken one, and whether that is all of it.
fn rows(bench: &Bench, asked: Asked, root: &Value) -> (Vec<Statement>, bool) {
    let Some(items) = root.as_array() else { return (Vec::new(), false) };
    let mut said = Vec::new();
    for item in items {
        match row(bench, asked, item) {
            Ok(row) => said.extend(row),
            Err(_) => return (said, false),
        }
    }
    (said, true)
}

/// One row's statement; none for another's instrument and for the legs of hedge mode.
fn row(bench: &Bench, asked: Asked, item: &Value) -> Result<Option<Statement>, Refusal> {
    let reader = &bench.reader;
    Ok(match asked {
        Asked::OpenOrders => reader.order(item)?.map(Statement::Order),
        Asked::Balances => Some(Statement::Balance(reader.balance(item)?)),
        Asked::Fills => reader.fill_row(item)?.map(Statement::Fill),
        Asked::Positions => {
            reader.position_row(item)?.filter(|row| row.leg == "both").map(Statement::Position)
        }
    })
}

/// Instruments that a list of positions leaves out are reported flat, behind those that it names,
/// with the time of the answer.
fn flat_rows(reports: &[Report]) -> usize {
    let flat = |report: &&Report| match report {
        Report::Position(report) => {
            report.quantity.0 == 0 && report.venue_time == UnixNanos(ANSWERED_NS)
        }
        _ => false,
    };
    reports.iter().filter(flat).count()
}

/// Asks, up to the call that the body is to answer.
fn call_for(driven: &mut Driven<OrderSession>, asked: Asked) -> CallRequest {
    driven.now.mono.0 += 1_000_000;
    driven.now.wall = UnixNanos(ANSWERED_NS);
    driven.now.venue_offset_ns = 0;
    let account = AccountId(0);
    let query = match asked {
        Asked::OpenOrders => Query::OpenOrders { account },
        Asked::Balances | Asked::Positions => Query::Account { account },
        Asked::Fills => Query::Fills {
            account,
            instrument: InstrumentId(1),
            from_trade: Some(TradeId(1)),
            since: UnixNanos(0),
        },
    };
    let mut effects = driven.handle(Input::Query(&query));
    if asked == Asked::Positions {
        let call = effects.calls.remove(0);
        effects = driven.answer(&call, 200, b"[]");
    }
    effects.calls.remove(0)
}

/// Whether the query ended as complete; balances are followed by positions, answered here.
fn end_of(
    driven: &mut Driven<OrderSession>,
    asked: Asked,
    reports: &[Report],
    calls: &[CallRequest],
) -> bool {
    let next = match calls.first() {
        Some(call) => {
            assert_eq!(asked, Asked::Balances);
            driven.answer(call, 200, b"[]").reports
        }
        None => reports.to_vec(),
    };
    match next.last() {
        Some(Report::Query(report)) => report.complete,
        report => panic!("the query has no end: {report:?}"),
    }
}

fn bodies() -> Option<Vec<(Asked, String)>> {
    let list = |value: &Value| value.get("result").unwrap_or(value).as_array().cloned();
    let recorded = templates(|value| list(value).is_some_and(|items| !items.is_empty()))?;
    let mut bodies = Vec::new();
    for items in recorded.iter().filter_map(list) {
        let has = |key: &str| items.iter().all(|item| item.get(key).is_some());
        let asked = [
            ("origQty", Asked::OpenOrders),
            ("balance", Asked::Balances),
            ("positionAmt", Asked::Positions),
            ("commission", Asked::Fills),
        ];
        let Some((_, asked)) = asked.into_iter().find(|(key, _)| has(key)) else { continue };
        // One row, and three.
        for count in [1, 3] {
            let rows: Vec<Value> = items.iter().cycle().take(count).cloned().collect();
            bodies.push((asked, Value::Array(rows).to_string()));
        }
    }
    Some(bodies)
}

/// When the answers come; no row of a recorded body has this time.
const ANSWERED_NS: u64 = 1_800_000_000_123_456_789;
