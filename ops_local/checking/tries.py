"""What `ops check` tries, in this order. Each try calls a function and reads its answer."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ops_local.checking.asking import Ask, Work
from ops_local.live import start_checks
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.domain.deployment.findings import CheckResult
from ops_pipeline.domain.operations.stage import ROLES, Login

_WHO = {"operator": "ops check", "reason": "ops check"}
_TEXT = "Quarterly profit rises more than expected"
# A function of each group whose dry run reads the database and little else.
_OF_GROUP: Mapping[Login, tuple[str, Mapping[str, object]]] = {
    "news": ("classifier", {"dry_run": True}),
    "market": ("market_clock", {"dry_run": True}),
    "trading": ("signals", {"dry_run": True}),
    "control": ("control", {"action": "check", "subject": "database", **_WHO}),
    "reader": ("db_query", {"sql": "SELECT 1 AS one"}),
    "migration": ("db_migration", {"verb": "status"}),
}
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says there is to be tried.

    Attributes:
        altered: Logins that are not as the migration made them.
        size: Of the database, bytes.
    """

    accounts: Sequence[str]
    feeds: Sequence[Row]
    altered: Sequence[Row]
    size: int


def all_tries(ask: Ask, known: Known, folder: Path | None) -> Iterator[tuple[str, Work]]:
    """Each try with its subject.

    Args:
        folder: The state folder; None for a stack, whose disk is the database's.
    """
    yield "disk", partial(_disk, known, folder)
    yield "database", partial(_controlled, ask, "database")
    for login in _OF_GROUP:
        yield f"login {login}", partial(_login, ask, login)
    yield "logins", partial(_altered, known)
    for account in known.accounts:
        yield account, partial(_controlled, ask, "account", account)
    for subject in ("clock", "calendar", "market data", "vix"):
        yield subject, partial(_controlled, ask, subject)
    yield "model", partial(_model, ask)
    feeds = [row for row in known.feeds if row["state"] == "on"]
    yield "feeds", partial(_feeds, feeds)
    for row in feeds:
        yield f"feed {row['source']}", partial(_feed, ask, row)


def _controlled(ask: Ask, subject: str, account: str | None = None) -> list[CheckResult]:
    answer = ask("control", {"action": "check", "subject": subject, "account": account, **_WHO})
    return [CheckResult(**found) for found in answer["checks"]]


def _disk(known: Known, folder: Path | None) -> list[CheckResult]:
    if folder is None:
        told = f"{known.size / _GIB:.2f} GiB of data; DatabaseStorageAlarm watches the room"
        return [CheckResult("good", "disk", told)]
    found = start_checks.disk(folder, shutil.disk_usage(folder).free)
    good = found.verdict == "good"
    return [CheckResult("good" if good else "bad", "disk", found.found)]


def _login(ask: Ask, login: Login) -> list[CheckResult]:
    """A function of the group does its work under its own login; what it answers is no matter."""
    stage, event = _OF_GROUP[login]
    answer = ask(stage, event)
    subject = f"login {login}"
    if stage == "db_query" and not (said := json.loads(answer["body"]))["success"]:
        return [CheckResult("bad", subject, str(said["error"]))]
    return [CheckResult("good", subject, f"{stage} works as {ROLES[login]}")]


def _altered(known: Known) -> list[CheckResult]:
    if not known.altered:
        return [CheckResult("good", "logins", "as the migration made them")]
    told = "; ".join(" ".join(map(str, row.values())) for row in known.altered)
    return [CheckResult("bad", "logins", told, "docs/logins.md says what each may do")]


def _model(ask: Ask) -> list[CheckResult]:
    answer = ask("classifier", {"trial": _TEXT, "dry_run": True})
    told = f"{answer['model']} reads a line: {answer['label']}, {answer['score']:+.2f}"
    if answer["label"] != "positive":
        return [CheckResult("bad", "model", told, "is MODEL_DIR or MODEL_S3_URI the right one?")]
    return [CheckResult("good", "model", told)]


def _feeds(on: Sequence[Row]) -> list[CheckResult]:
    if not on:
        return [CheckResult("bad", "feeds", "none is on", "`ops feeds add --starter`")]
    return [CheckResult("good", "feeds", f"{len(on)} are on")]


def _feed(ask: Ask, row: Row) -> list[CheckResult]:
    """Fetches it once, and says what it served last."""
    subject = f"feed {row['source']}"
    answer = ask("rss_ingest", {"trial": row["url"], "dry_run": True})
    todo = f"`ops feeds test {row['url']}` says more"
    if answer["failed"] is not None:
        return [CheckResult("bad", subject, str(answer["failed"]), todo)]
    told = f"{answer['items']} items, the newest of {answer['newest_at'] or 'an unknown time'}"
    if problems := answer["problems"]:
        return [CheckResult("bad", subject, f"{told}: {'; '.join(problems)}", todo)]
    return [CheckResult("good", subject, told)]
