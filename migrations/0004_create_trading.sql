-- From a recommendation to a closed position: the order road and its last gate.

CREATE TABLE dispatcher_runs (
    run_id uuid PRIMARY KEY,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    tick timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    pulled_count integer NOT NULL,
    processed_count integer NOT NULL,
    simulated_count integer NOT NULL,
    skipped_count integer NOT NULL,
    failed_count integer NOT NULL,
    run_summary_json jsonb NOT NULL,
    UNIQUE (account_name, tick),
    -- What names a row of an account names the account too, here and in the keys below:
    -- no row points across accounts.
    UNIQUE (run_id, account_name)
);
COMMENT ON TABLE dispatcher_runs IS 'One row a dispatcher run of one account.';
COMMENT ON COLUMN dispatcher_runs.run_id IS 'From account and tick.';
COMMENT ON COLUMN dispatcher_runs.account_name IS 'The account it served.';
COMMENT ON COLUMN dispatcher_runs.tick IS 'The schedule''s time.';
COMMENT ON COLUMN dispatcher_runs.started_at IS 'When it began.';
COMMENT ON COLUMN dispatcher_runs.finished_at IS 'When it ended; NULL: it runs, or died.';
COMMENT ON COLUMN dispatcher_runs.pulled_count IS 'Recommendations claimed.';
COMMENT ON COLUMN dispatcher_runs.processed_count IS 'Recommendations whose order was sent.';
COMMENT ON COLUMN dispatcher_runs.simulated_count IS 'Recommendations filled by simulation.';
COMMENT ON COLUMN dispatcher_runs.skipped_count IS 'Recommendations refused by a gate.';
COMMENT ON COLUMN dispatcher_runs.failed_count IS 'Recommendations that failed.';
COMMENT ON COLUMN dispatcher_runs.run_summary_json IS 'Facts of the run: equity, buying power, recovered orders.';

CREATE TABLE dispatch_recommendations (
    id bigint PRIMARY KEY,
    ts timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    ticker text NOT NULL,
    action text NOT NULL CHECK (action IN ('BUY', 'SELL')),
    instrument_type text NOT NULL CHECK (instrument_type IN ('STOCK', 'CALL', 'PUT')),
    strategy_type text NOT NULL CHECK (strategy_type IN ('day_trade', 'swing_trade')),
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    reason jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'EXECUTED', 'SIMULATED',
                                           'SKIPPED', 'FAILED', 'CANCELLED', 'EXPIRED')),
    failure_reason text,
    risk_gate_json jsonb,
    features_snapshot jsonb NOT NULL,
    sentiment_snapshot jsonb,
    dispatcher_run_id uuid,
    claimed_until timestamptz,
    processed_at timestamptz,
    parameter_version integer NOT NULL REFERENCES parameter_versions,
    CONSTRAINT dispatch_recommendations_one_per_tick
        UNIQUE (ts, account_name, ticker, action, instrument_type),
    UNIQUE (id, account_name),
    CONSTRAINT dispatch_recommendations_run_of_its_account
        FOREIGN KEY (dispatcher_run_id, account_name)
        REFERENCES dispatcher_runs (run_id, account_name),
    CONSTRAINT dispatch_recommendations_claimed_until_when
        CHECK ((status = 'PROCESSING') = (claimed_until IS NOT NULL)),
    CONSTRAINT dispatch_recommendations_refusal_says_why
        CHECK (status NOT IN ('SKIPPED', 'FAILED') OR failure_reason IS NOT NULL)
);
CREATE INDEX dispatch_recommendations_pending
    ON dispatch_recommendations (account_name, id) WHERE status IN ('PENDING', 'PROCESSING');
CREATE INDEX dispatch_recommendations_by_ticker ON dispatch_recommendations (ticker, ts);
COMMENT ON TABLE dispatch_recommendations IS 'A signal, once for each active account, and what became of it.';
COMMENT ON COLUMN dispatch_recommendations.id IS 'The New York day times 1,000,000 plus a running number of that day.';
COMMENT ON COLUMN dispatch_recommendations.ts IS 'The tick whose signal it is.';
COMMENT ON COLUMN dispatch_recommendations.created_at IS 'When it was stored.';
COMMENT ON COLUMN dispatch_recommendations.account_name IS 'The account it is for.';
COMMENT ON COLUMN dispatch_recommendations.ticker IS 'The underlying.';
COMMENT ON COLUMN dispatch_recommendations.action IS 'BUY opens; SELL is an exit rule of the position manager.';
COMMENT ON COLUMN dispatch_recommendations.instrument_type IS 'STOCK, or the side of an option.';
COMMENT ON COLUMN dispatch_recommendations.strategy_type IS 'day_trade is closed before the session ends.';
COMMENT ON COLUMN dispatch_recommendations.confidence IS 'From 0 to 1.';
COMMENT ON COLUMN dispatch_recommendations.reason IS 'The signal''s arithmetic.';
COMMENT ON COLUMN dispatch_recommendations.status IS 'PENDING, PROCESSING while claimed or its order lives; the others are final. A SELL is EXECUTED once the position manager has been asked to exit.';
COMMENT ON COLUMN dispatch_recommendations.failure_reason IS 'Why it was refused or failed, first reason first.';
COMMENT ON COLUMN dispatch_recommendations.risk_gate_json IS 'Each gate: passed, reason, observed, limit.';
COMMENT ON COLUMN dispatch_recommendations.features_snapshot IS 'The features it was decided on.';
COMMENT ON COLUMN dispatch_recommendations.sentiment_snapshot IS 'The news it was decided on; NULL: no story.';
COMMENT ON COLUMN dispatch_recommendations.dispatcher_run_id IS 'The run that claimed it last.';
COMMENT ON COLUMN dispatch_recommendations.claimed_until IS 'When another run may claim it.';
COMMENT ON COLUMN dispatch_recommendations.processed_at IS 'When it became final.';
COMMENT ON COLUMN dispatch_recommendations.parameter_version IS 'The figures it was decided with.';

