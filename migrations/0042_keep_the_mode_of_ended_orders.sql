-- The broker may still tell of a fill after an order's end. An account whose mode or broker changed
-- meanwhile is asked nothing any more, so both stand for as long as its ended orders are watched.

CREATE OR REPLACE FUNCTION refuse_mode_change_with_something_open() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    watched record;
    watched_until timestamptz;
BEGIN
    IF EXISTS (SELECT 1 FROM orders WHERE account_name = OLD.account_name AND is_live(status)) THEN
        RAISE EXCEPTION 'account % has live orders: its mode and broker stand until they have ended',
            OLD.account_name USING ERRCODE = 'OP002', CONSTRAINT = 'accounts_mode_stands';
    END IF;
    IF EXISTS (SELECT 1 FROM active_positions
               WHERE account_name = OLD.account_name AND status <> 'closed') THEN
        RAISE EXCEPTION 'account % holds positions: its mode and broker stand until they are closed',
            OLD.account_name USING ERRCODE = 'OP002', CONSTRAINT = 'accounts_mode_stands';
    END IF;
    -- Four days for an order that has not filled whole, nine for one whose fills are missing; what
    -- counts is how long the account was really watched, by the last tick of its guard.
    SELECT max(tick) INTO watched_until FROM pipeline_runs
    WHERE stage = 'position_manager' AND scope = OLD.account_name AND status = 'succeeded';
    SELECT o.client_order_id, last_day.at INTO watched
    FROM orders AS o
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(f.quantity), 0) AS recorded FROM fills AS f
        WHERE f.client_order_id = o.client_order_id) AS told
    CROSS JOIN LATERAL (
        SELECT greatest(o.decided_at, o.terminal_at)
            + CASE WHEN told.recorded < o.filled_qty THEN interval '9 days'
                   WHEN o.filled_qty < o.quantity THEN interval '4 days'
                   END AS at) AS last_day
    WHERE o.account_name = OLD.account_name AND o.execution_mode <> 'SIMULATED'
        AND last_day.at > coalesce(watched_until, '-infinity')
    ORDER BY last_day.at DESC LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account %: the broker may still tell of a fill of %: mode and broker stand '
            'until the guard has watched it to %', OLD.account_name, watched.client_order_id,
            to_char(watched.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC')
            USING ERRCODE = 'OP002', CONSTRAINT = 'accounts_mode_stands';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_mode_change_with_something_open IS
    'Refuses another mode or broker of an account with live or watched orders or open positions.';

