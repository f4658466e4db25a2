-- What an operator may ask for years later, filled from the journal. The same text serves SQLite
-- and PostgreSQL: numbers that count are BIGINT, amounts are decimals written out as TEXT, exact to
-- the last digit, and instants are nanoseconds since 1970.

-- A journal that rows come from, and how far it has been taken over.
CREATE TABLE journals (
    id BIGINT NOT NULL PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE,
    filled_to BIGINT NOT NULL,
    filled_to_wall_ns BIGINT NOT NULL,
    segment BIGINT NOT NULL
);

CREATE TABLE orders (
    journal BIGINT NOT NULL REFERENCES journals (id),
    client_order_id BIGINT NOT NULL,
    client_order_text TEXT NOT NULL,
    venue_order_id TEXT,
    strategy TEXT NOT NULL,
    account TEXT NOT NULL,
    instrument TEXT NOT NULL,
    side TEXT NOT NULL,
    price TEXT NOT NULL,
    quantity TEXT NOT NULL,
    filled TEXT NOT NULL,
    leaves_quantity TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    reduce_only BIGINT NOT NULL,
    state TEXT NOT NULL,
    live BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL,
    PRIMARY KEY (journal, client_order_id)
);
CREATE INDEX orders_by_id ON orders (client_order_id, journal);
CREATE INDEX orders_by_strategy ON orders (strategy, client_order_id, journal);
CREATE INDEX orders_by_instrument ON orders (instrument, client_order_id, journal);

-- A fill is told apart by its trade id within an account's instrument. `sequence` is the record
-- that told it first.
CREATE TABLE fills (
    journal BIGINT NOT NULL REFERENCES journals (id),
    sequence BIGINT NOT NULL,
    account TEXT NOT NULL,
    instrument TEXT NOT NULL,
    trade_id TEXT NOT NULL,
    client_order_id BIGINT,
    venue_order_id TEXT NOT NULL,
    strategy TEXT,
    side TEXT NOT NULL,
    price TEXT NOT NULL,
    quantity TEXT NOT NULL,
    liquidity TEXT NOT NULL,
    fee TEXT,
    fee_asset TEXT NOT NULL,
    venue_time_ns BIGINT NOT NULL,
    recorded_at_ns BIGINT NOT NULL,
    PRIMARY KEY (journal, sequence),
    UNIQUE (journal, account, instrument, trade_id)
);
CREATE INDEX fills_by_strategy ON fills (strategy, journal, sequence);
CREATE INDEX fills_by_instrument ON fills (instrument, journal, sequence);

-- What changed an account's equity. `kind` is fee, realised or funding; `amount` is below zero for
-- what was paid. `trade_id` is what it came of: a trade, or `record-` and a sequence.
CREATE TABLE ledger (
    journal BIGINT NOT NULL REFERENCES journals (id),
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    asset TEXT NOT NULL,
    amount TEXT NOT NULL,
    strategy TEXT,
    account TEXT NOT NULL,
    instrument TEXT NOT NULL,
    trade_id TEXT NOT NULL,
    at_ns BIGINT NOT NULL,
    PRIMARY KEY (journal, kind, account, instrument, trade_id)
);
CREATE INDEX ledger_by_sequence ON ledger (journal, sequence, kind, account, instrument);
CREATE INDEX ledger_by_strategy ON ledger (strategy, journal, sequence);
CREATE INDEX ledger_by_instrument ON ledger (instrument, journal, sequence);

CREATE TABLE strategies (
    journal BIGINT NOT NULL REFERENCES journals (id),
    id TEXT NOT NULL,
    number BIGINT NOT NULL,
    spec TEXT NOT NULL,
    state TEXT NOT NULL,
    mode TEXT NOT NULL,
    reason TEXT NOT NULL,
    removed_at_ns BIGINT,
    PRIMARY KEY (journal, id)
);

-- What operators set while the daemon ran: the limits and the kill switch, as JSON.
CREATE TABLE settings (
    journal BIGINT NOT NULL REFERENCES journals (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    set_at_ns BIGINT NOT NULL,
    PRIMARY KEY (journal, name)
);
