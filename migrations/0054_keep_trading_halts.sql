-- Nothing here knew that a ticker was halted: an entry was sent into it, and an exit took the stop
-- away for a sale that could not trade. Two exchanges publish their halts, as documents that are
-- fetched like feeds and read by parsers of their own.

ALTER TABLE feed_state
    ADD COLUMN kind text NOT NULL DEFAULT 'news'
        CONSTRAINT feed_state_kind_known CHECK (kind IN ('news', 'nasdaq_halts', 'nyse_halts'));
COMMENT ON COLUMN feed_state.kind IS 'What its document is: news, or an exchange''s list of trading halts.';
GRANT UPDATE (kind) ON feed_state TO ops_pipeline_control;
-- It was offered as news, of which each item was undated.
UPDATE feed_state SET kind = 'nasdaq_halts', etag = NULL, last_modified = NULL
WHERE url = 'https://www.nasdaqtrader.com/rss.aspx?feed=tradehalts';

CREATE TABLE trading_halts (
    ticker text NOT NULL CONSTRAINT trading_halts_has_ticker CHECK (length(ticker) BETWEEN 1 AND 20),
    source text NOT NULL
        CONSTRAINT trading_halts_source_known CHECK (source IN ('nasdaq_halts', 'nyse_halts', 'silence')),
    reason text NOT NULL CONSTRAINT trading_halts_has_reason CHECK (length(reason) BETWEEN 1 AND 300),
    halted_at timestamptz NOT NULL,
    resumed_at timestamptz,
    seen_at timestamptz NOT NULL,
    listed_at timestamptz NOT NULL,
    unlisted_at timestamptz,
    feed_url text,
    CONSTRAINT trading_halts_pkey PRIMARY KEY (ticker, source, halted_at),
    CONSTRAINT trading_halts_resume_after_the_halt CHECK (resumed_at >= halted_at)
);
CREATE INDEX trading_halts_by_seen_at ON trading_halts (seen_at);
CREATE INDEX trading_halts_open ON trading_halts (feed_url)
    WHERE resumed_at IS NULL AND unlisted_at IS NULL;
COMMENT ON TABLE trading_halts IS 'Halts and pauses of trading, as exchanges list them or as a ticker''s silence on a live feed suggests.';
COMMENT ON COLUMN trading_halts.ticker IS 'Symbol as Alpaca writes it; * is the whole market.';
COMMENT ON COLUMN trading_halts.source IS 'Who says so: the kind of the feed, or silence: no bar and no new quote while the rest of the feed lives.';
COMMENT ON COLUMN trading_halts.reason IS 'The source''s code or words, as last told.';
COMMENT ON COLUMN trading_halts.halted_at IS 'When trading stopped; of a silence the end of its last minute with a bar.';
COMMENT ON COLUMN trading_halts.resumed_at IS 'When trading resumes or resumed, may be ahead; NULL: not told.';
COMMENT ON COLUMN trading_halts.seen_at IS 'When it was first read, pipeline clock.';
COMMENT ON COLUMN trading_halts.listed_at IS 'When its source last said so while it was open, pipeline clock.';
COMMENT ON COLUMN trading_halts.unlisted_at IS 'When its source answered without it, though it had named no resumption; else NULL.';
COMMENT ON COLUMN trading_halts.feed_url IS 'Feed that lists it; NULL of a silence.';

GRANT SELECT ON trading_halts TO ops_pipeline_writer, ops_pipeline_reader, ops_pipeline_news,
    ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;
GRANT INSERT, UPDATE (reason, resumed_at, listed_at, unlisted_at, feed_url) ON trading_halts
    TO ops_pipeline_writer, ops_pipeline_news, ops_pipeline_market;
GRANT DELETE ON trading_halts TO ops_pipeline_writer, ops_pipeline_control;
