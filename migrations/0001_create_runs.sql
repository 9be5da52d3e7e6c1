-- Accounts, the parameters of the rules, and the record of every run.

CREATE TABLE accounts (
    account_name varchar(50) PRIMARY KEY CHECK (account_name ~ '^[a-z][a-z0-9_]*$'),
    execution_mode text NOT NULL CHECK (execution_mode IN ('SIMULATED', 'ALPACA_PAPER', 'LIVE')),
    active boolean NOT NULL,
    allowed_actions text[] NOT NULL,
    max_positions integer NOT NULL CHECK (max_positions >= 0),
    max_exposure numeric NOT NULL CHECK (max_exposure >= 0),
    max_daily_loss numeric NOT NULL CHECK (max_daily_loss > 0),
    max_position_notional numeric CHECK (max_position_notional > 0),
    fractional_shares boolean NOT NULL,
    operator_halt text,
    books_halt text,
    kill_switch text,
    kill_switch_day date,
    streak_counted_from timestamptz,
    CONSTRAINT accounts_kill_switch_has_its_day
        CHECK ((kill_switch IS NULL) = (kill_switch_day IS NULL))
);
COMMENT ON TABLE accounts IS 'One row an account at the broker (or a simulated one), with its limits and halts.';
COMMENT ON COLUMN accounts.account_name IS 'Our name for it; the keys come from ALPACA_<ACCOUNT>_KEY_ID.';
COMMENT ON COLUMN accounts.execution_mode IS 'How its orders are executed; chosen by the operator, never a fallback.';
COMMENT ON COLUMN accounts.active IS 'False: no new entries; what it holds is still guarded.';
COMMENT ON COLUMN accounts.allowed_actions IS 'Entries and sales it may make: BUY_STOCK, SELL_STOCK, BUY_CALL, BUY_PUT.';
COMMENT ON COLUMN accounts.max_positions IS 'Most distinct symbols open, closing or being entered at once.';
COMMENT ON COLUMN accounts.max_exposure IS 'Most entry cost open and in flight at once, USD.';
COMMENT ON COLUMN accounts.max_daily_loss IS 'Loss of one session that latches the kill switch, USD.';
COMMENT ON COLUMN accounts.max_position_notional IS 'Most entry cost of one position, USD; NULL: max_exposure / max_positions.';
COMMENT ON COLUMN accounts.fractional_shares IS 'True: quantities may be fractions of a share.';
COMMENT ON COLUMN accounts.operator_halt IS 'Why the operator halted entries; NULL: not halted.';
COMMENT ON COLUMN accounts.books_halt IS 'Why entries are halted until books and broker agree; NULL: they agree.';
COMMENT ON COLUMN accounts.kill_switch IS 'Why the daily-loss switch latched; NULL: not latched.';
COMMENT ON COLUMN accounts.kill_switch_day IS 'The session it latched in; it opens again in the next one.';
COMMENT ON COLUMN accounts.streak_counted_from IS 'Losses in a row are counted from here on; set by the operator''s resume.';

