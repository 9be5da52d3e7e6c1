"""Tables of the exchange's store. Times are sortable UTC text, money is decimal text."""

# Raised when an existing store has to be changed (see `upgrade`).
VERSION = 2

_ORDER_COLUMNS = """
    order_id TEXT PRIMARY KEY,
    account_number TEXT NOT NULL REFERENCES accounts,
    number INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    order_type TEXT NOT NULL CHECK (order_type IN ('limit', 'market', 'stop', 'stop_limit',
                                                   'trailing_stop')),
    time_in_force TEXT NOT NULL CHECK (time_in_force IN ('day', 'gtc', 'opg', 'cls', 'ioc',
                                                         'fok')),
    qty INTEGER NOT NULL CHECK (qty > 0),
    limit_price TEXT,
    stop_price TEXT,
    reserve_price TEXT NOT NULL,
    position_intent TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'new', 'partially_filled', 'filled',
                                           'canceled', 'expired', 'rejected', 'replaced')),
    submitted_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    filled_qty INTEGER NOT NULL CHECK (filled_qty >= 0),
    filled_value TEXT NOT NULL,
    triggered_at TEXT,
    filled_at TEXT,
    canceled_at TEXT,
    expired_at TEXT,
    replaced_at TEXT,
    replaced_by TEXT,
    replaces TEXT,
    failed_at TEXT,
    trail_price TEXT,
    trail_percent TEXT,
    hwm TEXT,
    CONSTRAINT orders_number_counts_per_account UNIQUE (account_number, number),
    CONSTRAINT client_order_id_must_be_unique UNIQUE (account_number, client_order_id),
    CONSTRAINT filled_means_all_of_it CHECK (status <> 'filled' OR filled_qty >= qty),
    CONSTRAINT live_means_not_all_of_it CHECK (
        status NOT IN ('accepted', 'new', 'partially_filled') OR filled_qty < qty
    )
"""

ORDERS = f"CREATE TABLE IF NOT EXISTS orders ({_ORDER_COLUMNS}) STRICT;"

# What version 2 added to cash_activities.
FEE_COLUMNS = ("activity_sub_type", "description", "trade_day")

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    now TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS accounts (
    account_number TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    opening_cash TEXT NOT NULL,
    cash TEXT NOT NULL,
    opened_at TEXT NOT NULL
) STRICT;

{ORDERS}

CREATE INDEX IF NOT EXISTS orders_live ON orders (account_number, symbol)
    WHERE status IN ('accepted', 'new', 'partially_filled');

CREATE TABLE IF NOT EXISTS fills (
    activity_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders,
    account_number TEXT NOT NULL REFERENCES accounts,
    number INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    qty INTEGER NOT NULL CHECK (qty > 0),
    price TEXT NOT NULL,
    cum_qty INTEGER NOT NULL,
    leaves_qty INTEGER NOT NULL CHECK (leaves_qty >= 0),
    order_status TEXT NOT NULL CHECK (order_status IN ('partially_filled', 'filled')),
    executed_at TEXT NOT NULL,
    UNIQUE (order_id, number)
) STRICT;

CREATE INDEX IF NOT EXISTS fills_by_account ON fills (account_number, activity_id);

CREATE TABLE IF NOT EXISTS cash_activities (
    activity_id TEXT PRIMARY KEY,
    account_number TEXT NOT NULL REFERENCES accounts,
    number INTEGER NOT NULL,
    activity_type TEXT NOT NULL,
    net_amount TEXT NOT NULL,
    symbol TEXT,
    created_at TEXT NOT NULL,
    activity_sub_type TEXT,
    description TEXT,
    trade_day TEXT,
    UNIQUE (account_number, number)
) STRICT;

