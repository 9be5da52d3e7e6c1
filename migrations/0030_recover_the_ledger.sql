-- A database that was lost and rebuilt, or restored from a backup, knows less than the broker.
-- Until both were compared and an operator resumed, it enters nothing.

ALTER TABLE accounts
    ADD COLUMN ledger_halt text,
    ADD COLUMN ledger_compare_from timestamptz,
    ADD COLUMN ledger_agreed_at timestamptz,
    ADD CONSTRAINT accounts_ledger_halt_says_from_when CHECK (
        (ledger_halt IS NULL) = (ledger_compare_from IS NULL)
        AND (ledger_halt IS NOT NULL OR ledger_agreed_at IS NULL));
COMMENT ON COLUMN accounts.ledger_halt IS 'Why entries are halted since the database may lack what the broker has, until a comparison agreed and somebody resumes.';
COMMENT ON COLUMN accounts.ledger_compare_from IS 'From when on the broker is asked for orders and fills that may be missing.';
COMMENT ON COLUMN accounts.ledger_agreed_at IS 'When the comparison agreed; NULL: it has not, or did no more.';

-- Whoever resumes, by the verb or by hand: a ledger that was not compared stays halted.
CREATE FUNCTION refuse_resume_of_an_uncompared_ledger() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.ledger_agreed_at IS NULL AND NEW.execution_mode <> 'SIMULATED' THEN
        RAISE EXCEPTION 'account %: its ledger was not compared with the broker since: %',
            OLD.account_name, OLD.ledger_halt
            USING ERRCODE = 'OP002', CONSTRAINT = 'accounts_resume_a_compared_ledger';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_resume_of_an_uncompared_ledger IS
    'The halt of a rebuilt or restored ledger ends only once it agreed with the broker.';
CREATE TRIGGER accounts_resume_a_compared_ledger BEFORE UPDATE ON accounts
    FOR EACH ROW WHEN (OLD.ledger_halt IS NOT NULL AND NEW.ledger_halt IS NULL)
    EXECUTE FUNCTION refuse_resume_of_an_uncompared_ledger();

-- An order of ours whose row was lost is a fact that the broker tells: it is stored as what it
-- was, so that the day's limits count it. Its recommendation is gone.
ALTER TABLE orders
    ADD COLUMN recovered_at timestamptz,
    ADD CONSTRAINT orders_recovered_is_at_the_broker CHECK (
        recovered_at IS NULL OR broker_order_id IS NOT NULL),
    DROP CONSTRAINT orders_entry_is_a_limited_buy_for_a_recommendation,
    ADD CONSTRAINT orders_entry_is_a_limited_buy_for_a_recommendation CHECK (
        purpose <> 'entry'
        OR (side = 'buy' AND order_type = 'limit' AND position_id IS NULL
            AND (recommendation_id IS NULL) = (recovered_at IS NOT NULL)));
COMMENT ON COLUMN orders.recovered_at IS 'When an order of ours was found at the broker whose row the database had lost; NULL: it was stored before it was sent.';

-- It is never sent, so nothing is left to refuse: it counts under the limits and passes them.
DROP TRIGGER orders_entry_within_caps ON orders;
CREATE TRIGGER orders_entry_within_caps
    BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW WHEN (NEW.purpose = 'entry' AND NEW.recovered_at IS NULL)
    EXECUTE FUNCTION refuse_entry_over_cap();
DROP TRIGGER orders_entry_within_order_limits ON orders;
CREATE TRIGGER orders_entry_within_order_limits
    BEFORE INSERT ON orders
    FOR EACH ROW WHEN (NEW.purpose = 'entry' AND NEW.recovered_at IS NULL)
    EXECUTE FUNCTION refuse_entry_over_order_limits();

CREATE FUNCTION refuse_order_recovered_later() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'order %: whether it was recovered never changes', OLD.client_order_id
        USING ERRCODE = 'OP002', CONSTRAINT = 'orders_recovered_at_stands';
END $$;
COMMENT ON FUNCTION refuse_order_recovered_later IS
    'An order is recovered when its row is stored, or never.';
CREATE TRIGGER orders_recovered_at_stands BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (NEW.recovered_at IS DISTINCT FROM OLD.recovered_at)
    EXECUTE FUNCTION refuse_order_recovered_later();
