"""No way leads to real money: neither an account's mode nor an address."""

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.runtime.wiring import Runtime
from tests.support.fakes import FixedClock
from tests.support.handlers import handler_of
from tests.support.stand_ins import NOW, NOWHERE, TICK, in_process, prepared

KEYS = {f"ALPACA_LARGE_{name}": "x" for name in ("KEY_ID", "SECRET_KEY", "ACCOUNT_NUMBER")}


@pytest.mark.parametrize(
    "host", ["api.alpaca.markets", "API.Alpaca.Markets", "api.alpaca.markets."]
)
def test_the_address_of_real_money_opens_no_broker(
    database_urls: DatabaseUrls, db: Database, host: str
) -> None:
    variables = {**database_urls.variables(), **KEYS, "ALPACA_TRADING_URL": f"https://{host}"}
    runtime = Runtime(variables, WallClock())
    with pytest.raises(SettingsInvalid, match="real money, which this version does not trade"):
        runtime.broker("large")
    with pytest.raises(SettingsInvalid, match="real money"):
        runtime.unbound_broker("large", "alpaca")
    runtime.close()


@pytest.mark.parametrize("stage", ["dispatcher", "position_manager"])
def test_an_account_in_a_live_mode_has_no_way_to_a_broker_whoever_wrote_it(
    database_urls: DatabaseUrls, db: Database, stage: str
) -> None:
    prepared(db, "AAA")
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET execution_mode = 'LIVE' WHERE account_name = 'large'")
    variables = {**database_urls.variables(), **KEYS, "ALPACA_TRADING_URL": NOWHERE}
    with (
        in_process(Runtime(variables, FixedClock(NOW))),
        pytest.raises(SettingsInvalid, match="live trading is not offered in this version"),
    ):
        handler_of(stage)({"tick": TICK, "account": "large"}, None)
