"""The embedded model: rules one by one, and how well it does on lines of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.news.items import Label
from ops_pipeline.domain.news.sentiment import sentiment
from tests.unit import sentiment_lines
from tests.unit.sentiment_lines import LABELS, macro_f1


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Profit rises", "positive"),
        ("Profit falls", "negative"),
        ("Loss narrows", "positive"),
        ("Loss widens", "negative"),
        ("Costs rise", "negative"),
        ("Company cuts costs", "positive"),
        ("Company cuts its forecast", "negative"),
        ("Company cuts 400 jobs", "negative"),
        ("Unemployment falls", "positive"),
        ("Sales above estimates", "positive"),
        ("EPS of $1.02, below the consensus of $1.10", "negative"),
        ("A meeting below deck", "neutral"),
        ("Company misses estimates", "negative"),
        ("Company fails to beat estimates", "negative"),
        ("Company not profitable", "negative"),
        ("Demand isn't weak", "positive"),
        ("Court dismisses lawsuit", "positive"),
        ("Shares rally despite profit warning", "positive"),
        ("Better-than-expected quarter", "positive"),
        ("Results in line with forecasts", "neutral"),
        ("Company to report results on Thursday", "neutral"),
        ("Shares -4.5%", "negative"),
        ("Shares +4.5%", "positive"),
        ("Profit falls 12% to $4.1 billion", "negative"),
        ("Maker back in profit", "positive"),
        ("Company discontinues production", "negative"),
        ("Agreement ends strike", "positive"),
        ("Miner's costs come in below guidance", "positive"),
        ("Drug fails to slow disease", "negative"),
        ("Lower fuel prices", "positive"),
        ("Grocer to trial smaller stores", "neutral"),
        ("Lender to close 90 branches", "negative"),
        ("Agency closes probe", "positive"),
        ("Shares close at 5 dollars", "neutral"),
        ("The plant will be closed", "negative"),
        ("The stake rose above 5 % on 12 March.", "neutral"),
        ("Demand is slow and competition is fierce", "negative"),
        ("Orders ahead of last year", "positive"),
        ("Jobless rate hits four-year high", "negative"),
        ("Stocks hit four-year high", "positive"),
        ("Are profits about to fall a bit?", "neutral"),
        ("Maker craters on bankruptcy fears", "negative"),
        ("Price target to $310 from $270", "positive"),
        ("Price target to $270 from $310", "negative"),
        ("The Board of Directors approved the accounts.", "neutral"),
    ],
)
def test_a_direction_takes_the_sign_of_what_it_moves(text: str, label: Label) -> None:
    assert sentiment(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Profit of EUR 5.1 mn, compared with EUR 4.2 mn a year ago", "positive"),
        ("Profit of EUR 4.2 mn, compared with EUR 5.1 mn a year ago", "negative"),
        ("Costs of EUR 5.1 mn, compared with EUR 4.2 mn a year ago", "negative"),
        ("Profit of EUR 900 thousand versus EUR 0.8 million", "positive"),
        ("Profit of EUR 3 mn, compared to a loss of EUR 8 mn", "positive"),
        ("Loss of EUR 3 mn, compared to a profit of EUR 1 mn", "negative"),
        ("Profit margin of 12 % compared with sales of EUR 3 mn", "neutral"),
        ("Comparable operating profit was EUR 3.9 mn (EUR 2.7 mn).", "positive"),
        ("Comparable operating profit was EUR 1.9 mn (2.7).", "negative"),
        ("Operating loss was EUR 1.9 mn (EUR 2.7 mn in 2008).", "positive"),
        ("Net sales totalled EUR 61 mn (2008).", "neutral"),
        ("The loss was EUR 0.9 mn, down from EUR 2.6 mn", "positive"),
        ("Profit of EUR 4.2 mn", "neutral"),
        ("Operating profit was EUR 3.9 mn ( EUR 2.7 mn ) .", "positive"),
        ("Q4 EPS $0.55, consensus $0.50", "positive"),
        ("Revenue of $1.2B; est. $1.4B", "negative"),
        ("Of net sales, 40 % came from Finland and 60 % from abroad", "neutral"),
    ],
)
def test_figures_without_a_direction_are_compared(text: str, label: Label) -> None:
    assert sentiment(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("long $AAPL", "positive"),
        ("$AAPL puts for me", "negative"),
        ("$GME bears getting crushed", "positive"),
        ("$GME bulls getting crushed", "negative"),
        ("$TSLA \U0001f680", "positive"),
        ("$TSLA \U0001f4c9", "negative"),
        ("$NFLX never sell", "positive"),
        ("$KO conference call at 5", "neutral"),
        ("Long road ahead for car industry's green shift", "neutral"),
        ("Phone maker calls for short weeks", "neutral"),
    ],
)
def test_the_words_of_traders_count_in_posts_alone(text: str, label: Label) -> None:
    assert sentiment(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Slipped to a net loss of $2.6 million from a profit", "negative"),
        ("Swings to a profit from a loss", "positive"),
        ("Slipped to a loss from a profit of $3 million; shares fall", "negative"),
        ("Net loss became a net profit", "positive"),
        ("Earns $1.20 a share, was loss of 30 cents", "positive"),
        ("Loss per share 5c vs loss of 12c a year ago", "positive"),
        ("Profit rises to $3 million from $2 million", "positive"),
        ("Profit falls to $2 million from profit of $3 million", "negative"),
        ("Shares fall after profit warning", "negative"),
        ("Profit and loss statement published", "neutral"),
    ],
)
def test_what_a_period_ended_in_outweighs_the_words_of_direction(text: str, label: Label) -> None:
    assert sentiment(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Sell Acme, target $242", "negative"),
        ("Buy Acme, target $242", "positive"),
        ("Hold Acme, target $242", "neutral"),
        ("Add Stark Industries, target Rs 145: Nirmal", "positive"),
        ("Buy now, pay later firms to meet lawmakers", "neutral"),
        ("Sell-side conference opens: agenda", "neutral"),
        ("Short of cash, retailer seeks loan: sources", "neutral"),
    ],
)
def test_a_broker_s_call_at_the_beginning_of_a_line_counts(text: str, label: Label) -> None:
    assert sentiment(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The worst may be over", "positive"),
        ("The worst is yet to come", "negative"),
        ("Declines are a buying opportunity", "positive"),
        ("Rallies are not a buying opportunity", "negative"),
        ("Never been this bullish", "positive"),
        ("Never been this bearish", "negative"),
        ("Selloff overdone, says strategist", "positive"),
        ("Recession fears fade", "positive"),
        ("Recession fears grow", "negative"),
    ],
)
def test_an_opinion_outweighs_what_it_is_about(text: str, label: Label) -> None:
    assert sentiment(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Defense secretary resigns", "neutral"),
        ("Italy reports 84 more virus deaths", "neutral"),
        ("Police investigate robbery", "neutral"),
        ("Carmaker's chairman resigns amid probe", "negative"),
        ("Airline shares sink as virus spreads", "negative"),
        ("President's tariff threat hits $AAPL", "negative"),
    ],
)
def test_politics_crime_and_disease_take_no_side_until_a_market_is_named(
    text: str, label: Label
) -> None:
    assert sentiment(text).label == label


def test_links_and_cashtags_say_nothing() -> None:
    assert sentiment("$MOON http://w.example/profit-rises").label == "neutral"


def test_a_hedged_statement_weighs_less_than_a_plain_one() -> None:
    assert 0 < sentiment("Profit may rise").score < sentiment("Profit rises").score


@given(st.text(max_size=300))
def test_any_text_gives_probabilities_that_sum_to_one(text: str) -> None:
    answer = sentiment(text)
    parts = (answer.positive, answer.neutral, answer.negative)
    assert all(0 <= part <= 1 for part in parts)
    assert sum(parts) == pytest.approx(1, abs=1e-9)
    assert sentiment(text) == answer


@pytest.mark.parametrize(
    ("name", "least"), [("HEADLINES", 0.9), ("REPORTS", 0.9), ("POSTS", 0.9), ("HELD_OUT", 0.7)]
)
def test_macro_f1_on_lines_of_our_own(name: str, least: float) -> None:
    lines = getattr(sentiment_lines, name).strip().splitlines()
    pairs = [(LABELS[line[0]], sentiment(line[2:]).label) for line in lines]
    reached = macro_f1(pairs)
    print(f"{name}: {len(lines)} lines, macro-F1 {reached:.3f}")  # noqa: T201 - shown by pytest -s
    assert reached >= least
