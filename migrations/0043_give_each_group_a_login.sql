-- All functions logged in as one writer: rss_ingest, which parses strangers' bytes, could lift a
-- cap, end a halt, store a recommendation and rewrite a fill. Each group of stages has a login of
-- its own now, which may write what its stages write (docs/logins.md). The writer keeps its
-- rights for whoever goes back to older code; in AWS nobody logs in as it.

GRANT SELECT ON ALL TABLES IN SCHEMA public TO
    ops_pipeline_news, ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;
-- The salt makes the marks of account numbers; only who proves a binding needs it.
REVOKE SELECT ON binding_salt FROM ops_pipeline_news, ops_pipeline_market;
-- Tables to come.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO
    ops_pipeline_news, ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;

-- Every stage's run, and what it reports.
GRANT INSERT, UPDATE ON pipeline_runs, run_timings TO
    ops_pipeline_news, ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;
-- No stage of news has anything to tell by an alert, or to end one.
GRANT INSERT, UPDATE (resolved_at) ON alerts TO
    ops_pipeline_market, ops_pipeline_trading, ops_pipeline_control;

-- news: rss_ingest, classifier.
GRANT INSERT, UPDATE (processed_at) ON inbound_events_raw TO ops_pipeline_news;
GRANT INSERT ON inbound_events_classified TO ops_pipeline_news;
GRANT UPDATE (etag, last_modified, moved_to, last_fetched_at, last_succeeded_at, last_error,
    failures_in_a_row, next_try_at) ON feed_state TO ops_pipeline_news;

-- market: prices, features, watchlist, and what watches over the runs.
GRANT INSERT, UPDATE ON lane_telemetry, price_holds, lane_features, watchlist_state, vix_history,
    option_bars, iv_surface TO ops_pipeline_market;
GRANT INSERT ON lane_telemetry_rejected, data_feeds TO ops_pipeline_market;
GRANT INSERT, DELETE ON staged_bars TO ops_pipeline_market;
GRANT INSERT, UPDATE ON ticker_universe TO ops_pipeline_market;

-- trading: from a signal to a closed position. What happened is stored once and stands.
GRANT INSERT ON signal_evaluations, fills, dispatch_executions, position_events, position_telemetry,
    position_history, missed_opportunities TO ops_pipeline_trading;
GRANT INSERT, UPDATE ON dispatch_recommendations, dispatcher_runs, orders, active_positions,
    close_requests, cash_readings, broker_comparisons, unbooked_facts TO ops_pipeline_trading;
GRANT UPDATE (exit_price, exit_time, pnl_dollars, pnl_pct, exit_reason, r_multiple, mae_pct,
    mfe_pct, holding_minutes, win_loss_label, verified) ON position_history TO ops_pipeline_trading;
-- It grows with its order's fills.
GRANT UPDATE (qty, entry_price, notional) ON dispatch_executions TO ops_pipeline_trading;
-- The one halt that ends by itself, when ledger and broker agree again, and whether a lost ledger
-- was compared, which an operator's resume needs as well. It also lets trading lock the row.
GRANT UPDATE (books_halt, ledger_agreed_at) ON accounts TO ops_pipeline_trading;

-- control: what an operator decides, and retention.
GRANT UPDATE (execution_mode, broker, active, allowed_actions, max_positions, max_exposure,
    max_daily_loss, max_position_notional, fractional_shares, operator_halt, books_halt,
    kill_switch, kill_switch_day, streak_counted_from, max_orders_per_minute, max_orders_per_day,
    max_order_notional, max_turnover_per_day, order_limit_halt, ledger_halt, ledger_compare_from,
    ledger_agreed_at) ON accounts TO ops_pipeline_control;
GRANT UPDATE (max_orders_per_minute, max_orders_per_day, max_turnover_per_day)
    ON total_order_limits TO ops_pipeline_control;
GRANT INSERT ON operator_actions, close_requests, binding_salt TO ops_pipeline_control;
GRANT INSERT, UPDATE ON account_bindings, tickers, ticker_universe, learning_recommendations
    TO ops_pipeline_control;
GRANT UPDATE (done_at) ON close_requests TO ops_pipeline_control;
GRANT INSERT, UPDATE (active) ON parameter_versions TO ops_pipeline_control;
GRANT INSERT, UPDATE (source, active) ON feed_state TO ops_pipeline_control;
GRANT UPDATE (status, processed_at, claimed_until, failure_reason) ON dispatch_recommendations
    TO ops_pipeline_control;
-- Binding an account anew gives up what is open in it, and rebuilding a lost ledger stores what
-- the brokers have.
GRANT INSERT ON fills, dispatch_executions, position_events, position_history, position_telemetry
    TO ops_pipeline_control;
GRANT INSERT, UPDATE ON orders, active_positions, cash_readings, unbooked_facts
    TO ops_pipeline_control;
