-- Raw SQL still changed what a resting stop or exit is said to be, gave an order that was sent
-- another id, dated an intent out of its day's limits, and let one grow past the limits on orders.

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
    -- The broker knows the order by this id, and the limits count it in its minute and day.
    IF (NEW.client_order_id, NEW.attempt, NEW.decided_at, NEW.tick, NEW.recommendation_id)
       IS DISTINCT FROM
       (OLD.client_order_id, OLD.attempt, OLD.decided_at, OLD.tick, OLD.recommendation_id)
       OR OLD.position_id IS NOT NULL AND NEW.position_id IS DISTINCT FROM OLD.position_id THEN
        RAISE EXCEPTION 'order %: its id, its time and what it belongs to never change',
            OLD.client_order_id USING ERRCODE = 'OP002';
    END IF;
    IF OLD.broker_order_id IS NOT NULL AND NEW.broker_order_id IS DISTINCT FROM OLD.broker_order_id THEN
        RAISE EXCEPTION 'order %: the broker''s id never changes',
            OLD.client_order_id USING ERRCODE = 'OP002';
    END IF;
    -- Only an entry that stays an intent may become another one, within the limits. That a sale
    -- keeps its position's symbol is refuse_order_of_another_symbol's to say.
    IF (OLD.purpose <> 'entry' OR OLD.status <> 'intended' OR NEW.status <> 'intended')
       AND ((NEW.ticker, NEW.instrument_type, NEW.multiplier, NEW.quantity, NEW.order_type,
             NEW.price, NEW.time_in_force)
            IS DISTINCT FROM (OLD.ticker, OLD.instrument_type, OLD.multiplier, OLD.quantity,
             OLD.order_type, OLD.price, OLD.time_in_force)
            OR NEW.position_id IS NULL AND NEW.symbol <> OLD.symbol) THEN
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

-- What grows, or comes back to be sent, passes the same limits as what is new. A broker's word
-- gives neither of these statuses, so no fact is refused.
CREATE TRIGGER orders_entry_within_order_limits_anew
    BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (NEW.purpose = 'entry' AND NEW.recovered_at IS NULL
                       AND NEW.status IN ('intended', 'unknown')
                       AND NEW.reserved_notional > OLD.reserved_notional)
    EXECUTE FUNCTION refuse_entry_over_order_limits();
