"""Reads lists of feeds: the OPML that feed readers export, and a user's CSV.

A line that is no feed is left out with its reason, and the others are taken.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from ops_local.given_files import bytes_of, csv_rows
from ops_pipeline.domain.feeds.kinds import FEED_KINDS, FeedKind
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.errors import InvalidInput

COLUMNS = ("url", "source", "active", "poll_every_s", "max_age_h", "terms", "kind")
_YES, _NO = frozenset({"true", "yes", "1", ""}), frozenset({"false", "no", "0"})
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class FeedList:
    """What a file names: feeds, and why a line of it is none, by the line's place."""

    feeds: list[FeedSpec] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def read_list(path: Path) -> FeedList:
    """The feeds of an OPML or, by its ending, a CSV file.

    Raises:
        InvalidInput: it is neither, or larger than any list of feeds.
    """
    found = _csv(path) if path.suffix.casefold() == ".csv" else _opml(path)
    if not found.feeds and not found.skipped:
        raise InvalidInput(f"{path.name}: it names no feed")
    return found


def _csv(path: Path) -> FeedList:
    found = FeedList()
    for line, row in csv_rows(path, columns=COLUMNS, required=COLUMNS[:2], most_bytes=_MOST_BYTES):
        try:
            found.feeds.append(_spec(row))
        except ValueError as error:
            found.skipped[f"line {line}"] = str(error)
    return found


def _spec(row: Mapping[str, str | None]) -> FeedSpec:
    """Raises ValueError for what is no row of this table."""
    if None in row:
        raise ValueError("more fields than the header")
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if text["active"].casefold() not in _YES | _NO:
        raise ValueError(f"active: {text['active']!r} is neither true nor false")
    numbers = {name: int(text[name]) for name in ("poll_every_s", "max_age_h") if text[name]}
    return FeedSpec(
        url=text["url"],
        source=text["source"],
        active=text["active"].casefold() in _YES,
        terms=text["terms"],
        kind=_kind(text["kind"]),
        **numbers,
    )


def _kind(written: str) -> FeedKind:
    named = written.casefold() or "news"
    for kind in FEED_KINDS:
        if kind == named:
            return kind
    raise ValueError(f"kind: {written!r} is none of {', '.join(FEED_KINDS)}")


def _opml(path: Path) -> FeedList:
    """Each outline with an xmlUrl, in whatever folder of the reader it lies."""
    found, root = FeedList(), ""
    try:
        for name, attributes in _elements(bytes_of(path, most_bytes=_MOST_BYTES)):
            root = root or name
            if name.casefold() != "outline":
                continue
            told = {key.casefold(): value.strip() for key, value in attributes.items()}
            if not (url := told.get("xmlurl", "")):
                continue
            title = told.get("title") or told.get("text") or ""
            found.feeds.append(FeedSpec(url=url, source=" ".join(title.split())[:100] or url[:100]))
    except (ExpatError, ValueError) as error:
        raise InvalidInput(f"{path.name}: not OPML: {error}") from error
    if root.casefold() != "opml":
        raise InvalidInput(f"{path.name}: not OPML, and its name does not end in .csv")
    return found


def _elements(document: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """The elements of a document and their attributes; one with entities of its own is refused."""
    found: list[tuple[str, dict[str, str]]] = []

    def no_entities(*declared: object) -> None:
        raise ValueError(f"it declares an entity, {declared[0]}")

    parser = ParserCreate()
    parser.EntityDeclHandler = no_entities
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
    parser.Parse(document, True)
    yield from found
