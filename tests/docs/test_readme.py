"""What the README tells a reader to type works, and what it draws is what runs."""

import json
import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest

from infra.definitions import load_machines, load_schedules
from ops_local.cli import build_parser
from ops_local.commandline.verbs import VERBS
from ops_pipeline.db.console import console
from ops_pipeline.db.driver.connection import ConnectionTarget
from tests.support.handlers import read_as_its_handler

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
)
MAKEFILE = (ROOT / "Makefile").read_text()

COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def _verbs() -> set[str]:
    listed = re.search(r"^ *VERB\n((?:    +\w.*\n)+)", build_parser().format_help(), re.MULTILINE)
    assert listed is not None
    return set(re.findall(r"^ {4}(\w+)", listed[1], re.MULTILINE))


def _arguments(verb: str) -> list[str]:
    found = [shlex.split(line)[1:] for line in COMMANDS if line.startswith(f"ops {verb} ")]
    assert found, f"the README shows no ops {verb}"
    return found[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_one_that_exists(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:.*## ", MAKEFILE, re.MULTILINE)
    else:
        assert program == "ops"
        build_parser().parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_target_and_each_verb_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"`make ([a-z-]+)`", text):
        assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE), target
    assert set(re.findall(r"`ops ([a-z-]+)", text)) <= _verbs()


def test_the_readme_explains_every_verb() -> None:
    explained = set(re.findall(r"^- `(\w+)`: ", README, re.MULTILINE))
    assert explained | {"demo"} == _verbs()


def test_the_readme_names_each_action_of_a_verb() -> None:
    for verb in VERBS:
        group, _, action = verb.name.rpartition(" ")
        if group:
            [line] = re.findall(rf"^- `{group}`: .*(?:\n  .*)*", README, re.MULTILINE)
            assert f"`{action}`" in line, verb.name


def test_the_readme_lists_the_verbs_that_reach_a_deployed_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [line] = re.findall(
        r"^- `--stack NAME` turns ([^.]*) to a deployed stack", README, re.MULTILINE
    )
    reaching = set()
    for verb in _verbs():
        with pytest.raises(SystemExit):
            build_parser().parse_args([verb, "--help"])
        if "--stack" in capsys.readouterr().out:
            reaching.add(verb)
    # Only the times that it reckons with come from there.
    assert set(re.findall(r"`(\w+)`", line)) == reaching - {"cost"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_s_question_is_answered(reader_target: ConnectionTarget) -> None:
    answer = console.run(reader_target, _arguments("query")[1])
    assert json.loads(answer["body"])["success"] is True


def test_the_readme_s_event_is_accepted() -> None:
    _, stage, _, event = _arguments("invoke")
    read_as_its_handler(stage, json.loads(event))


def test_the_picture_shows_the_functions_of_each_machine_and_schedule_in_order() -> None:
    drawn: defaultdict[str, list[str]] = defaultdict(list)
    for machine, body in re.findall(r"subgraph (\w+) \[[^]]*\]\n(.*?)\n  end", README, re.DOTALL):
        names = re.findall(r"(?:\w+\[\"?)?(\w+)(?:, [\w: ]+\")?\]?(?: -->|$)", body, re.MULTILINE)
        drawn[machine] = list(dict.fromkeys(names))
    alone = [entry.target for entry in load_schedules() if entry.kind == "function"]
    machines = {name: _functions(states) for name, states in load_machines().items()}
    assert drawn == {**machines, "alone": alone}


def _functions(machine: dict[str, object]) -> list[str]:
    """The functions that a machine calls when all goes well, in the order of the file."""
    called = re.findall(r'"Resource": "\$\{(\w+)Arn\}"', json.dumps(machine))
    return [
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in called if name != "RunFailure"
    ]
