"""`ops init`, `apply` and `config`: one file describes the deployment, here and in a stack."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.control.handler import lambda_handler
from ops_local import database as local
from ops_local.cli import main
from ops_local.commands import deployment
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.parameters import ExitRules, Parameters
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.wiring import Runtime
from tests.support.builders_market import in_force, rows
from tests.support.builders_trading import ELEVEN, TradingBench
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process

BOTH = "[accounts.large]\n[accounts.tiny]\n"
SEC, OTHER = "https://www.sec.gov/news/pressreleases.rss", "https://example.com/rss"
NEWS = f"""
[feeds]
contact = "Example Fund ops@example.com"
[[feeds.feed]]
url = "{SEC}"
source = "SEC"
[tickers]
watch = ["AAPL", "NEWCO"]
"""
WATCHED = {
    "SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AMD", "NFLX", "INTC",
    "AVGO", "ORCL", "CRM", "ADBE", "JPM", "BAC", "GS", "V", "MA", "UNH", "JNJ", "PFE", "BMY", "XOM",
    "CVX", "WMT", "HD", "DIS", "BA", "KO", "NKE",
}  # fmt: skip
Ops = Callable[..., int]


@pytest.fixture(params=["here", "in a stack"])
def ops(
    *,
    request: pytest.FixtureRequest,
    postgres: EmbeddedPostgres,
    database_urls: DatabaseUrls,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Ops]:
    """The command line in a folder of its own, speaking to this database or to a stack with it."""
    in_force(db)
    monkeypatch.chdir(tmp_path)
    name = target_from_url(database_urls.owner).database
    url = local.url_for(postgres.url, database=name)
    variables = {"DATABASE_URL": url, "OPS_HOME": str(tmp_path / "home"), "USER": "ann"}
    if request.param == "here":
        yield lambda *words: main(words, variables)
        return
    runtime = Runtime(_of_the_stack(database_urls), FixedClock(ELEVEN))
    with in_process(runtime), lambda_endpoint() as endpoint:
        for variable, value in endpoint.items():
            monkeypatch.setenv(variable, value)
        yield lambda *words: main((*words, "--stack", STACK), variables)


def _of_the_stack(urls: DatabaseUrls) -> dict[str, str]:
    return {
        **urls.variables(),
        "DEPLOYED_ACCOUNTS": "large,tiny",
        "ALPACA_DATA_FEED": "iex",
        "DATA_ACCOUNT": "large",
    }


def write(text: str, name: str = "ops.toml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def actions(db: Database) -> list[dict[str, Any]]:
    found = rows(db, "SELECT operator, action, scope, details FROM operator_actions ORDER BY at")
    return [dict(row) for row in found]


def test_what_init_writes_changes_nothing_and_is_kept_once(
    ops: Ops, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("init") == 0
    capsys.readouterr()
    before = rows(db, "SELECT * FROM accounts ORDER BY 1")
    assert ops("apply") == 0
    said = capsys.readouterr().out
    assert ops("apply") == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert rows(db, "SELECT * FROM accounts ORDER BY 1") == before
    assert "data.feed: not set -> iex" in said
    assert [row["action"] for row in actions(db)] == ["apply"]


def test_a_file_that_is_there_is_not_replaced(ops: Ops, capsys: pytest.CaptureFixture[str]) -> None:
    write("# mine\n")
    assert ops("init") == 1
    assert "is there already" in capsys.readouterr().err
    assert Path("ops.toml").read_text() == "# mine\n"
    assert ops("apply", "--file", "none.toml") == 1
    assert "`ops init --file none.toml` writes one" in capsys.readouterr().err
    Path("ops.toml").rename("kept.toml")
    assert ops("apply") == 1
    assert "there is no ops.toml: `ops init` writes one" in capsys.readouterr().err
    write("[accounts.large\n")
    assert ops("apply") == 1
    assert "ops.toml: Expected ']'" in capsys.readouterr().err


def test_a_file_of_another_name_is_called_by_it(
    ops: Ops, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("init", "--file", "paper.toml") == 0
    told = capsys.readouterr()
    assert told.out == "written: paper.toml\n"
    assert "`ops apply --plan --file paper.toml`" in told.err
    write("[accounts.large]\nlosses = 3\n", "paper.toml")
    Path("cdk.json").write_text('{"context": {"accounts": "large,tiny"}}')
    assert ops("apply", "--file", "paper.toml") == 1
    told = capsys.readouterr()
    assert "paper.toml and cdk.json differ" in told.err
    assert "accounts.tiny: named in cdk.json alone" in told.err
    Path("cdk.json").unlink()
    write("[accounts.large]\n[accounts.tiny]\nlosses = 3\n", "paper.toml")
    assert ops("apply", "--file", "paper.toml") == 1
    assert "paper.toml has 1 problem, nothing was changed" in capsys.readouterr().err
    write("[accounts.large]\n[accounts.tiny]\n", "paper.toml")
    assert ops("apply", "--file", "paper.toml") == 0
    assert "paper.toml: kept as what describes this deployment" in capsys.readouterr().out


def test_a_plan_shows_and_changes_nothing_and_applying_does_it_in_one_audited_step(
    ops: Ops, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        "[accounts.large]\nmax_positions = 4\n[accounts.tiny]\non = false\n"
        "[parameters.exits]\nstop_loss = 0.015\n"
    )
    expected = [
        "accounts.large: max_positions: 5 -> 4",
        "accounts.tiny: switched off",
        "parameters: version 1 -> 2: exits.stop_loss 0.02 -> 0.015",
    ]
    assert ops("apply", "--plan", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["changed"], plan["applied"]) == (expected, False)
    assert actions(db) == []
    assert rows(db, "SELECT count(*) AS n FROM parameter_versions")[0]["n"] == 1
    assert ops("apply", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["changed"], done["applied"]) == (expected, True)
    [action] = actions(db)
    assert (action["operator"], action["action"], action["scope"]) == ("ann", "apply", "*")
    assert action["details"]["changed"] == expected
    [active] = rows(db, "SELECT version, source FROM parameter_versions WHERE active")
    assert active == {"version": 2, "source": "operator"}
    assert ops("apply") == 0
    assert capsys.readouterr().out == "nothing to do\n"


def test_what_was_not_shown_is_not_applied(
    ops: Ops,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another hand switches an account off while a person reads the plan, and is not overruled."""

    def meanwhile(*_: object, **__: object) -> bool:
        with db.transaction() as tx:
            tx.execute("UPDATE accounts SET active = false WHERE account_name = 'large'")
        return True

    write("[accounts.large]\nmax_positions = 4\non = true\n[accounts.tiny]\n")
    monkeypatch.setattr(deployment, "confirmed", meanwhile)
    assert ops("apply") == 1
    assert "is no longer what was shown" in capsys.readouterr().err
    found = rows(db, "SELECT active, max_positions FROM accounts WHERE account_name = 'large'")
    assert found == [{"active": False, "max_positions": 5}]
    assert actions(db) == []
    assert ops("apply") == 0
    assert "accounts.large: switched on" in capsys.readouterr().out


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_changed(
    ops: Ops, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        "[accounts.large]\nmode = 'live'\nmax_positions = 4\n[accounts.tiny]\n"
        "[parameters.exits]\nstop_loss = 9\nlosses = 3\n[parameters.news]\nmin_sources = 'two'\n"
    )
    assert ops("apply") == 1
    assert "accounts.large.mode: expected paper or simulated" in capsys.readouterr().err
    write(Path("ops.toml").read_text().replace("mode = 'live'", "on = true"))
    assert ops("apply") == 1
    said = capsys.readouterr().err
    assert "ops.toml has 2 problems, nothing was changed" in said
    assert "parameters.exits.losses is unknown" in said
    assert "parameters.news.min_sources: Input should be a valid integer" in said
    write(BOTH + "[parameters.exits]\nstop_loss = 9\ntake_profit = -5\n")
    assert ops("apply") == 1
    said = capsys.readouterr().err
    assert "parameters.exits.stop_loss is 9: it must be 0.0005 to 0.5" in said
    assert "parameters.exits.take_profit is -5" in said
    assert actions(db) == []


