//! From a venue's symbol to the instrument, without allocation. It must not decide anything.

use std::sync::Arc;

use enigma_types::{Instrument, InstrumentId, InstrumentTable, Scale, VenueId};

/// The instruments of one venue, found by symbol or by id.
#[derive(Debug)]
pub struct SymbolTable {
    table: Arc<InstrumentTable>,
    /// Sorted by symbol.
    listings: Vec<Listing>,
    /// The place in `listings` of each instrument id; `NO_PLACE` for another venue's.
    places: Vec<u16>,
}

/// What decoding needs of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    pub id: InstrumentId,
    /// Its place among the venue's instruments: what a session's own arrays are indexed by.
    pub place: u16,
    pub price_scale: Scale,
    pub quantity_scale: Scale,
}

impl SymbolTable {
    pub fn new(venue: VenueId, table: Arc<InstrumentTable>) -> Self {
        let mut rows: Vec<&Instrument> = table.iter().filter(|row| row.venue == venue).collect();
        rows.sort_unstable_by(|a, b| a.symbol.as_bytes().cmp(b.symbol.as_bytes()));
        let mut places = vec![NO_PLACE; table.len()];
        let mut listings = Vec::with_capacity(rows.len());
        for (place, row) in (0_u16..).zip(rows) {
            if let Some(slot) = places.get_mut(usize::from(row.id.0)) {
                *slot = place;
            }
            listings.push(Listing {
                id: row.id,
                place,
                price_scale: row.price_scale,
                quantity_scale: row.quantity_scale,
            });
        }
        Self { table, listings, places }
    }

    #[inline]
    pub fn find(&self, symbol: &[u8]) -> Option<&Listing> {
        let at = self
            .listings
            .binary_search_by(|listing| self.symbol(listing).as_bytes().cmp(symbol))
            .ok()?;
        self.listings.get(at)
    }

    #[inline]
    pub fn by_id(&self, id: InstrumentId) -> Option<&Listing> {
        self.listings.get(usize::from(*self.places.get(usize::from(id.0))?))
    }

    #[inline]
    pub fn symbol(&self, listing: &Listing) -> &str {
        self.table.get(listing.id).map_or("", |row| row.symbol.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Listing> {
        self.listings.iter()
    }

    pub fn len(&self) -> usize {
        self.listings.len()
    }

    pub fn is_empty(&self) -> bool {
        self.listings.is_empty()
    }
}

const NO_PLACE: u16 = u16::MAX;
