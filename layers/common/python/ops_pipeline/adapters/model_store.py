"""Downloads a model folder from S3, once per machine, with its manifest pinned by hash."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]  # ships no types, nor does botocore
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from ops_pipeline.adapters.model_folder import FILES, MANIFEST, open_model_folder
from ops_pipeline.errors import SettingsInvalid

_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
_CHUNK = 1 << 20
# Lambda's /tmp has 512 MB by default; a manifest has a few lines.
_MOST_BYTES, _MOST_MANIFEST_BYTES = 450 << 20, 64 << 10


class ModelStore:
    """Downloads model folders; an intact local copy is not downloaded again.

    Args:
        client: boto3's client for S3; None creates one from the environment.
        cache: Folder of local copies, one per manifest; None is the system's /tmp.
    """

    def __init__(self, client: Any | None = None, cache: Path | None = None) -> None:
        self._client = client or boto3.client("s3", config=_CONFIG)
        self._cache = cache or Path(tempfile.gettempdir(), "ops-pipeline-models")

    def folder(self, uri: str, sha256: str) -> Path:
        """A local folder with the model of `s3://bucket/prefix`, each file verified by its hash.

        Args:
            uri: The prefix of model.onnx, tokenizer.json, config.json and manifest.json.
            sha256: Hash of manifest.json, in hex; the manifest has those of the rest.

        Raises:
            SettingsInvalid: the message has the object and what is wrong with it.
        """
        place = urlsplit(uri)
        prefix = place.path.strip("/")
        kept = self._cache / sha256
        # Moved there whole by a rename; a file changed since is detected by its hash.
        if kept.is_dir():
            try:
                open_model_folder(kept)
            except SettingsInvalid:
                shutil.rmtree(kept)
            else:
                return kept
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as made:
            fetched = Path(made, "model")
            fetched.mkdir()
            self._fetch(place.netloc, f"{prefix}/{MANIFEST}", fetched, _MOST_MANIFEST_BYTES)
            found = hashlib.sha256((fetched / MANIFEST).read_bytes()).hexdigest()
            if found != sha256:
                raise SettingsInvalid(f"MODEL_S3_URI: {MANIFEST} is not the one of MODEL_SHA256")
            for name in FILES:
                self._fetch(place.netloc, f"{prefix}/{name}", fetched, _MOST_BYTES)
            open_model_folder(fetched)
            fetched.rename(kept)
        return kept

    def _fetch(self, bucket: str, key: str, folder: Path, most_bytes: int) -> None:
        """Download one object into the folder in chunks."""
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key.lstrip("/"))
            if answer["ContentLength"] > most_bytes:
                _refuse(key, f"is over {most_bytes} bytes")
            with (folder / Path(key).name).open("wb") as file:
                for chunk in answer["Body"].iter_chunks(_CHUNK):
                    file.write(chunk)
        except ClientError as error:
            _refuse(key, f"can't be read: {error.response['Error']['Code']}")
        except BotoCoreError as error:
            _refuse(key, f"can't be read: {type(error).__name__}")
        except OSError as error:
            _refuse(key, f"can't be kept: {error.strerror or type(error).__name__}")


def _refuse(key: str, why: str) -> NoReturn:
    raise SettingsInvalid(f"MODEL_S3_URI: {key.rpartition('/')[2]} {why}") from None
