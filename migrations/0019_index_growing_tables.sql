-- The invariants looked up a position's orders, an account's positions in a ticker and old
-- recommendations by reading whole tables, once a row: quadratic in the orders ever made.

CREATE INDEX orders_position ON orders (position_id) WHERE position_id IS NOT NULL;
CREATE INDEX active_positions_by_ticker ON active_positions (account_name, ticker);
CREATE INDEX dispatch_recommendations_by_creation ON dispatch_recommendations (created_at);
