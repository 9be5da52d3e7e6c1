-- The cap trigger held against our own code and let raw SQL by: an entry inserted as if it had
-- filled, cheaper terms after it was sent, a temporary table in the place of one of ours. And no
-- limit bounded how many orders an account may send.

-- What an order's state says of its quantities. Only an order that the broker knows has fills.
ALTER TABLE orders
    ADD CONSTRAINT orders_fills_need_the_broker CHECK (
        status NOT IN ('intended', 'unknown', 'not_placed')
        OR (filled_qty = 0 AND broker_order_id IS NULL)),
    ADD CONSTRAINT orders_partly_filled_has_fills CHECK (
        status <> 'partially_filled' OR filled_qty > 0);

ALTER TABLE accounts
    ADD COLUMN max_orders_per_minute integer NOT NULL DEFAULT 30 CHECK (max_orders_per_minute >= 0),
    ADD COLUMN max_orders_per_day integer NOT NULL DEFAULT 500 CHECK (max_orders_per_day >= 0),
    ADD COLUMN max_order_notional numeric CHECK (max_order_notional > 0),
    ADD COLUMN max_turnover_per_day numeric CHECK (max_turnover_per_day > 0),
    ADD COLUMN order_limit_halt text;
COMMENT ON COLUMN accounts.max_orders_per_minute IS
    'Entries are refused once this many orders of any kind were decided within 60 seconds.';
COMMENT ON COLUMN accounts.max_orders_per_day IS
    'Entries are refused once this many orders of any kind were decided on that New York day.';
COMMENT ON COLUMN accounts.max_order_notional IS
    'USD one entry may cost at its limit; NULL: max_exposure.';
COMMENT ON COLUMN accounts.max_turnover_per_day IS
    'USD that may be traded or be in flight on one New York day; NULL: 20 times max_exposure.';
COMMENT ON COLUMN accounts.order_limit_halt IS
    'Why entries are halted since an order limit was reached, until somebody resumes.';

CREATE TABLE total_order_limits (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    max_orders_per_minute integer NOT NULL CHECK (max_orders_per_minute >= 0),
    max_orders_per_day integer NOT NULL CHECK (max_orders_per_day >= 0),
    max_turnover_per_day numeric NOT NULL CHECK (max_turnover_per_day > 0)
);
COMMENT ON TABLE total_order_limits IS
    'Limits on the orders of all accounts together; its one row is read by the cap trigger.';
COMMENT ON COLUMN total_order_limits.one_row IS 'Always true: the table has one row.';
COMMENT ON COLUMN total_order_limits.max_orders_per_minute IS 'Orders of any kind within 60 seconds.';
COMMENT ON COLUMN total_order_limits.max_orders_per_day IS 'Orders of any kind on one New York day.';
COMMENT ON COLUMN total_order_limits.max_turnover_per_day IS 'USD traded or in flight on one New York day.';
INSERT INTO total_order_limits (max_orders_per_minute, max_orders_per_day, max_turnover_per_day)
VALUES (100, 2000, 5000000);
GRANT SELECT ON total_order_limits TO ops_pipeline_writer, ops_pipeline_reader;

-- What has been traded and what may still be: a stop that rests is neither.
CREATE FUNCTION order_turnover(o orders) RETURNS numeric LANGUAGE sql IMMUTABLE
    RETURN o.filled_qty * coalesce(o.filled_avg_price, 0) * o.multiplier
        + CASE WHEN o.purpose = 'entry' THEN o.reserved_notional ELSE 0 END;
COMMENT ON FUNCTION order_turnover IS 'USD that an order has traded, plus what an entry still reserves.';