def test_an_account_that_is_not_in_the_file_is_switched_off_and_keeps_its_history(
    database_urls: DatabaseUrls, db: Database
) -> None:
    with in_process(Runtime(database_urls.variables(), FixedClock(ELEVEN))):
        done = applied({"accounts": {"large": {}}})
    assert done["changed"] == ["accounts.tiny: switched off"]
    assert "accounts.tiny: not in the file: its history stays" in done["notes"]
    assert len(rows(db, "SELECT 1 FROM accounts")) == 2


def test_nothing_changes_while_an_account_that_is_not_in_the_file_holds_something(
    bench: TradingBench, database_urls: DatabaseUrls
) -> None:
    bench.buy()
    limits = {"tiny": {"max_exposure": 1000}}
    with in_process(Runtime(database_urls.variables(), bench.clock)):
        with pytest.raises(InvalidInput, match=r"accounts\.large: it is not in the file") as error:
            applied({"accounts": limits})
        assert "`ops close --account large` first" in str(error.value)
        with pytest.raises(InvalidInput, match=r"accounts\.large\.mode: its mode stands"):
            applied({"accounts": {"large": {"mode": "simulated"}, **limits}})
        assert bench.rows("SELECT 1 FROM operator_actions") == []
        done = applied({"accounts": {"large": {"on": False}, **limits}})
    assert "accounts.large: switched off" in done["changed"]
    assert bench.rows("SELECT max_exposure FROM accounts WHERE account_name = 'tiny'") == [
        {"max_exposure": 1000}
    ]
    assert bench.position()["status"] == "open"


