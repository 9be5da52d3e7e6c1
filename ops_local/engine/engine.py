"""Runs the state machines of infra/ on this machine, calling handlers in process.

The interpreter is moto's (see moto_names and states). Each call of `Engine.run` executes one
machine in the calling thread, the items of a Map in turn, so that a replayed tick always does
exactly what it did before.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from infra.definitions import local_arns, with_arns
from ops_local.engine import moto_names, moto_parser, states

# moto logs every error that a machine handles, with the whole machine's repr.
logging.getLogger(moto_names.LOGGER).setLevel(logging.CRITICAL + 1)

# Calls a function with the stage's name and its event; returns its result.
Invoke = Callable[[str, dict[str, Any]], Any]

_deadline_s: ContextVar[float] = ContextVar("deadline_s")


@dataclass(frozen=True, slots=True)
class MachineExecution:
    """The result of one execution.

    `output` is the machine's output if it succeeded, else None. `error` and `cause` describe the
    failure; an execution that timed out has neither.
    """

    status: Literal["SUCCEEDED", "FAILED", "TIMED_OUT"]
    output: Any = None
    error: str | None = None
    cause: str | None = None


class FunctionFailed(Exception):
    """Raised by an `invoke` to report an error that AWS itself names.

    For example Lambda.TooManyRequestsException, Sandbox.Timedout or States.Timeout.
    Any other exception is reported by its class name, as Lambda does.
    """

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class _MachineTimedOut(BaseException):
    """Ends an execution that timed out; not an Exception, so that no Catch handles it."""


class Engine:
    """The machines, parsed once, and the callable in Lambda's place.

    Args:
        machines: Definitions by name, with their `${Token}`s.
        invoke: Called with a stage's name and its event, in the calling thread.
        wait_scale: Factor on the seconds between attempts; 0 means no waiting.
        elapsed_s: Monotonic seconds for time-outs; None disables them. A call cannot be
            interrupted here: a task that took too long raises States.Timeout once it
            returns, and its result is dropped, as in AWS.
        wait: Passes the seconds of a Wait; by default nobody waits.

    Raises:
        ValueError: a machine calls a function that the manifest does not list.
    """

    def __init__(
        self,
        machines: Mapping[str, Mapping[str, Any]],
        invoke: Invoke,
        wait_scale: float = 0.0,
        elapsed_s: Callable[[], float] | None = None,
        wait: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._invoke = invoke
        self._elapsed_s = elapsed_s
        wiring = states.Wiring(call=self._call, wait_scale=wait_scale, wait=wait)
        self._programs = {
            name: moto_parser.build(json.dumps(with_arns(machine, local_arns())), wiring)
            for name, machine in machines.items()
        }
        self._timeouts_s = {
            name: float(machine["TimeoutSeconds"]) for name, machine in machines.items()
        }

    def run(self, name: str, machine_input: Mapping[str, Any]) -> MachineExecution:
        """Execute one machine. May be called from several threads at once.

        Raises:
            KeyError: there is no such machine.
        """
        program = self._programs[name]
        now_s = self._elapsed_s() if self._elapsed_s else 0.0
        token = _deadline_s.set(now_s + self._timeouts_s[name])
        try:
            output, failure = moto_parser.evaluate(program, name, _as_json(machine_input))
        except _MachineTimedOut:
            return MachineExecution("TIMED_OUT")
        finally:
            _deadline_s.reset(token)
        if failure is None:
            return MachineExecution("SUCCEEDED", output=output)
        return MachineExecution("FAILED", error=failure.get("error"), cause=failure.get("cause"))

    def _call(self, function: str, event: dict[str, Any], timeout_s: float) -> Any:
        started_s = self._elapsed_s() if self._elapsed_s else 0.0
        try:
            result = _as_json(self._invoke(function, event))
        except FunctionFailed as error:
            self._check_timeouts(started_s, timeout_s)
            if error.error == states.TIMED_OUT:
                raise states.timed_out() from error
            raise _reported(error.error, error.cause) from error
        except Exception as error:
            # Lambda reports any exception by its class name.
            self._check_timeouts(started_s, timeout_s)
            raise _reported(type(error).__name__, str(error)) from error
        self._check_timeouts(started_s, timeout_s)
        return result

    def _check_timeouts(self, started_s: float, timeout_s: float) -> None:
        """Raise the time-out that AWS would have raised during the call."""
        if self._elapsed_s is None:
            return
        now_s = self._elapsed_s()
        if now_s > _deadline_s.get():
            raise _MachineTimedOut
        if now_s - started_s > timeout_s:
            raise states.timed_out()


def _reported(error: str, message: str) -> Exception:
    return states.reported(json.dumps({"errorMessage": message, "errorType": error}))


def _as_json(value: Any) -> Any:
    """A copy through JSON, as Lambda makes it.

    Raises:
        TypeError, ValueError: the value is not JSON; a handler must not return it.
    """
    return json.loads(json.dumps(value, allow_nan=False))
