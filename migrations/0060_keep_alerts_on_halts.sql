-- Alerts on halts are market's to open and to end, one on a fill beyond its limit is trading's.
CREATE OR REPLACE FUNCTION refuse_alert_of_another_group() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    watches CONSTANT boolean := NEW.kind IN ('stage_failed', 'stage_silent', 'output_stale',
        'failure_rate', 'losing_streak', 'classifier_backlog', 'invariant_broken', 'price_jump',
        'account_not_configured', 'entries_refused', 'corporate_action_announced', 'ticker_halted',
        'halts_unread');
    trades CONSTANT boolean := NEW.kind IN ('kill_switch', 'order_limit', 'ledger_in_doubt',
        'over_cap', 'position_quantity_differs', 'position_unknown_to_us', 'position_missing',
        'order_unknown_to_us', 'order_outcome_unknown', 'order_disagrees', 'order_overfilled',
        'order_vanished', 'oversold', 'fill_unpriced', 'fact_unbooked', 'cash_differs',
        'broker_status_unknown', 'closing_overdue', 'exit_blocked', 'nothing_to_sell',
        'position_unpriced', 'sale_not_executed', 'account_blocked', 'corporate_action_pending',
        'filled_beyond_limit');
BEGIN
    IF (session_user = 'ops_pipeline_market' AND trades)
       OR (session_user <> 'ops_pipeline_market' AND watches) THEN
        RAISE EXCEPTION 'an alert of % is not for % to write', NEW.kind, session_user
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'alerts_by_their_group';
    END IF;
    RETURN NEW;
END $$;