CREATE TABLE active_positions (
    id uuid PRIMARY KEY,
    execution_id uuid UNIQUE,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    ticker text NOT NULL,
    symbol text NOT NULL,
    instrument_type text NOT NULL CHECK (instrument_type IN ('STOCK', 'CALL', 'PUT')),
    strategy_type text NOT NULL CHECK (strategy_type IN ('day_trade', 'swing_trade')),
    side text NOT NULL CHECK (side IN ('long', 'short')),
    quantity numeric NOT NULL CHECK (quantity >= 0),
    opened_quantity numeric NOT NULL CHECK (opened_quantity > 0),
    multiplier integer NOT NULL CHECK (multiplier IN (1, 100)),
    entry_price numeric NOT NULL CHECK (entry_price > 0),
    entry_time timestamptz NOT NULL,
    option_symbol text,
    strike_price numeric,
    expiration_date date,
    stop_loss numeric,
    take_profit numeric,
    initial_risk numeric,
    max_hold_minutes integer,
    current_price numeric,
    priced_at timestamptz,
    current_pnl_dollars numeric,
    current_pnl_percent double precision,
    peak_price numeric,
    trough_price numeric,
    trailing_armed boolean NOT NULL,
    lifecycle_state text NOT NULL
        CHECK (lifecycle_state IN ('initial', 'breakeven', 'partial', 'adopted')),
    status text NOT NULL CHECK (status IN ('open', 'closing', 'closed')),
    close_reason text,
    exit_requested text CHECK (exit_requested IN ('operator', 'emergency', 'signal')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    parameter_version integer REFERENCES parameter_versions,
    UNIQUE (id, account_name),
    CONSTRAINT active_positions_option_names_its_contract
        CHECK ((instrument_type = 'STOCK') = (option_symbol IS NULL)),
    CONSTRAINT active_positions_hundred_shares_a_contract
        CHECK ((instrument_type = 'STOCK') = (multiplier = 1)),
    CONSTRAINT active_positions_symbol_is_what_is_held
        CHECK (symbol = coalesce(option_symbol, ticker)),
    CONSTRAINT active_positions_closed_is_empty
        CHECK (status <> 'closed' OR (quantity = 0 AND closed_at IS NOT NULL AND close_reason IS NOT NULL)),
    CONSTRAINT active_positions_held_is_not_empty CHECK (status = 'closed' OR quantity > 0)
);
CREATE UNIQUE INDEX active_positions_one_per_symbol
    ON active_positions (account_name, symbol) WHERE status <> 'closed';
COMMENT ON TABLE active_positions IS 'What an account holds and held; written on broker evidence alone.';
COMMENT ON COLUMN active_positions.id IS 'From the entry order''s client_order_id.';
COMMENT ON COLUMN active_positions.execution_id IS 'The entry; NULL: adopted from the broker''s books.';
COMMENT ON COLUMN active_positions.account_name IS 'Whose it is.';
COMMENT ON COLUMN active_positions.ticker IS 'The underlying.';
COMMENT ON COLUMN active_positions.symbol IS 'What is held: the ticker, or the contract''s OCC symbol.';
COMMENT ON COLUMN active_positions.instrument_type IS 'STOCK, or the side of an option.';
COMMENT ON COLUMN active_positions.strategy_type IS 'day_trade is closed before the session ends.';
COMMENT ON COLUMN active_positions.side IS 'long; a short is never opened, only ever found.';
COMMENT ON COLUMN active_positions.quantity IS 'Shares or contracts held now.';
COMMENT ON COLUMN active_positions.opened_quantity IS 'Shares or contracts bought in all.';
COMMENT ON COLUMN active_positions.multiplier IS '1, or 100 shares a contract.';
COMMENT ON COLUMN active_positions.entry_price IS 'Average of the entry''s fills, USD a share.';
COMMENT ON COLUMN active_positions.entry_time IS 'Time of the first fill.';
COMMENT ON COLUMN active_positions.option_symbol IS 'OCC symbol; NULL for stock.';
COMMENT ON COLUMN active_positions.strike_price IS 'USD; NULL for stock.';
COMMENT ON COLUMN active_positions.expiration_date IS 'NULL for stock.';
COMMENT ON COLUMN active_positions.stop_loss IS 'Price at or under which it is sold, USD; moves up only.';
COMMENT ON COLUMN active_positions.take_profit IS 'Price at or over which it is sold, USD.';
COMMENT ON COLUMN active_positions.initial_risk IS 'Entry price less the first stop, USD a share: one R.';
COMMENT ON COLUMN active_positions.max_hold_minutes IS 'Longest time held, minutes.';
COMMENT ON COLUMN active_positions.current_price IS 'Mid of the last usable quote, USD.';
COMMENT ON COLUMN active_positions.priced_at IS 'Time of that quote.';
COMMENT ON COLUMN active_positions.current_pnl_dollars IS 'Profit of what is still held at that mid, USD.';
COMMENT ON COLUMN active_positions.current_pnl_percent IS 'The same over its cost, percent.';
COMMENT ON COLUMN active_positions.peak_price IS 'Highest mid seen since entry.';
COMMENT ON COLUMN active_positions.trough_price IS 'Lowest mid seen since entry.';
COMMENT ON COLUMN active_positions.trailing_armed IS 'True once the partial exit was done.';
COMMENT ON COLUMN active_positions.lifecycle_state IS 'The last state rule that applied.';
COMMENT ON COLUMN active_positions.status IS 'closing from the first order that sells all of it.';
COMMENT ON COLUMN active_positions.close_reason IS 'The exit rule; NULL while none applied.';
COMMENT ON COLUMN active_positions.exit_requested IS 'Asked for by an operator or a SELL signal; the position manager decides.';
COMMENT ON COLUMN active_positions.created_at IS 'When the row was written.';
COMMENT ON COLUMN active_positions.updated_at IS 'When it was changed last.';
COMMENT ON COLUMN active_positions.closed_at IS 'Time of the last exit fill.';
COMMENT ON COLUMN active_positions.parameter_version IS 'The figures it was opened with.';

CREATE TABLE orders (
    client_order_id text PRIMARY KEY,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    purpose text NOT NULL CHECK (purpose IN ('entry', 'exit', 'stop', 'adopted')),
    recommendation_id bigint,
    position_id uuid,
    attempt integer NOT NULL CHECK (attempt > 0),
    ticker text NOT NULL,
    symbol text NOT NULL,
    instrument_type text NOT NULL CHECK (instrument_type IN ('STOCK', 'CALL', 'PUT')),
    multiplier integer NOT NULL CHECK (multiplier IN (1, 100)),
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric NOT NULL CHECK (quantity > 0),
    order_type text NOT NULL CHECK (order_type IN ('limit', 'market', 'stop')),
    price numeric CHECK (price > 0),
    time_in_force text NOT NULL CHECK (time_in_force IN ('day', 'gtc')),
    reserved_notional numeric NOT NULL CHECK (reserved_notional >= 0),
    status text NOT NULL CHECK (status IN ('intended', 'unknown', 'accepted', 'partially_filled',
                                           'filled', 'canceled', 'expired', 'rejected', 'not_placed')),
    reason text NOT NULL,
    broker_order_id text,
    filled_qty numeric NOT NULL DEFAULT 0 CHECK (filled_qty >= 0),
    filled_avg_price numeric CHECK (filled_avg_price > 0),
    decided_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    missed_at timestamptz,
    cancel_requested_at timestamptz,
    terminal_at timestamptz,
    reopened_at timestamptz,
    failure_reason text,
    tick timestamptz NOT NULL,
    parameter_version integer REFERENCES parameter_versions,
    UNIQUE (client_order_id, account_name),
    CONSTRAINT orders_recommendation_of_its_account FOREIGN KEY (recommendation_id, account_name)
        REFERENCES dispatch_recommendations (id, account_name),
    CONSTRAINT orders_position_of_its_account FOREIGN KEY (position_id, account_name)
        REFERENCES active_positions (id, account_name),
    CONSTRAINT orders_one_per_attempt UNIQUE (recommendation_id, attempt),
    CONSTRAINT orders_broker_id_names_one_order UNIQUE (account_name, broker_order_id),
    -- Written before the broker hears of it: a crash in between leaves an intent
    -- to settle, not an order that nobody remembers.
    CONSTRAINT orders_acknowledged_has_broker_id
        CHECK (status NOT IN ('accepted', 'partially_filled', 'filled') OR broker_order_id IS NOT NULL),
    CONSTRAINT orders_filled_within_quantity CHECK (filled_qty <= quantity),
    CONSTRAINT orders_filled_has_price CHECK ((filled_qty = 0) = (filled_avg_price IS NULL)),
    CONSTRAINT orders_filled_is_whole CHECK ((status = 'filled') = (filled_qty = quantity)),
    CONSTRAINT orders_ended_when
        CHECK ((status IN ('filled', 'canceled', 'expired', 'rejected', 'not_placed'))
               = (terminal_at IS NOT NULL)),
    CONSTRAINT orders_priced_unless_market CHECK ((order_type = 'market') = (price IS NULL)),
    CONSTRAINT orders_hundred_shares_a_contract
        CHECK ((instrument_type = 'STOCK') = (multiplier = 1)),
    CONSTRAINT orders_entry_is_a_limited_buy_for_a_recommendation
        CHECK (purpose <> 'entry'
               OR (side = 'buy' AND order_type = 'limit' AND recommendation_id IS NOT NULL
                   AND position_id IS NULL)),
    CONSTRAINT orders_exit_sells_its_position
        CHECK (purpose NOT IN ('exit', 'stop') OR (side = 'sell' AND position_id IS NOT NULL)),
    -- What is still to fill stays reserved at the limit until the order ends.
    CONSTRAINT orders_live_entry_reserves_its_cost
        CHECK (purpose <> 'entry'
               OR status IN ('filled', 'canceled', 'expired', 'rejected', 'not_placed')
               OR reserved_notional >= (quantity - filled_qty) * price * multiplier)
);
CREATE UNIQUE INDEX orders_one_live_exit ON orders (position_id)
    WHERE purpose = 'exit'
      AND status IN ('intended', 'unknown', 'accepted', 'partially_filled');
CREATE UNIQUE INDEX orders_one_live_stop ON orders (position_id)
    WHERE purpose = 'stop'
      AND status IN ('intended', 'unknown', 'accepted', 'partially_filled');
CREATE UNIQUE INDEX orders_one_live_entry ON orders (account_name, symbol)
    WHERE purpose = 'entry'
      AND status IN ('intended', 'unknown', 'accepted', 'partially_filled');
CREATE INDEX orders_live ON orders (account_name)
    WHERE status IN ('intended', 'unknown', 'accepted', 'partially_filled');
COMMENT ON TABLE orders IS 'Every order, written and committed before it is sent.';
COMMENT ON COLUMN orders.client_order_id IS 'Ours, sent to the broker; from deployment, account, symbol, tick, purpose, attempt.';
COMMENT ON COLUMN orders.account_name IS 'Whose it is.';
COMMENT ON COLUMN orders.purpose IS 'entry buys for a recommendation; exit and stop sell a position; adopted was found at the broker.';
COMMENT ON COLUMN orders.recommendation_id IS 'What an entry executes.';
COMMENT ON COLUMN orders.position_id IS 'What an exit or a stop sells.';
COMMENT ON COLUMN orders.attempt IS 'Counts up with each new intent for the same purpose.';
COMMENT ON COLUMN orders.ticker IS 'The underlying.';
COMMENT ON COLUMN orders.symbol IS 'What is traded: the ticker, or the contract''s OCC symbol.';
COMMENT ON COLUMN orders.instrument_type IS 'STOCK, or the side of an option.';
COMMENT ON COLUMN orders.multiplier IS '1, or 100 shares a contract.';
COMMENT ON COLUMN orders.side IS 'buy or sell.';
COMMENT ON COLUMN orders.quantity IS 'Shares or contracts asked for.';
COMMENT ON COLUMN orders.order_type IS 'limit, market, or stop (resting at the broker).';
COMMENT ON COLUMN orders.price IS 'The limit or the stop, USD; NULL for a market order.';
COMMENT ON COLUMN orders.time_in_force IS 'day or gtc.';
COMMENT ON COLUMN orders.reserved_notional IS 'Cost still reserved under the caps, USD; 0 once it ended, and for sales.';
COMMENT ON COLUMN orders.status IS 'intended: committed, perhaps sent. unknown: sent without an answer. The rest as the broker says; not_placed: it never arrived.';
COMMENT ON COLUMN orders.reason IS 'The signal or the exit rule behind it.';
COMMENT ON COLUMN orders.broker_order_id IS 'The broker''s id; NULL until it answered.';
COMMENT ON COLUMN orders.filled_qty IS 'Shares or contracts filled; never falls.';
COMMENT ON COLUMN orders.filled_avg_price IS 'Average price of the fills, USD.';
COMMENT ON COLUMN orders.decided_at IS 'When it was committed.';
COMMENT ON COLUMN orders.acknowledged_at IS 'When the broker was first known to have it.';
COMMENT ON COLUMN orders.missed_at IS 'When a look-up first answered 404.';
COMMENT ON COLUMN orders.cancel_requested_at IS 'When its cancel was asked for.';
COMMENT ON COLUMN orders.terminal_at IS 'When it was known to have ended.';
COMMENT ON COLUMN orders.reopened_at IS 'When recovery found an ended order alive at the broker.';
COMMENT ON COLUMN orders.failure_reason IS 'The broker''s words.';
COMMENT ON COLUMN orders.tick IS 'The schedule''s time it was decided at.';
COMMENT ON COLUMN orders.parameter_version IS 'The figures it was decided with.';

CREATE FUNCTION is_live(status text) RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN status IN ('intended', 'unknown', 'accepted', 'partially_filled');
COMMENT ON FUNCTION is_live IS 'Whether an order of that status may still fill.';

-- The last gate. An entry that would pass a cap cannot be stored, whatever code
-- or hand writes it. Facts (fills, acknowledgements, an ended order that the
-- broker turns out to hold) add nothing that was not reserved and pass.
CREATE FUNCTION refuse_entry_over_cap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    caps accounts%ROWTYPE;
    symbols bigint;
    exposure numeric;
BEGIN
    IF NOT is_live(NEW.status) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF is_live(OLD.status) AND OLD.purpose = 'entry'
           AND NEW.account_name = OLD.account_name AND NEW.symbol = OLD.symbol
           AND NEW.quantity <= OLD.quantity AND NEW.multiplier = OLD.multiplier
           AND NEW.reserved_notional <= OLD.reserved_notional THEN
            RETURN NEW;
        END IF;
        IF NEW.reopened_at IS DISTINCT FROM OLD.reopened_at AND NEW.broker_order_id IS NOT NULL
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
COMMENT ON FUNCTION refuse_entry_over_cap IS 'Refuses an entry that would pass a limit of its account.';
CREATE TRIGGER orders_entry_within_caps
    BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW WHEN (NEW.purpose = 'entry')
    EXECUTE FUNCTION refuse_entry_over_cap();

CREATE FUNCTION refuse_order_history_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
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
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_order_history_rewritten IS 'What an order was and what it filled is never taken back.';
CREATE TRIGGER orders_history_stands BEFORE UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_order_history_rewritten();

-- A sale sells what its position holds.
CREATE FUNCTION refuse_order_of_another_symbol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM active_positions AS p
               WHERE p.id = NEW.position_id AND p.symbol <> NEW.symbol) THEN
        RAISE EXCEPTION 'order % trades %, which its position does not hold',
            NEW.client_order_id, NEW.symbol USING ERRCODE = 'OP002';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION refuse_order_of_another_symbol IS 'A close carries the held symbol.';
