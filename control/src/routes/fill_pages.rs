//! A page of fills from two sides: those in memory that the store hasn't got yet, and the store
//! behind them. A fill is in one of both, and passes from the first to the second for good.

use axum::http::StatusCode;
use enigma_engine::snapshot::{FillView, ReadModel};
use enigma_types::Side;

use super::fills::{Fill, Filter};
use super::history;
use crate::app::App;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::store::{
    Filter as Wanted, Kept, Order as Direction, SequencePlace, Store, StoreError, StoredFill,
};

/// The fill behind which a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FillPlace {
    /// By account, instrument, trade id and side: where it stands is looked up.
    Told {
        account: u16,
        instrument: u16,
        trade: u64,
        side: Side,
    },
    Stored(SequencePlace),
}

/// One page, newest fill first.
#[derive(Debug, Default)]
pub(super) struct FillPage {
    pub(super) items: Vec<Fill>,
    pub(super) next: Option<FillPlace>,
    /// Why only what the daemon holds in memory is shown.
    pub(super) incomplete: Option<String>,
}

/// What the store has of the journal that is followed.
#[derive(Debug, Default)]
struct Behind<'a> {
    /// `None` where there is no store, or it can't be read.
    store: Option<&'a Store>,
    newest: Option<StoredFill>,
}

