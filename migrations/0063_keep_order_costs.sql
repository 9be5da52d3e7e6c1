-- No profit here knew a fee: what each order is charged stands beside it, estimated at its fills
-- and settled when the broker has charged the day.
CREATE TABLE order_costs (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    client_order_id text NOT NULL,
    day date NOT NULL,
    fee text NOT NULL,
    position_id uuid,
    estimated_usd numeric,
    settled_usd numeric,
    estimated_at timestamptz NOT NULL,
    settled_at timestamptz,
    CONSTRAINT order_costs_pkey PRIMARY KEY (client_order_id, day, fee),
    CONSTRAINT order_costs_known_fee CHECK (fee IN ('SEC', 'TAF', 'CAT', 'ORF', 'OCC')),
    CONSTRAINT order_costs_not_negative CHECK (least(estimated_usd, settled_usd) >= 0),
    CONSTRAINT order_costs_settled_when CHECK ((settled_usd IS NULL) = (settled_at IS NULL)),
    CONSTRAINT order_costs_order_of_its_account FOREIGN KEY (client_order_id, account_name)
        REFERENCES orders (client_order_id, account_name),
    CONSTRAINT order_costs_position_of_its_account FOREIGN KEY (position_id, account_name)
        REFERENCES active_positions (id, account_name)
);
CREATE INDEX order_costs_by_day ON order_costs (account_name, day);
CREATE INDEX order_costs_by_position ON order_costs (position_id);
COMMENT ON TABLE order_costs IS 'The fees of each order, by day and fee: its share of what the account is charged for that day.';
COMMENT ON COLUMN order_costs.account_name IS 'Whose it is.';
COMMENT ON COLUMN order_costs.client_order_id IS 'The order.';
COMMENT ON COLUMN order_costs.day IS 'The trade date in New York.';
COMMENT ON COLUMN order_costs.fee IS 'SEC: section 31. TAF: FINRA''s trading activity fee. CAT: the consolidated audit trail. ORF: the options exchanges'' regulatory fee. OCC: clearing of options.';
COMMENT ON COLUMN order_costs.position_id IS 'The position that its fills opened, added to or reduced; NULL: none.';
COMMENT ON COLUMN order_costs.estimated_usd IS 'Accrued by the table of fees, not rounded; NULL: the table has no rate for that day.';
COMMENT ON COLUMN order_costs.settled_usd IS 'Its share of what the broker charged for the day; NULL: nothing charged yet, or nothing ever, as in a simulation.';
COMMENT ON COLUMN order_costs.estimated_at IS 'When its newest fill was booked.';
COMMENT ON COLUMN order_costs.settled_at IS 'When the share was last changed.';

CREATE TABLE broker_fees (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    activity_id text NOT NULL,
    day date NOT NULL,
    fee text,
    raw_kind text NOT NULL,
    amount_usd numeric NOT NULL,
    charged_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT broker_fees_pkey PRIMARY KEY (account_name, activity_id),
    CONSTRAINT broker_fees_known_fee CHECK (fee IN ('SEC', 'TAF', 'CAT', 'ORF', 'OCC'))
);
CREATE INDEX broker_fees_by_day ON broker_fees (account_name, day);
COMMENT ON TABLE broker_fees IS 'Fees as the broker charged them, each once.';
COMMENT ON COLUMN broker_fees.account_name IS 'Whose it is.';
COMMENT ON COLUMN broker_fees.activity_id IS 'The broker''s id, which never repeats.';
COMMENT ON COLUMN broker_fees.day IS 'The trade date in New York that it is charged for.';
COMMENT ON COLUMN broker_fees.fee IS 'As in order_costs; NULL: a fee that trades here do not have.';
COMMENT ON COLUMN broker_fees.raw_kind IS 'The broker''s own word.';
COMMENT ON COLUMN broker_fees.amount_usd IS 'What the account paid, USD; under 0 for what it got back, 0 once it was canceled.';
COMMENT ON COLUMN broker_fees.charged_at IS 'When the broker booked it.';
COMMENT ON COLUMN broker_fees.recorded_at IS 'When it was stored.';

ALTER TABLE orders ADD COLUMN decision_bid numeric, ADD COLUMN decision_ask numeric;
ALTER TABLE orders ADD CONSTRAINT orders_whole_decision_quote
    CHECK ((decision_bid IS NULL) = (decision_ask IS NULL)) NOT VALID;
COMMENT ON COLUMN orders.decision_bid IS 'The quote that it was decided on, USD; NULL: without one, as a stop that rests.';
COMMENT ON COLUMN orders.decision_ask IS 'The quote that it was decided on, USD.';

CREATE VIEW position_results AS
SELECT h.id, h.position_id, h.execution_id, h.account_name, h.ticker, h.instrument_type,
    h.strategy_type, h.side, h.quantity, h.entry_price, h.exit_price, h.entry_time, h.exit_time,
    h.pnl_dollars, c.fees_usd, h.pnl_dollars - c.fees_usd AS pnl_net_dollars, c.fees_settled,
    s.half_spread_usd, h.pnl_pct, h.multiplier, h.exit_reason, h.r_multiple, h.mae_pct, h.mfe_pct,
    h.holding_minutes, h.win_loss_label, h.execution_mode, h.verified
