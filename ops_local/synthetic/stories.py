"""The stories of a generated day before feeds publish them: moves, companies, the economy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ops_local.synthetic import headlines
from ops_local.synthetic.headlines import Template
from ops_local.synthetic.moves import Move
from ops_local.synthetic.tape import CLOSES, DAY_MINUTES, OPENS
from ops_local.synthetic.universe import GeneratedCompany

_COMPANY_STORIES, _MACRO_STORIES = 84, 54
# Others report on what happened to a company in words of their own, some minutes later:
# how many do, and with which probability. What moves a price is seldom left to one.
_REPORTS, _REPORTS_OF_MOVES = (0.45, 0.35, 0.2), (0.2, 0.5, 0.3)
_LATEST_REPORT_MINUTES = 6.0
_PAIRS = {
    "up_down": ("up", "down"),
    "more_less": ("more", "less"),
    "above_below": ("above", "below"),
    "expands_shrinks": ("expands", "shrinks"),
    "rises_falls": ("rises", "falls"),
    "rise_fall": ("rise", "fall"),
}


@dataclass(frozen=True, slots=True)
class GeneratedStory:
    """One story; `minute` counts from 04:00 New York, `ticker` is None for general news.

    `event` is the same for the stories that different publishers write about one thing.
    """

    ticker: str | None
    title: str
    summary: str
    minute: float
    event: int


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is to be told, before its words are chosen; `event` as in GeneratedStory."""

    minute: float
    company: GeneratedCompany | None
    templates: Sequence[Template]
    event: int


def tell(
    rng: np.random.Generator, companies: Sequence[GeneratedCompany], moves: Sequence[Move]
) -> list[GeneratedStory]:
    """Draw the stories, in the order of their minute, each title only once."""
    named = [company for company in companies if not company.is_fund]
    by_ticker = {company.ticker: company for company in named}
    drafts: list[_Draft] = []
    for move in moves:
        if move.lead_minutes is not None:
            kind = headlines.GOOD if move.news_sign > 0 else headlines.BAD
            at = OPENS + move.start - move.lead_minutes
            drafts += _reports(
                rng, at, by_ticker[move.ticker], kind, how_many=_REPORTS_OF_MOVES, event=len(drafts)
            )
    # Stories without a price move, as most news is.
    for minute in _minutes(rng, _COMPANY_STORIES if named else 0):
        company = named[int(rng.integers(len(named)))]
        kinds = (headlines.GOOD, headlines.BAD, headlines.NEUTRAL)
        kind = kinds[int(rng.choice(3, p=(0.36, 0.3, 0.34)))]
        drafts += _reports(rng, minute, company, kind, how_many=_REPORTS, event=len(drafts))
    for minute in _minutes(rng, _MACRO_STORIES):
        drafts.append(_Draft(minute, None, headlines.MACRO, len(drafts)))
    by_title: dict[str, GeneratedStory] = {}
    for draft in sorted(drafts, key=lambda draft: draft.minute):
        template = draft.templates[int(rng.integers(len(draft.templates)))]
        story = _fill(rng, template, draft)
        by_title.setdefault(story.title, story)
    return list(by_title.values())


def _reports(
    rng: np.random.Generator,
    minute: float,
    company: GeneratedCompany,
    templates: Sequence[Template],
    *,
    how_many: Sequence[float],
    event: int,
) -> list[_Draft]:
    """The first report of an event, at its minute, and those of others after it."""
    others = int(rng.choice(len(how_many), p=how_many))
    late = sorted(rng.uniform(1.0, _LATEST_REPORT_MINUTES, others).tolist())
    return [_Draft(minute + by, company, templates, event) for by in (0.0, *late)]


def _minutes(rng: np.random.Generator, count: int) -> list[float]:
    """More before the open and during the session than afterwards."""
    before, during = round(0.27 * count), round(0.6 * count)
    return [
        *rng.triangular(20, OPENS - 45, OPENS, before).tolist(),
        *rng.uniform(OPENS, CLOSES, during).tolist(),
        *rng.triangular(CLOSES, CLOSES + 10, DAY_MINUTES - 20, count - before - during).tolist(),
    ]


def _fill(rng: np.random.Generator, template: Template, draft: _Draft) -> GeneratedStory:
    company = draft.company
    words = {name: str(rng.choice(pair)) for name, pair in _PAIRS.items()}
    words |= {
        "small": f"{rng.uniform(0.2, 2.9):.1f}",
        "ordinal": str(rng.choice(("second", "third", "fourth", "fifth"))),
        "pct": str(rng.integers(2, 30)),
        "eps": f"{rng.uniform(0.4, 7.0):.2f}",
        "amount": f"{rng.uniform(1.1, 9.9):.1f}",
        "index": f"{rng.uniform(45, 110):.1f}",
        "index_before": f"{rng.uniform(45, 110):.1f}",
        "target": str(rng.integers(110, 500)),
        "house": str(rng.choice(headlines.HOUSES)),
        "quarter": str(rng.choice(headlines.QUARTERS)),
        "month": str(rng.choice(headlines.MONTHS)),
        "startup": str(rng.choice(headlines.STARTUPS)),
    }
    if company is not None:
        products = headlines.PRODUCTS.get(company.ticker, headlines.DEFAULT_PRODUCTS)
        words |= {
            "name": company.name,
            "ticker": company.ticker,
            "exchange": str(company.exchange),
            "product": str(rng.choice(products)),
            "target": f"{company.price_usd * rng.uniform(0.8, 1.3):.0f}",
        }
    title, summary = template.title.format_map(words), template.summary.format_map(words)
    ticker = None if company is None else company.ticker
    return GeneratedStory(ticker, title, summary, draft.minute, draft.event)
