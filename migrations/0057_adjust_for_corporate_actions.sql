-- A split over night was not known here: half of the shares were sold at the old stop, a loss that
-- was none latched the kill switch, and the rest was left unguarded. Shares are counted anew now
-- where the announcement and the broker's positions agree, and nothing is decided where they do not.

CREATE TABLE corporate_actions (
    action_id text PRIMARY KEY CHECK (length(action_id) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('forward_split', 'reverse_split', 'stock_dividend',
        'name_change', 'stock_merger', 'stock_and_cash_merger', 'cash_merger', 'cash_dividend',
        'spin_off', 'rights_distribution', 'unit_split', 'redemption', 'partial_call',
        'worthless_removal', 'reorganization', 'unknown')),
    symbol text NOT NULL CHECK (length(symbol) BETWEEN 1 AND 200),
    new_symbol text CHECK (length(new_symbol) BETWEEN 1 AND 200),
    old_rate numeric CHECK (old_rate > 0),
    new_rate numeric CHECK (new_rate > 0),
    cash numeric CHECK (cash >= 0),
    effective_on date NOT NULL,
    process_on date NOT NULL,
    payable_on date,
    reason text,
    content text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    withdrawn_at timestamptz,
    CONSTRAINT corporate_actions_both_rates CHECK ((old_rate IS NULL) = (new_rate IS NULL))
);
CREATE INDEX corporate_actions_of_symbol ON corporate_actions (symbol, effective_on);
COMMENT ON TABLE corporate_actions IS 'Splits, dividends, renamings and mergers of the securities that concern us, as the vendor of market data announces them.';
COMMENT ON COLUMN corporate_actions.action_id IS 'The vendor''s id.';
COMMENT ON COLUMN corporate_actions.kind IS 'The vendor''s kind; unknown: it has none that is known here, or is not legible.';
COMMENT ON COLUMN corporate_actions.symbol IS 'The security that it happens to, by its symbol before.';
COMMENT ON COLUMN corporate_actions.new_symbol IS 'What it becomes, or what is given for it; NULL: the symbol stays.';
COMMENT ON COLUMN corporate_actions.old_rate IS 'So many shares become new_rate; NULL: their number stays.';
COMMENT ON COLUMN corporate_actions.new_rate IS 'So many shares there are for old_rate.';
COMMENT ON COLUMN corporate_actions.cash IS 'USD for one share; NULL: none, or not known.';
COMMENT ON COLUMN corporate_actions.effective_on IS 'The first New York day that trades without it: its ex-date, else its effective or process date.';
COMMENT ON COLUMN corporate_actions.process_on IS 'When the vendor''s broker books it, by which the vendor lists it.';
COMMENT ON COLUMN corporate_actions.payable_on IS 'When it is paid; NULL: not told.';
COMMENT ON COLUMN corporate_actions.reason IS 'Why nothing is decided by it; NULL: it is understood.';
COMMENT ON COLUMN corporate_actions.content IS 'The announcement as JSON, capped.';
COMMENT ON COLUMN corporate_actions.first_seen IS 'When it was read first.';
COMMENT ON COLUMN corporate_actions.last_seen IS 'When it was read last.';
COMMENT ON COLUMN corporate_actions.withdrawn_at IS 'When the vendor no longer had it; NULL: it stands.';

CREATE TABLE position_adjustments (
    id uuid PRIMARY KEY,
    position_id uuid NOT NULL,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    kind text NOT NULL,
    action_id text REFERENCES corporate_actions,
    activity_id text CHECK (length(activity_id) BETWEEN 1 AND 200),
    symbol text NOT NULL,
    new_symbol text,
    old_rate numeric NOT NULL CHECK (old_rate > 0),
    new_rate numeric NOT NULL CHECK (new_rate > 0),
    quantity_before numeric NOT NULL CHECK (quantity_before > 0),
    quantity_after numeric NOT NULL CHECK (quantity_after >= 0),
    opened_before numeric NOT NULL CHECK (opened_before > 0),
    opened_after numeric NOT NULL CHECK (opened_after > 0),
    fraction numeric NOT NULL CHECK (fraction >= 0),
    cash numeric CHECK (cash >= 0),
    effective_on date NOT NULL,
    applied_at timestamptz NOT NULL,
    tick timestamptz NOT NULL,
    CONSTRAINT position_adjustments_position_of_its_account FOREIGN KEY (position_id, account_name)
        REFERENCES active_positions (id, account_name),
    CONSTRAINT position_adjustments_once_an_action UNIQUE (position_id, action_id),
    CONSTRAINT position_adjustments_once_an_activity UNIQUE (position_id, activity_id),
    CONSTRAINT position_adjustments_have_a_cause CHECK (num_nonnulls(action_id, activity_id) > 0)
);
COMMENT ON TABLE position_adjustments IS 'What corporate actions did to positions; with fills they explain every share. Rows are only added.';
COMMENT ON COLUMN position_adjustments.id IS 'From position and action or activity.';
COMMENT ON COLUMN position_adjustments.position_id IS 'Which.';
COMMENT ON COLUMN position_adjustments.account_name IS 'Whose it is.';
COMMENT ON COLUMN position_adjustments.kind IS 'As in corporate_actions.';
COMMENT ON COLUMN position_adjustments.action_id IS 'The announcement; NULL: only the broker''s activity told of it.';
COMMENT ON COLUMN position_adjustments.activity_id IS 'The broker''s activity; NULL: its positions confirmed the announcement.';
COMMENT ON COLUMN position_adjustments.symbol IS 'What was held before.';
COMMENT ON COLUMN position_adjustments.new_symbol IS 'What is held after it; NULL: the same.';
COMMENT ON COLUMN position_adjustments.old_rate IS 'So many shares became new_rate.';
COMMENT ON COLUMN position_adjustments.new_rate IS 'So many there are for old_rate.';
COMMENT ON COLUMN position_adjustments.quantity_before IS 'Shares held before.';
COMMENT ON COLUMN position_adjustments.quantity_after IS 'Shares held after; 0: the position ended with it.';
COMMENT ON COLUMN position_adjustments.opened_before IS 'Shares bought in all, counted as before.';
COMMENT ON COLUMN position_adjustments.opened_after IS 'The same, counted as after; what they cost stays.';
COMMENT ON COLUMN position_adjustments.fraction IS 'Of the shares after it, what was paid out in cash and is not held.';
COMMENT ON COLUMN position_adjustments.cash IS 'What it pays for the position, USD, part of its result; NULL: not told, so that no result is proven.';
COMMENT ON COLUMN position_adjustments.effective_on IS 'The first day that traded without it.';
COMMENT ON COLUMN position_adjustments.applied_at IS 'When it was booked.';
COMMENT ON COLUMN position_adjustments.tick IS 'The tick of the run that booked it.';
CREATE TRIGGER position_adjustments_stand BEFORE UPDATE OR DELETE ON position_adjustments
    FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_record();