CREATE TABLE parameter_versions (
    version integer PRIMARY KEY CHECK (version > 0),
    source text NOT NULL CHECK (source IN ('default', 'overlay', 'learning', 'operator')),
    parameters jsonb NOT NULL,
    checksum text NOT NULL UNIQUE,
    active boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX parameter_versions_one_active ON parameter_versions (active) WHERE active;
COMMENT ON TABLE parameter_versions IS 'The trading rules'' figures, one row a version; rows never change but for active.';
COMMENT ON COLUMN parameter_versions.version IS 'Counts up from 1; stands in every row it led to.';
COMMENT ON COLUMN parameter_versions.source IS 'Where it came from: shipped, a replay''s overlay, learning, or the operator.';
COMMENT ON COLUMN parameter_versions.parameters IS 'All figures, as domain/parameters.py names them.';
COMMENT ON COLUMN parameter_versions.checksum IS 'sha256 of the canonical JSON: the same figures are the same version.';
COMMENT ON COLUMN parameter_versions.active IS 'The one in force.';
COMMENT ON COLUMN parameter_versions.created_at IS 'When it was stored.';

CREATE TABLE pipeline_runs (
    run_id uuid PRIMARY KEY,
    stage text NOT NULL,
    tick timestamptz NOT NULL,
    scope varchar(50) NOT NULL,
    attempt integer NOT NULL CHECK (attempt > 0),
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'abandoned')),
    owner text NOT NULL,
    lease_expires_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    counts jsonb,
    error_class text,
    error_message text,
    CONSTRAINT pipeline_runs_once_per_tick UNIQUE (stage, tick, scope),
    CONSTRAINT pipeline_runs_failed_says_why CHECK (status <> 'failed' OR error_class IS NOT NULL),
    CONSTRAINT pipeline_runs_ended_when CHECK ((status = 'running') = (finished_at IS NULL))
);
CREATE UNIQUE INDEX pipeline_runs_one_lease ON pipeline_runs (stage, scope) WHERE status = 'running';
CREATE INDEX pipeline_runs_by_tick ON pipeline_runs (tick, stage);
COMMENT ON TABLE pipeline_runs IS 'One row a stage, tick and scope: that it ran, how it ended, and its lease while it runs.';
COMMENT ON COLUMN pipeline_runs.run_id IS 'From stage, tick and scope.';
COMMENT ON COLUMN pipeline_runs.stage IS 'Name of the function, for example dispatcher.';
COMMENT ON COLUMN pipeline_runs.tick IS 'The schedule''s time.';
COMMENT ON COLUMN pipeline_runs.scope IS 'The account or machine it ran for; * where it serves all.';
COMMENT ON COLUMN pipeline_runs.attempt IS 'Counts up when a failed or abandoned run is taken again; fences the older owner.';
COMMENT ON COLUMN pipeline_runs.status IS 'running until it ends; abandoned when its lease ran out.';
COMMENT ON COLUMN pipeline_runs.owner IS 'Who holds the lease: the Lambda request id, or the local runner.';
COMMENT ON COLUMN pipeline_runs.lease_expires_at IS 'From then on another run may take the stage over.';
COMMENT ON COLUMN pipeline_runs.started_at IS 'When the lease was taken.';
COMMENT ON COLUMN pipeline_runs.finished_at IS 'When it ended.';
COMMENT ON COLUMN pipeline_runs.counts IS 'The stage''s result: what it read, wrote and refused.';
COMMENT ON COLUMN pipeline_runs.error_class IS 'Name of the first error.';
COMMENT ON COLUMN pipeline_runs.error_message IS 'Its message.';

CREATE TABLE run_timings (
    run_id uuid NOT NULL REFERENCES pipeline_runs (run_id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    duration_ms double precision NOT NULL CHECK (duration_ms >= 0),
    PRIMARY KEY (run_id, attempt)
);
COMMENT ON TABLE run_timings IS 'Measured times: the one table that two replays of a day may differ in.';
COMMENT ON COLUMN run_timings.run_id IS 'The run that was measured.';
COMMENT ON COLUMN run_timings.attempt IS 'Which attempt of it.';
COMMENT ON COLUMN run_timings.duration_ms IS 'Wall-clock time of the handler, milliseconds.';

CREATE TABLE alerts (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    scope varchar(50) NOT NULL,
    subject text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    message text NOT NULL,
    details jsonb NOT NULL,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (kind, scope, subject) WHERE resolved_at IS NULL;
COMMENT ON TABLE alerts IS 'What a person should know of; at most one open alert for each matter.';
COMMENT ON COLUMN alerts.id IS 'From kind, scope, subject and the time it opened.';
COMMENT ON COLUMN alerts.kind IS 'What is wrong, for example stage_failed or price_jump.';
COMMENT ON COLUMN alerts.scope IS 'The account it concerns; * where it concerns all.';
COMMENT ON COLUMN alerts.subject IS 'The stage, ticker or order it is about.';
COMMENT ON COLUMN alerts.severity IS 'critical: money is at risk now.';
COMMENT ON COLUMN alerts.message IS 'One sentence for a person.';
COMMENT ON COLUMN alerts.details IS 'The facts behind it.';
COMMENT ON COLUMN alerts.opened_at IS 'When it was first seen.';
COMMENT ON COLUMN alerts.resolved_at IS 'When it was over; NULL: still open.';

CREATE TABLE operator_actions (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    operator text NOT NULL,
    action text NOT NULL,
    scope varchar(50) NOT NULL,
    reason text NOT NULL,
    details jsonb NOT NULL
);
COMMENT ON TABLE operator_actions IS 'Everything a person did by hand: halts, closes, parameter changes.';
COMMENT ON COLUMN operator_actions.id IS 'From time, operator, action and scope.';
COMMENT ON COLUMN operator_actions.at IS 'When.';
COMMENT ON COLUMN operator_actions.operator IS 'Who.';
COMMENT ON COLUMN operator_actions.action IS 'What, for example halt.';
COMMENT ON COLUMN operator_actions.scope IS 'The account it was done to; * for all.';
COMMENT ON COLUMN operator_actions.reason IS 'Why, in the operator''s words.';
COMMENT ON COLUMN operator_actions.details IS 'The values it set.';

GRANT SELECT, INSERT, UPDATE ON
    accounts, parameter_versions, pipeline_runs, run_timings, alerts, operator_actions
    TO ops_pipeline_writer;
GRANT SELECT ON
    accounts, parameter_versions, pipeline_runs, run_timings, alerts, operator_actions
    TO ops_pipeline_reader;
