"""The requests of one account: none is sent before the account has said the bound number."""

from collections.abc import Callable
from typing import Any, TypeVar

from ops_pipeline.adapters import alpaca_records as records
from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, RequestRefused, Wire
from ops_pipeline.adapters.items import Illegible, understood
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.errors import AccountMismatch, BrokerUnavailable
from ops_pipeline.ports import Binding, send_always

T = TypeVar("T")


class _NotThere(Exception):
    """The broker's own 404, with its words."""


class AccountWire:
    """A wire whose keys may be exchanged while it lives.

    Refused keys are read again. A new pair may be another account's: nothing is repeated
    with it, above all no order, before GET /account answered with the bound number.
    """

    def __init__(self, wire: Wire, binding: Binding) -> None:
        self._wire, self._binding = wire, binding
        self._is_bound = False
        self._number: str | None = None

    def account(self) -> BrokerAccount:
        """The account as it is now.

        Raises:
            AccountMismatch: it is not the bound one, after its keys were read again too:
                they may have been put right meanwhile.
            BrokerUnavailable: no legible answer.
        """
        self._is_bound = False
        account = self._told()
        try:
            self._binding.require(account.account_number)
        except AccountMismatch:
            if not self._wire.renew():
                raise
            account = self._told()
            self._binding.require(account.account_number)
        self._is_bound = True
        return account

    def ask(
        self,
        method: str,
        path: str,
        data: dict[str, str] | None,
        before_sending: Callable[[], None] = send_always,
    ) -> Any:
        """Send one request and return its JSON; raises as `account` and `Wire.ask`."""
        return self._proven(lambda: self._wire.ask(method, path, data, before_sending))

    def read(self, path: str, params: dict[str, str], understand: Callable[[Any], T]) -> T:
        """Read something that must be there. Raises as `account`."""
        try:
            return self._understood(path, understand, lambda: self._get(path, params))
        except _NotThere as error:
            raise BrokerUnavailable(str(error)) from None

    def read_if_there(
        self, path: str, params: dict[str, str], understand: Callable[[Any], T]
    ) -> T | None:
        """None is the broker's own 404; one without its words comes from somebody else."""
        try:
            return self._understood(path, understand, lambda: self._get(path, params))
        except _NotThere:
            return None

    def said(self, refusal: RequestRefused) -> str:
        """The broker's words, without the account's number."""
        return self.without_number(str(refusal))

    def without_number(self, words: str) -> str:
        return words.replace(self._number, "<account>") if self._number else words

    def _get(self, path: str, params: dict[str, str]) -> Any:
        return self._proven(lambda: self._wire.get(path, params))

    def _proven(self, send: Callable[[], T]) -> T:
        if not self._is_bound:
            self.account()
        try:
            return send()
        except RequestRefused as refusal:
            if not (refusal.is_about_keys and self._wire.renew()):
                raise
        self.account()
        return send()

    def _told(self) -> BrokerAccount:
        try:
            account = self._understood("/account", records.account, self._get_account)
        except _NotThere as error:
            # Never taken for the absence of what was asked for beside it.
            raise BrokerUnavailable(str(error)) from None
        self._number = account.account_number
        return account

    def _get_account(self) -> Any:
        try:
            return self._wire.get("/account", {})
        except RequestRefused as refusal:
            if not (refusal.is_about_keys and self._wire.renew()):
                raise
        return self._wire.get("/account", {})

    def _understood(
        self, path: str, understand: Callable[[Any], T], answer: Callable[[], Any]
    ) -> T:
        try:
            return understood(understand, answer())
        except RequestRefused as refusal:
            if refusal.status == 404 and refusal.words is not None:
                raise _NotThere(f"GET {path}: {self.said(refusal)}") from None
            raise BrokerUnavailable(f"GET {path}: {self.said(refusal)}") from None
        except (NotSent, NoAnswer, Illegible) as error:
            raise BrokerUnavailable(f"GET {path}: {error}") from None