CREATE TRIGGER orders_symbol_of_its_position
    BEFORE INSERT OR UPDATE OF position_id, symbol ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_order_of_another_symbol();

CREATE TABLE fills (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    fill_id text NOT NULL,
    client_order_id text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric NOT NULL CHECK (quantity > 0),
    price numeric NOT NULL CHECK (price > 0),
    executed_at timestamptz NOT NULL,
    evidence text NOT NULL CHECK (evidence IN ('broker', 'simulated')),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (account_name, fill_id),
    CONSTRAINT fills_order_of_its_account FOREIGN KEY (client_order_id, account_name)
        REFERENCES orders (client_order_id, account_name)
);
CREATE INDEX fills_by_order ON fills (client_order_id);
COMMENT ON TABLE fills IS 'Executions, each with its evidence.';
COMMENT ON COLUMN fills.account_name IS 'Whose it is.';
COMMENT ON COLUMN fills.fill_id IS 'The broker''s activity id, which never repeats.';
COMMENT ON COLUMN fills.client_order_id IS 'The order it filled.';
COMMENT ON COLUMN fills.symbol IS 'What was traded.';
COMMENT ON COLUMN fills.side IS 'buy or sell.';
COMMENT ON COLUMN fills.quantity IS 'Shares or contracts.';
COMMENT ON COLUMN fills.price IS 'USD a share.';
COMMENT ON COLUMN fills.executed_at IS 'When, as the broker says.';
COMMENT ON COLUMN fills.evidence IS 'broker: its own activity. simulated: a quote, in a SIMULATED account.';
COMMENT ON COLUMN fills.recorded_at IS 'When it was stored.';