GRANT UPDATE (qty, entry_price, notional) ON dispatch_executions TO ops_pipeline_control;
GRANT DELETE ON inbound_events_raw, inbound_events_classified, lane_telemetry,
    lane_telemetry_rejected, lane_features, signal_evaluations, option_bars, iv_surface,
    position_telemetry, pipeline_runs, broker_comparisons, unbooked_facts TO ops_pipeline_control;

-- Trading sets the kill switch and the other latches and lifts none: these functions run as
-- the owner, and are the only way to them for a login that may not write accounts.
CREATE FUNCTION latch_kill_switch(account text, reason text, session date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE accounts SET kill_switch = reason, kill_switch_day = session
    WHERE account_name = account AND reason IS NOT NULL AND session IS NOT NULL
      AND (kill_switch IS NULL OR kill_switch_day < session);
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION latch_kill_switch IS
    'Halts an account''s entries for one session; false: that session''s latch stands already.';

-- A latch of an earlier session halts nothing and nobody has to lift it.
COMMENT ON COLUMN accounts.kill_switch IS
    'Why the daily-loss switch latched last; NULL: it never did.';
COMMENT ON COLUMN accounts.kill_switch_day IS
    'The session it latched in, which is the last that it halts.';

CREATE FUNCTION latch_order_limit(account text, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE accounts SET order_limit_halt = reason
    WHERE account_name = account AND order_limit_halt IS NULL AND reason IS NOT NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION latch_order_limit IS
    'Halts an account''s entries until somebody resumes; false: that latch stands already.';

CREATE FUNCTION latch_ledger(account text, reason text, since timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE accounts SET ledger_halt = reason, ledger_compare_from = since, ledger_agreed_at = NULL
    WHERE account_name = account AND reason IS NOT NULL AND since IS NOT NULL
      AND (ledger_halt IS NULL OR ledger_agreed_at IS NOT NULL);
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION latch_ledger IS
    'Halts an account''s entries until its ledger was compared and somebody resumes; false: that latch stands already.';

REVOKE EXECUTE ON FUNCTION latch_kill_switch, latch_order_limit, latch_ledger
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION latch_kill_switch, latch_order_limit, latch_ledger TO
    ops_pipeline_trading, ops_pipeline_control, ops_pipeline_writer;

-- What happened stands, whoever logs in.
CREATE FUNCTION refuse_rewritten_record() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%: rows are added and never changed', TG_TABLE_NAME
        USING ERRCODE = 'OP002', CONSTRAINT = TG_TABLE_NAME || '_stand';
END $$;
COMMENT ON FUNCTION refuse_rewritten_record IS 'Refuses to change or delete a row of a table that only grows.';
CREATE TRIGGER fills_stand BEFORE UPDATE OR DELETE ON fills
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER fills_stay BEFORE TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER operator_actions_stand BEFORE UPDATE OR DELETE ON operator_actions
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER operator_actions_stay BEFORE TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER position_events_stand BEFORE UPDATE OR DELETE ON position_events
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER position_history_stays BEFORE DELETE ON position_history
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_record();

-- A position that was closed without a fill to prove it may get its price once, from its fills.
CREATE FUNCTION refuse_rewritten_history() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    sold_by CONSTANT text := CASE NEW.side WHEN 'short' THEN 'buy' ELSE 'sell' END;
    corrected CONSTANT text[] := ARRAY['exit_price', 'exit_time', 'pnl_dollars', 'pnl_pct',
        'exit_reason', 'r_multiple', 'mae_pct', 'mfe_pct', 'holding_minutes', 'win_loss_label',
        'verified'];
BEGIN
    IF OLD.verified OR NOT NEW.verified
       OR to_jsonb(NEW) - corrected IS DISTINCT FROM to_jsonb(OLD) - corrected THEN
        RAISE EXCEPTION 'position %: its history changes once, from unverified to verified',
            OLD.position_id USING ERRCODE = 'OP002', CONSTRAINT = 'position_history_stands';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM fills AS f JOIN active_positions AS p
            ON p.account_name = f.account_name AND p.symbol = f.symbol
        WHERE p.id = NEW.position_id AND f.side = sold_by
          AND f.executed_at BETWEEN NEW.entry_time AND NEW.exit_time) THEN
        RAISE EXCEPTION 'position %: no fill proves its end', OLD.position_id
            USING ERRCODE = 'OP002', CONSTRAINT = 'position_history_stands';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_rewritten_history IS
    'History changes once, from unverified to verified, when there are fills.';
CREATE TRIGGER position_history_stands BEFORE UPDATE ON position_history
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_history();

CREATE FUNCTION keep_event_of_correction() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO position_events (position_id, seq, account_name, at, kind, details)
    SELECT NEW.position_id, coalesce(max(seq), 0) + 1, NEW.account_name, NEW.exit_time, 'verified',
        jsonb_build_object('exit_price', NEW.exit_price, 'pnl_dollars', NEW.pnl_dollars,
            'exit_reason', NEW.exit_reason, 'exit_reason_before', OLD.exit_reason,
            'exit_time_before', OLD.exit_time)
    FROM position_events WHERE position_id = NEW.position_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION keep_event_of_correction IS 'Every correction of a position''s history is one of its events.';
CREATE TRIGGER position_history_correction_told AFTER UPDATE ON position_history
    FOR EACH ROW EXECUTE FUNCTION keep_event_of_correction();

-- A group that takes another's lease stops its stage, one that stores its run hides that it is
-- silent, one that ends its alert hides what it found. A stage or kind that comes later and is not
-- named here is anybody's.
CREATE FUNCTION group_of_stage(stage text) RETURNS name LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CAST(CASE
        WHEN stage IN ('rss_ingest', 'classifier') THEN 'ops_pipeline_news'
        WHEN stage IN ('market_clock', 'market_regime', 'telemetry', 'features', 'watchlist',
            'discovery', 'report', 'healthcheck', 'run_failure') THEN 'ops_pipeline_market'
        WHEN stage IN ('signals', 'dispatcher', 'position_manager', 'reconciler')
            THEN 'ops_pipeline_trading'
        WHEN stage IN ('retention', 'control') THEN 'ops_pipeline_control'
    END AS name)
$$;
COMMENT ON FUNCTION group_of_stage IS 'The login of a stage; NULL: a stage that no migration names.';

CREATE FUNCTION refuse_run_of_another_group() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF group_of_stage(NEW.stage) <> session_user
       OR TG_OP = 'UPDATE' AND group_of_stage(OLD.stage) <> session_user THEN
        RAISE EXCEPTION 'a run of % is not for % to write', NEW.stage, session_user
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'pipeline_runs_by_their_group';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_run_of_another_group IS
    'A group''s login writes the runs of its own stages.';
CREATE TRIGGER pipeline_runs_by_their_group BEFORE INSERT OR UPDATE ON pipeline_runs
    FOR EACH ROW WHEN (session_user IN ('ops_pipeline_news', 'ops_pipeline_market',
        'ops_pipeline_trading', 'ops_pipeline_control'))
    EXECUTE FUNCTION refuse_run_of_another_group();

CREATE FUNCTION refuse_alert_of_another_group() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    watches CONSTANT boolean := NEW.kind IN ('stage_failed', 'stage_silent', 'output_stale',
        'failure_rate', 'losing_streak', 'classifier_backlog', 'invariant_broken', 'price_jump',
        'account_not_configured', 'entries_refused');
    trades CONSTANT boolean := NEW.kind IN ('kill_switch', 'order_limit', 'ledger_in_doubt',
        'over_cap', 'position_quantity_differs', 'position_unknown_to_us', 'position_missing',
        'order_unknown_to_us', 'order_outcome_unknown', 'order_disagrees', 'order_overfilled',
        'order_vanished', 'oversold', 'fill_unpriced', 'fact_unbooked', 'cash_differs',
        'broker_status_unknown', 'closing_overdue', 'exit_blocked', 'nothing_to_sell',
        'position_unpriced', 'sale_not_executed', 'account_blocked');
BEGIN
    IF (session_user = 'ops_pipeline_market' AND trades)
       OR (session_user <> 'ops_pipeline_market' AND watches) THEN
        RAISE EXCEPTION 'an alert of % is not for % to write', NEW.kind, session_user
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'alerts_by_their_group';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_alert_of_another_group IS
    'Alerts about orders and positions are for trading and control, those about runs for market.';
CREATE TRIGGER alerts_by_their_group BEFORE INSERT OR UPDATE ON alerts
    FOR EACH ROW WHEN (session_user IN ('ops_pipeline_market', 'ops_pipeline_trading',
        'ops_pipeline_control'))
    EXECUTE FUNCTION refuse_alert_of_another_group();

-- Control stores what a broker has already, and nothing that a stage would send.
CREATE FUNCTION refuse_order_by_control() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'order %: control sends none', NEW.client_order_id
        USING ERRCODE = 'insufficient_privilege',
              CONSTRAINT = 'orders_of_control_are_at_the_broker';
END $$;
COMMENT ON FUNCTION refuse_order_by_control IS
    'Control stores orders that a broker has, and none that would be sent.';
CREATE TRIGGER orders_of_control_are_at_the_broker BEFORE INSERT ON orders
    FOR EACH ROW WHEN (session_user = 'ops_pipeline_control'
        AND (NEW.status IN ('intended', 'unknown') OR NEW.broker_order_id IS NULL
             OR (NEW.purpose <> 'adopted' AND NEW.recovered_at IS NULL)))
    EXECUTE FUNCTION refuse_order_by_control();
CREATE TRIGGER orders_of_control_stay_at_the_broker BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (session_user = 'ops_pipeline_control'
        AND NEW.status IN ('intended', 'unknown') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION refuse_order_by_control();
