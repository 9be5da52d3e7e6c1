-- Which account at the broker each account of ours stands for. Keys in a secret or in the
-- environment can be swapped, their number with them: what an operator bound is kept here.

-- Made once, by the first binding. The reader may not read it: account numbers are short, and
-- with it each could be tried.
CREATE TABLE binding_salt (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    salt bytea NOT NULL CHECK (length(salt) >= 32)
);
COMMENT ON TABLE binding_salt IS 'The one secret that this database''s number marks are made with; never changed.';
COMMENT ON COLUMN binding_salt.only_row IS 'Always true: there is at most one row.';
COMMENT ON COLUMN binding_salt.salt IS 'Random bytes.';

CREATE TABLE account_bindings (
    account_name varchar(50) PRIMARY KEY REFERENCES accounts,
    number_mark text NOT NULL CHECK (number_mark ~ '^[0-9a-f]{64}$'),
    -- A mark without its salt would vouch for nothing: the salt can't go while marks are there.
    salted boolean NOT NULL DEFAULT true REFERENCES binding_salt,
    bound_at timestamptz NOT NULL,
    bound_by text NOT NULL,
    CONSTRAINT account_bindings_one_account_each UNIQUE (number_mark)
);
COMMENT ON TABLE account_bindings IS 'The account at the broker that an account stands for; without a row it is unbound and does nothing there.';
COMMENT ON COLUMN account_bindings.account_name IS 'Our account.';
COMMENT ON COLUMN account_bindings.number_mark IS 'HMAC-SHA256 of broker and account number under this database''s salt.';
COMMENT ON COLUMN account_bindings.salted IS 'Always true: points at the salt.';
COMMENT ON COLUMN account_bindings.bound_at IS 'When it was bound to this number.';
COMMENT ON COLUMN account_bindings.bound_by IS 'Who bound it.';

-- Another number is other money: what is open was bought with the old one's, and an order
-- decided before could reach the new one. Entries that are halted under the account's lock,
-- nothing held and nothing live leave neither.
CREATE FUNCTION refuse_binding_of_an_account_in_use() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    halted text;
    open_positions bigint;
    live_orders bigint;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.account_name = OLD.account_name
       AND NEW.number_mark = OLD.number_mark THEN
        RETURN NEW;
    END IF;
    SELECT operator_halt INTO halted FROM accounts
    WHERE account_name = OLD.account_name FOR NO KEY UPDATE;
    SELECT count(*) INTO open_positions FROM active_positions
    WHERE account_name = OLD.account_name AND status <> 'closed';
    SELECT count(*) INTO live_orders FROM orders
    WHERE account_name = OLD.account_name AND is_live(status);
    IF halted IS NULL OR open_positions > 0 OR live_orders > 0 THEN
        RAISE EXCEPTION '% keeps its number while it is in use: % positions open, % orders live, %',
            OLD.account_name, open_positions, live_orders,
            CASE WHEN halted IS NULL THEN 'not halted by an operator' ELSE 'halted' END
            USING ERRCODE = '23514', CONSTRAINT = 'account_bindings_change_at_rest';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
COMMENT ON FUNCTION refuse_binding_of_an_account_in_use IS 'An account keeps its number until an operator halted it and nothing of it is open or live.';
CREATE TRIGGER account_bindings_change_at_rest BEFORE UPDATE OR DELETE ON account_bindings
    FOR EACH ROW EXECUTE FUNCTION refuse_binding_of_an_account_in_use();

GRANT SELECT, INSERT ON binding_salt TO ops_pipeline_writer;
GRANT SELECT, INSERT, UPDATE ON account_bindings TO ops_pipeline_writer;
GRANT SELECT ON account_bindings TO ops_pipeline_reader;
