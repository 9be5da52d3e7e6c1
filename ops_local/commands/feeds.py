"""`ops feeds`: which feeds there are, adding, pausing and removing them, and trying one."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, UsageError, VerbCall
from ops_local.commandline.numbers import at_least_one
from ops_local.commandline.target import Purpose
from ops_local.commands.control import clock_of
from ops_local.feeds.lists import read_list
from ops_local.feeds.starter import starter_feeds
from ops_pipeline.db import feeds
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.domain.feeds.kinds import FEED_KINDS
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating import feed_setup
from ops_pipeline.stages.operating.feed_setup import FeedsChange, FeedsCommand
from ops_pipeline.stages.operating.feed_trial import try_feed

_USUAL = FeedSpec(url="", source="")
_SAID = {
    "add": "added",
    "change": "changed",
    "switch on": "switched on",
    "switch off": "switched off",
    "remove": "removed",
}


def _who_and_why(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "--reason", default=f"ops feeds {verb}", help="why; recorded in operator_actions"
    )
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="removed ones as well")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", help="its address")
    parser.add_argument("--source", metavar="NAME", help="its publisher")
    parser.add_argument(
        "--starter",
        action="store_true",
        help="the feeds to begin with: those in the public domain on, others off",
    )
    parser.add_argument(
        "--poll-every", type=at_least_one, metavar="S", default=_USUAL.poll_every_s,
        help="seconds between two fetches, 60 or more",
    )  # fmt: skip
    parser.add_argument(
        "--max-age", type=at_least_one, metavar="H", default=_USUAL.max_age_h,
        help="hours after which its newest item is too old",
    )  # fmt: skip
    parser.add_argument("--terms", default="", help="what its publisher asks of readers")
    parser.add_argument("--kind", choices=FEED_KINDS, default="news", help="what its document is")
    parser.add_argument("--off", action="store_true", help="do not fetch it yet")
    parser.add_argument("--contact", metavar="C", help='"Company Name admin@company.com"')
    _who_and_why(parser, "add")


def _urls_arguments(verb: str) -> Callable[[argparse.ArgumentParser], None]:
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("url", nargs="+", help="addresses, as ops feeds list shows them")
        _who_and_why(parser, verb)

    return arguments


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="OPML, or a CSV with url and source")
    parser.add_argument("--off", action="store_true", help="do not fetch them yet")
    _who_and_why(parser, "import")


def _contact_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contact", help='"Company Name admin@company.com"')
    _who_and_why(parser, "contact")


def _test_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="its address, subscribed or not")
    parser.add_argument("--kind", choices=FEED_KINDS, default="news", help="what its document is")
    parser.add_argument("--contact", metavar="C", help="for this fetch; the stored one if omitted")


def _list(call: VerbCall) -> int:
    with call.target.reading("ops-feeds") as tx:
        call.announce(tx)
        rows = feeds.every(tx, removed_too=call.args.all)
        contact = feeds.contact(tx)
    if call.json:
        call.print_json({"feeds": rows, "contact": contact})
        return Exit.GOOD
    for row in rows:
        sys.stdout.write("\n".join(_lines(row)) + "\n")
    sys.stdout.write(f"Contact: {contact or 'none; ops feeds contact sets one'}\n")
    return Exit.GOOD


def _lines(row: Row) -> Iterator[str]:
    """A feed for a person; an address is too long for a column."""
    kind = "" if row["kind"] == "news" else f" ({row['kind']})"
    yield f"{row['state']:<8}{row['source']}{kind}, every {row['poll_every_s']} s"
    yield f"        {row['url']}"
    if row["failures_in_a_row"]:
        yield f"        failed {row['failures_in_a_row']} times in a row: {row['last_error']}"
    if (newest := row["newest_item_at"]) is not None:
        yield f"        newest item of {newest:%Y-%m-%d %H:%M} UTC, {row['last_items']} in all"
    if row["terms"]:
        yield f"        terms: {row['terms']}"


def _add(call: VerbCall) -> int:
    args = call.args
    if args.starter == (args.url is not None):
        raise UsageError("feeds add: say either an address with --source, or --starter")
    if args.starter:
        return _changed(call, "add new", wanted=starter_feeds(), contact=args.contact)
    if args.source is None:
        raise UsageError("--source: say whose feed it is")
    spec = FeedSpec(
        url=args.url,
        source=args.source,
        active=not args.off,
        poll_every_s=args.poll_every,
        max_age_h=args.max_age,
        terms=args.terms,
        kind=args.kind,
    )
    return _changed(call, "add", wanted=[spec], contact=args.contact)


def _import(call: VerbCall) -> int:
    """Take what is a feed; a line that is none is named and makes the exit code 1."""
    found = read_list(call.args.file)
    wanted = [replace(spec, active=False) if call.args.off else spec for spec in found.feeds]
    return _changed(call, "add new", wanted=wanted, skipped=found.skipped)


def _switch(change: FeedsChange) -> Callable[[VerbCall], int]:
    return lambda call: _changed(call, change, urls=call.args.url)


def _contact(call: VerbCall) -> int:
    return _changed(call, "contact", contact=call.args.contact)


def _changed(
    call: VerbCall,
    change: FeedsChange,
    *,
    wanted: Sequence[FeedSpec] = (),
    urls: Sequence[str] = (),
    contact: str | None = None,
    skipped: Mapping[str, str] | None = None,
) -> int:
    command = FeedsCommand(
        change=change,
        operator=call.operator,
        reason=call.args.reason,
        feeds=wanted,
        urls=urls,
        contact=contact,
    )
    done = _done(call, command)
    done["refused"] = {**done["refused"], **(skipped or {})}
    return _told(call, done)


def _done(call: VerbCall, command: FeedsCommand) -> dict[str, Any]:
    target = call.target
    if target.stack:
        sys.stderr.write(f"{target.place('acts').title}\n")
        changes = asdict(command)
        who = {name: changes.pop(name) for name in ("operator", "reason")}
        event = {"action": "feeds", **who, "feeds": changes}
        return deployed.call(target.stack, "control", event)
    purpose: Purpose = "acts" if command.urls else "sets up"
    with target.writing("ops-feeds", purpose, _migrations(call)) as database:
        with database.transaction() as tx:
            call.announce(tx, purpose)
            clock = clock_of(call, tx)
        return feed_setup.run(command, db=database, clock=clock)


def _told(call: VerbCall, done: dict[str, Any]) -> int:
    """Print what changed; 1 where something was refused, or nothing changed."""
    call.tell(done, _changes(done))
    for subject, reason in done["refused"].items():
        sys.stderr.write(f"not taken: {subject}: {reason}\n")
    if not done["changed"] and not done["contact"]:
        sys.stderr.write("nothing changed\n")
        return Exit.WRONG
    return Exit.WRONG if done["refused"] else Exit.GOOD


def _changes(done: Mapping[str, Any]) -> Iterator[str]:
    """A feed on a line, as an address is too long for a column."""
    for row in done["changed"]:
        off = ", off" if row["change"] == "add" and not row["active"] else ""
        yield f"{_SAID[row['change']]}{off}: {row['source']}, {row['url']}"
    if done["contact"]:
        yield "contact: stored"


def _test(call: VerbCall) -> int:
    """Fetch it from here, or with --stack from there; 1 if it failed or has a problem."""
    stack = call.target.stack
    sys.stderr.write(f"Fetching {call.args.url} from {f'stack {stack}' if stack else 'here'}\n")
    found = _at_stack(call, stack) if stack else asdict(_from_here(call))
    call.tell(found, _tried(found))
    return Exit.WRONG if found["failed"] or found["problems"] else Exit.GOOD


def _tried(found: Mapping[str, Any]) -> Iterator[str]:
    """What one fetch saw, the worst first."""
    if found["failed"]:
        yield f"failed: {found['failed']}"
        return
    for problem in found["problems"]:
        yield f"problem: {problem}"
    what = "halts" if found["halts"] is not None else "items"
    newest = f"the newest of {found['newest_at']}" if found["newest_at"] else "none with a time"
    yield f"{what}: {found['items']}, {newest}"
    for reason, count in found["undated"].items():
        yield f"without weight: {count}, {reason}"
    if found["cut"]:
        yield f"older ones left out: {found['cut']}"
    if found["moved_to"]:
        yield f"moved to: {found['moved_to']}"
    for headline in found["headlines"]:
        yield f"  {headline}"


def _at_stack(call: VerbCall, stack: str) -> dict[str, Any]:
    if call.args.contact is not None:
        raise UsageError("--contact: a stack sends its own; set it with ops feeds contact")
    if call.args.kind != "news":
        raise UsageError("--kind: a stack takes it from its list; add the feed first, with --off")
    return deployed.call(stack, "rss_ingest", {"trial": call.args.url, "dry_run": True})


def _from_here(call: VerbCall) -> Any:
    contact = call.args.contact or _stored_contact(call)
    with closing(Runtime(call.variables, call.clock)) as runtime:
        return try_feed(
            call.args.url,
            feed=runtime.feed,
            clock=runtime.clock,
            contact=contact,
            kind=call.args.kind,
        )


def _stored_contact(call: VerbCall) -> str | None:
    """None where there is no pipeline yet: a feed can be tried before one is set up."""
    if not (call.settings.database_url or call.home.has_server):
        return None
    with call.target.reading("ops-feeds") as tx:
        return feeds.contact(tx)


def _migrations(call: VerbCall) -> Path | None:
    """On the user's own server only `ops migrate` changes the schema."""
    return None if call.settings.database_url else call.settings.migrations_dir


LIST = Command(_list, _list_arguments)
ADD = Command(_add, _add_arguments)
IMPORT = Command(_import, _import_arguments)
REMOVE = Command(_switch("remove"), _urls_arguments("remove"))
PAUSE = Command(_switch("pause"), _urls_arguments("pause"))
RESUME = Command(_switch("resume"), _urls_arguments("resume"))
CONTACT = Command(_contact, _contact_arguments)
TEST = Command(_test, _test_arguments)
