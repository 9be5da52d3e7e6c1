"""The embedded model: what a line of financial news says, by words and rules alone.

Marks are the words that the lexicon knows. Within a clause a move takes the sign of the
metric nearest to it ("loss narrows" is good), negators turn round what follows them, and
the clauses' verdicts are added up. The sum becomes three probabilities. A post
is read with the words of traders as well. Deterministic: the same text and version give
the same figures on every machine.
"""

import math
import re
from dataclasses import dataclass

from ops_pipeline.domain.news.broker_calls import broker_call
from ops_pipeline.domain.news.comparison import compared_figures
from ops_pipeline.domain.news.items import Sentiment
from ops_pipeline.domain.news.lexicon import (
    BAD_BY_ITSELF,
    EMOJI,
    EXPECTATION_METRICS,
    FEARS,
    GOOD_BY_ITSELF,
    NEWS,
    POSTS,
    VERDICT_METRICS,
    Form,
    Vocabulary,
)
from ops_pipeline.domain.news.profit_turns import profit_turn
from ops_pipeline.domain.news.topics import is_nobodys_earnings

MODEL = "lexicon-4"

_EMOJI = "".join(sorted(EMOJI))
# A cashtag or a name after @ stands in a line as one word that says nothing.
_WORD = re.compile(
    r"[$@][a-z][\w.]*|[a-z](?:[a-z&.]*[a-z])?|(?<![\w.])[+-]\d[\d.,]*%|\d[\d.,]*|"
    rf"[;,:▲▼↑↓{_EMOJI}]"
)
_LINK = re.compile(r"https?://\S+")
_POST = re.compile(
    rf"\$[a-z]{{2}}|\$[a-z]\b(?! ?\))|[{_EMOJI}]|"
    r"\b(?:lol|lmao|imo|imho|gonna|wanna|yolo|wsb|stonks?|i am|i've|i'd|"
    r"my (?:position|shares|calls|puts))\b"
)
_BREAKS = frozenset(",;:")
_GOES_ON = frozenset({("up", "from"), ("down", "from")})
# How far a word reaches, in words: beyond it belongs to something else.
_METRIC_AFTER, _METRIC_BEFORE, _NEGATOR_REACH = 4, 7, 5
_WITHOUT_METRIC = {"either": 0.75, "after": 0.4, "only": 0.0, "next": 0.0}
# A question takes a side less than a statement does.
_QUESTION = 0.6
_LOGIT_PER_STATEMENT, _NEUTRAL_LOGIT, _MOST_STATEMENTS = 1.8, 0.9, 2.5


@dataclass(slots=True)
class _Mark:
    """One word or phrase of the lexicon, at its place in the line."""

    at: int
    words: str
    form: Form
    taken: bool = False


def sentiment(text: str) -> Sentiment:
    """The probabilities that a text is good, neither, or bad news for whom it names."""
    statements = max(-_MOST_STATEMENTS, min(_MOST_STATEMENTS, statement_sum(text)))
    positive = math.exp(_LOGIT_PER_STATEMENT * statements)
    negative = 1 / positive
    total = positive + negative + math.exp(_NEUTRAL_LOGIT)
    up, down = round(positive / total, 6), round(negative / total, 6)
    return Sentiment(positive=up, neutral=round(1 - up - down, 6), negative=down)


def statement_sum(text: str) -> float:
    """Good minus bad statements of a text, in units of one clear statement."""
    plain = _plain(text)
    call = broker_call(plain)
    if call is not None:
        return call
    if is_nobodys_earnings(plain):
        return 0.0
    turn, rest = profit_turn(plain)
    factor = _QUESTION if plain.endswith("?") else 1.0
    return factor * (turn + _statements(rest))


def _statements(plain: str) -> float:
    words = _WORD.findall(plain)
    clauses = _clauses(words, POSTS if _POST.search(plain) else NEWS)
    kinds = {mark.form.kind for clause in clauses for mark in clause}
    if "metric" in kinds and "move" not in kinds:
        # No direction is named: the figures themselves may give one.
        compared = compared_figures(plain)
        if compared:
            return compared
    return math.fsum(map(_verdict, clauses))


def _plain(text: str) -> str:
    plain = text.casefold().replace("\u2019", "'").replace("can't", "can not")
    plain = plain.replace("won't", "will not")
    plain = plain.replace("n't", " not").replace("i'm", "i am").replace("'s", "")
    return _LINK.sub("", plain).rstrip() if "http" in plain else plain.rstrip()


def _clauses(words: list[str], vocabulary: Vocabulary) -> list[list[_Mark]]:
    clauses: list[list[_Mark]] = [[]]
    at, count = 0, len(words)
    while at < count:
        word = words[at]
        longest = vocabulary.longest.get(word, 0)
        if not longest:
            if _ends_clause(words, at):
                clauses.append([])
            elif word[0] in "+-":
                clauses[-1].append(_signed_percentage(at, word))
            at += 1
            continue
        phrase, form = _longest_form(words, at, min(longest, count - at), vocabulary)
        if form is not None:
            if form.kind == "turn":
                clauses.append([])
            elif form.kind != "plain":
                clauses[-1].append(_Mark(at, phrase, form))
        at += phrase.count(" ") + 1
    return [clause for clause in clauses if clause]


def _ends_clause(words: list[str], at: int) -> bool:
    """Whether a mark parts; "a loss of 0.9, down from 2.6" speaks of the loss to its end."""
    return words[at] in _BREAKS and tuple(words[at + 1 : at + 3]) not in _GOES_ON


