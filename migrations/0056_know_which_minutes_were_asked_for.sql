-- Bars were asked for since the newest bar of any ticker, in one transaction: those of one ticker
-- that came over five minutes late were lost, and a long fetch that was killed had nothing.
CREATE TABLE telemetry_asked (
    ticker text PRIMARY KEY REFERENCES tickers (ticker),
    day date NOT NULL,
    minutes tstzmultirange NOT NULL,
    CONSTRAINT telemetry_asked_within_bounds CHECK (
        NOT lower_inf(minutes) AND NOT upper_inf(minutes))
) WITH (fillfactor = 50);
COMMENT ON TABLE telemetry_asked IS 'Which minutes of its newest day each ticker''s bars were fetched for; what is missing is still to be asked.';
COMMENT ON COLUMN telemetry_asked.ticker IS 'Symbol.';
COMMENT ON COLUMN telemetry_asked.day IS 'New York day that the minutes are of.';
COMMENT ON COLUMN telemetry_asked.minutes IS 'Answered and stored, with bars or without; its end says until when the ticker''s bars are known.';
GRANT SELECT, INSERT, UPDATE ON telemetry_asked TO ops_pipeline_market, ops_pipeline_writer;
GRANT SELECT ON telemetry_asked TO ops_pipeline_reader;
