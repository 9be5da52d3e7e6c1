"""The classifier's bundle of a deployment with `model_s3_uri`, its model in S3 over HTTP."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from infra.synth import synthesise
from ops_local.engine.engine import MachineExecution
from ops_pipeline.adapters.model_folder import FILES, MANIFEST
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import minute_of
from tests.infra.conftest import FEED
from tests.infra.release import Lambda, Runner, machines_over
from tests.infra.template import read_template
from tests.support.builders_market import rows
from tests.support.feed_server import FeedServer, Page, item, rss
from tests.support.s3_endpoint import S3, s3_endpoint

TINY = Path(__file__).resolve().parents[1] / "news" / "tiny_model"
SHA256 = hashlib.sha256((TINY / MANIFEST).read_bytes()).hexdigest()
BUCKET, PREFIX = "models", "finbert/1"
MODEL = ("-c", f"model_s3_uri=s3://{BUCKET}/{PREFIX}", "-c", f"model_sha256={SHA256}")


@pytest.fixture(scope="module")
def pinned(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that would be sent, for a model pinned by its manifest's hash."""
    out = tmp_path_factory.mktemp("synth") / "cdk.out"
    done = synthesise(["--out", str(out), *MODEL])
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture
def s3() -> Iterator[S3]:
    with s3_endpoint() as served:
        served.client.create_bucket(Bucket=BUCKET)
        for name in (*FILES, MANIFEST):
            put(served, name, (TINY / name).read_bytes())
        yield served


def put(s3: S3, name: str, body: bytes) -> None:
    s3.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=body)


@pytest.fixture
def deployed(
    runner: Runner, pinned: Path, variables: dict[str, str], s3: S3, tmp_path: Path
) -> Lambda:
    own_tmp = tmp_path / "tmp"
    own_tmp.mkdir()
    variables = {**variables, **s3.variables, "TMPDIR": str(own_tmp)}
    return Lambda(runner, read_template(pinned), pinned, tmp_path, variables)


def fetched_by(deployed: Lambda) -> list[Path]:
    """What lies where models are kept in the function's /tmp."""
    return list(Path(deployed.variables["TMPDIR"], "ops-pipeline-models").iterdir())


def cycle(deployed: Lambda, web: FeedServer) -> MachineExecution:
    """One news cycle over one headline, its functions the bundles."""
    now = datetime.now(UTC)
    web.put(FEED, Page(rss(item("Profit rises", guid="1", published=format_datetime(now)))))
    return machines_over(deployed).run("news_cycle", {"tick": minute_of(now).isoformat()})


def test_a_news_cycle_is_judged_by_the_model_that_the_bundle_fetched(
    deployed: Lambda, web: FeedServer, db: Database
) -> None:
    ended = cycle(deployed, web)

    assert ended.status == "SUCCEEDED", f"{ended} {deployed.said('classifier')}"
    told = rows(db, "SELECT model, status FROM inbound_events_classified")
    assert told == [{"model": "tiny-1", "status": "CLASSIFIED"}]
    [folder] = fetched_by(deployed)
    assert folder.name == SHA256
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        name: (TINY / name).read_bytes() for name in (*FILES, MANIFEST)
    }


@pytest.mark.parametrize("name", [MANIFEST, *FILES])
def test_a_file_of_another_hash_is_refused_by_name_and_judges_nothing(
    deployed: Lambda, web: FeedServer, s3: S3, db: Database, name: str
) -> None:
    put(s3, name, (TINY / name).read_bytes() + b"\n")

    ended = cycle(deployed, web)

    assert (ended.status, ended.error) == ("FAILED", "SettingsInvalid")
    assert f"{name} is not the " in str(ended.cause)
    assert rows(db, "SELECT model FROM inbound_events_classified") == []
    assert fetched_by(deployed) == []
