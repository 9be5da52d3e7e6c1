"""What ops.toml says: a deployment as one file describes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ops_pipeline.domain.deployment.account_limits import (
    LIMITS,
    LimitValue,
    out_of_order,
    read_limits,
)
from ops_pipeline.domain.deployment.modes import MODES, NO_REAL_MONEY, Mode
from ops_pipeline.domain.deployment.secrets import secrets_in
from ops_pipeline.domain.deployment.tables import TableReader
from ops_pipeline.domain.feeds.kinds import FEED_KINDS, FeedKind
from ops_pipeline.domain.feeds.subscriptions import (
    USUAL_AGE_H,
    USUAL_POLL_S,
    FeedSpec,
    problem_with,
    problem_with_contact,
)
from ops_pipeline.domain.legible import legible_values

ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
NO_NAME = "an account's name has small letters, digits and _, a letter first"
# The only one there is; its parameters are what can be chosen.
STRATEGY = "news"
DATA_FEEDS = ("iex", "sip")
_SOMEBODY = "Somebody a@b.cd"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDescription:
    """One account.

    Attributes:
        limits: Those that the file names; the others stay as they are.
    """

    name: str
    broker: str = "alpaca"
    mode: Mode = "paper"
    on: bool = True
    limits: Mapping[str, LimitValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFile:
    """The whole file. What it does not name is left as it is.

    Attributes:
        data_feed: Alpaca's, by the plan that is paid for; None: not named.
        data_account: Whose keys read bars and quotes; None: not named.
        contact: Whom a feed's server may write to; None: not named.
        feeds, tickers: None: not named; empty: none at all.
        parameters: By section and name, on top of the defaults; None: not named.
    """

    accounts: tuple[AccountDescription, ...]
    data_feed: str | None = None
    data_account: str | None = None
    contact: str | None = None
    feeds: tuple[FeedSpec, ...] | None = None
    tickers: tuple[str, ...] | None = None
    parameters: Mapping[str, object] | None = None


def read_description(values: Mapping[str, object]) -> tuple[DeploymentFile, list[str]]:
    """The file's content by name, and a sentence on everything that is wrong with it.

    The parameters are only known to be tables: whoever has the defaults judges them. Where there
    is a sentence, the description is not to be used.
    """
    found = list(secrets_in(values))
    if legible_values(values) != values:
        found.append("a text has a NUL or half of a character, which no database keeps")
    if found:
        return DeploymentFile(accounts=()), found
    file = TableReader("", values, [])
    accounts = _accounts(file)
    data, feeds = file.table("data"), file.table("feeds")
    names = tuple(account.name for account in accounts)
    described = DeploymentFile(
        accounts=accounts,
        data_feed=data.text("feed", one_of=DATA_FEEDS) if "feed" in data else None,
        data_account=_data_account(data, names),
        contact=_contact(feeds),
        feeds=_feeds(feeds),
        tickers=_tickers(file),
        parameters=_parameters(file),
    )
    data.done()
    feeds.done()
    _reserved(file)
    file.done()
    return described, file.problems


def _accounts(file: TableReader) -> tuple[AccountDescription, ...]:
    accounts = file.table("accounts")
    found = tuple(_account(name, table) for name, table in accounts.named_tables())
    if not found:
        file.wrong("accounts", "expected at least one, as [accounts.large]")
    return found


def _account(name: str, table: TableReader) -> AccountDescription:
    if not ACCOUNT_NAME.fullmatch(name):
        table.problems.append(f"{table.path}: {NO_NAME}")
    mode = table.text("mode", "paper")
    if mode not in MODES:
        table.wrong("mode", NO_REAL_MONEY)
    broker, on = table.text("broker", "alpaca"), table.flag("on", default=True)
    limits, wrong = read_limits(table.taken(LIMITS))
    table.problems += [f"{table.path}.{each}" for each in wrong]
    table.problems += [f"{table.path}.{each}" for each in out_of_order(limits)]
    table.done()
    return AccountDescription(
        name=name,
        broker=broker,
        mode="simulated" if mode == "simulated" else "paper",
        on=on,
        limits=limits,
    )


def _data_account(data: TableReader, names: tuple[str, ...]) -> str | None:
    if "account" not in data:
        return None
    chosen = data.text("account")
    if chosen not in names:
        data.wrong("account", f"expected one of the accounts, {', '.join(names) or 'none named'}")
    return chosen


def _contact(feeds: TableReader) -> str | None:
    contact = feeds.text("contact").strip()
    if contact and (problem := problem_with_contact(contact)) is not None:
        feeds.wrong("contact", problem)
    return contact or None


def _feeds(feeds: TableReader) -> tuple[FeedSpec, ...] | None:
    listed = tuple(_feed(table) for table in feeds.tables("feed"))
    urls = [feed.url for feed in listed]
    for number, url in enumerate(urls):
        if url in urls[:number]:
            feeds.wrong(f"feed[{number}].url", "is named twice")
    return listed if "feed" in feeds else None


def _feed(table: TableReader) -> FeedSpec:
    known = len(table.problems)
    for name in ("url", "source"):
        if name not in table:
            table.wrong(name, "is missing: expected a text")
    feed = FeedSpec(
        url=table.text("url"),
        source=table.text("source"),
        active=table.flag("on", default=True),
        poll_every_s=table.whole("poll_every_s", USUAL_POLL_S),
        max_age_h=table.whole("max_age_h", USUAL_AGE_H),
        terms=table.text("terms"),
        kind=_feed_kind(table),
    )
    table.done()
    # Whether its server wants a contact is asked where the stored one is known.
    problem = problem_with(feed, _SOMEBODY) if len(table.problems) == known else None
    if problem is not None:
        table.problems.append(f"{table.path}: {problem}")
    return feed


def _feed_kind(table: TableReader) -> FeedKind:
    named = table.text("kind", "news", one_of=FEED_KINDS)
    return next((kind for kind in FEED_KINDS if kind == named), "news")


def _tickers(file: TableReader) -> tuple[str, ...] | None:
    tickers = file.table("tickers")
    watched = tickers.texts("watch") if "watch" in tickers else None
    tickers.done()
    return watched


def _parameters(file: TableReader) -> Mapping[str, object] | None:
    file.text("strategy", STRATEGY, one_of=(STRATEGY,))
    parameters = file.table("parameters").values
    return (
        {name: _nothings(it) for name, it in parameters.items()} if "parameters" in file else None
    )


def _nothings(value: object) -> object:
    """The value with None where the file says "none": TOML has no word for it."""
    if isinstance(value, Mapping):
        return {name: _nothings(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_nothings(item) for item in value]
    return None if value == "none" else value


def _reserved(file: TableReader) -> None:
    """What a later version reads."""
    options = file.table("options")
    if options.flag("enabled", default=False):
        options.wrong("enabled", "expected false: trading options is not finished")
    options.done()
    notifications = file.table("notifications")
    for name in notifications.values:
        notifications.wrong(name, "reserved: nothing is read from it yet, leave it empty")
