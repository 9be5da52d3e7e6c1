-- An operator adds accounts by the control function. Which halts stand and since when is nothing
-- that a new row brings along.
GRANT INSERT (account_name, broker, execution_mode, active, allowed_actions, fractional_shares,
    max_positions, max_exposure, max_daily_loss, max_position_notional, max_order_notional,
    max_orders_per_minute, max_orders_per_day, max_turnover_per_day)
    ON accounts TO ops_pipeline_control;

-- A new account is unbound and enters nothing before somebody switches it on.
CREATE FUNCTION refuse_account_switched_on() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'account %: a new account is switched off', NEW.account_name
        USING ERRCODE = 'OP002', CONSTRAINT = 'accounts_start_switched_off';
END $$;
COMMENT ON FUNCTION refuse_account_switched_on IS 'Control adds accounts that are switched off.';
CREATE TRIGGER accounts_start_switched_off BEFORE INSERT ON accounts
    FOR EACH ROW WHEN (session_user = 'ops_pipeline_control' AND NEW.active)
    EXECUTE FUNCTION refuse_account_switched_on();