def test_a_new_account_is_added_as_the_file_says(database_urls: DatabaseUrls, db: Database) -> None:
    new = {"third": {"mode": "simulated", "max_exposure": 500, "max_daily_loss": 50}}
    with in_process(Runtime(database_urls.variables(), FixedClock(ELEVEN))):
        done = applied({"accounts": {"large": {}, "tiny": {}, **new}})
        with pytest.raises(InvalidInput, match="known: alpaca"):
            applied({"accounts": {"large": {}, "tiny": {}, "fourth": {"broker": "nobody"}}})
        with pytest.raises(InvalidInput, match="broker stands: add another account"):
            applied({"accounts": {"large": {"broker": "toy"}, "tiny": {}, **new}})
    assert [line.partition(":")[0] for line in done["changed"]] == ["accounts.third"] * 2
    [row] = rows(db, "SELECT active, execution_mode FROM accounts WHERE account_name = 'third'")
    assert row == {"active": True, "execution_mode": "SIMULATED"}


def test_parameters_that_came_from_elsewhere_are_shown_and_left_unless_asked_for(
    database_urls: DatabaseUrls, db: Database
) -> None:
    in_force(db)
    exits = {"stop_loss": 0.015}
    base = {"accounts": {"large": {}, "tiny": {}}, "parameters": {"exits": exits}}
    learned = Parameters(exits=ExitRules(stop_loss=0.018))
    with in_process(Runtime(database_urls.variables(), FixedClock(ELEVEN))):
        assert applied(base)["changed"][0].startswith("parameters: version 1 -> 2")
        for source, rules, version in (
            ("learning", learned, 3),
            # A rollback puts an earlier version back in force.
            ("operator", Parameters(), 1),
        ):
            with db.transaction() as tx:
                parameters.activate(tx, rules, source=source, now=ELEVEN)  # type: ignore[arg-type]
            done = applied(base)
            assert done["changed"] == []
            [note] = done["notes"]
            assert note.startswith(f"parameters: version {version} (")
            assert "`ops apply --parameters` changes it" in note
            assert f"-> {0.015}" in note
        done = applied(base, parameters=True)
        assert done["changed"] == ["parameters: version 1 -> 2: exits.stop_loss 0.02 -> 0.015"]
        # The file's own were changed by the file: the next change needs no word.
        exits["stop_loss"] = 0.016
        assert applied(base)["changed"][0].startswith("parameters: version 2 -> 4")


