-- The volatility index may come from the market data vendor as well: which source answered stands
-- in the row.

ALTER TABLE vix_history
    DROP CONSTRAINT vix_history_source_known,
    ADD CONSTRAINT vix_history_source_known
        CHECK (source IN ('vix', 'vix_alpaca', 'realised_volatility_spy'));
COMMENT ON COLUMN vix_history.source IS 'vix: its publisher''s file of daily closes; vix_alpaca: the last value that Alpaca has of that session; realised_volatility_spy where neither could be read.';
