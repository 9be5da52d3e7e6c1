"""A model folder from S3 into the local disk, once a machine, its manifest pinned by hash."""

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
# Lambda's /tmp has 512 MB unless more is asked for; a manifest is a few lines.
_MOST_BYTES, _MOST_MANIFEST_BYTES = 450 << 20, 64 << 10


class ModelStore:
    """Fetches model folders; what was fetched and is still whole is not fetched again.

    Args:
        client: boto3's client for S3; None makes one from the environment.
        cache: Where fetched folders lie, one a manifest; None is the system's /tmp.
    """

    def __init__(self, client: Any | None = None, cache: Path | None = None) -> None:
        self._client = client or boto3.client("s3", config=_CONFIG)
        self._cache = cache or Path(tempfile.gettempdir(), "ops-pipeline-models")

    def folder(self, uri: str, sha256: str) -> Path:
        """A local folder with the model of `s3://bucket/prefix`, each file's hash checked.

        Args:
            uri: Where model.onnx, tokenizer.json, config.json and manifest.json lie.
            sha256: That of manifest.json, in hex; the manifest vouches for the rest.

        Raises:
            SettingsInvalid: names the object and what is wrong with it.
        """
        place = urlsplit(uri)
        prefix = place.path.strip("/")
        kept = self._cache / sha256
        # Put there whole, by renaming; a file that was changed since is found by its hash.
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
        """One object into the folder, never held in memory as a whole."""
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
