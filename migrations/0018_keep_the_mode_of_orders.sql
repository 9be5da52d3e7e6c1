-- An account whose mode changed with something open simulated the end of what rested at its
-- broker. What an order or a position is, paper or simulated and at which broker, stands in its
-- own row, and an account keeps its mode while anything of it is open.

ALTER TABLE orders
    ADD COLUMN execution_mode text,
    ADD COLUMN broker text;
UPDATE orders AS o SET execution_mode = a.execution_mode, broker = a.broker
FROM accounts AS a WHERE a.account_name = o.account_name;
ALTER TABLE orders
    ALTER COLUMN execution_mode SET NOT NULL,
    ALTER COLUMN broker SET NOT NULL,
    ADD CONSTRAINT orders_mode_is_its_brokers CHECK (
        execution_mode IN ('SIMULATED', 'LIVE') OR execution_mode = upper(broker) || '_PAPER');
COMMENT ON COLUMN orders.execution_mode IS 'The account''s mode when the order was decided.';
COMMENT ON COLUMN orders.broker IS 'The account''s broker when the order was decided.';

ALTER TABLE active_positions
    ADD COLUMN execution_mode text,
    ADD COLUMN broker text;
UPDATE active_positions AS p SET execution_mode = a.execution_mode, broker = a.broker
FROM accounts AS a WHERE a.account_name = p.account_name;
ALTER TABLE active_positions
    ALTER COLUMN execution_mode SET NOT NULL,
    ALTER COLUMN broker SET NOT NULL,
    ADD CONSTRAINT active_positions_mode_is_its_brokers CHECK (
        execution_mode IN ('SIMULATED', 'LIVE') OR execution_mode = upper(broker) || '_PAPER');
COMMENT ON COLUMN active_positions.execution_mode IS 'The mode of the order that opened it; of what was adopted, the account''s.';
COMMENT ON COLUMN active_positions.broker IS 'Which broker holds it.';

-- The account's row is locked by whoever stores an entry: an account that changes its mode waits
-- for it, and the other way round.
CREATE FUNCTION refuse_mode_change_with_something_open() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
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
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_mode_change_with_something_open IS
    'Refuses another mode or broker of an account with live orders or open positions.';
CREATE TRIGGER accounts_mode_stands BEFORE UPDATE ON accounts
    FOR EACH ROW WHEN ((NEW.execution_mode, NEW.broker) IS DISTINCT FROM (OLD.execution_mode, OLD.broker))
    EXECUTE FUNCTION refuse_mode_change_with_something_open();

CREATE FUNCTION refuse_order_of_another_mode() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    expected record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'order %: mode and broker never change', OLD.client_order_id
            USING ERRCODE = 'OP002';
    END IF;
    IF NEW.position_id IS NOT NULL THEN
        SELECT execution_mode, broker INTO expected FROM active_positions
        WHERE id = NEW.position_id;
    ELSE
        SELECT execution_mode, broker INTO expected FROM accounts
        WHERE account_name = NEW.account_name FOR NO KEY UPDATE;
    END IF;
    NEW.execution_mode := coalesce(NEW.execution_mode, expected.execution_mode);
    NEW.broker := coalesce(NEW.broker, expected.broker);
    IF (NEW.execution_mode, NEW.broker) IS DISTINCT FROM (expected.execution_mode, expected.broker) THEN
        RAISE EXCEPTION 'order % is % at %, what it trades is % at %', NEW.client_order_id,
            NEW.execution_mode, NEW.broker, expected.execution_mode, expected.broker
            USING ERRCODE = 'OP002', CONSTRAINT = 'orders_mode_of_what_they_trade';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_order_of_another_mode IS
    'An order has the mode and broker of its position; without one, of its account.';
CREATE TRIGGER orders_mode_inserted BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_order_of_another_mode();
CREATE TRIGGER orders_mode_kept BEFORE UPDATE ON orders
    FOR EACH ROW WHEN ((NEW.execution_mode, NEW.broker) IS DISTINCT FROM (OLD.execution_mode, OLD.broker))
    EXECUTE FUNCTION refuse_order_of_another_mode();

-- A position opens under its account's mode, which can't have changed since its order was stored.
CREATE FUNCTION refuse_position_of_another_mode() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    expected record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'position %: mode and broker never change', OLD.id USING ERRCODE = 'OP002';
    END IF;
    SELECT execution_mode, broker INTO expected FROM accounts
    WHERE account_name = NEW.account_name FOR NO KEY UPDATE;
    NEW.execution_mode := coalesce(NEW.execution_mode, expected.execution_mode);
    NEW.broker := coalesce(NEW.broker, expected.broker);
    -- A late fill of an order that ended under an earlier mode is a fact: it opens as what it was.
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_position_of_another_mode IS
    'A position keeps its mode and broker; one stored without has its account''s.';
CREATE TRIGGER active_positions_mode_inserted BEFORE INSERT ON active_positions
    FOR EACH ROW EXECUTE FUNCTION refuse_position_of_another_mode();
CREATE TRIGGER active_positions_mode_kept BEFORE UPDATE ON active_positions
    FOR EACH ROW WHEN ((NEW.execution_mode, NEW.broker) IS DISTINCT FROM (OLD.execution_mode, OLD.broker))
    EXECUTE FUNCTION refuse_position_of_another_mode();

CREATE FUNCTION refuse_fill_of_another_kind() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM orders WHERE client_order_id = NEW.client_order_id
               AND (execution_mode = 'SIMULATED') <> (NEW.evidence = 'simulated')) THEN
        RAISE EXCEPTION 'fill % of order %: evidence % does not fit the order''s mode',
            NEW.fill_id, NEW.client_order_id, NEW.evidence
            USING ERRCODE = 'OP002', CONSTRAINT = 'fills_evidence_of_their_order';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_fill_of_another_kind IS
    'A simulated fill belongs to a simulated order, the broker''s to any other.';
CREATE TRIGGER fills_evidence_fits BEFORE INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION refuse_fill_of_another_kind();
