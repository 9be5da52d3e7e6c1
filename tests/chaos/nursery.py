"""Forks what a run needs from one process with warm imports: exchanges, and runs that die.

`python -m tests.chaos.nursery`: one JSON request a line, one JSON answer a line.
"""

import json
import os
import signal
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import functions.dispatcher.handler as dispatcher
import functions.position_manager.handler as position_manager
from ops_local.exchange import accounts as exchange_accounts
from ops_local.exchange.control_client import ControlClient
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.server import serve
from ops_local.pipeline import ReplayClock
from ops_pipeline.adapters import alpaca_broker, alpaca_data  # noqa: F401 - warm for the children
from ops_pipeline.db import runs
from ops_pipeline.domain.market import NEW_YORK
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.chaos.boundaries import Counter, Moment, arm
from tests.chaos.scenarios import SCENARIOS

STAGES = (dispatcher.lambda_handler, position_manager.lambda_handler)
OWNER = "local"


@dataclass(frozen=True)
class Life:
    """One run of the pipeline: from where, with what, and where it dies.

    Attributes:
        begins: The tick to go on from, ISO 8601.
        control_token: Of the exchange that the variables lead to.
        tells: File for what was counted, written at a quiet end.
    """

    scenario: str
    variables: dict[str, str]
    control_token: str
    begins: str
    dies_at: int | None
    moment: Moment
    tells: str


def live(life: Life) -> None:
    """Run the scenario's ticks as the schedules would, or until death."""
    scenario = next(s for s in SCENARIOS if s.name == life.scenario)
    begins = datetime.fromisoformat(life.begins)
    counter = Counter(life.dies_at, life.moment)
    clock = ReplayClock(begins)
    exchange = ControlClient(life.variables["ALPACA_TRADING_URL"], life.control_token)
    with closing(Runtime(life.variables, clock, owner=OWNER)) as runtime:
        with runtime.database.transaction() as tx:
            runs.abandon_owner(tx, owner=OWNER, now=clock.now())
        arm(counter, lose_replies_to=scenario.lose_replies_to)
        for tick in scenario.ticks():
            if tick < begins:
                continue
            clock.at = tick
            exchange.set_clock(tick)
            _tick(life, clock, runtime, scenario.accounts, together=scenario.together)
            _operate(life, scenario.operator.get(f"{tick.astimezone(NEW_YORK):%H:%M}"))
    Path(life.tells).write_text("".join(counter.seen))


def _tick(
    life: Life, clock: ReplayClock, runtime: Runtime, names: tuple[str, ...], *, together: bool
) -> None:
    if not together:
        wiring.use_in_thread(runtime)
        for name in names:
            _stages(clock, name)
        return

    def run(name: str) -> None:
        with closing(Runtime(life.variables, clock, owner=OWNER)) as own:
            wiring.use_in_thread(own)
            _stages(clock, name)

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _stages(clock: ReplayClock, account: str) -> None:
    for stage in STAGES:
        stage({"tick": clock.now().isoformat(), "account": account}, None)


def _operate(life: Life, sql: str | None) -> None:
    """An operator's statement, on a session of its own."""
    if sql is None:
        return
    with closing(Runtime(life.variables, ReplayClock(datetime.fromisoformat(life.begins)))) as own:
        connection = own.database.session()
        type(connection).run(connection, sql)


def _fork(work: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - the child's end, told by its exit code
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    """Start an exchange over a recording in a process of its own; its url and pid."""
    read_end, write_end = os.pipe()
    lifeline, held = os.pipe()

    def work() -> None:
        os.close(read_end)
        os.close(held)
        sys.stdout = os.fdopen(write_end, "w")
        opened = exchange_accounts.parse(request["accounts"])
        exchange = Exchange(Path(request["recording"]), Path(request["store"]), opened)
        serve(exchange, port=0, parent_pipe=lifeline, control_token="of-the-laboratory")

    pid = _fork(work)
    os.close(write_end)
    os.close(lifeline)
    with os.fdopen(read_end) as told:
        # Held open until it is stopped: an exchange never outlives this process.
        return {"pid": pid, "held": held, **json.loads(told.readline())}


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    match request.pop("do"):
        case "serve":
            return _serve(request)
        case "stop":
            os.kill(request["pid"], signal.SIGKILL)
            os.waitpid(request["pid"], 0)
            os.close(request["held"])
            return {}
        case _:
            pid = _fork(lambda: live(Life(**request)))
            return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


def main() -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, log.written_to(nowhere):  # noqa: PTH123
        for line in sys.stdin:
            answer = json.dumps(_answer(json.loads(line)))
            sys.__stdout__.write(answer + "\n")  # type: ignore[union-attr]
            sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
