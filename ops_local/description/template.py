"""Writes ops.toml, with comments, from what a database says."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal

from ops_local.description.state import AccountState, DeploymentState
from ops_pipeline.domain.deployment.account_limits import LIMITS, LimitValue, shown

_HEAD = """\
# This file describes a deployment. `ops apply --plan` shows what it would change, `ops apply` does
# it in one transaction, `--stack NAME` in a deployed stack. What the file does not name is left as
# it is. Keys and passwords have no place here: they stand in the environment, in AWS in
# Secrets Manager.

# The rules that trade; there is one set of them.
strategy = "news"
"""
_ACCOUNTS = """
# One table for each account: its name is part of the names of its keys (ALPACA_<NAME>_KEY_ID).
# mode is "paper", or "simulated" at no broker; real money is not offered. on = false: no new
# entries, what is open is guarded. An account that is not named is switched off, never deleted.
"""
_DATA = """
# Bars and quotes: "iex" with Alpaca's free plan, "sip" with the paid one, and the account whose
# keys read them (else the first that has any). In AWS CDK's data_feed and data_account decide.
[data]
"""
_FEEDS = """
# Whom a feed's server may write to: "Company Name admin@company.com". SEC's asks for it.
[feeds]
"""
_NO_FEEDS = """
# One table for each feed. While none is named the list stays as it is: `ops feeds add --starter`
# brings those of US agencies. Once one is named, others are taken off the list.
# [[feeds.feed]]
# url = "https://www.federalreserve.gov/feeds/press_all.xml"
# source = "Federal Reserve"
# on = true
# poll_every_s = 300
"""
_SOME_FEEDS = """
# One table for each feed; on = false keeps it and does not fetch it. One that is not named is taken
# off the list, and its news stays.
"""
_TICKERS = """
# What is watched. Positions in the rest are guarded all the same.
[tickers]
"""
_PARAMETERS = """
# What differs from the defaults, a table for each section:
#     [parameters.exits]
#     stop_loss = 0.015
# Where learning, a rollback or a person has put others in force since, `ops apply` shows that and
# leaves them; `ops apply --parameters` puts these in force.
"""
_REST = """
# Trading options is not finished: only false is accepted.
[options]
enabled = false

# Reserved: where alerts are sent. Nothing is read from it yet.
[notifications]
"""


def render(state: DeploymentState) -> str:
    """The file's text; applied to the same database it changes nothing but to be kept."""
    accounts = (_account(account) for account in state.accounts)
    news = (*_feeds(state), *_tickers(state))
    return "".join([_HEAD, _ACCOUNTS, *accounts, *_data(state), *news, *_parameters(state), _REST])


def _account(account: AccountState) -> str:
    lines = [
        f"[accounts.{account.name}]",
        f"broker = {_text(account.broker)}",
        f"mode = {_text(account.mode)}",
        f"on = {_text(account.on)}",
        *(_limit(name, value) for name, value in account.limits.items()),
    ]
    return "\n".join(lines) + "\n\n"


def _limit(name: str, value: LimitValue) -> str:
    if value is None:
        return f'{name} = "none"  # {LIMITS[name].unset}'
    return f"{name} = {shown(value)}"


def _data(state: DeploymentState) -> Iterator[str]:
    yield _DATA.lstrip("\n")
    yield f"feed = {_text(state.applied.data_feed or 'iex')}\n"
    if state.applied.data_account is None:
        yield f'# account = "{state.accounts[0].name if state.accounts else "large"}"\n'
    else:
        yield f"account = {_text(state.applied.data_account)}\n"


def _feeds(state: DeploymentState) -> Iterator[str]:
    yield _FEEDS
    if state.contact is None:
        yield '# contact = "Company Name admin@company.com"\n'
    else:
        yield f"contact = {_text(state.contact)}\n"
    yield _SOME_FEEDS if state.feeds else _NO_FEEDS
    for feed in state.feeds:
        said = {
            "url": feed.url,
            "source": feed.source,
            "on": feed.active,
            "poll_every_s": feed.poll_every_s,
            "max_age_h": feed.max_age_h,
            "terms": feed.terms,
            "kind": feed.kind,
        }
        yield "[[feeds.feed]]\n"
        yield from (f"{name} = {_text(value)}\n" for name, value in said.items())
        yield "\n"


def _tickers(state: DeploymentState) -> Iterator[str]:
    yield _TICKERS
    listed = ", ".join(map(_text, sorted(state.tickers)))
    words = textwrap.wrap(listed, width=90, break_long_words=False, break_on_hyphens=False)
    yield "watch = [\n" + "".join(f"    {line}\n" for line in words) + "]\n"


def _parameters(state: DeploymentState) -> Iterator[str]:
    yield _PARAMETERS
    if state.parameters.fault is not None:
        yield f"# {state.parameters.fault}\n"
        return
    yield "[parameters]\n"
    for section, values in state.parameters.changed.items():
        yield f"\n[parameters.{section}]\n"
        yield from (f"{name} = {_text(value)}\n" for name, value in values.items())


def _text(value: object) -> str:
    """A value as TOML has it; None, for which it has no word, as "none"."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_text(item)}' for name, item in value.items())} }}"
    # A basic string of TOML escapes as JSON does, and DEL as well.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
