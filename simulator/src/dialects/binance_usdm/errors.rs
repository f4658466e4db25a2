//! What USDⓈ-M futures answer when they refuse, with their codes (`venues/binance.md`
//! sections 4, 5 and 10, read 2026-11-24).

pub use crate::dialects::binance::reject::Reject;
use crate::exchange::number::{Money, Price};
use crate::exchange::order::Refusal;

impl Reject {
    pub fn listen_key() -> Self {
        Self::bad(-1125, "This listenKey does not exist.")
    }

    pub fn notional(min: Money) -> Self {
        let text = format!("Order's notional must be no smaller than {min}");
        Self::bad(-4164, format!("{text} (unless you choose reduce only)."))
    }

    pub fn price_cap(limit: Price) -> Self {
        Self::bad(-4016, format!("Limit price can't be higher than {limit}."))
    }

    pub fn price_floor(limit: Price) -> Self {
        Self::bad(-4024, format!("Limit price can't be lower than {limit}."))
    }
}

/// How this market says the exchange's refusals.
pub fn refused(refusal: Refusal) -> Reject {
    match refusal {
        Refusal::DuplicateClientId => Reject::bad(-4116, "ClientOrderId is duplicated."),
        Refusal::TooManyOpenOrders => Reject::bad(-2025, "Reach max open order limit."),
        Refusal::ReduceOnly => Reject::bad(-2022, "ReduceOnly Order is rejected."),
        Refusal::WouldTake => Reject::bad(
            -5022,
            "Due to the order could not be executed as maker, the Post Only order will be \
                 rejected. The order will not be recorded in the order history",
        ),
        Refusal::CannotFill => Reject::bad(
            -5021,
            "Due to the order could not be filled immediately, the FOK order has been \
                 rejected. The order will not be recorded in the order history",
        ),
        Refusal::Margin => Reject::bad(-2019, "Margin is insufficient."),
        Refusal::UnknownOrder => Reject::no_such_order(),
        Refusal::NotLimit => Reject::bad(-4028, "Only limit orders can be modified."),
        Refusal::NothingToModify => Reject::bad(-5027, "No need to modify the order."),
        Refusal::TooManyModifications => Reject::bad(-5026, "Exceed maximum modify order limit."),
        Refusal::SideDiffers => Reject::not_valid("side"),
        Refusal::WouldTrigger => Reject::bad(-2021, "Order would immediately trigger."),
        Refusal::Balance => Reject::bad(-2018, "Balance is insufficient."),
        Refusal::NoLiquidity => Reject::bad(-1112, "No orders on book for symbol."),
        Refusal::PairPrices
        | Refusal::NotReduced
        | Refusal::TooManyAmendments
        | Refusal::TooManyLists => Reject::bad(-1020, "This operation is not supported."),
    }
}
