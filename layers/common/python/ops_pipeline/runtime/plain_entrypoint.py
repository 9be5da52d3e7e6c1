"""A handler without run row and lease, for functions that must work without the tables."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ops_pipeline.db.driver.connection import log_message, safe_to_raise
from ops_pipeline.db.operations import operator
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.event import Handler, M, read_event
from ops_pipeline.runtime.settings import environment
from ops_pipeline.runtime.wiring import Runtime


def plain_entrypoint(
    name: str, *, request: type[M]
) -> Callable[[Callable[[M, Runtime], dict[str, Any]]], Handler]:
    """Turn `function(request, runtime) -> JSON` into a Lambda handler.

    The event is validated as everywhere; there is no tick and no lease, and a schema check
    only where the manifest asks for one. An error of the function is logged and raised.
    """

    needs_schema = stage_named(name).schema == "current"
    wiring.warm_up(name, environment())

    def decorate(function: Callable[[M, Runtime], dict[str, Any]]) -> Handler:
        @wraps(function)
        def handler(event: Any, context: Any = None) -> dict[str, Any]:
            asked = read_event(event, request)
            try:
                runtime = wiring.current()
                with runtime.serving(name), operator.invoked(_invocation(context)):
                    if needs_schema:
                        runtime.require_schema()
                    answer = function(asked, runtime)
            except Exception as error:
                kind = type(error).__name__
                log.went_wrong(
                    "function_failed", function=name, error=kind, message=log_message(error)
                )
                if safe_to_raise(error) is not error:
                    raise safe_to_raise(error) from None
                raise
            log.happened("function_finished", function=name)
            return answer

        return handler

    return decorate


def _invocation(context: Any) -> dict[str, str] | None:
    """What Lambda says of this call: its id, by which CloudTrail knows the caller, and the name.

    The name ends with the alias that was called. There is no caller in it: a call by Invoke does
    not tell the function who made it, and `client_context` is whatever the caller writes.
    """
    if context is None:
        return None
    return {
        "request_id": str(context.aws_request_id),
        "function_arn": str(context.invoked_function_arn),
    }
