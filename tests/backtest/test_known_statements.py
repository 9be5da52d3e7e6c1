"""The book knows every statement that dispatcher and guard may reach."""

from ops_local.backtest.book import all_statements
from ops_local.backtest.book.statements import known
from tests.support.statement_users import users
from tests.support.statements import STATEMENTS

# Their runs have no lease here, and read quotes of the tape themselves.
NOT_ASKED = {"runs", "market_data.quote_samples", "driver.connection"}
# Parts of the ledger's statement, which is answered as a whole.
PARTS = {
    ("close_requests", "CLOSING"),
    ("holdings.corporate_actions", "UNSETTLED"),
    ("market_state.event_dates", "OF_TICKER"),
    ("market_state.trading_halts", "OF_TICKER"),
}


def test_no_statement_of_trading_is_missing() -> None:
    reached, answered = users(), known()
    missing = [
        (module, name)
        for module, name, sql in STATEMENTS
        if reached.get((module, name), set()) & {"dispatcher", "position_manager"}
        and sql not in answered
        and module not in NOT_ASKED
        and (module, name) not in PARTS
    ]
    assert missing == []
    assert len(all_statements.__all__) > 5
