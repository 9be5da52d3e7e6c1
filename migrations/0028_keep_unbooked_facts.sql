-- What the broker tells and cannot be booked was dropped without a word. It is kept as it came until
-- it can be booked, or is told no more.
CREATE TABLE unbooked_facts (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    kind text NOT NULL
        CHECK (kind IN ('order', 'position', 'fill', 'cash_activity', 'order_report')),
    broker_id text NOT NULL,
    symbol text,
    reason text NOT NULL,
    content text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    resolved_at timestamptz,
    resolution text CHECK (resolution IN ('booked', 'gone')),
    PRIMARY KEY (account_name, kind, broker_id),
    CONSTRAINT unbooked_facts_are_bounded CHECK (
        length(broker_id) <= 200 AND length(symbol) <= 200 AND length(reason) <= 400
        AND length(content) <= 2000),
    CONSTRAINT unbooked_facts_seen_in_order CHECK (first_seen <= last_seen),
    CONSTRAINT unbooked_facts_resolved_somehow CHECK (
        (resolved_at IS NULL) = (resolution IS NULL))
);
CREATE INDEX unbooked_facts_open ON unbooked_facts (account_name) WHERE resolved_at IS NULL;
-- As retention asks for them; an open one is a failure to investigate, not an old row.
CREATE INDEX unbooked_facts_by_end ON unbooked_facts (resolved_at) WHERE resolved_at IS NOT NULL;
COMMENT ON TABLE unbooked_facts IS 'What the broker told of an account and could not be booked.';
COMMENT ON COLUMN unbooked_facts.account_name IS 'Whose.';
COMMENT ON COLUMN unbooked_facts.kind IS 'An item of a list, or order_report: what the broker says of an order of ours.';
COMMENT ON COLUMN unbooked_facts.broker_id IS 'The broker''s id, else what names it: client_order_id, symbol or a digest.';
COMMENT ON COLUMN unbooked_facts.symbol IS 'Which symbol, where that is legible.';
COMMENT ON COLUMN unbooked_facts.reason IS 'Why it is not booked.';
COMMENT ON COLUMN unbooked_facts.content IS 'What was told, as JSON of at most 2,000 characters, without credentials and account numbers.';
COMMENT ON COLUMN unbooked_facts.first_seen IS 'When it was first told.';
COMMENT ON COLUMN unbooked_facts.last_seen IS 'When it was last told.';
COMMENT ON COLUMN unbooked_facts.resolved_at IS 'When it was booked or told no more; NULL: open.';
COMMENT ON COLUMN unbooked_facts.resolution IS 'booked; gone: told no more, and never booked.';

GRANT SELECT, INSERT, UPDATE, DELETE ON unbooked_facts TO ops_pipeline_writer;
GRANT SELECT ON unbooked_facts TO ops_pipeline_reader;
