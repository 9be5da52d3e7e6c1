-- Names of one word that a register or a list of symbols brought are ordinary words as
-- often as not: they count only beside a word of the trade.

ALTER TABLE tickers ADD COLUMN name_needs_context boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN tickers.name_needs_context IS 'True: names of one word mean it only beside "shares", "Inc" or what only companies do.';

UPDATE tickers SET name_needs_context = true WHERE name = ticker AND exchange = 'UNKNOWN';
