-- What ended or filled lately is asked for each minute of every account: without these each look
-- read all orders and fills that the account ever had.

CREATE INDEX orders_account_terminal_at ON orders (account_name, terminal_at)
    WHERE terminal_at IS NOT NULL;
CREATE INDEX fills_account_executed_at ON fills (account_name, executed_at);
