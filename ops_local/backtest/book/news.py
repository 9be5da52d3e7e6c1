"""Statements on feeds, news, stories and their classification."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.news.stories import COMPARED

_DUE = (
    "url",
    "source",
    "etag",
    "last_modified",
    "failures_in_a_row",
    "moved_to",
    "poll_every_s",
    "last_fetched_at",
    "kind",
)
_TIMES = ("published_at", "published_claim", "fetched_at", "created_at")
_IDS = ("id", "story_id", "raw_event_id")
# Longer headlines that begin with one of the new ones, at most.
_MOST_LONGER = 20


def _read(told: Row) -> Row:
    """A row as JSON brought it, with times and ids again."""
    times = {it: datetime.fromisoformat(told[it]) for it in _TIMES if told.get(it) is not None}
    ids = {it: UUID(told[it]) for it in _IDS if told.get(it) is not None}
    return {**told, **times, **ids}


@answers("feeds", "_DUE")
def due(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.table("feed_state")
        if row["active"] and (row["next_try_at"] is None or row["next_try_at"] <= values["tick"])
    ]
    found.sort(key=lambda row: str(row["url"]))
    found.sort(key=lambda row: (row["last_fetched_at"] is not None, row["last_fetched_at"] or 0))
    return [{**{name: row[name] for name in _DUE}, "contact": None} for row in found]


@answers("feeds", "_SUCCEEDED")
def succeeded(book: Book, values: Values) -> int:
    feeds, now = book.table("feed_state"), values["now"]
    row = feeds.get(values["url"])
    if row is None:
        return 0
    changes = {"last_fetched_at": now, "last_succeeded_at": now, "moved_to": values["moved_to"]}
    kept = values["not_modified"]
    for name, told in (
        ("etag", values["etag"]),
        ("last_modified", values["last_modified"]),
        ("last_items", None if kept else values["items"]),
    ):
        changes[name] = row[name] if kept and told is None else told
    newest = [it for it in (row["newest_item_at"], values["newest"]) if it is not None]
    changes["newest_item_at"] = max(newest, default=None)
    reset = {"failures_in_a_row": 0, "next_try_at": None, "last_error": None}
    feeds.update(row, **changes, **reset)
    return 1


@answers("feeds", "_FAILED")
def failed(book: Book, values: Values) -> int:
    feeds = book.table("feed_state")
    row = feeds.get(values["url"])
    if row is None:
        return 0
    feeds.update(
        row,
        last_fetched_at=values["now"],
        last_error=values["error"],
        moved_to=None,
        failures_in_a_row=row["failures_in_a_row"] + 1,
        next_try_at=values["next_try_at"],
    )
    return 1


@answers("news", "_KNOWN")
def known(book: Book, values: Values) -> list[Row]:
    raw = book.table("inbound_events_raw")
    return [{"event_uid": uid} for uid in set(values["uids"]) if raw.get(uid) is not None]


@answers("news", "_STORED_SINCE")
def stored_since(book: Book, values: Values) -> list[Row]:
    raw = book.table("inbound_events_raw")
    found = sum(
        row["feed_url"] == values["feed_url"] and row["fetched_at"] > values["since"] for row in raw
    )
    return [{"stored": found}]


def _dated(row: Row) -> datetime:
    return row["published_at"] or row["fetched_at"]  # type: ignore[no-any-return]  # columns of times


@answers("news", "_TRACES")
def traces(book: Book, values: Values) -> list[Row]:
    rows = list(book.table("inbound_events_raw"))
    near = [row for row in rows if values["since"] <= _dated(row) <= values["until"]]
    recent = [row for row in rows if values["since"] <= row["fetched_at"] <= values["until"]]
    uids, keys = set(values["uids"]), set(values["keys"])
    found = [
        *_first_linked(rows, values["links"]),
        *(row for row in rows if row["event_uid"] in uids),
        *(row for row in near if row["title_key"] in keys),
        *_longer(near, values["longer"]),
        *_recent(recent, values["feeds"]),
    ]
    unique = {row["event_uid"]: row for row in found}
    return [_trace(row) for row in unique.values()]


def _trace(row: Row) -> Row:
    names = ("story_id", "canonical_link", "title_key", "event_uid", "feed_url")
    return {**{name: row[name] for name in names}, "dated": _dated(row)}


def _first_linked(rows: Iterable[Row], links: Iterable[str]) -> Iterator[Row]:
    by_link: dict[str, list[Row]] = {}
    for row in rows:
        by_link.setdefault(row["canonical_link"], []).append(row)
    for link in links:
        if link in by_link:
            key = lambda row: (_dated(row), str(row["story_id"]), row["event_uid"])  # noqa: E731
            yield min(by_link[link], key=key)


def _longer(rows: list[Row], starts: Iterable[str]) -> Iterator[Row]:
    for start in starts:
        told = [row for row in rows if (row["title_key"] or "").startswith(f"{start} ")]
        yield from sorted(told, key=lambda row: str(row["title_key"]))[:_MOST_LONGER]


def _recent(rows: list[Row], urls: Iterable[str]) -> Iterator[Row]:
    for url in urls:
        its = sorted((r for r in rows if r["feed_url"] == url), key=lambda r: str(r["event_uid"]))
        yield from sorted(its, key=lambda row: row["fetched_at"], reverse=True)[:COMPARED]


@answers("news", "_INSERT_ITEMS")
def insert_items(book: Book, values: Values) -> int:
    raw, stored = book.table("inbound_events_raw"), 0
    for told in json.loads(values["items"]):
        if raw.get(told["event_uid"]) is None:
            raw.insert(_read(told))
            stored += 1
    return stored


@answers("news", "_WAITING")
def waiting(book: Book, values: Values) -> list[Row]:
    raw = book.table("inbound_events_raw")
    queued = sorted(
        raw.where(lambda row: row["processed_at"] is None),
        key=lambda row: (row["fetched_at"], row["event_uid"]),
    )
    # The oldest of each feed, then the next of each.
    places: Counter[str] = Counter()
    placed = list[tuple[int, Row]]()
    for row in queued:
        places[row["feed_url"]] += 1
        placed.append((places[row["feed_url"]], row))
    placed.sort(key=lambda pair: pair[0])
    found = [row for _, row in placed[: values["limit"]]]
    names = ("event_uid", "story_id", "published_at", "title", "summary")
    return [{"raw_event_id": row["id"], **{it: row[it] for it in names}} for row in found]


@answers("news", "_COUNT_WAITING")
def count_waiting(book: Book, _: Values) -> list[Row]:
    raw = book.table("inbound_events_raw")
    return [{"waiting": sum(row["processed_at"] is None for row in raw)}]


@answers("news", "_COMPANIES")
def companies(book: Book, values: Values) -> list[Row]:
    day = values["day"]
    names = ("ticker", "name", "aliases", "is_broker", "name_needs_context", "cik")
    return [
        {**{name: row[name] for name in names}, "has_names": _before(day, row["names_to"])}
        for row in sorted(book.table("tickers"), key=lambda row: str(row["ticker"]))
        if row["active"]
        and (day is None or row["valid_from"] is None or row["valid_from"] <= day)
        and _before(day, row["valid_to"])
    ]


def _before(day: date | None, end: date | None) -> bool:
    """Whether that day lies before the end; without a day today does where there is no end."""
    return end is None or (day is not None and day < end)


@answers("news", "_RENAMED")
def renamed(book: Book, values: Values) -> list[Row]:
    day = values["day"]
    found = [
        row
        for row in book.table("tickers")
        if row["renamed_to"] is not None and (day is None or row["valid_to"] <= day)
    ]
    found.sort(key=lambda row: str(row["ticker"]))
    return [{"ticker": row["ticker"], "renamed_to": row["renamed_to"]} for row in found]


@answers("news", "_INSERT_CLASSIFIED")
def insert_classified(book: Book, values: Values) -> int:
    verdicts, stored = book.table("inbound_events_classified"), 0
    for told in json.loads(values["rows"]):
        row = _read(told)
        if verdicts.get(row["raw_event_id"]) is None:
            verdicts.insert(row)
            stored += 1
    return stored


@answers("news", "_PROCESSED")
def processed(book: Book, values: Values) -> int:
    raw, ids = book.table("inbound_events_raw"), {str(it) for it in values["ids"]}
    found = raw.where(lambda row: row["processed_at"] is None and str(row["id"]) in ids)
    for row in found:
        raw.update(row, processed_at=values["now"])
    return len(found)


@answers("news", "_STORIES")
def stories(book: Book, values: Values) -> list[Row]:
    now, since, wanted = values["now"], values["since"], set(values["tickers"])
    verdicts = book.table("inbound_events_classified")
    items = [row for row in book.table("inbound_events_raw") if row["fetched_at"] <= now]
    candidates = set()
    for item in items:
        verdict = verdicts.get(item["id"])
        if verdict is not None and _may_count(verdict, since) and wanted & set(verdict["tickers"]):
            candidates.add(verdict["story_id"])
    told = [item for item in items if item["story_id"] in candidates]
    told.sort(key=_in_order_of_telling)
    return [_story_item(item, verdicts.get(item["id"]), now) for item in told]


def _may_count(verdict: Row, since: datetime) -> bool:
    dated, mixed = verdict["published_at"], verdict["mixed"]
    if dated is None or dated <= since or verdict["status"] != "CLASSIFIED":
        return False
    return not mixed or verdict["ticker_scores"] is not None


def _in_order_of_telling(item: Row) -> tuple[Any, ...]:
    """Of those fetched at once the first is one that links to its own feed's site."""
    published = item["published_at"]
    return (
        item["story_id"],
        item["fetched_at"],
        item["link_site"] != item["source_site"],
        (published is None, published or item["fetched_at"]),
        item["event_uid"],
    )


def _story_item(item: Row, verdict: Row | None, now: datetime) -> Row:
    known = verdict if verdict is not None and verdict["created_at"] <= now else None
    names = (
        "story_id",
        "feed_url",
        "link_site",
        "correction",
        "fetched_at",
        "published_at",
        "published_claim",
    )
    return {
        "raw_event_id": item["id"],
        **{name: item[name] for name in names},
        "source_site": item["source_site"] or item["feed_url"],
        "tickers": known["tickers"] if known else [],
        "judged": known is not None and known["status"] == "CLASSIFIED",
        "score": known["sentiment_score"] if known and not known["mixed"] else None,
        "ticker_scores": (known["ticker_scores"] if known else None) or {},
    }
