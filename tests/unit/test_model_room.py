"""The function that may run a trained model has the room and the time for it."""

from dataclasses import replace

import pytest

from infra.definitions import load_functions
from infra.weigh import model_problems

CLASSIFIER = load_functions()["classifier"]


def test_the_classifier_has_room_and_time_for_a_bert_base() -> None:
    assert model_problems(CLASSIFIER) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"memory_mb": 512}, "512 MB, a BERT-base needs"), ({"timeout_s": 20}, "20 s, loading")],
)
def test_a_function_with_less_is_refused(changed: dict[str, int], why: str) -> None:
    (found,) = model_problems(replace(CLASSIFIER, **changed))  # type: ignore[arg-type]  # ints both
    assert why in found


def test_functions_without_a_model_need_none() -> None:
    assert model_problems(replace(load_functions()["report"], memory_mb=128)) == []
