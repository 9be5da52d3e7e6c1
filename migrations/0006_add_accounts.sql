-- The two accounts that ship. Their keys and numbers live in the environment, never here.

INSERT INTO accounts (account_name, execution_mode, active, allowed_actions, max_positions,
                      max_exposure, max_daily_loss, fractional_shares)
VALUES
    ('large', 'ALPACA_PAPER', true, '{BUY_STOCK,SELL_STOCK,BUY_CALL,BUY_PUT}', 5, 10000, 500, false),
    ('tiny', 'ALPACA_PAPER', true, '{BUY_STOCK,SELL_STOCK,BUY_CALL,BUY_PUT}', 1, 2000, 100, false);
