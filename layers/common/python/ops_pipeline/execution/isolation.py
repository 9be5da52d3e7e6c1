"""Work on one of many foreign things: whatever it raises stays with that thing."""

import json
from collections.abc import Callable
from typing import TypeVar

from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.domain.legible import legible
from ops_pipeline.errors import (
    CommitUnknown,
    DatabaseUnavailable,
    LeaseLost,
    OpsError,
    SchemaBehind,
    SettingsInvalid,
)

T = TypeVar("T")

# Nothing that a feed sends causes these, and the next thing would meet them as well.
_OURS: tuple[type[Exception], ...] = (
    CommitUnknown,
    DatabaseUnavailable,
    LeaseLost,
    SchemaBehind,
    SettingsInvalid,
)


_LONGEST_REASON = 300


def what_failed(error: BaseException) -> str:
    """An error in a few words that any column takes; of Postgres's own, no row and no value."""
    return legible(f"{type(error).__name__}: {log_message(error)}")[:_LONGEST_REASON]


def in_words(error: BaseException) -> str:
    """The same for a person: an error of ours is a sentence, without the name of its class."""
    if not isinstance(error, OpsError):
        return what_failed(error)
    return legible(log_message(error))[:_LONGEST_REASON]


def require_json(*values: object) -> None:
    """Raise ValueError for what the JSON of Postgres does not take: NaN and infinity.

    One such number would make the statement fail that stores the rows of all.
    """
    json.dumps(values, allow_nan=False, default=str)


def isolated(work: Callable[[], T], *, passing: tuple[type[Exception], ...] = ()) -> T | Exception:
    """The result of the work, or the error that the one thing it was about has caused.

    The caller records the error against that thing and goes on with the others. Foreign
    input fails in ways that nobody foresees; the list of foreseen errors is never complete.

    Args:
        passing: Errors that concern more than this one thing: they are raised too.

    Raises:
        DatabaseUnavailable, CommitUnknown, LeaseLost, SchemaBehind, SettingsInvalid: ours.
    """
    try:
        return work()
    except (*_OURS, *passing):
        raise
    except Exception as error:  # noqa: BLE001 - isolation by construction, see above
        return error


def isolated_in(
    tx: Transaction, work: Callable[[], T], *, passing: tuple[type[Exception], ...] = ()
) -> T | Exception:
    """As `isolated`; what failed work has written is undone, and the unit of work goes on."""

    def within() -> T:
        with tx.savepoint():
            return work()

    return isolated(within, passing=passing)
