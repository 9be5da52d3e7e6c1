-- What an account held before its first run was adopted as a day trade and sold in the first
-- minute, and what it had lost by then latched the kill switch. It is a row now, and left alone.

-- Whether what was there before is known. Of an account that is bound anew it has to be found anew.
CREATE TABLE first_looks (
    account_name varchar(50) PRIMARY KEY REFERENCES accounts,
    number_mark text,
    looked_at timestamptz NOT NULL,
    tick timestamptz NOT NULL
);
COMMENT ON TABLE first_looks IS 'When an account was first compared with its broker; without a row it enters nothing there.';
COMMENT ON COLUMN first_looks.account_name IS 'Whose.';
COMMENT ON COLUMN first_looks.number_mark IS 'What the account was bound to, as in account_bindings; NULL: to nothing.';
COMMENT ON COLUMN first_looks.looked_at IS 'When the broker was asked. What a hand ordered that had ended by then is no order of ours.';
COMMENT ON COLUMN first_looks.tick IS 'The tick of the run that looked.';

CREATE TABLE external_holdings (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    symbol text NOT NULL CHECK (length(symbol) <= 200),
    asset_class text NOT NULL CHECK (length(asset_class) <= 200),
    quantity numeric NOT NULL,
    quantity_found numeric NOT NULL CHECK (quantity_found <> 0),
    average_cost numeric NOT NULL,
    price_found numeric CHECK (price_found > 0),
    found_at timestamptz NOT NULL,
    tick timestamptz NOT NULL,
    price numeric CHECK (price > 0),
    close_before numeric CHECK (close_before > 0),
    priced_at timestamptz,
    less_quantity numeric,
    less_since timestamptz,
    ended_at timestamptz,
    end_kind text CHECK (end_kind IN ('sold', 'adopted', 'rebound')),
    PRIMARY KEY (account_name, symbol),
    CONSTRAINT external_holdings_ended_are_empty CHECK (
        (quantity = 0) = (ended_at IS NOT NULL) AND (ended_at IS NULL) = (end_kind IS NULL)),
    CONSTRAINT external_holdings_never_turn CHECK (quantity * quantity_found >= 0),
    CONSTRAINT external_holdings_priced_when CHECK (
        priced_at IS NOT NULL OR (price IS NULL AND close_before IS NULL)),
    CONSTRAINT external_holdings_less_since_when CHECK (
        (less_quantity IS NULL) = (less_since IS NULL))
);
COMMENT ON TABLE external_holdings IS 'What an account held before its first run: shown and left alone.';
COMMENT ON COLUMN external_holdings.account_name IS 'Whose.';
COMMENT ON COLUMN external_holdings.symbol IS 'As the broker writes it.';
COMMENT ON COLUMN external_holdings.asset_class IS 'The broker''s word, such as us_equity or crypto.';
COMMENT ON COLUMN external_holdings.quantity IS 'Shares that are left alone, below 0 for a short; 0: none any more.';
COMMENT ON COLUMN external_holdings.quantity_found IS 'Shares there were, or that an operator said are to be left alone.';
COMMENT ON COLUMN external_holdings.average_cost IS 'What they cost by the broker, USD a share.';
COMMENT ON COLUMN external_holdings.price_found IS 'The broker''s price when they were found, USD; NULL: it told none.';
COMMENT ON COLUMN external_holdings.found_at IS 'When they were found.';
COMMENT ON COLUMN external_holdings.tick IS 'The tick of the run that found them.';
COMMENT ON COLUMN external_holdings.price IS 'The broker''s newest price, USD.';
COMMENT ON COLUMN external_holdings.close_before IS 'The close of the session before priced_at by the broker, USD.';
COMMENT ON COLUMN external_holdings.priced_at IS 'When the broker told both.';
COMMENT ON COLUMN external_holdings.less_quantity IS 'What the last look found, where it was less; a second look confirms it.';
COMMENT ON COLUMN external_holdings.less_since IS 'When that was first found.';
COMMENT ON COLUMN external_holdings.ended_at IS 'When nothing was left of it, or it was adopted; NULL: it is held.';
COMMENT ON COLUMN external_holdings.end_kind IS 'sold: the operator''s doing; adopted: a position of ours now; rebound: the account stands for another one at its broker now.';

