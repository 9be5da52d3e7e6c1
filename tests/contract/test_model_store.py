"""A model folder from moto's S3: what is fetched, kept, and refused by name."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types
import pytest
from moto import mock_aws

from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.adapters.model_folder import FILES, MANIFEST
from ops_pipeline.adapters.model_store import ModelStore
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier
from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.runtime.settings import read_settings
from ops_pipeline.runtime.wiring import Runtime

TINY = Path(__file__).resolve().parents[1] / "news" / "tiny_model"
BUCKET, PREFIX = "models", "finbert/1"
URI = f"s3://{BUCKET}/{PREFIX}"
SHA256 = hashlib.sha256((TINY / MANIFEST).read_bytes()).hexdigest()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        for name in (*FILES, MANIFEST):
            put(client, name, (TINY / name).read_bytes())
        yield client


def put(client: Any, name: str, body: bytes) -> None:
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=body)


def test_a_model_is_fetched_checked_and_judges(client: Any, tmp_path: Path) -> None:
    folder = ModelStore(client, tmp_path).folder(URI, SHA256)
    assert OnnxClassifier(folder).classify(["Profit rises"]) == OnnxClassifier(TINY).classify(
        ["Profit rises"]
    )
    # Nothing half-fetched is left beside it.
    assert [entry.name for entry in tmp_path.iterdir()] == [SHA256]


def test_a_whole_model_is_not_fetched_again_but_a_changed_one_is(
    client: Any, tmp_path: Path
) -> None:
    folder = ModelStore(client, tmp_path).folder(URI, SHA256)
    client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/model.onnx")
    assert ModelStore(client, tmp_path).folder(f"{URI}/", SHA256) == folder
    (folder / "model.onnx").write_bytes(b"changed")
    with pytest.raises(SettingsInvalid, match=r"model\.onnx can't be read: NoSuchKey"):
        ModelStore(client, tmp_path).folder(URI, SHA256)
    put(client, "model.onnx", (TINY / "model.onnx").read_bytes())
    assert OnnxClassifier(ModelStore(client, tmp_path).folder(URI, SHA256)).model == "tiny-1"


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(client: Any, tmp_path: Path, name: str) -> None:
    client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")
    with pytest.raises(SettingsInvalid, match=rf"MODEL_S3_URI: {name} can't be read: NoSuchKey"):
        ModelStore(client, tmp_path).folder(URI, SHA256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_another_file_than_the_manifest_names_is_refused(
    client: Any, tmp_path: Path, name: str
) -> None:
    put(client, name, (TINY / name).read_bytes() + b" ")
    with pytest.raises(SettingsInvalid, match=rf"{name} is not the file that manifest"):
        ModelStore(client, tmp_path).folder(URI, SHA256)
    assert list(tmp_path.iterdir()) == []


def test_another_manifest_than_the_pinned_one_is_refused(client: Any, tmp_path: Path) -> None:
    put(client, MANIFEST, (TINY / MANIFEST).read_bytes() + b"\n")
    with pytest.raises(SettingsInvalid, match=r"manifest\.json is not the one of MODEL_SHA256"):
        ModelStore(client, tmp_path).folder(URI, SHA256)


def test_labels_in_another_order_are_refused_even_when_pinned(client: Any, tmp_path: Path) -> None:
    turned = (TINY / MANIFEST).read_text().replace('"positive"', '"neutral"', 1).encode()
    assert turned != (TINY / MANIFEST).read_bytes()
    put(client, MANIFEST, turned)
    with pytest.raises(SettingsInvalid, match=r"manifest\.json has labels"):
        ModelStore(client, tmp_path).folder(URI, hashlib.sha256(turned).hexdigest())


def test_a_manifest_of_many_megabytes_is_not_read(client: Any, tmp_path: Path) -> None:
    put(client, MANIFEST, b" " * 100_000)
    with pytest.raises(SettingsInvalid, match=r"manifest\.json is over 65536 bytes"):
        ModelStore(client, tmp_path).folder(URI, SHA256)


def test_a_bucket_that_is_not_there_is_told(client: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"manifest\.json can't be read: NoSuchBucket"):
        ModelStore(client, tmp_path).folder("s3://elsewhere/finbert", SHA256)


def test_the_settings_choose_the_model(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    variables = {"MODEL_S3_URI": URI, "MODEL_SHA256": SHA256}
    assert Runtime(variables, WallClock()).classifier.model == "tiny-1"
    assert Runtime({}, WallClock()).classifier.model.startswith("lexicon-")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MODEL_S3_URI": URI}, "MODEL_SHA256 is not set"),
        ({"MODEL_SHA256": SHA256}, "MODEL_S3_URI is not set"),
        ({"MODEL_S3_URI": URI, "MODEL_SHA256": SHA256, "MODEL_DIR": "m"}, "both set"),
        ({"MODEL_S3_URI": "https://x/y", "MODEL_SHA256": SHA256}, "MODEL_S3_URI"),
        ({"MODEL_S3_URI": URI, "MODEL_SHA256": "abc"}, "MODEL_SHA256"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    variables: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        read_settings(variables).model_in_s3()