CREATE TABLE dispatch_executions (
    execution_id uuid PRIMARY KEY,
    recommendation_id bigint NOT NULL,
    client_order_id text NOT NULL UNIQUE,
    dispatcher_run_id uuid,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    ticker text NOT NULL,
    action text NOT NULL CHECK (action IN ('BUY', 'SELL')),
    instrument_type text NOT NULL CHECK (instrument_type IN ('STOCK', 'CALL', 'PUT')),
    qty numeric NOT NULL CHECK (qty > 0),
    entry_price numeric NOT NULL CHECK (entry_price > 0),
    notional numeric NOT NULL CHECK (notional > 0),
    decision_ts timestamptz NOT NULL,
    simulated_ts timestamptz,
    created_at timestamptz NOT NULL,
    execution_mode text NOT NULL
        CHECK (execution_mode IN ('SIMULATED', 'SIMULATED_FALLBACK', 'ALPACA_PAPER', 'LIVE')),
    explain_json jsonb NOT NULL,
    risk_json jsonb NOT NULL,
    sim_json jsonb,
    option_symbol text,
    strike_price numeric,
    expiration_date date,
    contracts integer,
    strategy_type text NOT NULL CHECK (strategy_type IN ('day_trade', 'swing_trade')),
    stop_loss_price numeric,
    take_profit_price numeric,
    UNIQUE (execution_id, account_name),
    CONSTRAINT dispatch_executions_run_of_its_account FOREIGN KEY (dispatcher_run_id, account_name)
        REFERENCES dispatcher_runs (run_id, account_name),
    CONSTRAINT dispatch_executions_recommendation_of_its_account
        FOREIGN KEY (recommendation_id, account_name)
        REFERENCES dispatch_recommendations (id, account_name),
    CONSTRAINT dispatch_executions_order_of_its_account FOREIGN KEY (client_order_id, account_name)
        REFERENCES orders (client_order_id, account_name),
    CONSTRAINT dispatch_executions_no_fallback CHECK (execution_mode <> 'SIMULATED_FALLBACK'),
    CONSTRAINT dispatch_executions_simulated_says_so
        CHECK ((execution_mode = 'SIMULATED') = (sim_json IS NOT NULL))
);
ALTER TABLE active_positions
    ADD CONSTRAINT active_positions_execution_of_its_account
    FOREIGN KEY (execution_id, account_name)
    REFERENCES dispatch_executions (execution_id, account_name);
