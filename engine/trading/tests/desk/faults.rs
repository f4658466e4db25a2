//! What goes wrong and how often, drawn from one seed.

/// A small generator: what it draws must be the same for a seed for ever.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

/// How bad the network is: chances in a thousand, drawn from the seed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) drop_request: u64,
    pub(crate) drop_answer: u64,
    pub(crate) unsure_answer: u64,
    pub(crate) drop_stream: u64,
    pub(crate) twice_stream: u64,
    pub(crate) slow: u64,
    pub(crate) refuse: u64,
    pub(crate) not_sent: u64,
    pub(crate) crash_while_sending: u64,
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn in_thousand(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }
}

impl Faults {
    pub(crate) fn draw(random: &mut Random) -> Self {
        // None, some or very many of each.
        let mut chance = |most: u64| match random.below(4) {
            0 => 0,
            1 => most,
            _ => random.below(most),
        };
        Self {
            drop_request: chance(200),
            drop_answer: chance(300),
            unsure_answer: chance(150),
            drop_stream: chance(100),
            twice_stream: chance(200),
            slow: chance(200),
            refuse: chance(100),
            not_sent: chance(60),
            crash_while_sending: chance(10),
        }
    }
}
