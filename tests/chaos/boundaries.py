"""Numbers every statement to Postgres and every request to the broker, and dies at one of them.

Only the child's own entry script arms it: what is shipped knows nothing of it.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ops_pipeline.adapters.alpaca_wire import NoAnswer, Wire
from ops_pipeline.db.driver.wire import COMMIT, PipelinedSession

Moment = Literal["before", "after"]

# Where a session sends a statement; preparing one changes nothing.
_SENDS = ("execute", "execute_simple", "execute_unnamed")


@dataclass
class Counter:
    """Counts what leaves the process; kills it at the number asked for.

    Attributes:
        dies_at: Number, from 1; None: never.
        seen: What each number was: S a statement, C a COMMIT, B a request to the broker.
    """

    dies_at: int | None
    moment: Moment
    seen: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def passing(self, kind: str, act: Callable[[], Any]) -> Any:
        with self._lock:
            self.seen.append(kind)
            number = len(self.seen)
        if (number, self.moment) == (self.dies_at, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        answer = act()
        if (number, self.moment) == (self.dies_at, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def arm(counter: Counter, *, lose_replies_to: str | None) -> None:
    """Count from now on, in this process alone.

    Args:
        lose_replies_to: Replies to orders with this in their client_order_id are lost.
    """
    for name in _SENDS:
        _count_statements(counter, name)
    ask = Wire.ask

    def counted(wire: Wire, method: str, path: str, data: dict[str, str] | None) -> Any:
        answer = counter.passing("B", lambda: ask(wire, method, path, data))
        sent = str((data or {}).get("client_order_id", ""))
        if method == "POST" and lose_replies_to is not None and lose_replies_to in sent:
            raise NoAnswer("lost on the way back")
        return answer

    setattr(Wire, "ask", counted)  # noqa: B010 - a patch, seen as such


def _count_statements(counter: Counter, name: str) -> None:
    send = getattr(PipelinedSession, name)

    def counted(session: Any, statement: str, *args: Any, **options: Any) -> Any:
        ends = statement == COMMIT or options.get("commit", False)
        return counter.passing(
            "C" if ends else "S", lambda: send(session, statement, *args, **options)
        )

    setattr(PipelinedSession, name, counted)