COMMENT ON TABLE dispatch_executions IS 'Entries that filled, in whole or in part.';
COMMENT ON COLUMN dispatch_executions.execution_id IS 'From the order''s client_order_id.';
COMMENT ON COLUMN dispatch_executions.recommendation_id IS 'What it executed.';
COMMENT ON COLUMN dispatch_executions.client_order_id IS 'The order that filled.';
COMMENT ON COLUMN dispatch_executions.dispatcher_run_id IS 'The run that sent it.';
COMMENT ON COLUMN dispatch_executions.account_name IS 'Whose it is.';
COMMENT ON COLUMN dispatch_executions.ticker IS 'The underlying.';
COMMENT ON COLUMN dispatch_executions.action IS 'BUY.';
COMMENT ON COLUMN dispatch_executions.instrument_type IS 'STOCK, or the side of an option.';
COMMENT ON COLUMN dispatch_executions.qty IS 'Shares or contracts filled so far.';
COMMENT ON COLUMN dispatch_executions.entry_price IS 'Average price of the fills, USD a share.';
COMMENT ON COLUMN dispatch_executions.notional IS 'qty x entry_price x multiplier, USD.';
COMMENT ON COLUMN dispatch_executions.decision_ts IS 'When the order was committed.';
COMMENT ON COLUMN dispatch_executions.simulated_ts IS 'Time of the quote it was simulated with; NULL for real fills.';
COMMENT ON COLUMN dispatch_executions.created_at IS 'When the first fill was stored.';
COMMENT ON COLUMN dispatch_executions.execution_mode IS 'The account''s mode; SIMULATED_FALLBACK is a word of the past and refused.';
COMMENT ON COLUMN dispatch_executions.explain_json IS 'The signal''s arithmetic.';
COMMENT ON COLUMN dispatch_executions.risk_json IS 'The gates and the sizing.';
COMMENT ON COLUMN dispatch_executions.sim_json IS 'The quote behind a simulated fill; NULL for real ones.';
COMMENT ON COLUMN dispatch_executions.option_symbol IS 'OCC symbol; NULL for stock.';
COMMENT ON COLUMN dispatch_executions.strike_price IS 'USD; NULL for stock.';
COMMENT ON COLUMN dispatch_executions.expiration_date IS 'NULL for stock.';
COMMENT ON COLUMN dispatch_executions.contracts IS 'Number of contracts; NULL for stock.';
COMMENT ON COLUMN dispatch_executions.strategy_type IS 'day_trade or swing_trade.';
COMMENT ON COLUMN dispatch_executions.stop_loss_price IS 'First stop, USD.';
COMMENT ON COLUMN dispatch_executions.take_profit_price IS 'First target, USD.';

