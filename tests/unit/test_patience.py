"""What a slow vendor may cost a run."""

from threading import Event
from time import monotonic

import pytest

from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.market.patience import Patience


def test_an_answer_in_time_is_the_answer() -> None:
    assert Patience(5).ask(lambda: 7) == 7


@pytest.mark.parametrize("error", [MarketDataUnavailable("403"), TimeoutError("403")])
def test_what_the_question_raises_is_no_answer(error: Exception) -> None:
    def refuse() -> None:
        raise error

    with pytest.raises(MarketDataUnavailable, match="403"):
        Patience(5).ask(refuse)


def test_one_that_hangs_is_left_and_the_next_is_not_asked() -> None:
    released, asked = Event(), list[int]()
    patience, began = Patience(0.2), monotonic()
    with pytest.raises(MarketDataUnavailable, match="no answer within"):
        patience.ask(lambda: released.wait(20))
    with pytest.raises(MarketDataUnavailable, match="not asked"):
        patience.ask(lambda: asked.append(1))
    assert monotonic() - began < 2
    assert asked == []
    released.set()


def test_slow_answers_share_one_patience() -> None:
    patience = Patience(0.5)
    released = Event()
    patience.ask(lambda: released.wait(0.2))
    assert 0 < patience.left_s < 0.4
