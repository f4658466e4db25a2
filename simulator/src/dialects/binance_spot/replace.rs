//! Cancel and replace: two halves of one request, and the four ways they can end
//! (`venues/binance.md` section 4.2).

use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::filters;
use super::form::{Type, read_response};
use super::orders::Naming;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

const BY_CANCELED: Naming = Naming { id: "cancelOrderId", client_id: "cancelOrigClientOrderId" };

/// One half's outcome.
enum Half {
    Done(Value),
    Failed(Reject),
    NotAttempted,
}

impl Half {
    fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "SUCCESS",
            Self::Failed(_) => "FAILURE",
            Self::NotAttempted => "NOT_ATTEMPTED",
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Done(value) => value.clone(),
            Self::Failed(reject) => reject.body(),
            Self::NotAttempted => Value::Null,
        }
    }
}

impl Venue {
    /// Form, filters and order count of the new order are looked at before anything is done.
    pub fn cancel_replace(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let stop_on_failure = match sent.mandatory("cancelReplaceMode")? {
            "STOP_ON_FAILURE" => true,
            "ALLOW_FAILURE" => false,
            _ => return Err(Reject::not_valid("cancelReplaceMode")),
        };
        let cancel_only = match sent.get("orderRateLimitExceededMode") {
            None | Some("DO_NOTHING") => false,
            Some("CANCEL_ONLY") => true,
            Some(_) => return Err(Reject::not_valid("orderRateLimitExceededMode")),
        };
        let asked = self.read_order(account, sent, "newClientOrderId")?;
        let response = read_response(sent, Type::of(&asked))?;
        filters::check(self.exchange.market(asked.instrument), &asked)?;
        let too_many = self.limits.check_orders(now, account, 1).err();
        if let Some(reject) = too_many.clone().filter(|_| !cancel_only) {
            return Err(reject);
        }
        let request = self.request_id(sent, "cancelNewClientOrderId")?;
        let canceled = match self.cancel_named(now, account, sent, BY_CANCELED, request) {
            Ok(value) => Half::Done(value),
            // The order was not named at all: nothing of the request can be done.
            Err(reject) if reject.code == -1102 || reject.code == -1100 => return Err(reject),
            Err(reject) => Half::Failed(reject),
        };
        let placed = match (&canceled, too_many) {
            (Half::Failed(_), _) if stop_on_failure => Half::NotAttempted,
            (_, Some(reject)) => Half::Failed(reject),
            (_, None) => {
                // Counted first, so that a fill at once is given back from it.
                self.limits.add_orders(now, account, 1);
                match self.enter(now, asked, response) {
                    Ok(value) => Half::Done(value),
                    Err(reject) => {
                        self.limits.take_back(now, account, 1);
                        Half::Failed(reject)
                    }
                }
            }
        };
        if matches!(placed, Half::NotAttempted) {
            // What was not attempted still counts.
            self.limits.add_orders(now, account, 1);
        }
        conclude(&canceled, &placed)
    }
}

fn conclude(canceled: &Half, placed: &Half) -> Result<Value, Reject> {
    let both = json!({
        "cancelResult": canceled.word(),
        "newOrderResult": placed.word(),
        "cancelResponse": canceled.value(),
        "newOrderResponse": placed.value(),
    });
    let mut reject = match (canceled, placed) {
        (Half::Done(_), Half::Done(_)) => return Ok(both),
        (Half::Done(_), _) | (_, Half::Done(_)) => {
            Reject::new(409, -2021, "Order cancel-replace partially failed.")
        }
        (Half::Failed(_) | Half::NotAttempted, Half::Failed(_) | Half::NotAttempted) => {
            Reject::new(400, -2022, "Order cancel-replace failed.")
        }
    };
    reject.data = Some(both);
    reject.data_in_rest = true;
    Err(reject)
}
