"""What people do to a replayed day: at the broker by hand, with its keys, and in the accounts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from infra.schedule import Tick
from ops_local.exchange.control_client import ExchangeFailed
from ops_local.replay_environment import ACCOUNTS, ReplayEnvironment
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.registry import broker_named
from ops_pipeline.stages.operating.account_setup import AccountCommand, AccountSetup
from tests.support.refusals import unless_a_fill_may_be_late

_OPEN = """
SELECT 1 FROM active_positions WHERE account_name = 'large' AND status <> 'closed'
UNION ALL SELECT 1 FROM orders WHERE account_name = 'large' AND is_live(status)
"""
# By the minute of New York; what begins has an end, so that the day can settle.
_TIMETABLE = {
    (10, 15): "rest_a_buy_by_hand",
    (10, 20): "buy_by_hand",
    (10, 30): "cancel_what_rests_by_hand",
    (10, 40): "cancel_everything_by_hand",
    (10, 45): "switch_off",
    (10, 55): "switch_on",
    (11, 0): "change_the_mode",
    (11, 30): "exchange_the_keys_for_tiny_s",
    (11, 37): "put_the_keys_right",
    (12, 0): "lose_all_quotes",
    (12, 10): "find_them_again",
    (12, 30): "keep_old_quotes",
    (12, 40): "find_them_again",
}
_LIVE = ("accepted", "new", "partially_filled")
# The guard is away for longer than entries may go on without it.
_NO_GUARD = ((11, 15), (11, 23))


@dataclass
class People:
    """Those who meddle with the account `large` for one day.

    Attributes:
        rules: The broker's faults of the day.
        happened: Faults that were injected under rules that were replaced since.
        refused: How often a change of mode was refused because something was open.
    """

    world: ReplayEnvironment
    rules: Sequence[Mapping[str, Any]]
    seed: int
    tickers: Sequence[str]
    happened: int = 0
    refused: int = 0
    _resting: list[str] = field(default_factory=list)
    _done: set[tuple[str, tuple[int, int]]] = field(default_factory=set)

    def meddle(self, tick: Tick) -> bool:
        """Do what is due before a tick; whether the tick's own work is done all the same."""
        day = tick.at.date()
        for at, what in _TIMETABLE.items():
            if tick.at >= new_york_time(day, *at) and (what, at) not in self._done:
                self._done.add((what, at))
                getattr(self, what)()
        first, last = (new_york_time(day, *at) for at in _NO_GUARD)
        return tick.target != "position_cycle" or not first <= tick.at < last

    def set_faults(self, *more: Mapping[str, Any]) -> None:
        self.happened += sum(self.world.exchange.faults_injected().values())
        self.world.exchange.set_faults([*more, *self.rules], seed=self.seed)

    def no_more_faults(self) -> None:
        self.happened += sum(self.world.exchange.faults_injected().values())
        self.world.exchange.set_faults()

    def exchange_the_keys_for_tiny_s(self) -> None:
        self._rotate("swapped", opens="tiny")

    def put_the_keys_right(self) -> None:
        self._rotate("right", opens="large")

    def rest_a_buy_by_hand(self) -> None:
        self._place(qty="3", type="limit", limit_price="1.00")

    def buy_by_hand(self) -> None:
        self._place(qty="2", type="market")

    def cancel_what_rests_by_hand(self) -> None:
        self._cancel(lambda name: name in self._resting)

    def cancel_everything_by_hand(self) -> None:
        """Stops of ours included."""
        self._cancel(lambda _: True)

    def switch_off(self) -> None:
        self._switch(on=False)

    def switch_on(self) -> None:
        self._switch(on=True)

    def change_the_mode(self) -> None:
        """Refused while anything is open; where it is not, it is changed back at once."""
        with closing(self._login()) as database, database.transaction() as tx:
            anything_open = bool(tx.rows(_OPEN))
        if anything_open:
            with pytest.raises((DatabaseError, OpsError), match="mode and broker stand"):
                self._update("execution_mode = 'SIMULATED'")
            self.refused += 1
        else:
            with unless_a_fill_may_be_late():
                self._update("execution_mode = 'SIMULATED'")
                self._update("execution_mode = 'ALPACA_PAPER'")

    def lose_all_quotes(self) -> None:
        self.set_faults({"kind": "no_quote", "rate": 1.0})

    def keep_old_quotes(self) -> None:
        self.set_faults({"kind": "frozen_quote", "rate": 1.0})

    def find_them_again(self) -> None:
        self.set_faults()

    def _rotate(self, key_id: str, opens: str) -> None:
        self.world.exchange.rotate_keys("large", key_id, "new", opens=opens)
        self.world.variables |= {
            "ALPACA_LARGE_KEY_ID": key_id,
            "ALPACA_LARGE_SECRET_KEY": "new",
        }

    def _place(self, **order: str) -> None:
        """A buy in one of the day's tickers; the broker may refuse it, as it does a person's."""
        ticker = Random(f"{self.seed} {order}").choice(self.tickers)
        fields = {"symbol": ticker, "side": "buy", "time_in_force": "day", **order}
        try:
            placed = self.world.exchange.place_order("large", **fields)
        except ExchangeFailed:
            return
        self._resting.append(placed["client_order_id"])

    def _cancel(self, chosen: Callable[[str], bool]) -> None:
        (number,) = [it.account_number for it in ACCOUNTS if it.name == "large"]
        for order in self.world.exchange.tables()["orders"]:
            mine = order["account_number"] == number and order["status"] in _LIVE
            if mine and chosen(order["client_order_id"]):
                self.world.exchange.end_order("large", order["client_order_id"], "canceled")

    def _switch(self, *, on: bool) -> None:
        """As `ops accounts switch large on` and `off` do it."""
        command = AccountCommand(
            action="switch_account", operator="people", reason="a day with people", account="large",
            on=on,
        )  # fmt: skip
        with closing(self._login()) as database:
            clock = self.world.clock
            AccountSetup(db=database, knows_broker=broker_named, clock=clock).run(command)

    def _update(self, change: str) -> None:
        with closing(self._login()) as database, database.transaction() as tx:
            tx.execute(f"UPDATE accounts SET {change} WHERE account_name = 'large'")

    def _login(self) -> Database:
        return Database(target_from_url(self.world.urls.writer), application_name="people")
