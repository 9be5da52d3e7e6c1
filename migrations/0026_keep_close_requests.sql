-- A close is a row: what was held or being bought when it was asked is sold even if it opens a
-- moment later. The position manager repeats it until the symbols are flat and nothing is live.

CREATE TABLE close_requests (
    id uuid PRIMARY KEY,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    ticker text,
    rule text NOT NULL CHECK (rule IN ('operator', 'signal')),
    symbols text[] NOT NULL,
    asked_at timestamptz NOT NULL,
    asked_by text NOT NULL,
    reason text NOT NULL,
    done_at timestamptz,
    CONSTRAINT close_requests_name_a_symbol CHECK (cardinality(symbols) > 0)
);
CREATE INDEX close_requests_by_account ON close_requests (account_name, done_at);
COMMENT ON TABLE close_requests IS 'What is to be closed: asked by an operator or a SELL, repeated until done.';
COMMENT ON COLUMN close_requests.id IS 'From account, ticker, who asked, why and when.';
COMMENT ON COLUMN close_requests.account_name IS 'Whose positions.';
COMMENT ON COLUMN close_requests.ticker IS 'The one that was named; NULL: everything in the account.';
COMMENT ON COLUMN close_requests.rule IS 'operator or signal: the exit rule that the positions are sold under.';
COMMENT ON COLUMN close_requests.symbols IS 'Held, live or in flight when asked; later purchases are not in it.';
COMMENT ON COLUMN close_requests.asked_at IS 'When.';
COMMENT ON COLUMN close_requests.asked_by IS 'The operator, or the recommendation to sell.';
COMMENT ON COLUMN close_requests.reason IS 'Why.';
COMMENT ON COLUMN close_requests.done_at IS 'When its symbols were flat with no live order; NULL: open, and entries in them are refused.';

GRANT SELECT, INSERT, UPDATE ON close_requests TO ops_pipeline_writer;
GRANT SELECT ON close_requests TO ops_pipeline_reader;
