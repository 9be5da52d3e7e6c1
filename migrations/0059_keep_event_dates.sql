-- Earnings and the dates of the Federal Reserve move prices by more than a rule expects, and nothing
-- here knew of them. Whoever imports such dates may keep entries away from them.

CREATE TABLE event_dates (
    ticker text NOT NULL CONSTRAINT event_dates_has_ticker CHECK (length(ticker) BETWEEN 1 AND 20),
    kind text NOT NULL CONSTRAINT event_dates_kind_known CHECK (kind IN ('earnings', 'fomc', 'cpi', 'other')),
    at timestamptz NOT NULL,
    source text NOT NULL CONSTRAINT event_dates_has_source CHECK (length(source) BETWEEN 1 AND 200),
    imported_at timestamptz NOT NULL,
    CONSTRAINT event_dates_pkey PRIMARY KEY (ticker, kind, at)
);
CREATE INDEX event_dates_by_at ON event_dates (at);
COMMENT ON TABLE event_dates IS 'Moments around which the gate event_blackout may refuse entries, as an operator imported them.';
COMMENT ON COLUMN event_dates.ticker IS 'Symbol as Alpaca writes it; * concerns the whole market.';
COMMENT ON COLUMN event_dates.kind IS 'What happens; each kind has its own minutes in the parameters.';
COMMENT ON COLUMN event_dates.at IS 'When it happens.';
COMMENT ON COLUMN event_dates.source IS 'Whose word it is, as the operator says.';
COMMENT ON COLUMN event_dates.imported_at IS 'When it was imported last, pipeline clock.';

GRANT SELECT ON event_dates TO ops_pipeline_writer, ops_pipeline_reader, ops_pipeline_news,
    ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;
GRANT INSERT, DELETE, UPDATE (source, imported_at) ON event_dates
    TO ops_pipeline_writer, ops_pipeline_control;
