"""One recommendation for a person: sentences and small tables, in chronological order."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops_local.explain.records import Explained
from ops_local.explain.trade import event_rows, fill_rows, order_rows, result_sentences
from ops_local.figures import cell, clock, dollars, plain
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.execution.isolation import isolated, what_failed

_TREND = {1: "up", 0: "flat", -1: "down"}
_BASE = "base"

_Told = tuple[Iterable[str], list[Row]]
_Build = Callable[[Explained], _Told]


@dataclass(frozen=True, slots=True)
class Section:
    """A title, sentences, and rows that share their columns (often none)."""

    title: str
    sentences: tuple[str, ...]
    rows: list[Row]
    is_known: bool = True


def sections(explained: Explained) -> list[Section]:
    """All sections; those of a refused recommendation end with the gates and the size.

    One that cannot be read or told says so, and the others are there.
    """
    found = (_alone(explained, *section) for section in _SECTIONS)
    return [section for section in found if section.sentences or section.rows]


def _alone(explained: Explained, title: str, reads: tuple[str, ...], build: _Build) -> Section:
    why = next((explained.unread[name] for name in reads if name in explained.unread), None)
    built = isolated(lambda: _section(title, *build(explained)))
    if isinstance(built, Exception):
        why = why or what_failed(built)
    elif why is None:
        return built
    return Section(title, (f"Not known: {why}.",), [], is_known=False)


def _section(title: str, sentences: Iterable[str], rows: list[Row]) -> Section:
    return Section(title, tuple(sentences), rows)


def _checked(explained: Explained) -> dict[str, Any]:
    """The gates by name. A SELL is checked by few; the size gate is not one of them."""
    facts = explained.recommendation["risk_gate_json"] or {}
    return {name: gate for name, gate in facts.items() if "passed" in gate}


def _gates_told(explained: Explained) -> _Told:
    gates = _checked(explained)
    return (_gates(gates), _gate_rows(gates)) if gates else ((), [])


def _size_told(explained: Explained) -> _Told:
    size = _checked(explained).get("size")
    return ((), []) if size is None else (_size(size), _size_rows(size))


def _decision(row: Row) -> Iterator[str]:
    kind = f"{row['instrument_type'].lower()}, {row['strategy_type']}"
    yield (
        f"Recommendation {row['id']} of {new_york_day(row['ts'])} {clock(row['ts'])} New York: "
        f"{row['action']} {row['ticker']} ({kind}) for account {row['account_name']}, "
        f"confidence {row['confidence']:.2f}."
    )
    why = f": {row['failure_reason']}" if row["failure_reason"] else ""
    yield f"It ended {row['status']}{why}."
    yield f"Parameters: version {row['parameter_version']} ({row['parameter_source']})."


def _news(explained: Explained) -> _Told:
    snapshot = explained.recommendation["sentiment_snapshot"]
    minutes = explained.recommendation["parameters"]["news"]["window_minutes"]
    if snapshot is None:
        text = f"No story in the last {minutes} minutes: sentiment unknown, which is not 0."
        return (text,), []
    rows = [
        {
            "at": row["published_at"],
            "age min": round(row["age_minutes"]),
            "score": f"{row['score']:+.2f}",
            "reports": row["times_told"],
            "voice": row["voice"],
            "headline": f"{row['title']} ({row['source']}{_corrected(row['version'])})",
        }
        for row in explained.headlines
    ]
    mean = (
        f"Sentiment {snapshot['score']:+.2f} from {snapshot['stories']} "
        f"{'story' if snapshot['stories'] == 1 else 'stories'} of the last {minutes} minutes, "
        f"each weighted by 1 - age/{minutes}; the newest was "
        f"{snapshot['newest_age_minutes']:.0f} minutes old. Scored by {_models(explained)}; a "
        "story counts once, however often it is reported, and a source with one story."
    )
    return (mean, _sources(explained)), rows


def _sources(explained: Explained) -> str:
    """Who spoke, and whether they were enough to lift the confidence."""
    recommendation = explained.recommendation
    snapshot = recommendation["sentiment_snapshot"]
    # Rows of before have no names, and their parameters no least number.
    names = snapshot.get("sources") or []
    least = recommendation["parameters"]["news"].get("min_sources", 1)
    enough = snapshot["stories"] >= least
    lifts = "enough to lift" if enough else "too few to lift"
    return (
        f"Sources: {', '.join(names) or 'not recorded'}; {lifts} the confidence (at least {least})."
    )


def _corrected(version: int) -> str:
    return f", corrected, version {version}" if version > 1 else ""


def _models(explained: Explained) -> str:
    return ", ".join(sorted({row["model"] for row in explained.headlines}))


def _features(explained: Explained) -> Iterator[str]:
    facts = explained.recommendation["features_snapshot"]
    yield (
        f"Close {dollars(facts['close'])}, {facts['distance_sma20']:+.2%} from the mean of 20 "
        f"minutes ({dollars(facts['sma20'])}), {facts['distance_sma50']:+.2%} from that of 50 "
        f"({dollars(facts['sma50'])}): trend {_TREND[facts['trend_state']]}."
    )
    yield (
        f"Volume {_times(facts['volume_ratio'])} its mean of 20 minutes, volatility "
        f"{_times(facts['vol_ratio'])} its own of the session; {facts['bar_count']} bars went in."
    )


def _times(ratio: float | None) -> str:
    return "unknown against" if ratio is None else f"{ratio:.2f} times"


def _signal(explained: Explained) -> Iterator[str]:
    reason = explained.recommendation["reason"]
    direction = reason.get("direction") or "no direction"
    broke_out = "broke out" if reason.get("broke_out") else "did not break out"
    yield f"Price is {direction} and {broke_out}."
    choice = reason.get("choice") or {}
    if choice:
        yield f"Instrument: {choice['instrument'].lower()} ({choice['reason']})."


def _arithmetic(row: Row) -> list[Row]:
    """The terms add up to the base, factors multiply it; `so far` is the running result."""
    reason: Mapping[str, Any] = row["reason"]
    if _BASE not in reason:
        return []
    rows: list[Row] = []
    so_far = 0.0
    terms = reason[_BASE]["terms"].items()
    for name, term in sorted(terms, key=lambda named: (-named[1]["weight"], named[0])):
        so_far += term["value"] * term["weight"]
        rows.append(_step(f"+ {name}", term["value"], f"{term['weight']:.2f}", so_far))
    for name, factor in sorted(reason["factors"].items()):
        so_far *= factor
        rows.append(_step(f"\N{MULTIPLICATION SIGN} {name}", factor, "", so_far))
    rows.append(_step("confidence", row["confidence"], "", row["confidence"]))
    return rows


def _step(name: str, value: float, weight: str, so_far: float) -> Row:
    return {"step": name, "value": f"{value:.3f}", "weight": weight, "so far": f"{so_far:.3f}"}


def _gates(gates: Mapping[str, Any]) -> Iterator[str]:
    refused = sorted(name for name, gate in gates.items() if not gate["passed"])
    if refused:
        yield f"{len(refused)} of {len(gates)} gates refused."
        for name in refused:
            yield f"{name}: {gates[name]['reason']}."
    else:
        yield f"All {len(gates)} gates passed."


def _gate_rows(gates: Mapping[str, Any]) -> list[Row]:
    """All gates, those that refused first."""
    ordered = sorted(gates.items(), key=lambda gate: (gate[1]["passed"], gate[0]))
    return [
        {
            "gate": name,
            "verdict": "passed" if gate["passed"] else "REFUSED",
            "observed": cell("", gate["observed"]),
            "limit": cell("", gate["limit"]),
        }
        for name, gate in ordered
    ]


def _size(size: Mapping[str, Any]) -> Iterator[str]:
    if "quantity" not in size:
        yield f"{size['reason']}."
        return
    yield (
        f"{plain(size['quantity'])} at a limit of {dollars(size['limit_price'])}, "
        f"{dollars(size['quantity'] * size['limit_price'])} in all: "
        f"{size['bound']} allows the least; rounded down to a tradable quantity."
    )


def _size_rows(size: Mapping[str, Any]) -> list[Row]:
    allowed: Mapping[str, float] = size.get("allowed") or {}
    return [
        {
            "bound": name,
            "units allowed": f"{units:,.2f}",
            "counts": "the least" if name == size["bound"] else "",
        }
        for name, units in sorted(allowed.items(), key=lambda bound: bound[1])
    ]


# Title, the lists that it is told from, and how.
_SECTIONS: tuple[tuple[str, tuple[str, ...], _Build], ...] = (
    ("Decision", (), lambda it: (_decision(it.recommendation), [])),
    ("Headlines", ("headlines",), _news),
    ("Bars and features", ("bars",), lambda it: (_features(it), it.bars)),
    ("Signal", (), lambda it: (_signal(it), _arithmetic(it.recommendation))),
    ("Gates", (), _gates_told),
    ("Size", (), _size_told),
    ("Orders", ("positions", "orders"), lambda it: ((), order_rows(it))),
    ("Fills", ("positions", "orders", "fills"), lambda it: ((), fill_rows(it))),
    ("Position", ("positions", "events"), lambda it: ((), event_rows(it))),
    ("Result", ("positions",), lambda it: (result_sentences(it), [])),
)