CREATE TABLE position_events (
    position_id uuid NOT NULL,
    seq integer NOT NULL CHECK (seq > 0),
    account_name varchar(50) NOT NULL REFERENCES accounts,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    details jsonb NOT NULL,
    PRIMARY KEY (position_id, seq),
    CONSTRAINT position_events_position_of_its_account FOREIGN KEY (position_id, account_name)
        REFERENCES active_positions (id, account_name)
);
COMMENT ON TABLE position_events IS 'What happened to a position, in order.';
COMMENT ON COLUMN position_events.position_id IS 'Which.';
COMMENT ON COLUMN position_events.seq IS 'Counts up from 1 for each position.';
COMMENT ON COLUMN position_events.account_name IS 'Whose it is.';
COMMENT ON COLUMN position_events.at IS 'When.';
COMMENT ON COLUMN position_events.kind IS 'opened, added, breakeven, partial, trailing, exit_decided, reduced, closed, ...';
COMMENT ON COLUMN position_events.details IS 'The facts.';

CREATE TABLE position_history (
    id uuid PRIMARY KEY,
    position_id uuid NOT NULL UNIQUE,
    execution_id uuid,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    ticker text NOT NULL,
    instrument_type text NOT NULL CHECK (instrument_type IN ('STOCK', 'CALL', 'PUT')),
    strategy_type text NOT NULL CHECK (strategy_type IN ('day_trade', 'swing_trade')),
    side text NOT NULL CHECK (side IN ('long', 'short')),
    quantity numeric NOT NULL CHECK (quantity > 0),
    entry_price numeric NOT NULL CHECK (entry_price > 0),
    exit_price numeric CHECK (exit_price > 0),
    entry_time timestamptz NOT NULL,
    exit_time timestamptz NOT NULL,
    pnl_dollars numeric,
    pnl_pct double precision,
    multiplier integer NOT NULL CHECK (multiplier IN (1, 100)),
    exit_reason text NOT NULL,
    r_multiple double precision,
    mae_pct double precision,
    mfe_pct double precision,
    holding_minutes double precision NOT NULL CHECK (holding_minutes >= 0),
    win_loss_label text CHECK (win_loss_label IN ('win', 'loss', 'flat')),
    execution_mode text NOT NULL CHECK (execution_mode IN ('SIMULATED', 'ALPACA_PAPER', 'LIVE')),
    verified boolean NOT NULL,
    CONSTRAINT position_history_position_of_its_account FOREIGN KEY (position_id, account_name)
        REFERENCES active_positions (id, account_name),
    CONSTRAINT position_history_execution_of_its_account FOREIGN KEY (execution_id, account_name)
        REFERENCES dispatch_executions (execution_id, account_name),
    CONSTRAINT position_history_unverified_has_no_price
        CHECK (verified = (exit_price IS NOT NULL AND pnl_dollars IS NOT NULL
                           AND pnl_pct IS NOT NULL AND win_loss_label IS NOT NULL))
);
CREATE INDEX position_history_by_account ON position_history (account_name, exit_time);
COMMENT ON TABLE position_history IS 'One row a closed position, written in the transaction that closed it.';
COMMENT ON COLUMN position_history.id IS 'From the position.';
COMMENT ON COLUMN position_history.position_id IS 'The closed position.';
COMMENT ON COLUMN position_history.execution_id IS 'Its entry; NULL: adopted.';
COMMENT ON COLUMN position_history.account_name IS 'Whose it was.';
COMMENT ON COLUMN position_history.ticker IS 'The underlying.';
COMMENT ON COLUMN position_history.instrument_type IS 'STOCK, or the side of an option.';
COMMENT ON COLUMN position_history.strategy_type IS 'day_trade or swing_trade.';
COMMENT ON COLUMN position_history.side IS 'long or short.';
COMMENT ON COLUMN position_history.quantity IS 'Shares or contracts bought in all.';
COMMENT ON COLUMN position_history.entry_price IS 'Average of the entry''s fills, USD.';
COMMENT ON COLUMN position_history.exit_price IS 'Average of the exits'' fills, USD; NULL: not verified.';
COMMENT ON COLUMN position_history.entry_time IS 'First fill.';
COMMENT ON COLUMN position_history.exit_time IS 'Last fill.';
COMMENT ON COLUMN position_history.pnl_dollars IS 'Sold less bought, x multiplier, USD.';
COMMENT ON COLUMN position_history.pnl_pct IS 'The same over the cost, percent.';
COMMENT ON COLUMN position_history.multiplier IS '1, or 100 shares a contract.';
COMMENT ON COLUMN position_history.exit_reason IS 'The exit rule that closed it.';
COMMENT ON COLUMN position_history.r_multiple IS 'Profit a share over the first stop''s distance.';
COMMENT ON COLUMN position_history.mae_pct IS 'Furthest mid under the entry, percent.';
COMMENT ON COLUMN position_history.mfe_pct IS 'Furthest mid over the entry, percent.';
COMMENT ON COLUMN position_history.holding_minutes IS 'From first fill to last.';
COMMENT ON COLUMN position_history.win_loss_label IS 'By the sign of pnl_dollars.';
COMMENT ON COLUMN position_history.execution_mode IS 'Real and simulated results stay apart.';
COMMENT ON COLUMN position_history.verified IS 'False: closed without a fill to prove it; without price, left out of learning.';

