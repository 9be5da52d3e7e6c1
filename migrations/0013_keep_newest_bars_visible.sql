-- Features read the newest bars from the index alone, and Postgres can do so only where a vacuum
-- has marked their pages. Its own rule waits for a fifth of the table, which is weeks of bars.

ALTER TABLE lane_telemetry SET (
    autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0
);
