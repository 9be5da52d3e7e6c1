-- The retention stage also ends runs and marks of positions that are long over; measured
-- times go with their run. Orders, fills, history and what operators did stay: no DELETE there.

GRANT DELETE ON pipeline_runs, position_telemetry TO ops_pipeline_writer;

-- By time, as retention asks for them.
CREATE INDEX position_telemetry_by_minute ON position_telemetry (ts);
CREATE INDEX option_bars_by_minute ON option_bars (ts);
CREATE INDEX iv_surface_by_tick ON iv_surface (ts);