CREATE TABLE position_telemetry (
    position_id uuid NOT NULL,
    ts timestamptz NOT NULL,
    account_name varchar(50) NOT NULL REFERENCES accounts,
    bid numeric NOT NULL,
    ask numeric NOT NULL,
    price numeric NOT NULL,
    pnl_dollars numeric NOT NULL,
    pnl_percent double precision NOT NULL,
    PRIMARY KEY (position_id, ts),
    CONSTRAINT position_telemetry_position_of_its_account FOREIGN KEY (position_id, account_name)
        REFERENCES active_positions (id, account_name)
);
COMMENT ON TABLE position_telemetry IS 'Each mark of an open position.';
COMMENT ON COLUMN position_telemetry.position_id IS 'Which.';
COMMENT ON COLUMN position_telemetry.ts IS 'The tick it was marked at.';
COMMENT ON COLUMN position_telemetry.account_name IS 'Whose it is.';
COMMENT ON COLUMN position_telemetry.bid IS 'USD.';
COMMENT ON COLUMN position_telemetry.ask IS 'USD.';
COMMENT ON COLUMN position_telemetry.price IS 'The mid, USD.';
COMMENT ON COLUMN position_telemetry.pnl_dollars IS 'Profit of what is held at that mid, USD.';
COMMENT ON COLUMN position_telemetry.pnl_percent IS 'The same over its cost, percent.';

