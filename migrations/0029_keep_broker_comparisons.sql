-- What each comparison of an account with its broker found: the healthcheck has no broker's keys,
-- and a comparison that nobody kept cannot be missed.

CREATE TABLE broker_comparisons (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    tick timestamptz NOT NULL,
    compared_at timestamptz NOT NULL,
    result text NOT NULL CHECK (result IN ('agrees', 'differs')),
    difference_count integer NOT NULL CHECK (difference_count >= 0),
    differences jsonb NOT NULL,
    duration_ms double precision NOT NULL CHECK (duration_ms >= 0),
    PRIMARY KEY (account_name, tick),
    CONSTRAINT broker_comparisons_differs_with_differences
        CHECK ((result = 'differs') = (difference_count > 0)),
    CONSTRAINT broker_comparisons_lists_at_most_20
        CHECK (jsonb_typeof(differences) = 'array'
               AND jsonb_array_length(differences) = least(difference_count, 20))
);
CREATE INDEX broker_comparisons_by_tick ON broker_comparisons (tick);
-- A comparison reads an account's fills of the last days, every few minutes.
CREATE INDEX fills_by_time ON fills (account_name, executed_at);
COMMENT ON TABLE broker_comparisons IS 'Each comparison of an account with its broker by the invariants of both; one that could not be made leaves no row.';
COMMENT ON COLUMN broker_comparisons.account_name IS 'Whose it is.';
COMMENT ON COLUMN broker_comparisons.tick IS 'The reconciler''s run.';
COMMENT ON COLUMN broker_comparisons.compared_at IS 'When the broker''s answers began to be read.';
COMMENT ON COLUMN broker_comparisons.result IS 'agrees, or differs: after what could be adopted or repaired was.';
COMMENT ON COLUMN broker_comparisons.difference_count IS 'How many rows break an invariant.';
COMMENT ON COLUMN broker_comparisons.differences IS 'The first 20 of them: invariant, subject and message.';
COMMENT ON COLUMN broker_comparisons.duration_ms IS 'How long the account''s run took up to here, on the wall clock.';

GRANT SELECT, INSERT, UPDATE, DELETE ON broker_comparisons TO ops_pipeline_writer;
GRANT SELECT ON broker_comparisons TO ops_pipeline_reader;
