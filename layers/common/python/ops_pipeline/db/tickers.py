"""Known securities and which of them are watched."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.news.security_import import Security

# A security that is not known yet gets its symbol as its name.
_ADD_UNKNOWN = """
INSERT INTO tickers (ticker, name, exchange, name_needs_context)
SELECT ticker, ticker, 'UNKNOWN', true FROM unnest(CAST(:tickers AS text[])) AS given (ticker)
ON CONFLICT (ticker) DO NOTHING
"""

_SET_WATCHED = """
UPDATE tickers SET is_watched = :watched
WHERE ticker = ANY(CAST(:tickers AS text[])) AND (active OR NOT :watched)
  AND is_watched <> :watched
RETURNING ticker
"""

_WATCHED = 'SELECT ticker FROM tickers WHERE is_watched ORDER BY ticker COLLATE "C"'

_STANDINGS = """
SELECT ticker, name, active, is_watched, name = ticker AND cardinality(aliases) = 0 AS is_bare
FROM tickers WHERE ticker = ANY(CAST(:tickers AS text[])) ORDER BY ticker COLLATE "C"
"""

_ALL = """
SELECT ticker, name, aliases, exchange, kind, is_broker, name_needs_context, active, cik,
    valid_from, valid_to, renamed_to, names_to
FROM tickers ORDER BY ticker COLLATE "C"
"""

# Import does not change what is watched, except that inactive securities are not watched.
_WRITE = """
INSERT INTO tickers AS known (ticker, name, aliases, exchange, kind, is_broker,
    name_needs_context, active, cik, valid_from, valid_to, renamed_to, names_to)
SELECT ticker, name, aliases, exchange, kind, is_broker, name_needs_context, active, cik,
    valid_from, valid_to, renamed_to, names_to
FROM jsonb_to_recordset(CAST(:securities AS jsonb)) AS given (ticker text, name text,
    aliases text[], exchange text, kind text, is_broker boolean, name_needs_context boolean,
    active boolean, cik text, valid_from date, valid_to date, renamed_to text, names_to date)
ON CONFLICT (ticker) DO UPDATE SET name = excluded.name, aliases = excluded.aliases,
    exchange = CASE excluded.exchange WHEN 'UNKNOWN' THEN known.exchange ELSE excluded.exchange END,
    kind = excluded.kind, is_broker = excluded.is_broker,
    name_needs_context = excluded.name_needs_context, active = excluded.active,
    is_watched = known.is_watched AND excluded.active,
    cik = coalesce(excluded.cik, known.cik),
    valid_from = coalesce(excluded.valid_from, known.valid_from),
    valid_to = coalesce(excluded.valid_to, known.valid_to),
    renamed_to = coalesce(excluded.renamed_to, known.renamed_to),
    names_to = coalesce(excluded.names_to, known.names_to)
RETURNING ticker
"""

_SET_CIKS = """
UPDATE tickers AS known SET cik = given.cik
FROM unnest(CAST(:tickers AS text[]), CAST(:ciks AS text[])) AS given (ticker, cik)
WHERE known.ticker = given.ticker AND known.cik IS DISTINCT FROM given.cik
"""

# Names and aliases go along; what the new symbol is known as already stands.
_RENAME = """
INSERT INTO tickers AS known (ticker, name, aliases, exchange, kind, is_watched, is_broker,
    name_needs_context, cik, valid_from)
SELECT :new, CASE name WHEN ticker THEN :new ELSE name END, aliases, exchange, kind, is_watched,
    is_broker, name_needs_context, cik, CAST(:day AS date)
FROM tickers WHERE ticker = :old AND active
ON CONFLICT (ticker) DO UPDATE SET active = true,
    is_watched = known.is_watched OR excluded.is_watched
"""
_RETIRE = """
UPDATE tickers SET active = false, is_watched = false, valid_to = CAST(:day AS date),
    renamed_to = :new
WHERE ticker = :old AND active
"""

_SEARCH = """
SELECT ticker, name, aliases, exchange, kind, active, is_watched, is_broker, name_needs_context,
    cik, valid_from, valid_to, renamed_to
FROM tickers
WHERE CAST(:word AS text) IS NULL OR ticker = upper(:word)
   OR strpos(lower(concat_ws(' ', name, array_to_string(aliases, ' '))), lower(:word)) > 0
ORDER BY is_watched DESC, ticker COLLATE "C" LIMIT :most
"""


def set_watched(tx: Transaction, tickers: Sequence[str], *, watched: bool) -> list[str]:
    """Start or stop watching these; return the changed ones, sorted.

    An inactive security is never watched.
    """
    if watched:
        tx.execute(_ADD_UNKNOWN, tickers=list(tickers))
    rows = tx.rows(_SET_WATCHED, tickers=list(tickers), watched=watched)
    return sorted(row["ticker"] for row in rows)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a security stands; `is_bare` means that only its symbol is known, no name."""

    name: str
    active: bool
    is_watched: bool
    is_bare: bool


def standings(tx: Transaction, tickers: Sequence[str]) -> dict[str, Standing]:
    """Those of the symbols that are known."""
    rows = tx.rows(_STANDINGS, tickers=list(tickers))
    return {row.pop("ticker"): Standing(**row) for row in rows}


def watched(tx: Transaction) -> list[str]:
    return [row["ticker"] for row in tx.rows(_WATCHED)]


def all_securities(tx: Transaction) -> list[Security]:
    """Every security, inactive ones included."""
    return [Security(**{**row, "aliases": tuple(row["aliases"])}) for row in tx.rows(_ALL)]


def write(tx: Transaction, securities: Sequence[Security]) -> int:
    """Add or update these securities; return their number.

    Whether one is watched does not change, unless it became inactive.
    """
    rows = [asdict(one) for one in securities]
    return len(tx.rows(_WRITE, securities=json.dumps(rows, default=str)))


def rename(tx: Transaction, old: str, new: str, *, day: date) -> bool:
    """Let a new symbol take an old one's place from that day on; False: there is none to take."""
    tx.execute(_RENAME, old=old, new=new, day=day)
    return bool(tx.execute(_RETIRE, old=old, new=new, day=day))


def set_ciks(tx: Transaction, ciks: Mapping[str, str]) -> None:
    """Write SEC's numbers beside the securities that are known, whoever entered them."""
    tx.execute(_SET_CIKS, tickers=list(ciks), ciks=list(ciks.values()))


def search(tx: Transaction, word: str | None, *, most: int = 100) -> list[Row]:
    """The securities whose symbol is the word or whose names contain it; None: all of them."""
    return tx.rows(_SEARCH, word=word, most=most)
