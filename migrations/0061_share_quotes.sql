-- Every account asked for its own quotes, with the keys of one of them, and none were kept.
CREATE TABLE quote_samples (
    symbol text NOT NULL,
    fetched_at timestamptz NOT NULL,
    data_feed text NOT NULL,
    quoted_at timestamptz,
    bid numeric,
    bid_size bigint,
    ask numeric,
    ask_size bigint,
    traded_at timestamptz,
    trade_price numeric,
    illegible text,
    CONSTRAINT quote_samples_pkey PRIMARY KEY (symbol, fetched_at),
    CONSTRAINT quote_samples_whole_quote CHECK (
        num_nulls(quoted_at, bid, bid_size, ask, ask_size) IN (0, 5)),
    CONSTRAINT quote_samples_whole_trade CHECK (num_nulls(traded_at, trade_price) IN (0, 2)),
    CONSTRAINT quote_samples_not_negative CHECK (least(bid, ask, bid_size, ask_size) >= 0),
    CONSTRAINT quote_samples_legible_or_not CHECK (quoted_at IS NULL OR illegible IS NULL)
);
CREATE INDEX quote_samples_fetched ON quote_samples (fetched_at);
COMMENT ON TABLE quote_samples IS 'Quotes as they were fetched, once a minute for all accounts; without a quote nobody quoted it then, or it could not be read.';
COMMENT ON COLUMN quote_samples.symbol IS 'Ticker, or option contract.';
COMMENT ON COLUMN quote_samples.fetched_at IS 'When the vendor told it.';
COMMENT ON COLUMN quote_samples.data_feed IS 'The vendor''s feed, as in lane_telemetry.';
COMMENT ON COLUMN quote_samples.quoted_at IS 'The quote''s own time.';
COMMENT ON COLUMN quote_samples.bid IS 'USD; 0 where nobody bids.';
COMMENT ON COLUMN quote_samples.bid_size IS 'Shares.';
COMMENT ON COLUMN quote_samples.ask IS 'USD; 0 where nobody offers.';
COMMENT ON COLUMN quote_samples.ask_size IS 'Shares.';
COMMENT ON COLUMN quote_samples.traded_at IS 'When it last traded; NULL where the vendor did not tell.';
COMMENT ON COLUMN quote_samples.trade_price IS 'USD a share of that trade.';
COMMENT ON COLUMN quote_samples.illegible IS 'Why its quote could not be read.';

CREATE TABLE quote_fetches (
    minute timestamptz CONSTRAINT quote_fetches_pkey PRIMARY KEY,
    claimed_at timestamptz NOT NULL,
    done_at timestamptz
);
COMMENT ON TABLE quote_fetches IS 'Whose run fetches the quotes of all accounts in a minute: the first that wants one.';
COMMENT ON COLUMN quote_fetches.minute IS 'Of the clock.';
COMMENT ON COLUMN quote_fetches.claimed_at IS 'When the first run wanted quotes in it.';
COMMENT ON COLUMN quote_fetches.done_at IS 'When its answer was stored, or failed; NULL while others wait for it.';

GRANT SELECT, INSERT, UPDATE, DELETE ON quote_samples, quote_fetches TO ops_pipeline_writer;
GRANT INSERT ON quote_samples TO ops_pipeline_trading;
GRANT INSERT, UPDATE (done_at) ON quote_fetches TO ops_pipeline_trading;
GRANT DELETE ON quote_samples, quote_fetches TO ops_pipeline_control;
GRANT SELECT ON quote_samples, quote_fetches TO ops_pipeline_reader;
