-- The two sides of a trade that an account makes with itself carry one trade id: the side tells
-- them apart. Tables are made anew, since SQLite changes no key in place.

CREATE TABLE fills_by_side (
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
    UNIQUE (journal, account, instrument, trade_id, side)
);
INSERT INTO fills_by_side (journal, sequence, account, instrument, trade_id, client_order_id,
    venue_order_id, strategy, side, price, quantity, liquidity, fee, fee_asset, venue_time_ns,
    recorded_at_ns)
SELECT journal, sequence, account, instrument, trade_id, client_order_id, venue_order_id, strategy,
    side, price, quantity, liquidity, fee, fee_asset, venue_time_ns, recorded_at_ns FROM fills;

-- `side` is that of the fill, and empty where there is none.
CREATE TABLE ledger_by_side (
    journal BIGINT NOT NULL REFERENCES journals (id),
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    asset TEXT NOT NULL,
    amount TEXT NOT NULL,
    strategy TEXT,
    account TEXT NOT NULL,
    instrument TEXT NOT NULL,
    trade_id TEXT NOT NULL,
    side TEXT NOT NULL,
    at_ns BIGINT NOT NULL,
    PRIMARY KEY (journal, kind, account, instrument, trade_id, side)
);
INSERT INTO ledger_by_side (journal, sequence, kind, asset, amount, strategy, account, instrument,
    trade_id, side, at_ns)
SELECT ledger.journal, ledger.sequence, kind, asset, amount, ledger.strategy, ledger.account,
    ledger.instrument, ledger.trade_id, COALESCE(fills.side, ''), at_ns
FROM ledger LEFT JOIN fills ON fills.journal = ledger.journal AND fills.account = ledger.account
    AND fills.instrument = ledger.instrument AND fills.trade_id = ledger.trade_id;

DROP TABLE fills;
DROP TABLE ledger;
ALTER TABLE fills_by_side RENAME TO fills;
ALTER TABLE ledger_by_side RENAME TO ledger;

CREATE INDEX fills_by_strategy ON fills (strategy, journal, sequence);
CREATE INDEX fills_by_instrument ON fills (instrument, journal, sequence);
CREATE INDEX ledger_by_sequence ON ledger (journal, sequence, kind, account, instrument);
CREATE INDEX ledger_by_strategy ON ledger (strategy, journal, sequence);
CREATE INDEX ledger_by_instrument ON ledger (instrument, journal, sequence);
