"""A run of one stage in a process of its own that kills itself at the broker's door.

Started by the test of incident 4, which hands the order on standard input.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.broker import BrokerOrder, OrderRequest
from ops_pipeline.ports import send_always
from tests.support.builders_trading import TradingBench

Moment = Literal["before_sending", "after_acceptance", "never"]


@dataclass(frozen=True)
class Doom:
    """What to run, on what, and when to die.

    Attributes:
        at: The clock of the run, ISO 8601.
        quotes: Bid and ask by ticker.
    """

    stage: Literal["dispatcher", "position_manager"]
    dies: Moment
    database_url: str
    exchange_url: str
    key_id: str
    secret_key: str
    account_number: str
    at: str
    quotes: dict[str, tuple[str, str]]


class DoomedBroker(AlpacaBroker):
    """The real adapter; the process ends by SIGKILL around the first order it sends."""

    dies: Moment = "never"

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        if self.dies == "before_sending":
            os.kill(os.getpid(), signal.SIGKILL)
        placed = super().submit(order, before_sending)
        if self.dies == "after_acceptance":
            os.kill(os.getpid(), signal.SIGKILL)
        return placed


def run(doom: Doom) -> None:
    broker = DoomedBroker(doom.exchange_url, doom.key_id, doom.secret_key, doom.account_number)
    broker.dies = doom.dies
    database = Database(target_from_url(doom.database_url), application_name="doomed")
    with closing(database):
        bench = TradingBench(database, at=datetime.fromisoformat(doom.at))
        bench.connect("large", broker)
        for ticker, (bid, ask) in doom.quotes.items():
            bench.quote(ticker, bid, ask)
        if doom.stage == "dispatcher":
            bench.dispatch()
        else:
            bench.guard()


if __name__ == "__main__":
    run(Doom(**json.load(sys.stdin)))