def _longest_form(
    words: list[str], at: int, longest: int, vocabulary: Vocabulary
) -> tuple[str, Form | None]:
    for length in range(longest, 1, -1):
        phrase = " ".join(words[at : at + length])
        form = vocabulary.forms.get(phrase)
        if form is not None:
            return phrase, form
    return words[at], vocabulary.forms.get(words[at])


def _signed_percentage(at: int, word: str) -> _Mark:
    return _Mark(at, word, Form("judgement", 0.8 if word[0] == "+" else -0.8))


def _verdict(clause: list[_Mark]) -> float:
    """What one clause says, after opinions that outweigh the rest or call it overdone."""
    opinions = [mark for mark in clause if mark.form.kind == "overrule"]
    if opinions:
        negators = [mark for mark in clause if mark.form.kind == "negator"]
        return _with_modifiers([(mark.at, mark.form.value) for mark in opinions], negators)
    stated = _statement(clause)
    reversers = [mark for mark in clause if mark.form.kind == "reverser"]
    return stated * reversers[0].form.value if reversers else stated


def _statement(clause: list[_Mark]) -> float:
    """The directions and judgements of a clause, after negation, concession, hedges and scale."""
    metrics = [mark for mark in clause if mark.form.kind == "metric"]
    values = [
        (mark.at, _move(mark, metrics, clause)) for mark in clause if mark.form.kind == "move"
    ]
    values += [
        (mark.at, mark.form.value)
        for mark in clause
        if mark.form.kind == "judgement" and not _is_feared(mark, metrics)
    ]
    for mark in metrics:
        if not mark.taken and mark.words in BAD_BY_ITSELF:
            values.append((mark.at, -0.7))
        elif not mark.taken and mark.words in GOOD_BY_ITSELF:
            values.append((mark.at, 0.6))
    return _with_modifiers(values, clause)


def _with_modifiers(values: list[tuple[int, float]], clause: list[_Mark]) -> float:
    """The sum of the values after what stands before them turns them round or weakens them."""
    total, factor = 0.0, 1.0
    for mark in clause:
        kind, value = mark.form.kind, mark.form.value
        if kind == "negator":
            values = [(at, _negated(v, mark.form) if _follows(at, mark) else v) for at, v in values]
            total -= 0.6 if mark.form.reach == "bad" else 0.0
        elif kind == "concession":
            values = [(at, v * value if at > mark.at else v) for at, v in values]
        elif kind in ("hedge", "scale"):
            factor *= value
    return factor * (total + math.fsum(value for _, value in values))


def _is_feared(judgement: _Mark, metrics: list[_Mark]) -> bool:
    """Whether it stands beside fears: "recession fears", "fears of a recession"."""
    if judgement.form.value > 0:
        return False
    length = judgement.words.count(" ") + 1
    return any(
        mark.words in FEARS and -length <= judgement.at - mark.at <= 3 and mark is not judgement
        for mark in metrics
    )


def _negated(value: float, negator: Form) -> float:
    """Turned round; but what fails to slow a disease is no good news for that."""
    return 0.0 if negator.reach == "bad" and value < 0 else value * negator.value


def _follows(at: int, negator: _Mark) -> bool:
    return 0 < at - negator.at <= _NEGATOR_REACH


def _move(move: _Mark, metrics: list[_Mark], clause: list[_Mark]) -> float:
    """The value of a direction with the metric nearest to it, or without any."""
    after = [m for m in metrics if 0 < m.at - move.at <= _METRIC_AFTER]
    before = [m for m in metrics if 0 < move.at - m.at <= _METRIC_BEFORE]
    if move.form.reach == "expected":
        of_costs = any(m.form.value < 0 for m in before)
        return move.form.value * (-1 if of_costs else 1) if _held_against(move, clause) else 0.0
    if move.form.reach in ("object", "subject"):
        return _closing(move, clause)
    if move.form.reach == "next" or (move.form.reach in ("after", "only") and after):
        before = []
    if move.form.reach == "either":
        after = _before_link(move, after, clause, lists=bool(before))
    nearest = min(after + before, key=lambda m: (abs(m.at - move.at), m.at), default=None)
    if nearest is None:
        return move.form.value * _WITHOUT_METRIC[move.form.reach]
    nearest.taken = True
    weight = 1.4 if nearest.words in VERDICT_METRICS else 1.0
    return move.form.value * nearest.form.value * weight


def _held_against(move: _Mark, clause: list[_Mark]) -> bool:
    """Whether "above" and the like stand before a forecast or an earlier figure."""
    return any(
        0 < mark.at - move.at <= _METRIC_AFTER
        and (mark.form.kind == "yardstick" or mark.words in EXPECTATION_METRICS)
        for mark in clause
    )


def _before_link(
    move: _Mark, after: list[_Mark], clause: list[_Mark], *, lists: bool
) -> list[_Mark]:
    """Without what stands behind an "and" or a reason for the move.

    "Demand is slow and competition is fierce", "shares fall on bankruptcy fears".
    """
    for mark in clause:
        parts = mark.form.kind == "link" and (lists or mark.form.reach == "reason")
        if parts and mark.at > move.at:
            return [metric for metric in after if metric.at < mark.at]
    return after


def _closing(move: _Mark, clause: list[_Mark]) -> float:
    """Closing a plant is bad, closing a probe good; shares close and deals do, too."""
    behind = move.form.reach == "object"
    for mark in clause:
        away = mark.at - move.at
        if 0 < away <= _METRIC_AFTER if behind else 0 < -away <= _METRIC_BEFORE:
            if mark.form.kind == "site":
                return move.form.value
            if mark.words in BAD_BY_ITSELF:
                mark.taken = True
                return -move.form.value
    return 0.0
