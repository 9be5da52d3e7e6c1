"""Operator decisions on what is watched: proposals accepted or rejected, symbols added.

Each is one transaction with its record in operator_actions; discovery never overwrites it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from ops_pipeline.db import tickers, universe
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import operator as actions
from ops_pipeline.db.runs import EVERYTHING
from ops_pipeline.domain.news.security_import import TICKER, canonical_ticker
from ops_pipeline.errors import InvalidInput


def decide(
    tx: Transaction,
    symbols: Sequence[str],
    *,
    accepted: bool,
    operator: str,
    reason: str,
    now: datetime,
) -> dict[str, object]:
    """Start or stop watching these symbols; positions in them are guarded either way.

    Raises:
        InvalidInput: no reason, an invalid symbol, or one to watch that is inactive or that
            neither an import nor discovery has brought: without a name it gets no news.
    """
    if not reason.strip():
        raise InvalidInput("reason: say why, it is kept with the action")
    wanted = sorted({canonical_ticker(symbol) for symbol in symbols})
    for symbol in wanted:
        if not TICKER.fullmatch(symbol):
            raise InvalidInput(f"{symbol!r} is no symbol")
    if accepted and (unknown := sorted(set(wanted) - universe.known(tx, wanted))):
        raise InvalidInput(f"unknown: {', '.join(unknown)}; import them with their names first")
    changed = tickers.set_watched(tx, wanted, watched=accepted)
    if accepted and (left := sorted(set(wanted) - set(changed))):
        raise InvalidInput(f"not active in tickers: {', '.join(left)}")
    universe.decide(tx, wanted, now, accepted=accepted)
    action: Literal["watch", "unwatch"] = "watch" if accepted else "unwatch"
    actions.record(
        tx,
        operator=operator,
        action=action,
        scope=EVERYTHING,
        reason=reason,
        details={"tickers": wanted},
        now=now,
    )
    return {"action": action, "tickers": wanted}