CREATE FUNCTION new_york_midnight(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
    RETURN date_trunc('day', at, 'America/New_York');
COMMENT ON FUNCTION new_york_midnight IS 'When the New York day of a moment began.';

-- Runs after refuse_entry_over_cap, which holds the account's row (names sort).
CREATE FUNCTION refuse_entry_over_order_limits() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    caps accounts%ROWTYPE;
    total total_order_limits%ROWTYPE;
    own record;
    every record;
    since timestamptz := new_york_midnight(NEW.decided_at);
BEGIN
    SELECT * INTO STRICT caps FROM accounts
    WHERE account_name = NEW.account_name FOR NO KEY UPDATE;
    -- Two accounts at once could else pass the total together.
    PERFORM pg_advisory_xact_lock(4907201512);
    SELECT * INTO STRICT total FROM total_order_limits;
    SELECT count(*) FILTER (WHERE o.decided_at > NEW.decided_at - interval '60 seconds') AS minute,
           count(*) AS day, coalesce(sum(order_turnover(o)), 0) AS turnover
    INTO own FROM orders AS o
    WHERE o.account_name = NEW.account_name AND o.decided_at >= since
      AND o.client_order_id <> NEW.client_order_id AND o.purpose <> 'adopted';
    SELECT count(*) FILTER (WHERE o.decided_at > NEW.decided_at - interval '60 seconds') AS minute,
           count(*) AS day, coalesce(sum(order_turnover(o)), 0) AS turnover
    INTO every FROM orders AS o
    WHERE o.decided_at >= since
      AND o.client_order_id <> NEW.client_order_id AND o.purpose <> 'adopted';

    IF own.minute >= caps.max_orders_per_minute OR every.minute >= total.max_orders_per_minute THEN
        RAISE EXCEPTION 'Order limit: % orders of the account within a minute of %, % of all accounts of %',
            own.minute, caps.max_orders_per_minute, every.minute, total.max_orders_per_minute
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_within_limit_per_minute';
    END IF;
    IF own.day >= caps.max_orders_per_day OR every.day >= total.max_orders_per_day THEN
        RAISE EXCEPTION 'Order limit: % orders of the account today of %, % of all accounts of %',
            own.day, caps.max_orders_per_day, every.day, total.max_orders_per_day
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_within_limit_per_day';
    END IF;
    IF NEW.reserved_notional > coalesce(caps.max_order_notional, caps.max_exposure) THEN
        RAISE EXCEPTION 'Order limit: $% for one order over $%',
            NEW.reserved_notional, coalesce(caps.max_order_notional, caps.max_exposure)
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_within_limit_of_one_order';
    END IF;
    IF own.turnover + NEW.reserved_notional > coalesce(caps.max_turnover_per_day, 20 * caps.max_exposure)
       OR every.turnover + NEW.reserved_notional > total.max_turnover_per_day THEN
        RAISE EXCEPTION 'Order limit: turnover today $% of $%, of all accounts $% of $%',
            own.turnover + NEW.reserved_notional,
            coalesce(caps.max_turnover_per_day, 20 * caps.max_exposure),
            every.turnover + NEW.reserved_notional, total.max_turnover_per_day
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_within_turnover_per_day';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_entry_over_order_limits IS
    'Refuses an entry past the orders a minute, a day, the notional of one order or the day''s turnover.';
CREATE TRIGGER orders_entry_within_order_limits
    BEFORE INSERT ON orders
    FOR EACH ROW WHEN (NEW.purpose = 'entry')
    EXECUTE FUNCTION refuse_entry_over_order_limits();

-- As before, and: a new order is an intent, nothing of it filled; its terms stand once it may
-- have been sent; a reopened order is one that the broker acknowledged.
CREATE OR REPLACE FUNCTION refuse_entry_over_cap() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    caps accounts%ROWTYPE;
    symbols bigint;
    exposure numeric;
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status <> 'intended' THEN
        RAISE EXCEPTION 'entry % begins as an intent, not %', NEW.client_order_id, NEW.status
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_begin_as_intents';
    END IF;
    IF NOT is_live(NEW.status) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF is_live(OLD.status) AND OLD.purpose = 'entry'
           AND NEW.account_name = OLD.account_name AND NEW.symbol = OLD.symbol
           AND NEW.quantity = OLD.quantity AND NEW.multiplier = OLD.multiplier
           AND NEW.price = OLD.price
           AND NEW.reserved_notional <= OLD.reserved_notional THEN
            RETURN NEW;
        END IF;
        IF NEW.reopened_at IS DISTINCT FROM OLD.reopened_at AND NEW.broker_order_id IS NOT NULL
           AND NEW.status IN ('accepted', 'partially_filled')
           AND NEW.account_name = OLD.account_name AND NEW.symbol = OLD.symbol
           AND NEW.quantity = OLD.quantity AND NEW.price = OLD.price
           AND NEW.multiplier = OLD.multiplier
           AND NEW.reserved_notional <= NEW.quantity * NEW.price * NEW.multiplier THEN
            RETURN NEW;
        END IF;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'entries are stored at READ COMMITTED only: an older snapshot does not see what others reserved'
            USING ERRCODE = 'OP001';
    END IF;
    SELECT * INTO STRICT caps FROM accounts
    WHERE account_name = NEW.account_name FOR NO KEY UPDATE;

    SELECT count(DISTINCT held.symbol) FILTER (WHERE held.symbol <> NEW.symbol) + 1,
           coalesce(sum(held.cost), 0)
    INTO symbols, exposure
    FROM (
        SELECT symbol, quantity * entry_price * multiplier AS cost FROM active_positions
        WHERE account_name = NEW.account_name AND status <> 'closed'
        UNION ALL
        SELECT symbol, reserved_notional FROM orders
        WHERE account_name = NEW.account_name AND purpose = 'entry' AND is_live(status)
          AND client_order_id <> NEW.client_order_id
    ) AS held;

    IF symbols > caps.max_positions THEN
        RAISE EXCEPTION 'At position limit: % of % with %', symbols, caps.max_positions, NEW.symbol
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_within_max_positions';
    END IF;
    IF exposure + NEW.reserved_notional > caps.max_exposure THEN
        RAISE EXCEPTION 'Exposure $% over $%', exposure + NEW.reserved_notional, caps.max_exposure
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_within_max_exposure';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION refuse_order_history_rewritten() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.filled_qty < OLD.filled_qty THEN
        RAISE EXCEPTION 'order %: filled_qty never falls (% to %)',
            OLD.client_order_id, OLD.filled_qty, NEW.filled_qty USING ERRCODE = 'OP002';
    END IF;
    IF NOT is_live(OLD.status) AND NEW.status <> OLD.status
       AND NEW.reopened_at IS NOT DISTINCT FROM OLD.reopened_at THEN
        RAISE EXCEPTION 'order %: % is final and only recovery reopens it',
            OLD.client_order_id, OLD.status USING ERRCODE = 'OP002';
    END IF;
    IF (NEW.account_name, NEW.purpose, NEW.side) IS DISTINCT FROM
       (OLD.account_name, OLD.purpose, OLD.side) THEN
        RAISE EXCEPTION 'order %: account, purpose and side never change',
            OLD.client_order_id USING ERRCODE = 'OP002';
    END IF;
    IF OLD.broker_order_id IS NOT NULL AND NEW.broker_order_id IS DISTINCT FROM OLD.broker_order_id THEN
        RAISE EXCEPTION 'order %: the broker''s id never changes',
            OLD.client_order_id USING ERRCODE = 'OP002';
    END IF;
    IF OLD.purpose = 'entry' AND OLD.status <> 'intended' AND (NEW.ticker, NEW.symbol, NEW.instrument_type, NEW.multiplier,
            NEW.quantity, NEW.order_type, NEW.price, NEW.decided_at, NEW.tick, NEW.recommendation_id)
       IS DISTINCT FROM (OLD.ticker, OLD.symbol, OLD.instrument_type, OLD.multiplier,
            OLD.quantity, OLD.order_type, OLD.price, OLD.decided_at, OLD.tick, OLD.recommendation_id) THEN
        RAISE EXCEPTION 'order %: its terms stand once it may have been sent',
            OLD.client_order_id USING ERRCODE = 'OP002';
    END IF;
    IF OLD.status = 'intended' AND OLD.purpose = 'entry' AND is_live(NEW.status)
       AND NEW.quantity * NEW.price < OLD.quantity * OLD.price THEN
        RAISE EXCEPTION 'order %: an intent does not become cheaper, it may have been sent',
            OLD.client_order_id USING ERRCODE = 'OP002';
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION refuse_order_of_another_symbol() SET search_path = pg_catalog, public, pg_temp;
COMMENT ON FUNCTION refuse_order_of_another_symbol IS 'A close carries the held symbol.';

-- The limits above and the invariants read an account's newest orders.
CREATE INDEX orders_account_decided_at ON orders (account_name, decided_at);
CREATE INDEX orders_decided_at ON orders (decided_at);

-- In place of a temporary table, so that the stages' login needs no right to make any. Rows live
-- within one transaction: whoever stages bars deletes them before the commit.
CREATE UNLOGGED TABLE staged_bars (
    ticker text NOT NULL,
    ts timestamptz NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume bigint NOT NULL
);
COMMENT ON TABLE staged_bars IS 'Bars on their way into lane_telemetry; empty between transactions.';
COMMENT ON COLUMN staged_bars.ticker IS 'As in lane_telemetry.';
COMMENT ON COLUMN staged_bars.ts IS 'As in lane_telemetry.';
COMMENT ON COLUMN staged_bars.open IS 'As in lane_telemetry.';
COMMENT ON COLUMN staged_bars.high IS 'As in lane_telemetry.';
COMMENT ON COLUMN staged_bars.low IS 'As in lane_telemetry.';
COMMENT ON COLUMN staged_bars.close IS 'As in lane_telemetry.';
COMMENT ON COLUMN staged_bars.volume IS 'As in lane_telemetry.';
GRANT SELECT, INSERT, DELETE ON staged_bars TO ops_pipeline_writer;