impl FillPage {
    pub(super) async fn read(
        app: &App,
        filter: &Filter,
        after: Option<FillPlace>,
        limit: usize,
    ) -> Result<Self, Problem> {
        let naming = app.naming()?;
        let mut page = Self::default();
        let (behind, after) = match Behind::look(app, &naming, after.clone()).await {
            Ok(found) => found,
            Err(error) if matches!(after, Some(FillPlace::Stored(_))) => {
                return Err(history::unavailable(&error));
            }
            Err(error) => {
                tracing::warn!(%error, "a page of fills is shown without history");
                page.incomplete = Some(history::incomplete(&error));
                (Behind::default(), after)
            }
        };
        // One more than wanted tells whether there is another page.
        let mut rows = match &after {
            Some(FillPlace::Stored(_)) => Vec::new(),
            Some(FillPlace::Told { .. }) | None => {
                let model = app.engine.model();
                live(&model, &naming, filter, &behind, after.as_ref(), limit + 1)?
            }
        };
        if let Some(store) = behind.store
            && rows.len() <= limit
        {
            let most = limit + 1 - rows.len();
            match stored(store, behind.newest.as_ref(), filter, after.as_ref(), most).await {
                Ok(older) => rows.extend(older),
                Err(error) => {
                    if rows.is_empty() {
                        return Err(history::unavailable(&error));
                    }
                    page.incomplete = Some(history::incomplete(&error));
                }
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        page.next = rows.last().filter(|_| more).map(|(place, _)| place.clone());
        page.items = rows.into_iter().map(|(_, fill)| fill).collect();
        Ok(page)
    }
}

impl<'a> Behind<'a> {
    /// Finds the newest stored fill, and where the page before has ended by now.
    async fn look(
        app: &'a App,
        naming: &Naming,
        after: Option<FillPlace>,
    ) -> Result<(Self, Option<FillPlace>), StoreError> {
        let Some(store) = app.store.as_deref() else { return Ok((Self::default(), after)) };
        let journal = store.journal()?;
        let after = match after {
            Some(FillPlace::Told { account, instrument, trade, side }) => {
                let name = naming.instrument_name(enigma_types::InstrumentId(instrument));
                let account_name = naming.account(enigma_types::AccountId(account));
                let told = trade.to_string();
                let fill = (told.as_str(), side.name());
                let found = store.place_of_fill(journal, &account_name, &name, fill).await?;
                found.map(FillPlace::Stored).or(after)
            }
            Some(FillPlace::Stored(_)) | None => after,
        };
        let own = Wanted { journal: Some(journal), ..Wanted::default() };
        let mut newest: Vec<StoredFill> = store.page(&own, Direction::NewestFirst, None, 1).await?;
        Ok((Self { store: Some(store), newest: newest.pop() }, after))
    }
}

/// Fills in memory from the newest on, or from behind one of them, down to what is stored.
fn live(
    model: &ReadModel,
    naming: &Naming,
    filter: &Filter,
    behind: &Behind<'_>,
    after: Option<&FillPlace>,
    most: usize,
) -> Result<Vec<(FillPlace, Fill)>, Problem> {
    let newest = behind.newest.as_ref();
    let mut rows = Vec::new();
    let mut begun = after.is_none();
    for view in model.fills.iter().rev() {
        let place = FillPlace::of_view(view);
        if newest.is_some_and(|newest| is_same(view, newest, naming)) {
            break;
        }
        if !begun {
            begun = Some(&place) == after;
            continue;
        }
        let Some(fill) = Fill::new(view, model, naming) else { continue };
        if filter.wants(&fill) {
            rows.push((place, fill));
        }
        if rows.len() == most {
            break;
        }
    }
    if begun {
        return Ok(rows);
    }
    let detail = "the page before is no longer kept";
    Err(Problem::new(StatusCode::GONE, "cursor_gone", detail))
}

/// Stored fills: from the place of the page before, or from the newest one that was looked up,
/// because those that were stored since are in the live side.
async fn stored(
    store: &Store,
    newest: Option<&StoredFill>,
    filter: &Filter,
    after: Option<&FillPlace>,
    most: usize,
) -> Result<Vec<(FillPlace, Fill)>, StoreError> {
    let after = match after {
        Some(FillPlace::Stored(place)) => *place,
        Some(FillPlace::Told { .. }) | None => match newest {
            Some(newest) => SequencePlace { sequence: newest.place.sequence + 1, ..newest.place },
            // Nothing of this journal is stored: all that is there came before it.
            None => SequencePlace { journal: store.journal()?, sequence: 0 },
        },
    };
    let rows: Vec<StoredFill> =
        store.page(&filter.of_store(), Direction::NewestFirst, Some(&after), most).await?;
    Ok(rows.into_iter().map(|row| (FillPlace::Stored(row.place()), row.into())).collect())
}

fn is_same(view: &FillView, stored: &StoredFill, naming: &Naming) -> bool {
    view.fill.trade_id.0.to_string() == stored.trade_id
        && view.fill.side.name() == stored.side
        && naming.instrument_name(view.instrument) == stored.instrument
        && naming.account(view.account) == stored.account
}

const LIST: &str = "fills";

impl FillPlace {
    fn of_view(view: &FillView) -> Self {
        Self::Told {
            account: view.account.0,
            instrument: view.instrument.0,
            trade: view.fill.trade_id.0,
            side: view.fill.side,
        }
    }

    pub(super) fn cursor(&self) -> String {
        let numbers: &[u64] = match self {
            Self::Told { account, instrument, trade, side } => {
                let sells = u64::from(*side == Side::Sell);
                &[u64::from(*account), u64::from(*instrument), *trade, sells]
            }
            Self::Stored(place) => &[place.journal, place.sequence],
        };
        let mut parts = vec![LIST.to_owned()];
        parts.extend(numbers.iter().map(u64::to_string));
        history::cursor_of(&parts)
    }

    pub(super) fn of_cursor(cursor: &str) -> Option<Self> {
        let parts = history::parts_of(cursor, LIST)?;
        let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
        match numbers?.as_slice() {
            [account, instrument, trade, sells @ (0 | 1)] => Some(Self::Told {
                account: u16::try_from(*account).ok()?,
                instrument: u16::try_from(*instrument).ok()?,
                trade: *trade,
                side: if *sells == 1 { Side::Sell } else { Side::Buy },
            }),
            [journal, sequence] => {
                Some(Self::Stored(SequencePlace { journal: *journal, sequence: *sequence }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let told = |side| FillPlace::Told { account: 1, instrument: 2, trade: 3, side };
        let stored = FillPlace::Stored(SequencePlace { journal: 4, sequence: 5 });
        for place in [told(Side::Buy), told(Side::Sell), stored] {
            assert_eq!(FillPlace::of_cursor(&place.cursor()), Some(place));
        }
        assert_eq!(FillPlace::of_cursor("0.0.1"), None);
    }
}