FROM position_history AS h
CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_and(coalesce(settled_usd, estimated_usd) IS NOT NULL)
                THEN sum(coalesce(settled_usd, estimated_usd)) END AS fees_usd,
           bool_and(settled_usd IS NOT NULL OR estimated_usd = 0) AS fees_settled
    FROM order_costs WHERE position_id = h.position_id) AS c
CROSS JOIN LATERAL (
    SELECT sum(greatest(o.decision_ask - o.decision_bid, 0) / 2 * o.filled_qty * o.multiplier)
               AS half_spread_usd
    FROM orders AS o
    WHERE o.decision_ask IS NOT NULL AND o.client_order_id IN (
        SELECT client_order_id FROM order_costs WHERE position_id = h.position_id)) AS s;
COMMENT ON VIEW position_results IS 'A view: position_history with the fees of its orders, and the result less these.';
COMMENT ON COLUMN position_results.pnl_dollars IS 'Sold less bought, x multiplier, USD: gross, and equal to its fills.';
COMMENT ON COLUMN position_results.fees_usd IS 'Fees of its orders, settled where the broker has charged them, else estimated, USD; NULL: not known.';
COMMENT ON COLUMN position_results.pnl_net_dollars IS 'pnl_dollars less fees_usd; NULL: not known.';
COMMENT ON COLUMN position_results.fees_settled IS 'Whether the broker has charged all of them.';
COMMENT ON COLUMN position_results.half_spread_usd IS 'Half the spread quoted at decision, of what was filled, USD: contained in the fills'' prices.';
COMMENT ON COLUMN position_results.id IS 'As in position_history.';
COMMENT ON COLUMN position_results.position_id IS 'As in position_history.';
COMMENT ON COLUMN position_results.execution_id IS 'As in position_history.';
COMMENT ON COLUMN position_results.account_name IS 'As in position_history.';
COMMENT ON COLUMN position_results.ticker IS 'As in position_history.';
COMMENT ON COLUMN position_results.instrument_type IS 'As in position_history.';
COMMENT ON COLUMN position_results.strategy_type IS 'As in position_history.';
COMMENT ON COLUMN position_results.side IS 'As in position_history.';
COMMENT ON COLUMN position_results.quantity IS 'As in position_history.';
COMMENT ON COLUMN position_results.entry_price IS 'As in position_history.';
COMMENT ON COLUMN position_results.exit_price IS 'As in position_history.';
COMMENT ON COLUMN position_results.entry_time IS 'As in position_history.';
COMMENT ON COLUMN position_results.exit_time IS 'As in position_history.';
COMMENT ON COLUMN position_results.pnl_pct IS 'As in position_history.';
COMMENT ON COLUMN position_results.multiplier IS 'As in position_history.';
COMMENT ON COLUMN position_results.exit_reason IS 'As in position_history.';
COMMENT ON COLUMN position_results.r_multiple IS 'As in position_history.';
COMMENT ON COLUMN position_results.mae_pct IS 'As in position_history.';
COMMENT ON COLUMN position_results.mfe_pct IS 'As in position_history.';
COMMENT ON COLUMN position_results.holding_minutes IS 'As in position_history.';
COMMENT ON COLUMN position_results.win_loss_label IS 'As in position_history.';
COMMENT ON COLUMN position_results.execution_mode IS 'As in position_history.';
COMMENT ON COLUMN position_results.verified IS 'As in position_history.';

GRANT SELECT, INSERT, UPDATE ON order_costs, broker_fees TO ops_pipeline_writer;
GRANT SELECT ON position_results TO ops_pipeline_writer;
GRANT SELECT, INSERT, UPDATE ON order_costs, broker_fees TO ops_pipeline_trading;
GRANT SELECT, INSERT, UPDATE ON order_costs TO ops_pipeline_control;
GRANT SELECT ON order_costs, broker_fees, position_results TO ops_pipeline_reader;

-- An alert on a fee is trading's to open and to end.
CREATE OR REPLACE FUNCTION refuse_alert_of_another_group() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    watches CONSTANT boolean := NEW.kind IN ('stage_failed', 'stage_silent', 'output_stale',
        'failure_rate', 'losing_streak', 'classifier_backlog', 'invariant_broken', 'price_jump',
        'account_not_configured', 'entries_refused', 'corporate_action_announced', 'ticker_halted',
        'halts_unread');
    trades CONSTANT boolean := NEW.kind IN ('kill_switch', 'order_limit', 'ledger_in_doubt',
        'over_cap', 'position_quantity_differs', 'position_unknown_to_us', 'position_missing',
        'order_unknown_to_us', 'order_outcome_unknown', 'order_disagrees', 'order_overfilled',
        'order_vanished', 'oversold', 'fill_unpriced', 'fact_unbooked', 'cash_differs',
        'broker_status_unknown', 'closing_overdue', 'exit_blocked', 'nothing_to_sell',
        'position_unpriced', 'sale_not_executed', 'account_blocked', 'corporate_action_pending',
        'filled_beyond_limit', 'fee_unexplained');
BEGIN
    IF (session_user = 'ops_pipeline_market' AND trades)
       OR (session_user <> 'ops_pipeline_market' AND watches) THEN
        RAISE EXCEPTION 'an alert of % is not for % to write', NEW.kind, session_user
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'alerts_by_their_group';
    END IF;
    RETURN NEW;
END $$;