def test_parameters_that_cannot_be_used_are_replaced_when_asked_for(
    database_urls: DatabaseUrls, db: Database
) -> None:
    in_force(db)
    with db.transaction() as tx:
        parameters.activate(
            tx, Parameters(exits=ExitRules(stop_loss=0.03)), source="learning", now=ELEVEN
        )
        tx.execute(
            "UPDATE parameter_versions SET parameters = "
            "jsonb_set(parameters, '{exits,stop_loss}', '9') WHERE active"
        )
    file: dict[str, Any] = {"accounts": {"large": {}, "tiny": {}}, "parameters": {}}
    with in_process(Runtime(database_urls.variables(), FixedClock(ELEVEN))):
        assert "what is in force cannot be used" in applied(file)["notes"][0]
        done = applied(file, parameters=True)
        assert done["changed"] == ["parameters: version 2 -> 1: what is in force cannot be used"]
        with db.transaction() as tx:
            tx.execute(
                "UPDATE parameter_versions SET parameters = "
                "jsonb_set(parameters, '{exits,stop_loss}', '7') WHERE active"
            )
        # Its checksum still says that it is the file's: a new version takes its place.
        done = applied(file)
        assert done["changed"] == ["parameters: version 1 -> 3: what is in force cannot be used"]
        with db.transaction() as tx:
            assert parameters.load_active(tx).rules == Parameters()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"accounts": {"large": {}}}, "accounts.tiny: named in the stack's context alone"),
        (
            {"accounts": {"large": {}, "tiny": {}, "third": {}}},
            "accounts.third: named in ops.toml alone",
        ),
        (
            {"accounts": {"large": {}, "tiny": {}}, "data": {"feed": "sip"}},
            "data.feed: the environment says iex",
        ),
        (
            {"accounts": {"large": {}, "tiny": {}}, "data": {"account": "tiny"}},
            "data.account: the environment says large",
        ),
    ],
)
def test_a_stack_and_its_file_do_not_differ(
    database_urls: DatabaseUrls, file: dict[str, Any], said: str
) -> None:
    stack = Runtime(_of_the_stack(database_urls), FixedClock(ELEVEN))
    with in_process(stack), pytest.raises(InvalidInput, match=said):
        applied(file)


def test_cdk_json_beside_the_file_names_the_same_accounts(
    ops: Ops, capsys: pytest.CaptureFixture[str]
) -> None:
    write(BOTH)
    write('{"context": {"accounts": "large,third"}}', "cdk.json")
    assert ops("apply", "--plan") == 1
    said = capsys.readouterr().err
    assert "accounts.third: named in cdk.json alone: name it in both" in said
    assert "accounts.tiny: named in ops.toml alone" in said
    write('{"context": {"accounts": ["tiny", "large"]}}', "cdk.json")
    assert ops("apply", "--plan") == 0
    write('{"context": {}}', "cdk.json")
    assert ops("apply", "--plan") == 0