CREATE TABLE external_holding_events (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    symbol text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('found', 'reduced', 'adopted', 'rebound', 'left_alone')),
    quantity_before numeric NOT NULL,
    quantity numeric NOT NULL,
    price numeric,
    day_change numeric,
    PRIMARY KEY (account_name, symbol, at, kind),
    FOREIGN KEY (account_name, symbol) REFERENCES external_holdings (account_name, symbol)
);
COMMENT ON TABLE external_holding_events IS 'What became of each row of external_holdings; rows are only added.';
COMMENT ON COLUMN external_holding_events.account_name IS 'Whose.';
COMMENT ON COLUMN external_holding_events.symbol IS 'Of which holding.';
COMMENT ON COLUMN external_holding_events.at IS 'When.';
COMMENT ON COLUMN external_holding_events.kind IS 'left_alone: an operator said so of what the broker holds.';
COMMENT ON COLUMN external_holding_events.quantity_before IS 'Shares before.';
COMMENT ON COLUMN external_holding_events.quantity IS 'Shares after.';
COMMENT ON COLUMN external_holding_events.price IS 'What the difference was sold or adopted at, USD a share; NULL: not known.';
COMMENT ON COLUMN external_holding_events.day_change IS 'What the difference had gained that day by then, USD; NULL: not known.';
CREATE TRIGGER external_holding_events_stand BEFORE UPDATE OR DELETE ON external_holding_events
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_record();

-- Shares of a symbol at the broker are one lot: what is bought in it could not be told from what
-- is left alone.
CREATE FUNCTION refuse_entry_in_external_holding() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM external_holdings AS e
               WHERE e.account_name = NEW.account_name AND e.symbol = NEW.symbol
                 AND e.quantity <> 0) THEN
        RAISE EXCEPTION 'entry %: % was held before the first run and is left alone',
            NEW.client_order_id, NEW.symbol
            USING ERRCODE = 'OP001', CONSTRAINT = 'orders_leave_external_holdings_alone';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_entry_in_external_holding IS
    'Refuses an entry in a symbol that the account held before its first run.';
CREATE TRIGGER orders_leave_external_holdings_alone BEFORE INSERT ON orders
    FOR EACH ROW WHEN (NEW.purpose = 'entry' AND NEW.recovered_at IS NULL)
    EXECUTE FUNCTION refuse_entry_in_external_holding();

-- A loss that only the broker's equity shows is believed when a second tick shows it too.
CREATE TABLE broker_losses (
    account_name varchar(50) PRIMARY KEY REFERENCES accounts,
    tick timestamptz NOT NULL,
    loss numeric NOT NULL
);
COMMENT ON TABLE broker_losses IS 'The newest tick at which the broker''s equity, and not our ledger, showed a loss over the limit; without a row the last reading did not.';
COMMENT ON COLUMN broker_losses.account_name IS 'Whose.';
COMMENT ON COLUMN broker_losses.tick IS 'The tick of the reading.';
COMMENT ON COLUMN broker_losses.loss IS 'The day''s loss that it showed, USD.';

GRANT SELECT, INSERT, UPDATE ON first_looks, external_holdings TO ops_pipeline_writer;
GRANT SELECT, INSERT ON external_holding_events TO ops_pipeline_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON broker_losses TO ops_pipeline_writer;
GRANT INSERT, UPDATE ON first_looks, external_holdings TO ops_pipeline_trading, ops_pipeline_control;
GRANT INSERT ON external_holding_events TO ops_pipeline_trading, ops_pipeline_control;
GRANT INSERT, UPDATE, DELETE ON broker_losses TO ops_pipeline_trading;
GRANT SELECT ON first_looks, external_holdings, external_holding_events, broker_losses
    TO ops_pipeline_reader;