CREATE TABLE missed_opportunities (
    id uuid PRIMARY KEY,
    ticker text NOT NULL,
    ts timestamptz NOT NULL,
    direction text NOT NULL CHECK (direction IN ('bullish', 'bearish', 'none')),
    reason text NOT NULL,
    features_snapshot jsonb NOT NULL,
    return_60m double precision,
    label text CHECK (label IN ('missed', 'rightly_refused')),
    labelled_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (ticker, ts)
);
COMMENT ON TABLE missed_opportunities IS 'Evaluations with a volume surge that led to no trade, labelled an hour later.';
COMMENT ON COLUMN missed_opportunities.id IS 'From ticker and tick.';
COMMENT ON COLUMN missed_opportunities.ticker IS 'Which.';
COMMENT ON COLUMN missed_opportunities.ts IS 'The tick of the evaluation.';
COMMENT ON COLUMN missed_opportunities.direction IS 'As the signal saw it.';
COMMENT ON COLUMN missed_opportunities.reason IS 'Why there was no trade.';
COMMENT ON COLUMN missed_opportunities.features_snapshot IS 'The features then.';
COMMENT ON COLUMN missed_opportunities.return_60m IS 'Return over the next 60 minutes; NULL: not known yet.';
COMMENT ON COLUMN missed_opportunities.label IS 'NULL: not labelled yet.';
COMMENT ON COLUMN missed_opportunities.labelled_at IS 'When it was labelled.';
COMMENT ON COLUMN missed_opportunities.created_at IS 'When it was stored.';

CREATE TABLE learning_recommendations (
    id uuid PRIMARY KEY,
    parameter text NOT NULL,
    current_value double precision NOT NULL,
    proposed_value double precision NOT NULL,
    evidence jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'approved', 'applied', 'rolled_back', 'rejected')),
    parameter_version integer REFERENCES parameter_versions,
    created_at timestamptz NOT NULL,
    decided_at timestamptz
);
COMMENT ON TABLE learning_recommendations IS 'Proposals to change one parameter, and what became of them.';
COMMENT ON COLUMN learning_recommendations.id IS 'From parameter, values and evidence.';
COMMENT ON COLUMN learning_recommendations.parameter IS 'Path in domain/parameters.py.';
COMMENT ON COLUMN learning_recommendations.current_value IS 'In force when it was proposed.';
COMMENT ON COLUMN learning_recommendations.proposed_value IS 'The proposal.';
COMMENT ON COLUMN learning_recommendations.evidence IS 'Trades, interval, replays.';
COMMENT ON COLUMN learning_recommendations.status IS 'Never applied unasked.';
COMMENT ON COLUMN learning_recommendations.parameter_version IS 'The version it became.';
COMMENT ON COLUMN learning_recommendations.created_at IS 'When it was proposed.';
COMMENT ON COLUMN learning_recommendations.decided_at IS 'When it was decided on.';

GRANT SELECT, INSERT, UPDATE ON
    dispatcher_runs, dispatch_recommendations, orders, fills, dispatch_executions, active_positions,
    position_events, position_history, position_telemetry, missed_opportunities,
    learning_recommendations
    TO ops_pipeline_writer;
GRANT SELECT ON
    dispatcher_runs, dispatch_recommendations, orders, fills, dispatch_executions, active_positions,
    position_events, position_history, position_telemetry, missed_opportunities,
    learning_recommendations
    TO ops_pipeline_reader;
