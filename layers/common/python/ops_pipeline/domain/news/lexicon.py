"""The words of financial news and what they do; written for this project, version 3.

Directions say which way a thing moves, metrics whether more of it is good or bad, and
judgements are good or bad by themselves. Weights are in units of one clear statement.
Hyphens are read as blanks, "n't" as "not", everything in small letters.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from ops_pipeline.domain.news import words_of_direction, words_of_judgement, words_of_traders
from ops_pipeline.domain.news.word_sets import phrase_set

Kind = Literal[
    "move", "metric", "judgement", "negator", "hedge", "scale", "turn", "concession", "plain",
    "yardstick", "site", "link",
]  # fmt: skip


class Form(NamedTuple):
    """What one word or phrase does.

    `value` is signed: +1 up or good, -1 down or bad; for "scale" and "hedge" the factor.
    `reach` says where a move's metric stands: "after" ("cut costs"), "either" ("sales fell",
    "lower sales"), "only" ("smaller losses": nothing without one), "next" (the same, behind
    it: "ends strike"), "object" (a site behind it: "closes plant", never "shares close"),
    "subject" (a site before it), or "expected" where it says nothing without something to be
    held against ("below the consensus"); for a negator "bad" when it is bad news by itself.
    """

    kind: Kind
    value: float
    reach: str = ""


class Vocabulary(NamedTuple):
    """Forms by phrase, and the length of the longest phrase that begins with a word."""

    forms: Mapping[str, Form]
    longest: Mapping[str, int]

    @classmethod
    def of(cls, forms: Mapping[str, Form]) -> "Vocabulary":
        longest: dict[str, int] = {}
        for phrase in forms:
            words = phrase.split()
            longest[words[0]] = max(len(words), longest.get(words[0], 1))
        return cls(forms, longest)


def _forms(words: str | Iterable[str], form: Form) -> dict[str, Form]:
    return dict.fromkeys(sorted(phrase_set(words) if isinstance(words, str) else words), form)


_ABOVE = "above, ahead of, beyond, over, overshoot, overshoots, overshot"
_BELOW = "below, under, short of, shy of, beneath, undershoot, undershoots, undershot"
# What ends says nothing until it is known what: a strike or a boom.
_ENDS = """settle, settles, settled, ends, ended, ending, toss, tosses, tossed, averting,
settling, dismissing"""
# Sizes are no directions but beside a metric: "smaller losses", never "smaller stores".
_SIZES = "smaller, fewer, less, thinner, shallower"
_LARGER = "greater, larger, bigger, better, record"

_CLOSED = """will be closed, to be closed, be closed, is closed, are closed, was closed, were
closed, be shut, shut down"""

_NEGATORS = """not, no, never, without, neither, nor, unable to, denies, deny, denied, lack of,
lacks, cannot, avoid, avoids, avoided, rule out, rules out, ruled out, unlikely to, far from,
hardly, less likely"""
_FAILURES = "fail to, fails to, failed to, failing to"
_HEDGES = """may, might, could, would, possibly, reportedly, rumored, rumoured, if, considering,
considers, mulls, weighs, weigh, plans to, seeks, seeking, whether, potential, potentially,
hopes to, aim, aims to, aims, aimed at, intends to, goal is, target is, set to, ability to,
about to decide, in talks to, talks to, when"""
_TURNS = "but, however, while, whereas, although, though, yet, even as, as, after, ;"
_CONCESSIONS = "despite, in spite of, notwithstanding, shrugs off, shrugging off, shrug off, defies"
# What stands behind them is why something moved, not what did: "craters on bankruptcy fears".
_REASONS = """on, amid, amidst, following, due to, because of, owing to, thanks to, on the
back of"""
_FAINT = """slightly, modestly, marginally, somewhat, a bit, slight, modest, marginal, little"""
_LOUD = """sharply, steeply, significantly, strongly, dramatically, massive, massively, huge,
sharp, steep, heavily, deeply"""

# What never judges by itself, though a part of it would: read as one neutral word.
_NEUTRAL_PHRASES = """after a loss, after a profit, discontinued operations, after losses, no
position, settles on, in line with, in line, short term, long term, longer term, as long as, short
dated, long dated, long time, as well as, up to, set up, sets up, make up, follow up, start up,
startup, write up, up for, fine tune, target date, buy back, record date, stop loss, at least, cut
off, after hours, so long, long awaited, fire department, a short, down payment, step down, steps
down, top 10, good morning, good friday, great britain, best buy, growth stocks, growth stock,
growth fund, growth strategy, growth company, the lead, down under, short list, shortlist,
increase capital, shares outstanding, advanced micro devices, capital increase, new york, not
only, more than half, less than half, income tax, profit and loss, loss adjuster, loss adjusters,
cutting edge, higher education, fast growing, sale of, gain access, subject to approval, subject
to, pending approval, the dip, as expected, red hat, red sea, green bay, strike price, strike
prices, ban on, recall election, hits the road, fire sale, support level, raises questions, strong
dollar, strong euro, add on, short of cash, added value, value added, to record a, greater london,
good faith, great lakes, fault line, several prizes, best practice, best practices, personnel
costs were, for the record, better known, win win, hybrid cloud, cloud computing, cloud services,
cloud based, cloud platform, no later than, no effect on, not disclosed, not only that, without
delay, will not be published, no significant effect, no material effect, no effect, no impact, not
affect, not have an effect, not been disclosed, more than, more information, more about, more
details, closes sale, closes deal, closes acquisition, closes purchase, close sale, close deal,
close acquisition, to close in, expected to close, approval of, approval by, team up, teams up,
good place, cost of living, real estate, in real time, real time, declined to comment, declines to
comment, declined comment, may be terminated, in the fall, this fall, next fall, up and running,
shareholders approved, shareholders approve, board of directors approved, board approved, board
approves, meeting approved, approved the accounts, approved the merger, was approved by the, were
approved, is approved, approval procedure, weight loss, hair loss, hearing loss, credit card,
credit cards, letter of credit, at cost, war chest"""

FORMS: dict[str, Form] = {
    **_forms(words_of_direction.MORE_IS_GOOD, Form("metric", 1.0)),
    **_forms(words_of_direction.MORE_IS_BAD, Form("metric", -1.0)),
    **_forms(words_of_direction.STILL, Form("metric", 0.0)),
    **_forms(words_of_direction.SITES, Form("site", 1.0)),
    **_forms(words_of_direction.YARDSTICKS, Form("yardstick", 0.0)),
    **_forms(words_of_direction.RISES, Form("move", 1.0, "either")),
    **_forms(words_of_direction.LEAPS, Form("move", 1.4, "either")),
    **_forms(words_of_direction.RAISES, Form("move", 1.0, "after")),
    **_forms(words_of_direction.FALLS, Form("move", -1.0, "either")),
    **_forms(words_of_direction.PLUNGES, Form("move", -1.4, "either")),
    **_forms(words_of_direction.CUTS, Form("move", -1.0, "after")),
    **_forms(words_of_direction.CLOSES, Form("move", -1.0, "object")),
    **_forms(_CLOSED, Form("move", -1.0, "subject")),
    **_forms(_ENDS, Form("move", -1.0, "next")),
    **_forms(_SIZES, Form("move", -1.0, "only")),
    **_forms(_LARGER, Form("move", 1.0, "only")),
    **_forms(_ABOVE, Form("move", 1.0, "expected")),
    **_forms(_BELOW, Form("move", -1.0, "expected")),
    **_forms(words_of_judgement.LIKELY_GOOD, Form("judgement", 0.6)),
    **_forms(words_of_judgement.LIKELY_BAD, Form("judgement", -0.6)),
    **_forms(words_of_judgement.GOOD, Form("judgement", 1.0)),
    **_forms(words_of_judgement.BAD, Form("judgement", -1.0)),
    **_forms(_NEGATORS, Form("negator", -0.9)),
    **_forms(_FAILURES, Form("negator", -0.7, "bad")),
    **_forms(_HEDGES, Form("hedge", 0.6)),
    **_forms(_FAINT, Form("scale", 0.7)),
    **_forms(_LOUD, Form("scale", 1.25)),
    **_forms(_TURNS, Form("turn", 0.0)),
    **_forms(_CONCESSIONS, Form("concession", 0.3)),
    **_forms(_NEUTRAL_PHRASES, Form("plain", 0.0)),
    **_forms("and", Form("link", 0.0, "list")),
    **_forms(_REASONS, Form("link", 0.0, "reason")),
}
NEWS = Vocabulary.of(FORMS)
# A post is read with the same words and, before them, with those of traders.
POSTS = Vocabulary.of(
    {
        **FORMS,
        **_forms(words_of_traders.BULLISH, Form("judgement", 0.8)),
        **_forms(words_of_traders.BEARISH, Form("judgement", -0.8)),
        **_forms(words_of_traders.PASSING, Form("plain", 0.0)),
        **{
            phrase: Form("judgement", value)
            for phrase, value in {
                **words_of_traders.FATES_OF_CROWDS,
                **words_of_traders.EMOJI,
            }.items()
        },
    }
)

# A metric that is bad news when merely named: "posts a loss", not "discusses costs".
BAD_BY_ITSELF = phrase_set(
    "lawsuit,lawsuits,class action,probe,probes,investigation,investigations,penalty,penalties,"
    "violation,violations,bankruptcy,layoff,job cuts,redundancies,recall,recalls,outage,outages,"
    "threat,fear,problem,problems,allegations,breach,breaches,sanction,strike,strikes,ban,bans,"
    "fine,fines,unrest,dispute,disputes,suit,selling pressure,bad loans,loan losses,"
    "loss,losses,net loss,operating loss,pretax loss,layoffs,shortfall,writedown,writedowns,"
    "write down,write downs,impairment,impairments,delay,delays,fears,worries,headwinds,"
    "shortage,shortages,bankruptcies,cash burn,dilution,losing streak,defaults,concerns,pain,"
    "cost overrun,cost overruns,red ink,gloom,bottlenecks,supply problems,write offs,doubts,"
    "goodwill write down,goodwill write downs,overcapacity,foreclosures,"
    "loss per share,deadlock,infighting"
)
GOOD_BY_ITSELF = frozenset({"growth", "sales growth", "order growth"})
EXPECTATION_METRICS = phrase_set(
    "estimate,estimates,expectations,forecast,forecasts,consensus,guidance,outlook,view,target,"
    "targets"
)
# What a share did is the market's own verdict on the rest of the line.
VERDICT_METRICS = frozenset({"shares", "share", "stock", "stocks", "share price", "stock price"})
DIRECTION_WORDS = frozenset(
    word for word, form in FORMS.items() if form.kind in ("move", "judgement") and " " not in word
)
