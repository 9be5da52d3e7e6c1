"""The synthesised template, made once, and its functions; skipped where .venv-infra is absent."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.bundles import LAYERS
from infra.layers import python_of_lambda
from infra.synth import ROOT, VENV, infra_python, synthesise
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from tests.infra.release import ARCHITECTURE, Lambda, Runner, runner_of_this_python
from tests.infra.template import Template, read_template
from tests.support.feed_server import FeedServer, Page, feed_server, rss
from tests.support.stand_ins import TICK, exchange_at_tick, leading_to, prepared
from tests.support.subscribing import subscribe

FEED, VIX = "/wire.rss", "/VIX_History.csv"
VIX_CSV = b"DATE,OPEN,HIGH,LOW,CLOSE\n10/03/2013,16,18,16,17.67\n10/04/2013,18,18,16,16.74\n"
# What a deployment reads; copied whole, so that a test may change it.
_READ_BY_SYNTH = ("functions", "infra", "layers", "migrations")


@pytest.fixture(scope="session")
def venv() -> Path:
    if not infra_python().exists():
        pytest.skip("no .venv-infra: make infra-test makes it")
    return VENV


@pytest.fixture(scope="session")
def assembly(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `cdk deploy` would send."""
    out = tmp_path_factory.mktemp("synth") / "cdk.out"
    done = synthesise(["--out", str(out)])
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def template(assembly: Path) -> Template:
    return read_template(assembly)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a deployment reads, to change."""
    root = tmp_path / "copy"
    for name in _READ_BY_SYNTH:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    if (ROOT / "build" / "layers").exists():
        (root / "build").mkdir()
        (root / "build" / "layers").symlink_to(ROOT / "build" / "layers")
    return root


@pytest.fixture(scope="session")
def layers() -> Path:
    """What `make layers` left for this machine."""
    folder = LAYERS / ARCHITECTURE
    if not (folder / "runtime").exists():
        pytest.skip("no layers for this machine: make layers ARCH=x86_64")
    return folder


@pytest.fixture(scope="session")
def own_runner(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The Python that runs the tests, with layers built for it."""
    return runner_of_this_python(tmp_path_factory.mktemp("layers"))


@pytest.fixture(scope="session")
def runner(layers: Path, request: pytest.FixtureRequest) -> Runner:
    """Lambda's Python with what `make layers` left; where it is absent, the tests' own."""
    python = python_of_lambda()
    if python is not None:
        return Runner(python, layers)
    own: Runner = request.getfixturevalue("own_runner")
    return own


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """One for all: its orders are told apart by the tests' own databases."""
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def web() -> Iterator[FeedServer]:
    """The open internet as far as functions read it: one feed, empty, and the VIX of two days."""
    with feed_server() as served:
        served.put(FEED, Page(rss()))
        served.put(VIX, Page(VIX_CSV))
        yield served


@pytest.fixture
def variables(
    database_urls: DatabaseUrls, exchange: RunningExchange, web: FeedServer, db: Database
) -> dict[str, str]:
    """This machine's servers in place of AWS's and others'; what a migration puts in force."""
    prepared(db, "AAA", "BBB")
    with db.transaction() as tx:
        subscribe(tx, url=web.root + FEED, source="Wire")
    others = ("NEWS", "MARKET", "TRADING", "CONTROL", "READER")
    no_secrets = {f"DB_{login}_SECRET_ID": "" for login in others}
    ours = leading_to(exchange, database_urls, vix_url=web.root + VIX)
    return {**ours, **no_secrets, "SESSION_CLOCK": TICK}


@pytest.fixture
def deployed(
    runner: Runner, template: Template, assembly: Path, variables: dict[str, str], tmp_path: Path
) -> Lambda:
    return Lambda(runner, template, assembly, tmp_path, variables)
