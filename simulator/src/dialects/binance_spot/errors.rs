//! What spot answers when it refuses, with its codes (`venues/binance.md` sections 4.2, 5 and 10,
//! read 2026-11-24; <https://github.com/binance/binance-spot-api-docs/blob/master/errors.md>).

pub use crate::dialects::binance::reject::Reject;
use crate::exchange::order::Refusal;

impl Reject {
    pub fn filter(name: &str) -> Self {
        Self::bad(-1013, format!("Filter failure: {name}"))
    }

    pub fn new_order(text: &str) -> Self {
        Self::bad(-2010, text)
    }

    pub fn not_required(name: &str) -> Self {
        Self::bad(-1106, format!("Parameter '{name}' sent when not required."))
    }

    pub fn one_of(first: &str, second: &str) -> Self {
        let text = "must be sent, but both were empty/null!";
        Self::bad(-1102, format!("Param '{first}' or '{second}' {text}"))
    }

    pub fn ids_differ() -> Self {
        Self::bad(-2039, "Client order ID is not correct for this order ID.")
    }
}

/// How this market says the exchange's refusals of a new order.
pub fn refused(refusal: Refusal) -> Reject {
    match refusal {
        Refusal::DuplicateClientId => Reject::new_order("Duplicate order sent."),
        Refusal::TooManyOpenOrders => Reject::filter("MAX_NUM_ORDERS"),
        Refusal::TooManyLists => Reject::filter("MAX_NUM_ORDER_LISTS"),
        Refusal::WouldTake => Reject::new_order("Order would immediately match and take."),
        Refusal::WouldTrigger => Reject::new_order("Order would trigger immediately."),
        Refusal::Balance => {
            Reject::new_order("Account has insufficient balance for requested action.")
        }
        Refusal::PairPrices => {
            Reject::new_order("The relationship of the prices for the orders is not correct.")
        }
        Refusal::NoLiquidity => Reject::new_order(
            "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.",
        ),
        Refusal::UnknownOrder => Reject::unknown_order(),
        Refusal::NotReduced | Refusal::TooManyAmendments => amend_refused(refusal),
        Refusal::ReduceOnly
        | Refusal::CannotFill
        | Refusal::Margin
        | Refusal::NotLimit
        | Refusal::NothingToModify
        | Refusal::TooManyModifications
        | Refusal::SideDiffers => Reject::bad(-1020, "This operation is not supported."),
    }
}

/// The same of an amendment.
pub fn amend_refused(refusal: Refusal) -> Reject {
    let text = match refusal {
        Refusal::UnknownOrder => "Unknown order sent.",
        Refusal::DuplicateClientId => "Duplicate order sent.",
        Refusal::TooManyAmendments => "Filter failure: MAX_NUM_ORDER_AMENDS",
        Refusal::NotReduced
        | Refusal::TooManyOpenOrders
        | Refusal::TooManyLists
        | Refusal::WouldTake
        | Refusal::WouldTrigger
        | Refusal::Balance
        | Refusal::PairPrices
        | Refusal::NoLiquidity
        | Refusal::ReduceOnly
        | Refusal::CannotFill
        | Refusal::Margin
        | Refusal::NotLimit
        | Refusal::NothingToModify
        | Refusal::TooManyModifications
        | Refusal::SideDiffers => "Order amend (quantity increase) is not supported.",
    };
    Reject::bad(-2038, text)
}
