-- An account says which broker holds it, and bars may come from a feed that a later adapter
-- registers: neither needs a migration then. Paper modes are named after their broker.

ALTER TABLE accounts
    ADD COLUMN broker text NOT NULL DEFAULT 'alpaca'
        CONSTRAINT accounts_broker_is_a_name CHECK (broker ~ '^[a-z][a-z0-9_]*$'),
    DROP CONSTRAINT accounts_execution_mode_check,
    ADD CONSTRAINT accounts_mode_is_its_brokers CHECK (
        execution_mode IN ('SIMULATED', 'LIVE') OR execution_mode = upper(broker) || '_PAPER');
COMMENT ON COLUMN accounts.broker IS 'Which adapter trades for it; the name it is registered under.';
COMMENT ON COLUMN accounts.execution_mode IS 'SIMULATED, LIVE, or paper money at its broker, as ALPACA_PAPER; chosen by the operator, never a fallback.';

ALTER TABLE dispatch_executions
    DROP CONSTRAINT dispatch_executions_execution_mode_check,
    ADD CONSTRAINT dispatch_executions_execution_mode_check CHECK (
        execution_mode IN ('SIMULATED', 'SIMULATED_FALLBACK', 'ALPACA_PAPER', 'LIVE')
        OR execution_mode ~ '^[A-Z][A-Z0-9_]*_PAPER$');
ALTER TABLE position_history
    DROP CONSTRAINT position_history_execution_mode_check,
    ADD CONSTRAINT position_history_execution_mode_check CHECK (
        execution_mode IN ('SIMULATED', 'ALPACA_PAPER', 'LIVE')
        OR execution_mode ~ '^[A-Z][A-Z0-9_]*_PAPER$');

CREATE TABLE data_feeds (
    data_feed text PRIMARY KEY CHECK (data_feed ~ '^[a-z][a-z0-9_]*$'),
    vendor text NOT NULL CHECK (vendor ~ '^[a-z][a-z0-9_]*$')
);
COMMENT ON TABLE data_feeds IS 'Where bars may come from: one row a feed, written when its vendor is first used.';
COMMENT ON COLUMN data_feeds.data_feed IS 'As it stands in each bar: iex (one exchange), sip (all of them), or a later vendor''s.';
COMMENT ON COLUMN data_feeds.vendor IS 'Which adapter reads it; the name it is registered under.';
INSERT INTO data_feeds (data_feed, vendor) VALUES ('iex', 'alpaca'), ('sip', 'alpaca');
GRANT SELECT, INSERT ON data_feeds TO ops_pipeline_writer;
GRANT SELECT ON data_feeds TO ops_pipeline_reader;

ALTER TABLE lane_telemetry
    DROP CONSTRAINT lane_telemetry_feed_known,
    ADD CONSTRAINT lane_telemetry_feed_known FOREIGN KEY (data_feed) REFERENCES data_feeds;
ALTER TABLE lane_telemetry_rejected
    DROP CONSTRAINT lane_telemetry_rejected_feed_known,
    ADD CONSTRAINT lane_telemetry_rejected_feed_known
        FOREIGN KEY (data_feed) REFERENCES data_feeds;
COMMENT ON COLUMN lane_telemetry.data_feed IS 'Where it came from: iex (one exchange), sip (all of them), or another of data_feeds.';
COMMENT ON COLUMN lane_telemetry_rejected.data_feed IS 'Where it came from, one of data_feeds.';
