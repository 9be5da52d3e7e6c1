-- A bar far from those beside it was read by features and stops like any other. It is kept aside
-- until something else says the same.
ALTER TABLE lane_telemetry_rejected ADD COLUMN accepted_at timestamptz;
CREATE INDEX lane_telemetry_rejected_doubted ON lane_telemetry_rejected (ts)
    WHERE accepted_at IS NULL;
COMMENT ON COLUMN lane_telemetry_rejected.accepted_at IS 'When it was believed after all, and stored; NULL: it is kept aside.';
GRANT UPDATE (accepted_at) ON lane_telemetry_rejected TO ops_pipeline_market, ops_pipeline_writer;
