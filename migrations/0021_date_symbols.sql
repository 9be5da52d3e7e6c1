-- Symbols and names have a time: $FB is META since 2022-06-09, and "Google" meant GOOG until its
-- shares of class A became GOOGL. A replay finds those of its day. SEC's filings name companies by number.

ALTER TABLE tickers
    ADD COLUMN cik text CONSTRAINT tickers_cik_has_ten_digits CHECK (cik ~ '^[0-9]{10}$'),
    ADD COLUMN valid_from date,
    ADD COLUMN valid_to date,
    ADD COLUMN renamed_to text,
    ADD COLUMN names_to date,
    ADD CONSTRAINT tickers_valid_for_some_time CHECK (valid_from < valid_to),
    ADD CONSTRAINT tickers_renamed_on_a_day CHECK (renamed_to IS NULL OR valid_to IS NOT NULL),
    ADD CONSTRAINT tickers_renamed_to_another CHECK (renamed_to <> ticker);
COMMENT ON COLUMN tickers.cik IS 'SEC''s number of the company, ten digits; NULL when not known.';
COMMENT ON COLUMN tickers.valid_from IS 'First day on which the symbol meant this security; NULL: since before any recording.';
COMMENT ON COLUMN tickers.valid_to IS 'First day on which it no longer did; NULL while it does.';
COMMENT ON COLUMN tickers.renamed_to IS 'The symbol that took its place on valid_to; NULL when none did.';
COMMENT ON COLUMN tickers.names_to IS 'First day on which name and aliases no longer meant it, but another security; NULL while they do.';

UPDATE tickers SET valid_from = '2022-06-09' WHERE ticker = 'META';
UPDATE tickers SET valid_from = '2014-04-03' WHERE ticker = 'GOOGL';
INSERT INTO tickers (ticker, name, aliases, exchange, kind, valid_to, renamed_to) VALUES
    ('FB', 'Facebook', '{"Facebook Inc"}', 'NASDAQ', 'stock', '2022-06-09', 'META')
ON CONFLICT (ticker) DO UPDATE SET valid_to = excluded.valid_to, renamed_to = excluded.renamed_to;
INSERT INTO tickers (ticker, name, aliases, exchange, kind, names_to) VALUES
    ('GOOG', 'Google', '{"Google Inc"}', 'NASDAQ', 'stock', '2014-04-03')
ON CONFLICT (ticker) DO UPDATE SET names_to = excluded.names_to;
