"""How good a model is on the labelled lines of this repository, and what int8 costs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from ops_pipeline.domain.news.items import Label, Sentiment
from ops_pipeline.ports import Classifier

# With less agreement than this the quantised model is not the same model.
LEAST_AGREEMENT = 0.97
LINES = Path(__file__).resolve().parents[1] / "tests" / "news" / "lines"
# Folders of lines by style; what they are is said in rules.txt and docs/news.md.
_FOLDERS = ("held", "blind", "last")
LABELS: dict[str, Label] = {"+": "positive", "-": "negative", "0": "neutral"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two models agree: the share of equal labels, and the largest difference of scores."""

    texts: int
    share: float
    furthest: float

    @property
    def is_enough(self) -> bool:
        return self.texts > 0 and self.share >= LEAST_AGREEMENT


def agreement(small: Sequence[Sentiment], large: Sequence[Sentiment]) -> Agreement:
    pairs = list(zip(small, large, strict=True))
    equal = len([1 for one, other in pairs if one.label == other.label])
    furthest = max((abs(one.score - other.score) for one, other in pairs), default=0.0)
    return Agreement(len(pairs), equal / max(1, len(pairs)), furthest)


def labelled_lines(folder: Path = LINES) -> dict[str, list[tuple[Label, str]]]:
    """The labelled lines by style, as (label, text); empty where the repository is not at hand."""
    found: dict[str, list[tuple[Label, str]]] = {}
    for kind in _FOLDERS:
        for file in sorted((folder / kind).glob("*.txt")):
            lines = file.read_text(encoding="utf-8").splitlines()
            found.setdefault(file.stem, []).extend(
                (LABELS[line[0]], line[2:]) for line in lines if line[:2] in ("+ ", "- ", "0 ")
            )
    return found


def scores_by_style(
    model: Classifier, lines: dict[str, list[tuple[Label, str]]]
) -> dict[str, float]:
    """The macro-F1 of each style."""
    return {
        style: macro_f1(
            [
                (label, given.label)
                for (label, _), given in zip(
                    labelled, model.classify([text for _, text in labelled]), strict=True
                )
            ]
        )
        for style, labelled in lines.items()
    }


def macro_f1(pairs: Sequence[tuple[Label, Label]]) -> float:
    """The mean F1 of the three labels; pairs are (right, given). A label nobody names counts 0."""
    scores = []
    for label in LABELS.values():
        hits = len([1 for right, given in pairs if right == given == label])
        named = len([1 for right, _ in pairs if right == label])
        named += len([1 for _, given in pairs if given == label])
        scores.append(2 * hits / named if named else 0.0)
    return fsum(scores) / len(scores)
