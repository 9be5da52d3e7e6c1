"""What ops.toml may say: what is wrong is named field by field, all at once; no secret is in it."""

import tomllib
from decimal import Decimal

import pytest

from ops_pipeline.domain.deployment.description import DeploymentFile, read_description
from ops_pipeline.domain.deployment.secrets import secrets_in
from tests.conftest import ROOT

WHOLE = """
strategy = "news"
[accounts.large]
broker = "alpaca"
mode = "paper"
on = true
max_positions = 5
max_exposure = 10000.50
[accounts.tiny]
mode = "simulated"
on = false
[data]
feed = "sip"
account = "large"
[feeds]
contact = "Example Fund ops@example.com"
[[feeds.feed]]
url = "https://example.com/rss"
source = "Example"
poll_every_s = 300
[tickers]
watch = ["AAPL", "MSFT"]
[parameters.exits]
stop_loss = 0.015
[options]
enabled = false
[notifications]
"""


def read(text: str) -> tuple[DeploymentFile, list[str]]:
    return read_description(tomllib.loads(text))


def test_a_whole_file_is_read() -> None:
    described, wrong = read(WHOLE)
    assert wrong == []
    large, tiny = described.accounts
    assert large.limits == {"max_positions": 5, "max_exposure": Decimal("10000.5")}
    assert (tiny.mode, tiny.on, tiny.limits) == ("simulated", False, {})
    assert (described.data_feed, described.data_account) == ("sip", "large")
    assert described.contact == "Example Fund ops@example.com"
    assert described.feeds is not None
    assert described.feeds[0].poll_every_s == 300
    assert described.tickers == ("AAPL", "MSFT")
    assert described.parameters == {"exits": {"stop_loss": 0.015}}


def test_what_is_not_named_is_not_known_and_what_is_named_empty_is_none_at_all() -> None:
    described, wrong = read("[accounts.large]")
    assert wrong == []
    assert (described.feeds, described.tickers, described.parameters) == (None, None, None)
    described, _ = read("[accounts.large]\n[feeds]\nfeed = []\n[tickers]\nwatch = []\n[parameters]")
    assert (described.feeds, described.tickers, described.parameters) == ((), (), {})


def test_every_wrong_field_is_named_with_what_was_expected_all_at_once() -> None:
    _, wrong = read(
        """
        strategy = "luck"
        colour = "red"
        [accounts.large]
        mode = "live"
        max_positions = 1000
        max_daily_loss = 50
        max_exposure = 20
        leverage = 3
        [accounts.BIG]
        [data]
        feed = "otc"
        account = "huge"
        [feeds]
        contact = "nobody"
        [[feeds.feed]]
        url = "https://example.com/rss"
        [[feeds.feed]]
        url = "https://example.com/rss"
        source = "x"
        poll_every_s = "often"
        [[feeds.feed]]
        url = "gopher://example.com"
        source = "x"
        [tickers]
        watch = "AAPL"
        [parameters]
        [options]
        enabled = true
        [notifications]
        mail = "x"
        """
    )
    assert [line.partition(": ")[0] for line in wrong] == [
        "accounts.large.mode",
        "accounts.large.max_positions",
        "accounts.large.max_daily_loss is 50",
        "accounts.large.leverage",
        "accounts.BIG",
        "data.feed",
        "data.account",
        "feeds.contact",
        "feeds.feed[0].source",
        "feeds.feed[1].poll_every_s",
        "feeds.feed[2]",
        "feeds.feed[1].url",
        "tickers.watch",
        "strategy",
        "options.enabled",
        "notifications.mail",
        "colour",
    ]
    said = "\n".join(wrong)
    assert "expected paper or simulated; real money is not offered" in said
    assert "expected a whole number of 0 to 100" in said
    assert "expected false: trading options is not finished" in said
    assert 'expected "iex" or "sip"' in said


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("accounts = 3", "accounts: expected a table"),
        ("[accounts]\nlarge = 3", "accounts.large: expected a table"),
        ("[accounts.large]\non = 1", "accounts.large.on: expected true or false"),
        ("[accounts.large]\nmax_exposure = inf", "accounts.large.max_exposure: expected USD"),
        ("[accounts.large]\nmax_positions = true", "accounts.large.max_positions: expected"),
        ("[accounts.large]\nmax_exposure = 2026-01-01", "accounts.large.max_exposure: expected"),
        ("feeds = []\n[accounts.large]", "feeds: expected a table"),
        ("[accounts.large]\n[feeds.feed]\nurl = 3", "feeds.feed: expected [[feeds.feed]]"),
        ("[accounts.large]\n[tickers]\nwatch = [3]", "tickers.watch: expected a list of texts"),
        ("", "accounts: expected at least one"),
        ('[accounts.large]\n[parameters.a]\nb = "\\u0000"', "a text has a NUL"),
    ],
)
def test_a_value_of_another_kind_is_a_sentence_and_no_traceback(text: str, place: str) -> None:
    _, wrong = read(text)
    assert any(line.startswith(place) for line in wrong), wrong


@pytest.mark.parametrize(
    "line",
    [
        'key_id = "x"',
        'secret_key = "x"',
        'account_number = "123"',
        'db_password = "x"',
        'api_token = "x"',
        f'source = "PK{"A1" * 9}"',
        f'source = "{"aB3/" * 10}"',
        f'source = "AKIA{"A1" * 8}"',
        'url = "https://me:word@example.com/rss"',
        'url = "https://example.com/rss?apikey=abc"',
        'terms = "see postgresql://me:word@host/db"',
    ],
)
def test_a_secret_is_refused_by_its_place_and_never_repeated(line: str) -> None:
    _, wrong = read(f"[accounts.large]\n[[feeds.feed]]\n{line}")
    name, _, value = line.partition(" = ")
    assert [each.partition(":")[0] for each in wrong] == [f"feeds.feed[0].{name}"]
    assert "no place in this file" in wrong[0]
    assert value.strip('"') not in wrong[0].replace(f"feeds.feed[0].{name}", "") or value == '"x"'


def test_what_is_no_secret_is_taken_for_none() -> None:
    assert list(secrets_in(tomllib.loads(WHOLE))) == []
    starter = tomllib.loads((ROOT / "ops_local" / "feeds" / "starter.toml").read_text())
    assert list(secrets_in(starter)) == []
    assert (
        list(secrets_in({"url": "https://example.com/rss?keywords=a&author=b&key_figures=c"})) == []
    )
    news = "https://news.google.com/rss/topics/CAAqJggKIiBDQkFTRWdvSUwyMHZNRGx6TVdZU0FtVnVHZ0pWVXlnQVAB"
    assert list(secrets_in({"url": f"{news}?hl=en-US"})) == []
