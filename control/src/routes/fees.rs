//! Fees as the API says them: one sum for each asset they were paid in.

use enigma_engine::snapshot::Fees;
use serde::Serialize;

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Fee {
    asset: String,
    /// A rebate is below zero.
    amount: String,
}

pub(crate) fn by_asset(fees: &Fees) -> Vec<Fee> {
    let fee = |(asset, amount): &(enigma_types::Asset, enigma_types::Amount)| Fee {
        asset: asset.to_string(),
        amount: amount.to_string(),
    };
    fees.0.iter().map(fee).collect()
}
