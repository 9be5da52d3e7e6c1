"""Logins and keys from AWS Secrets Manager, read when first needed."""

import json
from dataclasses import dataclass
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types, nor does botocore
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from ops_pipeline.errors import SettingsInvalid

# Retries included, shorter than the shortest time-out of a function.
_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})


class _NoSecret(SettingsInvalid):
    """There is no secret of that name."""


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """A login as RDS stores it in a secret; the repr has no password."""

    host: str
    port: int
    database: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"DatabaseLogin({self.user}@{self.host}:{self.port}/{self.database})"


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """One trading account's keys and its bound account number; the repr shows none of it."""

    key_id: str
    secret_key: str
    account_number: str

    def __repr__(self) -> str:
        return "AccountKeys(...)"


class SecretsManager:
    """Reads secrets; each call reads again, so that a rotated one is seen.

    Args:
        client: boto3's client for Secrets Manager; None creates one from the environment.
    """

    def __init__(self, client: Any | None = None) -> None:
        self._client = client or boto3.client("secretsmanager", config=_CONFIG)

    def database_login(self, secret_id: str) -> DatabaseLogin:
        """Raises SettingsInvalid with the secret's name, never with its content."""
        fields = self._read(secret_id, ("host", "port", "dbname", "username", "password"))
        if not fields["port"].isdigit():
            raise SettingsInvalid(f"the port in the secret {secret_id} is no number")
        return DatabaseLogin(
            host=fields["host"],
            port=int(fields["port"]),
            database=fields["dbname"],
            user=fields["username"],
            password=fields["password"],
        )

    def account_keys(self, secret_id: str) -> AccountKeys | None:
        """None where there is no such secret. Raises SettingsInvalid, as `database_login`."""
        names = ("key_id", "secret_key", "account_number")
        try:
            return AccountKeys(**self._read(secret_id, names))
        except _NoSecret:
            return None

    def text(self, secret_id: str) -> str:
        """The whole of a secret. Raises SettingsInvalid with the secret's name alone."""
        try:
            text: str = self._client.get_secret_value(SecretId=secret_id)["SecretString"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            kind_of = _NoSecret if code == "ResourceNotFoundException" else SettingsInvalid
            raise kind_of(f"the secret {secret_id} can't be read: {code}") from None
        except (BotoCoreError, KeyError) as error:
            kind = type(error).__name__
            raise SettingsInvalid(f"the secret {secret_id} can't be read: {kind}") from None
        return text

    def _read(self, secret_id: str, names: tuple[str, ...]) -> dict[str, str]:
        text = self.text(secret_id)
        try:
            held = json.loads(text)
            return {name: _text(held[name]) for name in names}
        except (ValueError, KeyError, TypeError):
            wanted = ", ".join(names)
            raise SettingsInvalid(
                f"the secret {secret_id} must be a JSON object with {wanted}"
            ) from None


def _text(value: object) -> str:
    """RDS writes the port as a number."""
    if not isinstance(value, str | int) or value == "":
        raise TypeError("neither text nor number")
    return str(value)
