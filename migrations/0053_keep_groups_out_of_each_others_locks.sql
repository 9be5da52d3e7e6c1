-- Groups share the tables of runs and alerts. A right to change a whole table is one to lock it, and
-- a right to change any column is one to lock every row: who holds another group's run cannot be
-- waited for, and its stage would neither end nor begin again. So rights are given by column, which
-- locks no table, and rows of others are none that a group may change or lock.
REVOKE UPDATE ON pipeline_runs, run_timings FROM
    ops_pipeline_news, ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;
GRANT UPDATE (attempt, status, owner, lease_expires_at, started_at, finished_at, counts, error_class,
    error_message) ON pipeline_runs TO
    ops_pipeline_news, ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;
GRANT UPDATE (duration_ms) ON run_timings TO
    ops_pipeline_news, ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;

CREATE FUNCTION is_own_stage(stage text) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT session_user NOT IN ('ops_pipeline_news', 'ops_pipeline_market', 'ops_pipeline_trading',
            'ops_pipeline_control')
        OR coalesce(group_of_stage(stage) = session_user, true)
$$;
COMMENT ON FUNCTION is_own_stage IS
    'Whether this login may write, and so lock, the runs of a stage; a group its own alone.';

ALTER TABLE pipeline_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY pipeline_runs_read ON pipeline_runs FOR SELECT USING (true);
CREATE POLICY pipeline_runs_add ON pipeline_runs FOR INSERT WITH CHECK (true);
CREATE POLICY pipeline_runs_own ON pipeline_runs FOR UPDATE
    USING (is_own_stage(stage)) WITH CHECK (true);
CREATE POLICY pipeline_runs_delete ON pipeline_runs FOR DELETE USING (true);

-- Whoever stores the timing of another's run first keeps its end waiting.
CREATE FUNCTION refuse_timing_of_another_group() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    of_stage CONSTANT text := (SELECT stage FROM pipeline_runs WHERE run_id = NEW.run_id);
BEGIN
    IF NOT is_own_stage(of_stage) THEN
        RAISE EXCEPTION 'the timing of a run of % is not for % to write', of_stage, session_user
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'run_timings_by_their_group';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_timing_of_another_group IS
    'A group''s login writes the timings of its own stages'' runs.';
CREATE TRIGGER run_timings_by_their_group BEFORE INSERT OR UPDATE ON run_timings
    FOR EACH ROW EXECUTE FUNCTION refuse_timing_of_another_group();

-- A record that stands is none that is emptied either.
CREATE TRIGGER position_events_stay BEFORE TRUNCATE ON position_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER position_history_stay BEFORE TRUNCATE ON position_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewritten_record();