CREATE TABLE IF NOT EXISTS announced_actions (
    action_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    symbol TEXT NOT NULL,
    new_symbol TEXT,
    old_rate TEXT,
    new_rate TEXT,
    cash TEXT,
    ex_date TEXT NOT NULL,
    payable_date TEXT NOT NULL,
    listed INTEGER NOT NULL,
    announced_at TEXT NOT NULL,
    processed_at TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS dividend_claims (
    action_id TEXT NOT NULL REFERENCES announced_actions,
    account_number TEXT NOT NULL REFERENCES accounts,
    symbol TEXT NOT NULL,
    amount TEXT NOT NULL,
    payable_date TEXT NOT NULL,
    paid_at TEXT,
    PRIMARY KEY (action_id, account_number)
) STRICT;

CREATE TABLE IF NOT EXISTS positions (
    account_number TEXT NOT NULL REFERENCES accounts,
    symbol TEXT NOT NULL,
    qty INTEGER NOT NULL CHECK (qty > 0),
    cost TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    PRIMARY KEY (account_number, symbol)
) STRICT;

CREATE TABLE IF NOT EXISTS day_ends (
    account_number TEXT NOT NULL REFERENCES accounts,
    day TEXT NOT NULL,
    equity TEXT NOT NULL,
    PRIMARY KEY (account_number, day)
) STRICT;

CREATE TABLE IF NOT EXISTS closing_prices (
    symbol TEXT NOT NULL,
    day TEXT NOT NULL,
    price TEXT NOT NULL,
    PRIMARY KEY (symbol, day)
) STRICT;

CREATE TABLE IF NOT EXISTS transferred_holdings (
    account_number TEXT NOT NULL REFERENCES accounts,
    symbol TEXT NOT NULL,
    asset_class TEXT NOT NULL CHECK (asset_class IN ('us_equity', 'us_option', 'crypto')),
    qty TEXT NOT NULL,
    price TEXT NOT NULL,
    bought_on TEXT NOT NULL,
    added_at TEXT NOT NULL,
    PRIMARY KEY (account_number, symbol)
) STRICT;

CREATE TABLE IF NOT EXISTS account_conditions (
    account_number TEXT PRIMARY KEY REFERENCES accounts,
    status TEXT NOT NULL,
    trading_blocked INTEGER NOT NULL,
    account_blocked INTEGER NOT NULL,
    trade_suspended_by_user INTEGER NOT NULL,
    transfers_blocked INTEGER NOT NULL,
    options_trading_level INTEGER NOT NULL CHECK (options_trading_level BETWEEN 0 AND 3),
    no_shorting INTEGER
) STRICT;

CREATE TABLE IF NOT EXISTS asset_conditions (
    symbol TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('active', 'inactive')),
    tradable INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS symbol_halts (
    symbol TEXT NOT NULL,
    halted_at TEXT NOT NULL,
    resumed_at TEXT,
    PRIMARY KEY (symbol, halted_at)
) STRICT;

CREATE TABLE IF NOT EXISTS behaviours (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS order_faults (
    order_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    due_at TEXT,
    PRIMARY KEY (order_id, kind)
) STRICT;

CREATE TABLE IF NOT EXISTS vanished_orders (
    order_id TEXT PRIMARY KEY,
    account_number TEXT NOT NULL REFERENCES accounts,
    number INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    vanished_at TEXT NOT NULL
) STRICT;
"""

# Every table and the columns that order its rows.
TABLES = {
    "clock": "one",
    "accounts": "account_number",
    "orders": "account_number, number",
    "fills": "account_number, activity_id",
    "cash_activities": "account_number, number",
    "announced_actions": "action_id",
    "dividend_claims": "action_id, account_number",
    "positions": "account_number, symbol",
    "day_ends": "account_number, day",
    "closing_prices": "symbol, day",
    "transferred_holdings": "account_number, symbol",
    "account_conditions": "account_number",
    "asset_conditions": "symbol",
    "symbol_halts": "symbol, halted_at",
    "behaviours": "name",
    "order_faults": "order_id, kind",
    "vanished_orders": "order_id",
}