CREATE TRIGGER position_adjustments_stay BEFORE TRUNCATE ON position_adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewritten_record();

CREATE TABLE corporate_action_holds (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    symbol text NOT NULL CHECK (length(symbol) BETWEEN 1 AND 200),
    reason text NOT NULL,
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (account_name, symbol)
);
COMMENT ON TABLE corporate_action_holds IS 'Symbols in which an account decides nothing by price, since the shares here and at the broker may not be the same.';
COMMENT ON COLUMN corporate_action_holds.account_name IS 'Whose.';
COMMENT ON COLUMN corporate_action_holds.symbol IS 'Of the position held.';
COMMENT ON COLUMN corporate_action_holds.reason IS 'What is announced or found, and what contradicts it.';
COMMENT ON COLUMN corporate_action_holds.since IS 'When it was found.';
COMMENT ON COLUMN corporate_action_holds.seen_at IS 'When it was found last.';
COMMENT ON COLUMN corporate_action_holds.ended_at IS 'When both agreed again; NULL: it holds.';

-- What was held before the first run is counted anew as well.
ALTER TABLE external_holdings
    DROP CONSTRAINT external_holdings_end_kind_check,
    ADD CONSTRAINT external_holdings_end_kind_check CHECK (
        end_kind IN ('sold', 'adopted', 'rebound', 'renamed'));
COMMENT ON COLUMN external_holdings.end_kind IS 'sold: the operator''s doing; adopted: a position of ours now; rebound: the account stands for another one at its broker now; renamed: the same shares are the row of another symbol now.';
ALTER TABLE external_holding_events
    DROP CONSTRAINT external_holding_events_kind_check,
    ADD CONSTRAINT external_holding_events_kind_check CHECK (
        kind IN ('found', 'reduced', 'adopted', 'rebound', 'left_alone', 'adjusted')),
    ADD COLUMN action_id text REFERENCES corporate_actions;
COMMENT ON COLUMN external_holding_events.action_id IS 'The corporate action that it was adjusted for; NULL: none.';
CREATE UNIQUE INDEX external_holding_events_once_an_action
    ON external_holding_events (account_name, symbol, action_id) WHERE action_id IS NOT NULL;

CREATE OR REPLACE FUNCTION group_of_stage(stage text) RETURNS name LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CAST(CASE
        WHEN stage IN ('rss_ingest', 'classifier') THEN 'ops_pipeline_news'
        WHEN stage IN ('market_clock', 'market_regime', 'telemetry', 'features', 'watchlist',
            'discovery', 'report', 'healthcheck', 'run_failure', 'corporate_actions')
            THEN 'ops_pipeline_market'
        WHEN stage IN ('signals', 'dispatcher', 'position_manager', 'reconciler')
            THEN 'ops_pipeline_trading'
        WHEN stage IN ('retention', 'control') THEN 'ops_pipeline_control'
    END AS name)
$$;

GRANT SELECT, INSERT, UPDATE ON corporate_actions, corporate_action_holds TO ops_pipeline_writer;
GRANT SELECT, INSERT ON position_adjustments TO ops_pipeline_writer;
GRANT INSERT, UPDATE ON corporate_actions TO ops_pipeline_market;
-- Control compares a ledger that was lost, by the same rules.
GRANT INSERT ON position_adjustments TO ops_pipeline_trading, ops_pipeline_control;
GRANT INSERT, UPDATE ON corporate_action_holds TO ops_pipeline_trading, ops_pipeline_control;
-- A symbol that changes keeps its names, and is watched as the old one was.
GRANT INSERT, UPDATE (active, is_watched, valid_to, renamed_to) ON tickers TO ops_pipeline_market;
GRANT SELECT ON corporate_actions, position_adjustments, corporate_action_holds
    TO ops_pipeline_reader;
