"""The brokers and bar vendors there are, by the name that an account or a setting gives.

To add one is an adapter, its entry here and its contract suite: docs/extending.md walks
through it. Adapters are imported only when they are asked for: alpaca-py takes a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.ports import Binding, Broker, CorporateActionFeed, Heard, MarketData
from ops_pipeline.runtime.settings import BrokerKeys, Settings

T = TypeVar("T")

ALPACA = "alpaca"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an adapter is built from.

    Attributes:
        variables: The environment, for settings that only this adapter knows.
        keys: Reads the account's keys anew; an adapter that needs none does not call it.
    """

    settings: Settings
    variables: Mapping[str, str]
    keys: Callable[[], BrokerKeys]

    def key_pair(self) -> tuple[str, str]:
        keys = self.keys()
        return keys.key_id, keys.secret_key


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccess(Access):
    """What a broker's adapter is built from, for one account.

    Attributes:
        binding: Must accept the account's number before anything else is asked or sent.
        heard: Told of each request and its answer, by an adapter that can; None: nobody listens.
    """

    binding: Binding
    heard: Heard | None = None


BuildBroker = Callable[[BrokerAccess], Broker]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarVendor:
    """Where bars and quotes come from.

    Attributes:
        feed: Which feed it reads, as it stands in each bar.
        build: Its adapter.
        actions: That of its corporate actions; None: it announces none.
    """

    feed: Callable[[Settings], str]
    build: Callable[[Access], MarketData]
    actions: Callable[[Access], CorporateActionFeed] | None = None


def _alpaca_broker(access: BrokerAccess) -> Broker:
    from ops_pipeline.adapters.alpaca_broker import AlpacaBroker

    access.settings.require_paper_money()
    keys = access.keys()
    return AlpacaBroker(
        url=str(access.settings.trading_url).rstrip("/"),
        key_id=keys.key_id,
        secret_key=keys.secret_key,
        account_number=access.binding,
        renew=access.key_pair,
        heard=access.heard,
    )


def _alpaca_data(access: Access) -> MarketData:
    from ops_pipeline.adapters.alpaca_data import AlpacaMarketData

    keys = access.keys()
    return AlpacaMarketData(
        url=str(access.settings.data_url).rstrip("/"),
        key_id=keys.key_id,
        secret_key=keys.secret_key,
        feed=access.settings.data_feed,
        renew=access.key_pair,
    )


def _alpaca_actions(access: Access) -> CorporateActionFeed:
    from ops_pipeline.adapters.corporate.alpaca_actions import AlpacaCorporateActions

    key_id, secret_key = access.key_pair()
    url = str(access.settings.data_url).rstrip("/")
    return AlpacaCorporateActions(
        url=url, key_id=key_id, secret_key=secret_key, renew=access.key_pair
    )


_brokers: dict[str, BuildBroker] = {ALPACA: _alpaca_broker}
_bar_vendors: dict[str, BarVendor] = {
    ALPACA: BarVendor(
        feed=lambda settings: settings.data_feed, build=_alpaca_data, actions=_alpaca_actions
    )
}


def register_broker(name: str, build: BuildBroker) -> None:
    """Let accounts name this broker. Raises SettingsInvalid when the name is taken."""
    _add(_brokers, "broker", name, build)


def register_bar_vendor(name: str, vendor: BarVendor) -> None:
    """Let MARKET_DATA_VENDOR name this one. Raises SettingsInvalid when the name is taken."""
    _add(_bar_vendors, "bar vendor", name, vendor)


def broker_named(name: str) -> BuildBroker:
    """Raises SettingsInvalid where no adapter has that name; the message lists those there are."""
    return _find(_brokers, "broker", name)


def bar_vendor_named(name: str) -> BarVendor:
    """Raises SettingsInvalid, as `broker_named`."""
    return _find(_bar_vendors, "bar vendor", name)


def _add(registered: dict[str, T], kind: str, name: str, entry: T) -> None:
    if name in registered:
        raise SettingsInvalid(f"the {kind} {name} is registered already")
    registered[name] = entry


def _find(registered: Mapping[str, T], kind: str, name: str) -> T:
    if name not in registered:
        known = ", ".join(sorted(registered))
        raise SettingsInvalid(f"no adapter is registered for the {kind} {name}; known: {known}")
    return registered[name]