def test_feeds_and_tickers_are_those_of_the_file_and_what_is_left_out_keeps_its_history(
    ops: Ops, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("feeds", "add", OTHER, "--source", "Other", "--reason", "r") == 0
    write(BOTH + NEWS)
    capsys.readouterr()
    assert ops("apply", "--json") == 0
    assert json.loads(capsys.readouterr().out)["changed"] == [
        "feeds.contact: Example Fund ops@example.com",
        f"feeds.feed: add {SEC} (SEC)",
        f"feeds.feed: remove {OTHER} (Other)",
        "tickers.watch: watch NEWCO",
        f"tickers.watch: stop watching {', '.join(sorted(WATCHED - {'AAPL'}))}",
    ]
    found = rows(db, "SELECT url, active, removed FROM feed_state ORDER BY removed")
    assert [tuple(row.values()) for row in found] == [(SEC, True, False), (OTHER, False, True)]
    watched = rows(db, "SELECT ticker FROM tickers WHERE is_watched ORDER BY 1")
    assert [row["ticker"] for row in watched] == ["AAPL", "NEWCO"]
    assert len(rows(db, "SELECT 1 FROM tickers WHERE NOT is_watched")) >= len(WATCHED) - 1
    assert ops("apply") == 0
    assert capsys.readouterr().out == "nothing to do\n"
    [last] = actions(db)[1:]
    assert (last["action"], last["operator"]) == ("apply", "ann")


def test_what_a_whole_database_says_is_written_and_applied_without_a_change(
    ops: Ops, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        BOTH + NEWS + "[parameters.sizing]\ntiers = [{ name = 'any', equity_up_to = 'none',"
        " day_trade_risk = 0.01, swing_trade_risk = 0.02, most_contracts = 1 }]\n"
    )
    assert ops("apply") == 0
    before = rows(db, "SELECT * FROM feed_state ORDER BY url")
    Path("ops.toml").unlink()
    assert ops("init") == 0
    capsys.readouterr()
    assert ops("apply", "--plan", "--json") == 0
    assert json.loads(capsys.readouterr().out)["changed"] == ["data.feed: not set -> iex"]
    assert ops("apply") == 0
    assert rows(db, "SELECT * FROM feed_state ORDER BY url") == before
    assert rows(db, "SELECT count(*) AS n FROM parameter_versions") == [{"n": 2}]


def test_sec_s_feed_needs_a_contact_and_an_odd_symbol_is_none(
    ops: Ops, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    write(BOTH + NEWS.replace("contact", "# contact").replace("NEWCO", "no symbol"))
    assert ops("apply") == 1
    said = capsys.readouterr().err
    assert "ops.toml has 2 problems, nothing was changed" in said
    assert f"feeds.feed {SEC}: sec.gov asks for a contact address" in said
    assert "tickers.watch: 'NO SYMBOL' is no symbol" in said
    assert rows(db, "SELECT 1 FROM feed_state") == []
    assert rows(db, "SELECT 1 FROM applied_deployment") == []


def test_before_the_first_parameters_the_file_has_the_defaults(
    postgres: EmbeddedPostgres,
    database_urls: DatabaseUrls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    name = target_from_url(database_urls.owner).database
    url = local.url_for(postgres.url, database=name)
    variables = {"DATABASE_URL": url, "OPS_HOME": str(tmp_path / "home")}
    assert main(["config"], variables) == 0
    assert "none yet: the defaults" in capsys.readouterr().out
    assert main(["init"], variables) == 0
    assert "\n[parameters]\n" in Path("ops.toml").read_text()
    assert main(["apply", "--json"], variables) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["changed"] == [
        "data.feed: not set -> iex"
    ]
    assert main(["apply"], variables) == 0
    assert capsys.readouterr().out == "nothing to do\n"


def test_config_says_where_each_value_comes_from(
    ops: Ops, capsys: pytest.CaptureFixture[str]
) -> None:
    write(BOTH.replace("tiny]", "tiny]\nmax_positions = 2") + "[parameters.exits]\nstop_loss=0.03")
    assert ops("apply") == 0
    assert ops("accounts", "limits", "large", "max_positions=6") == 0
    capsys.readouterr()
    assert ops("config", "--json") == 0
    found = {
        row["setting"]: (row["value"], row["from"])
        for row in json.loads(capsys.readouterr().out)["Deployment"]
    }
    assert found["accounts.large.max_positions"] == ("6", "database")
    assert found["accounts.tiny.max_positions"] == ("2", "ops.toml")
    assert found["accounts.tiny.max_turnover_per_day"] == ("20 times max_exposure", "default")
    assert found["parameters.exits.stop_loss"] == ("0.03", "ops.toml")
    assert found["data.feed"] == ("iex", "default")
    assert ops("config") == 0
    assert "accounts.large.max_positions" in capsys.readouterr().out


def test_config_shows_the_environment_and_no_password(
    postgres: EmbeddedPostgres,
    database_urls: DatabaseUrls,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = target_from_url(database_urls.owner).database
    url = local.url_for(postgres.url, database=name)
    variables = {"DATABASE_URL": url, "OPS_HOME": str(tmp_path), "ALPACA_DATA_FEED": "sip"}
    assert main(["config", "--json"], variables) == 0
    told = capsys.readouterr().out
    assert str(target_from_url(url).password) not in told
    parts = json.loads(told)
    assert {"setting": "data.feed", "value": "sip", "from": "environment"} in parts["Deployment"]
    assert {"setting": "DATABASE_URL", "value": "set", "from": "environment"} in parts[
        "Environment"
    ]


def test_the_data_plan_of_the_file_is_what_a_process_reads_by(
    database_urls: DatabaseUrls, db: Database
) -> None:
    variables = database_urls.variables()
    with in_process(Runtime(variables, FixedClock(ELEVEN))) as runtime:
        both: dict[str, Any] = {"accounts": {"large": {}, "tiny": {}}}
        applied({**both, "data": {"feed": "sip", "account": "tiny"}})
        assert (runtime.data_feed, runtime.data_account) == ("sip", "tiny")
    with in_process(Runtime({**variables, "ALPACA_DATA_FEED": "iex"}, FixedClock(ELEVEN))) as told:
        assert (told.data_feed, told.data_account) == ("iex", "tiny")


def applied(file: dict[str, Any], **more: Any) -> dict[str, Any]:
    event = {"action": "apply", "operator": "ann", "reason": "setting up", "confirm": True}
    return lambda_handler({**event, "file": file, **more}, None)
