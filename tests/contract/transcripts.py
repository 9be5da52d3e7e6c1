"""A transcript of `ops check --order` held against the published API and read by our adapter."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import OpsError
from tests.contract.published import TRADING, complaints, known_fields
from tests.contract.requests_published import Published
from tests.contract.stub_broker import Answer, Sent, serving

Exchanges = Sequence[Mapping[str, Any]]

_BY_ID, _ORDERS = "/v2/orders:by_client_order_id", "/v2/orders"
# The answer to each request: its published schema, and whether it is a list of such.
_SCHEMAS = {
    "GET /v2/account": ("Account", False),
    "GET /v2/account/configurations": ("AccountConfigurations", False),
    f"GET {_BY_ID}": ("Order", False),
    f"GET {_ORDERS}": ("Order", True),
    f"POST {_ORDERS}": ("Order", False),
}
# What redaction leaves out of an account, or writes in place of what it was.
_HIDDEN_NUMBER = "hidden"


@dataclass(frozen=True)
class Reading:
    """What the adapter made of a transcript.

    Attributes:
        statuses: Of the order, as the adapter reads each answer about it, in order.
        sent: The requests that the adapter made from what it was asked.
    """

    statuses: list[str]
    sent: list[Sent]


def load(file: Path) -> dict[str, Any]:
    """Raises ValueError where the file is no transcript of ours."""
    kept = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(kept, dict) or not kept.get("exchanges"):
        raise ValueError(f"{file} is no transcript of ops check --order")
    return kept


def request_of(each: Mapping[str, Any]) -> str:
    path = str(each["path"])
    return f"{each['method']} {path}"


def wrong_requests(exchanges: Exchanges, published: Sequence[Published]) -> dict[str, list[str]]:
    """By request what of it is not as published."""
    found = {}
    for each in exchanges:
        sent = Sent(each["method"], each["path"], dict(each["query"]), each["body"])
        document = next((known for known in published if known.knows(sent)), published[0])
        if said := document.complaints(sent):
            found[request_of(each)] = said
    return found


def wrong_answers(exchanges: Exchanges) -> dict[str, list[str]]:
    """By request what of its answer is not as published; an account's hidden fields left out."""
    found: dict[str, list[str]] = {}
    for each in exchanges:
        name = request_of(each)
        if each["status"] != 200 or name not in _SCHEMAS:
            continue
        schema, listed = _SCHEMAS[name]
        answers = each["answer"] if listed else [each["answer"]]
        hidden = name == "GET /v2/account"
        said = [] if hidden else [it for one in answers for it in complaints(TRADING, schema, one)]
        said += [
            f"{field} is not published"
            for one in answers
            for field in sorted(set(one) - known_fields(TRADING, schema))
        ]
        if said:
            found[name] = said
    return found


def played(exchanges: Exchanges) -> Reading:
    """Let the adapter ask the same once more, of a server that answers as the broker did.

    Raises:
        OpsError: an answer that it cannot read.
        ValueError: a request that the adapter does not make.
    """
    with serving() as stub:
        _script(stub, exchanges)
        broker = AlpacaBroker(stub.url, "key", "secret", _HIDDEN_NUMBER)
        statuses = [status for each in exchanges for status in _asked(broker, each)]
        return Reading(statuses, stub.sent)


def _script(stub: Any, exchanges: Exchanges) -> None:
    answers: dict[str, list[Answer]] = {}
    for each in exchanges:
        body = b"" if each["answer"] is None else each["answer"]
        answers.setdefault(request_of(each), []).append(Answer(each["status"], body))
    for request, scripted in answers.items():
        stub.script(request, *scripted)
    if "GET /v2/account" not in answers:
        account = {**stub.answers["GET /v2/account"][0].body, "account_number": _HIDDEN_NUMBER}
        stub.script("GET /v2/account", Answer(body=account))


def _asked(broker: AlpacaBroker, each: Mapping[str, Any]) -> list[str]:
    """Ask what was asked in that exchange; the order's statuses as they are read."""
    match each["method"], each["path"]:
        case "GET", "/v2/account":
            broker.account()
        case "GET", "/v2/account/configurations":
            return []
        case "GET", path if path == _BY_ID:
            found = broker.order_by_client_id(each["query"]["client_order_id"])
            return [] if found is None else [found.status]
        case "GET", path if path == _ORDERS:
            return [order.status for order in _whole(broker)]
        case "POST", path if path == _ORDERS:
            return _submitted(broker, each["body"])
        case "DELETE", path if path.startswith(f"{_ORDERS}/"):
            broker.cancel(path.rpartition("/")[2])
        case method, path:
            raise ValueError(f"{method} {path}: no request of an order check")
    return []


def _whole(broker: AlpacaBroker) -> Any:
    listed = broker.resting_orders()
    if listed.illegible:
        raise ValueError(f"not legible: {listed.illegible[0]}")
    return listed


def _submitted(broker: AlpacaBroker, body: Mapping[str, str]) -> list[str]:
    request = OrderRequest(
        body["client_order_id"],
        body["symbol"],
        "buy",
        Decimal(body["qty"]),
        "limit",
        Decimal(body["limit_price"]),
        "day",
    )
    try:
        return [broker.submit(request).status]
    except OpsError as error:
        return [type(error).__name__]
