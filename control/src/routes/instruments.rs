//! What can be traded, with the venue's rules and the top of the book.

use axum::Json;
use axum::extract::State;
use enigma_types::{BookTop, Instrument as Rules, Level};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use crate::app::App;
use crate::problem::Problem;
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Instrument {
    /// As strategies and orders name it: `binance_usdm:BTCUSDT`.
    instrument: String,
    venue: &'static str,
    symbol: String,
    base: String,
    quote: String,
    settle: String,
    tick: String,
    step: String,
    min_price: String,
    max_price: String,
    min_quantity: String,
    max_quantity: String,
    min_notional: String,
    /// The venue accepts orders at present.
    trading: bool,
    /// A recent copy for display; absent until there is one.
    book: Option<Book>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Book {
    bid: Option<String>,
    bid_quantity: Option<String>,
    ask: Option<String>,
    ask_quantity: Option<String>,
    sequence: String,
    venue_time: String,
    venue_time_ns: u64,
}

impl Instrument {
    fn new(rules: &Rules, book: Option<&BookTop>) -> Self {
        let (prices, quantities) = (rules.price_scale, rules.quantity_scale);
        Self {
            instrument: rules.name(),
            venue: rules.venue.name(),
            symbol: rules.symbol.to_string(),
            base: rules.base.to_string(),
            quote: rules.quote.to_string(),
            settle: rules.settle.to_string(),
            tick: rules.tick.to_decimal(prices).to_string(),
            step: rules.step.to_decimal(quantities).to_string(),
            min_price: rules.min_price.to_decimal(prices).to_string(),
            max_price: rules.max_price.to_decimal(prices).to_string(),
            min_quantity: rules.min_quantity.to_decimal(quantities).to_string(),
            max_quantity: rules.max_quantity.to_decimal(quantities).to_string(),
            min_notional: rules.min_notional.to_string(),
            trading: rules.trading,
            book: book.map(|book| Book::new(rules, book)),
        }
    }
}

impl Book {
    fn new(rules: &Rules, book: &BookTop) -> Self {
        let price = |level: Level| level.price.to_decimal(rules.price_scale).to_string();
        let quantity = |level: Level| level.quantity.to_decimal(rules.quantity_scale).to_string();
        let (bid, ask) = (book.best_bid(), book.best_ask());
        Self {
            bid: bid.map(price),
            bid_quantity: bid.map(quantity),
            ask: ask.map(price),
            ask_quantity: ask.map(quantity),
            sequence: book.sequence.0.to_string(),
            venue_time: rfc3339(book.venue_time),
            venue_time_ns: book.venue_time.0,
        }
    }
}

/// Instruments of this run.
#[utoipa::path(get, path = "/v1/instruments", tag = "venues",
    responses((status = 200, body = Page<Instrument>), (status = 503, body = Problem)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Page<Instrument>>, Problem> {
    let table = app.table()?;
    let items = table
        .iter()
        .map(|rules| Instrument::new(rules, app.engine.book(rules.id).as_ref()))
        .collect();
    Ok(Json(Page::whole(items)))
}
