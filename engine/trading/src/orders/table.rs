//! A table from ids to places, of fixed capacity: it allocates at creation and never again.
//!
//! It must not be iterated: its order is that of a hash.

/// Open addressing with linear probing. Key zero is no key.
#[derive(Debug)]
pub struct IdTable {
    slots: Box<[(u128, u64)]>,
    held: usize,
    most: usize,
}

impl IdTable {
    /// Room for `most` keys, in twice as many places or more.
    pub fn new(most: usize) -> Self {
        let places = (most.max(1) * 2).next_power_of_two();
        Self { slots: vec![(0, 0); places].into(), held: 0, most }
    }

    #[inline]
    pub fn get(&self, key: u128) -> Option<u64> {
        self.slots.get(self.place(key)).filter(|slot| slot.0 == key && key != 0).map(|slot| slot.1)
    }

    #[inline]
    pub fn contains(&self, key: u128) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value at a key. `false` when the table is full and the key is new.
    #[inline]
    #[must_use]
    pub fn insert(&mut self, key: u128, value: u64) -> bool {
        debug_assert!(key != 0, "zero marks an empty place");
        let place = self.place(key);
        let Some(slot) = self.slots.get_mut(place) else { return false };
        if slot.0 != key {
            if self.held >= self.most {
                return false;
            }
            self.held += 1;
        }
        *slot = (key, value);
        true
    }

    /// Takes a key out and closes the gap, so that no probe ends too early.
    pub fn remove(&mut self, key: u128) {
        let mut hole = self.place(key);
        if key == 0 || self.slots.get(hole).is_none_or(|slot| slot.0 != key) {
            return;
        }
        self.held -= 1;
        let mask = self.slots.len() - 1;
        let mut next = (hole + 1) & mask;
        loop {
            let slot = self.slots.get(next).copied().unwrap_or_default();
            if slot.0 == 0 {
                break;
            }
            let home = self.home(slot.0);
            // The entry may move back only if its home doesn't lie between the hole and it.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.set(hole, slot);
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.set(hole, (0, 0));
    }

    pub const fn len(&self) -> usize {
        self.held
    }

    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    fn set(&mut self, place: usize, entry: (u128, u64)) {
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = entry;
        }
    }

    /// Where the key is, or the empty place where it would go.
    #[inline]
    fn place(&self, key: u128) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = self.home(key);
        while let Some(slot) = self.slots.get(place) {
            if slot.0 == key || slot.0 == 0 {
                break;
            }
            place = (place + 1) & mask;
        }
        place
    }

    #[inline]
    fn home(&self, key: u128) -> usize {
        let folded = (key as u64) ^ ((key >> 64) as u64).wrapping_mul(FOLD);
        let mixed = (folded ^ (folded >> 29)).wrapping_mul(MIX);
        (mixed >> 32) as usize & (self.slots.len() - 1)
    }
}

/// Odd constants with well-spread bits: any such do.
const FOLD: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: u64 = 0xd6e8_feb8_6659_fd93;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_tree_would(
            steps in proptest::collection::vec((any::<bool>(), 1_u128..60, any::<u64>()), 0..400),
        ) {
            let mut table = IdTable::new(24);
            let mut tree = BTreeMap::new();
            for (insert, key, value) in steps {
                // Far keys that share low bits collide often.
                let key = key << 61 | key;
                if insert {
                    let fits = tree.len() < 24 || tree.contains_key(&key);
                    prop_assert_eq!(table.insert(key, value), fits);
                    if fits {
                        tree.insert(key, value);
                    }
                } else {
                    table.remove(key);
                    tree.remove(&key);
                }
                prop_assert_eq!(table.len(), tree.len());
                for key in (1..60_u128).map(|key| key << 61 | key) {
                    prop_assert_eq!(table.get(key), tree.get(&key).copied());
                }
            }
        }
    }
}
