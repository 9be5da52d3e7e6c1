"""The values in force of everything that ops.toml describes, and where each comes from."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops_local.description.state import AccountState, DeploymentState
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.domain.deployment.account_limits import LIMITS, shown
from ops_pipeline.domain.deployment.description import STRATEGY
from ops_pipeline.domain.deployment.named_accounts import FILE
from ops_pipeline.runtime.settings import Settings, described_by

_DATABASE, _DEFAULT = "database", "default"
# What can hold a password, and is shown as set or not.
_HIDDEN = ("_URL", "_LOGINS", "_URI")


def described(state: DeploymentState, variables: Mapping[str, str] | None) -> list[Row]:
    """A row for each value: setting, value, and from: environment, ops.toml, database or default.

    Args:
        variables: This machine's; None for a stack, whose functions have their own.
    """
    rows = [_row("strategy", STRATEGY, _DEFAULT)]
    for account in state.accounts:
        rows += _account(account, state)
    rows += _data(state, {} if variables is None else described_by(variables))
    rows += _news(state)
    rows += _parameters(state)
    return [*rows, _row("options.enabled", "false", _DEFAULT)]


def environment(variables: Mapping[str, str]) -> list[Row]:
    """A row for each setting of the pipeline, with its variable's name."""
    names = [each.alias for each in Settings.model_fields.values() if each.alias]
    return [
        _row(name, "set" if name.endswith(_HIDDEN) else said, "environment")
        for name in names
        if (said := variables.get(name))
    ]


def _account(account: AccountState, state: DeploymentState) -> Iterator[Row]:
    path = f"accounts.{account.name}"
    said = _section(state, "accounts").get(account.name, {})
    standing = {"broker": account.broker, "mode": account.mode, "on": account.on}
    for name, value in standing.items():
        yield _row(f"{path}.{name}", str(value).lower(), _source(said, name, value))
    for name, limit in account.limits.items():
        if limit is None:
            yield _row(f"{path}.{name}", LIMITS[name].unset, _DEFAULT)
        else:
            yield _row(f"{path}.{name}", shown(limit), _source(said, name, limit))


def _data(state: DeploymentState, variables: Mapping[str, str]) -> Iterator[Row]:
    for place, kept, default in (
        ("data.feed", state.applied.data_feed, "iex"),
        ("data.account", state.applied.data_account, "the first that has keys"),
    ):
        if place in variables:
            yield _row(place, variables[place], "environment")
        else:
            yield _row(place, kept or default, _DEFAULT if kept is None else FILE)


def _news(state: DeploymentState) -> Iterator[Row]:
    feeds, tickers = _section(state, "feeds"), _section(state, "tickers")
    contact = state.contact
    yield _row(
        "feeds.contact",
        contact or "none",
        _source(feeds, "contact", contact) if contact else _DEFAULT,
    )
    on = sum(feed.active for feed in state.feeds)
    named = {feed.get("url") for feed in feeds.get("feed", ()) if isinstance(feed, Mapping)}
    same = "feed" in feeds and named == {feed.url for feed in state.feeds}
    yield _row(
        "feeds.feed",
        f"{on} on, {len(state.feeds) - on} off",
        FILE if same else _DATABASE,
    )
    same = "watch" in tickers and set(tickers["watch"]) == set(state.tickers)
    yield _row("tickers.watch", f"{len(state.tickers)} symbols", FILE if same else _DATABASE)


def _parameters(state: DeploymentState) -> Iterator[Row]:
    found = state.parameters
    of_file = found.version is not None and found.version == state.applied.parameter_version
    source = FILE if of_file else f"{_DATABASE}: {found.source}" if found.source else _DEFAULT
    yield _row("parameters.version", str(found.version or "none yet: the defaults"), source)
    if found.fault is not None:
        yield _row("parameters", found.fault, source)
    for section, values in found.changed.items():
        for name, value in values.items():
            yield _row(f"parameters.{section}.{name}", str(value), source)


def _section(state: DeploymentState, name: str) -> Mapping[str, Any]:
    held = (state.applied.description or {}).get(name, {})
    return held if isinstance(held, Mapping) else {}


def _source(said: Mapping[str, Any], name: str, value: object) -> str:
    """The file while it says the same; a verb has changed it since where it does not."""
    return FILE if name in said and said[name] == value else _DATABASE


def _row(setting: str, value: str, source: str) -> Row:
    return {"setting": setting, "value": value, "from": source}
