"""One table of verbs: each is found, imported only when called, and fails in a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops_local import cli
from ops_local.cli import build_parser, main
from ops_local.commandline.command import Command
from ops_local.commandline.parser import load
from ops_local.commandline.verbs import GROUPS, VERBS, Verb
from ops_local.commands import cost
from ops_local.home import Home
from ops_local.synthetic import generate

# Its handler keeps the stream of its first import: not that of one test, which is closed after it.
from ops_pipeline.runtime import log  # noqa: F401
from tests.unit.source_rules import ROOT

# Nobody listens there.
REFUSED = "postgresql://me:hush@127.0.0.1:1/ops"
HEAVY = {"moto", "pandas", "vl_convert", "alpaca", "boto3"}

# Each verb with words that can't work here, and what its sentence must say.
FAILING = {
    "up": (["up"], "no connection to Postgres"),
    "recordings": (["recordings", "no/such/folder"], "no session.json in it or below it"),
    "replay": (["replay", "no/such/folder"], "session.json"),
    "demo": (["demo", "--seed", "7"], "demo-home"),
    "explain": (["explain"], "no connection to Postgres"),
    "compare": (["compare", "yesterday", "today"], "no replay is named 'yesterday'"),
    "classify": (["classify", "no/such/file"], "no/such/file"),
    "invoke": (["invoke", "report"], "no connection to Postgres"),
    "query": (["query", "SELECT 1"], "no connection to Postgres"),
    "model build": (["model", "build", "no/such/model", "to", "--name", "n"], "model"),
    "model verify": (["model", "verify", "int8", "fp32", "no/such/texts"], "no/such/texts"),
    "tickers import": (["tickers", "import", "no.csv"], "no.csv"),
    "tickers list": (["tickers", "list"], "no connection to Postgres"),
    "tickers proposals": (["tickers", "proposals"], "no connection to Postgres"),
    "tickers accept": (["tickers", "accept", "A", "--reason", "r"], "no connection to Postgres"),
    "tickers reject": (["tickers", "reject", "A", "--reason", "r"], "no connection to Postgres"),
    "tickers add": (["tickers", "add", "A", "--reason", "r"], "no connection to Postgres"),
    "tickers remove": (["tickers", "remove", "A", "--reason", "r"], "no connection to Postgres"),
    "feeds list": (["feeds", "list"], "no connection to Postgres"),
    "feeds add": (["feeds", "add", "--starter"], "no connection to Postgres"),
    "feeds import": (["feeds", "import", "no.opml"], "no.opml"),
    "feeds remove": (["feeds", "remove", "https://a.example/f"], "no connection to Postgres"),
    "feeds pause": (["feeds", "pause", "https://a.example/f"], "no connection to Postgres"),
    "feeds resume": (["feeds", "resume", "https://a.example/f"], "no connection to Postgres"),
    "feeds contact": (["feeds", "contact", "A a@a.example"], "no connection to Postgres"),
    "feeds test": (["feeds", "test", "https://a.example/f"], "no connection to Postgres"),
    "events list": (["events", "list"], "no connection to Postgres"),
    "events import": (["events", "import", "no.csv"], "no.csv"),
    "events remove": (["events", "remove", "no.csv"], "no.csv"),
    "migrate": (["migrate", "status"], "no connection to Postgres"),
    "tca": (["tca"], "no connection to Postgres"),
    "status": (["status"], "no connection to Postgres"),
    "check": (["check"], " bad, "),
    "backtest": (["backtest", "/nowhere"], "no recording is there"),
    "doctor": (["doctor"], "no connection to Postgres"),
    "halt": (["halt", "--reason", "r"], "no connection to Postgres"),
    "resume": (["resume", "--reason", "r"], "no connection to Postgres"),
    "close": (["close", "--reason", "r"], "no connection to Postgres"),
    "rebuild": (["rebuild", "--reason", "r", "--yes"], "no connection to Postgres"),
    "backup": (["backup"], "no connection to Postgres"),
    "restore": (["restore", "no.zip"], "no connection to Postgres"),
    "accounts list": (["accounts", "list"], "no connection to Postgres"),
    "accounts add": (["accounts", "add", "a", "--reason", "r"], "no connection to Postgres"),
    "accounts switch": (["accounts", "switch", "a", "off", "--reason", "r"], "no connection"),
    "accounts limits": (["accounts", "limits", "a", "max_positions=1"], "no connection"),
    "accounts adopt": (
        ["accounts", "adopt", "OLD", "--account", "a", "--as", "swing", "--yes"],
        "no connection to Postgres",
    ),
    "init": (["init", "--file", "nowhere.toml"], "no connection to Postgres"),
    "apply": (["apply", "--file", "/nowhere/ops.toml"], "there is no /nowhere/ops.toml"),
    "config": (["config"], "no connection to Postgres"),
    "accounts bind": (["accounts", "bind", "--all"], "no connection to Postgres"),
}


def _named(verb: Verb) -> str:
    return verb.name


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """A database that is out of reach, keys of an account, a state folder that is a file."""
    (tmp_path / "demo-home").write_text("not a folder")
    return {
        "DATABASE_URL": REFUSED,
        "OPS_HOME": str(tmp_path / "home"),
        "ALPACA_LARGE_KEY_ID": "opens-nothing",
    }


@pytest.mark.parametrize("verb", VERBS, ids=_named)
def test_each_verb_of_the_table_has_its_command(verb: Verb) -> None:
    assert callable(load(verb).run)
    assert verb.name.partition(" ")[0] in GROUPS or " " not in verb.name


def test_no_verb_is_in_the_table_twice() -> None:
    names = [verb.name for verb in VERBS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("verb", VERBS, ids=_named)
def test_each_verb_explains_itself_and_takes_json(
    verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([*verb.name.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert all(f"--{option.replace('_', '-')} " in shown for option in verb.reaches)


def _imported(*words: str) -> set[str]:
    """The modules that a process of its own has loaded once `ops` has run these words."""
    program = (
        "import sys\nfrom ops_local.cli import main\n"
        f"try:\n    main({list(words)!r}, {{'DATABASE_URL': {REFUSED!r}}})\n"
        "except SystemExit:\n    pass\n"
        "print('\\n' + '\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines())


@pytest.mark.parametrize("words", [["--help"], ["status"], ["tickers", "--help"]], ids=" ".join)
def test_a_short_verb_imports_nothing_heavy(words: list[str]) -> None:
    loaded = _imported(*words)
    assert "ops_local.cli" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("words", [["--help"], ["no-such-verb"]], ids=" ".join)
def test_the_list_of_verbs_imports_the_code_of_none(words: list[str]) -> None:
    assert {name for name in _imported(*words) if name.startswith("ops_local.commands")} == set()


def test_a_verb_imports_its_own_code_alone() -> None:
    commands = {name for name in _imported("halt", "--help") if "ops_local.commands." in name}
    assert commands == {"ops_local.commands.control"}


def test_each_verb_is_seen_failing() -> None:
    # What a month costs is reckoned from files of the package; only --stack may fail there.
    assert set(FAILING) | {"cost"} == {verb.name for verb in VERBS}


@pytest.mark.parametrize("verb", sorted(FAILING))
def test_what_a_person_can_mend_gets_a_sentence_and_exit_code_1(
    verb: str, variables: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentence = FAILING[verb]
    if verb == "demo":
        variables["OPS_HOME"] = str(tmp_path / "demo-home")
    assert main(words, variables) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert "hush" not in told


def test_up_names_the_address_that_orders_go_to(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    variables["ALPACA_TRADING_URL"] = "http://127.0.0.1:9"
    assert main(["up"], variables) == 1
    assert "trading on paper at 127.0.0.1." in capsys.readouterr().out.replace("\n", " ")


def test_a_program_gets_the_error_as_json(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json"], variables) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == "DatabaseUnavailable"
    assert "no connection" in told["message"]


@pytest.mark.parametrize("there", ["/dev/null", "/dev"])
def test_a_path_that_is_no_file_is_not_called_missing(
    there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", "--file", there], {}) == 1
    assert capsys.readouterr().err == f"ops: {there} is no file\n"


def test_a_file_is_not_written_where_there_is_no_folder_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, file = tmp_path / "home", tmp_path / "none" / "ops.toml"
    assert main(["init", "--file", str(file)], {"OPS_HOME": str(home)}) == 1
    assert capsys.readouterr().err == f"ops: there is no folder {file.parent}\n"
    assert not home.exists()


def test_parameters_that_are_no_json_are_exit_code_2_in_plain_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["query", "SELECT $1", "--params", "{bad"], {})
    assert ended.value.code == 2
    assert "argument --params: it is no JSON: {bad" in capsys.readouterr().err


def test_words_that_make_no_command_are_exit_code_2(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["invoke", "report", "--event", "{"], variables) == 2
    assert "--event is not JSON" in capsys.readouterr().err
    for words in ([], ["no-such-verb"], ["tickers"], ["status", "--stack"]):
        with pytest.raises(SystemExit) as ended:
            main(words, variables)
        assert ended.value.code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["tickers", "list", "--most", "-1"],
        ["tickers", "list", "--most", "0"],
        ["tickers", "list", "--most", "9" * 30],
        ["up", "--speed", "nan"],
        ["up", "--speed", "inf"],
        ["explain", "-7"],
        ["migrate", "--lock-wait", "-1"],
    ],
    ids=" ".join,
)
def test_a_number_out_of_range_is_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words, {})
    assert ended.value.code == 2


@pytest.mark.parametrize("text", ["[]", "7", "null", "{"])
def test_parameters_that_are_no_object_are_named(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = generate(tmp_path / "day", n_tickers=1).folder
    (tmp_path / "odd.json").write_text(text)
    words = ["replay", str(recording), "--params", str(tmp_path / "odd.json")]
    assert main(words, {"OPS_HOME": str(tmp_path / "home")}) == 1
    assert "odd.json" in capsys.readouterr().err


def test_ctrl_c_in_a_verb_is_exit_code_1_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_call: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cost, "COMMAND", Command(interrupted))
    assert main(["cost"], {}) == 1
    assert capsys.readouterr().err == "Interrupted\n"


def test_where_the_disk_is_full_the_error_says_so(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(variables["OPS_HOME"]).mkdir()
    assert main(["status"], variables) == 1
    assert "full" not in capsys.readouterr().err
    monkeypatch.setattr(cli, "LEAST_FREE_BYTES", 2**70)
    assert main(["status"], variables) == 1
    assert f"(the disk of {variables['OPS_HOME']} is full)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["tickers", "import"], ["feeds", "import"], ["classify"]],
    ids=" ".join,
)
def test_a_file_that_is_not_there_is_named_without_a_class(
    words: list[str],
    tmp_path: Path,
    variables: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = str(tmp_path / "none.csv")
    assert main([*words, file], variables) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"ops: {file}: No such file or directory"


def test_an_error_is_a_sentence_without_the_name_of_its_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json"], {"OPS_HOME": str(tmp_path)}) == 1
    told = capsys.readouterr()
    assert told.err.startswith("ops: there is no pipeline in ")
    assert json.loads(told.out)["error"] == "InvalidInput"


def test_a_word_that_is_no_utf_8_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", "--ticker", "A\udcff", "--yes"], {}) == 2
    assert capsys.readouterr().err == "ops: a word of the command is no UTF-8\n"


def test_a_state_folder_that_cannot_be_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    # Nobody, root included, makes a folder there.
    assert main(["demo"], {"OPS_HOME": "/proc/ops"}) == 1
    assert "/proc/ops" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["tickers", "list"],
        ["tickers", "proposals"],
        ["tickers", "remove", "AAA", "--reason", "r"],
        ["tickers", "accept", "AAA", "--reason", "r"],
        ["tickers", "reject", "AAA", "--reason", "r"],
        ["events", "list"],
        ["feeds", "list"],
        ["feeds", "remove", "https://a.example/f"],
        ["feeds", "pause", "https://a.example/f"],
        ["feeds", "resume", "https://a.example/f"],
        ["accounts", "list"],
        ["accounts", "adopt", "OLD", "--account", "tiny", "--as", "swing", "--yes"],
        ["config"],
        ["status"],
        ["halt", "--reason", "r"],
        ["close", "--yes"],
        ["backup"],
    ],
    ids=" ".join,
)
def test_where_there_is_nothing_a_verb_that_reads_or_takes_off_makes_nothing(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert main(words, {"OPS_HOME": str(home)}) == 1
    assert f"ops: there is no pipeline in {home}" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_is_no_backup_starts_no_server(
    tmp_path: Path, there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    home, file = tmp_path / "home", tmp_path / "mine.backup"
    if there:
        file.write_text("no backup")
    assert main(["restore", str(file)], {"OPS_HOME": str(home)}) == 1
    assert str(file) in capsys.readouterr().err
    assert not Home(home).has_server


@pytest.mark.parametrize("words", [["status"], ["feeds", "list"], ["invoke", "report"]])
def test_an_unknown_option_is_refused_with_the_verb_s_own_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--bogus"], {})
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith(f"usage: ops {' '.join(words[: len(words) - ('invoke' in words)])} [-h]")
    assert "unrecognized arguments: --bogus" in told


@pytest.mark.parametrize("words", [["demo"], ["migrate"], ["init"]])
def test_a_file_system_without_a_disk_is_not_called_full(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words, {"OPS_HOME": "/proc/self"}) == 1
    told = capsys.readouterr().err
    assert "full" not in told
    assert "the state folder /proc/self cannot be used" in told


def test_only_one_target_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--stack", "ops-pipeline", "--replay", "monday"], {})
    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["migrate"], ["demo"], ["init"], ["restore", "x"]])
@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null/ops"])
def test_a_state_folder_that_cannot_be_used_is_named_with_what_to_do(
    words: list[str], home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words, {"OPS_HOME": home}) == 1
    told = capsys.readouterr().err
    assert f"the state folder {home} cannot be used" in told
    assert "set OPS_HOME" in told
