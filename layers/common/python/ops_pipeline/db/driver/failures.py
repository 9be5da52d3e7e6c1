"""This package's error for each error of the driver, and what may be said of it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import TypeGuard

from pg8000.exceptions import DatabaseError, InterfaceError

from ops_pipeline.errors import (
    CapExceeded,
    CommitUnknown,
    ConstraintViolated,
    DatabaseUnavailable,
    StageFailed,
)

# How pg8000 and the socket report a lost connection.
LOST = (InterfaceError, OSError, EOFError)
# The modules that talk to the socket.
_SESSION = ("pg8000", "ops_pipeline.db.driver.wire", "ops_pipeline.db.driver.transport")
# Raised by the triggers that hold an account's limits, see migrations.
CAP_SQLSTATE = "OP001"
WRONG_PASSWORD = "28P01"  # noqa: S105 - an SQLSTATE
DIVISION_BY_ZERO = "22012"
# A prepared statement whose table has changed since; a new session prepares it again.
PLAN_IS_STALE = "0A000"
# 57P01-57P03: the server is shutting down or starting; 08: connection; 53: out of resources;
# 55P03 lock_not_available, 57014 query_canceled, 40001 and 40P01: nothing was committed.
_TRY_AGAIN = ("08", "53", "57P", "57014", "55P03", "40")
_SESSION_ENDED = ("08", "57P")
_CONSTRAINT = "23"
_DATA_EXCEPTION = "22"
_QUOTED = re.compile(r'"[^"]*"')


def error_fields(error: BaseException | None) -> dict[str, str]:
    """What Postgres said, by its field letters (M message, C sqlstate); empty if it said nothing.

    https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    if not isinstance(error, DatabaseError):
        return {}
    return error.args[0] if error.args and isinstance(error.args[0], dict) else {}


def sqlstate_of(error: BaseException | None) -> str:
    """The five characters of the error class, or an empty string."""
    return str(error_fields(error).get("C", ""))


def is_drivers(error: BaseException) -> TypeGuard[Exception]:
    """Whether an error inside a unit of work came from the driver, and not from a file or pipe.

    Both raise OSError, and a full disk or a closed terminal has no file's name in it: what tells
    them apart is the code that raised it.
    """
    if isinstance(error, (OSError, EOFError)):
        frames = (frame for frame, _ in walk_tb(error.__traceback__))
        return any(str(it.f_globals.get("__name__")).startswith(_SESSION) for it in frames)
    return isinstance(error, (DatabaseError, InterfaceError))


def is_lost(error: Exception) -> bool:
    """Whether the session is gone, as opposed to one failed statement."""
    return isinstance(error, LOST) or sqlstate_of(error).startswith(_SESSION_ENDED)


def translated(error: Exception) -> Exception:
    """The error of this package for one of the driver's; Postgres's words stay in it."""
    if isinstance(error, LOST):
        return DatabaseUnavailable(f"no connection to Postgres: {error}")
    fields = error_fields(error)
    sqlstate = sqlstate_of(error)
    message = str(fields.get("M", error))
    if sqlstate == CAP_SQLSTATE:
        return CapExceeded(message, constraint=fields.get("n"), sqlstate=sqlstate)
    if sqlstate.startswith(_CONSTRAINT):
        return ConstraintViolated(message, constraint=fields.get("n"), sqlstate=sqlstate)
    if sqlstate.startswith(_TRY_AGAIN):
        return DatabaseUnavailable(f"{message} ({sqlstate})")
    return error


@contextmanager
def lost_connection_is_unknown() -> Iterator[None]:
    """Around a COMMIT: without an answer nobody can tell whether it took effect.

    Raises:
        CommitUnknown: the connection broke.
    """
    try:
        yield
    except DatabaseError as error:
        if sqlstate_of(error).startswith(_SESSION_ENDED):
            raise CommitUnknown("the session ended during COMMIT") from error
        raise
    except OSError as error:
        raise CommitUnknown("the connection broke during COMMIT") from error
    except InterfaceError as error:
        # pg8000 raises it both for a lost connection and for a COMMIT that Postgres
        # answered with ROLLBACK because an error in the block had been swallowed.
        if "in failed transaction block" in str(error):
            raise RuntimeError("an error inside a unit of work was swallowed") from error
        raise CommitUnknown("the connection broke during COMMIT") from error


def log_message(error: BaseException) -> str:
    """What went wrong, in Postgres's own words if it comes from Postgres.

    Never a row or a value: details are left out, and values quoted by a data exception
    are replaced.
    """
    fields = error_fields(error)
    if "M" in fields:
        message, sqlstate = fields["M"], sqlstate_of(error)
        if sqlstate.startswith(_DATA_EXCEPTION):
            message = _QUOTED.sub('"…"', message)
        return f"{message} ({sqlstate})"
    return str(error)


def safe_to_raise(error: Exception) -> Exception:
    """The error to raise to a caller that logs all of it: the driver's own may hold rows."""
    return StageFailed(log_message(error)) if isinstance(error, DatabaseError) else error
