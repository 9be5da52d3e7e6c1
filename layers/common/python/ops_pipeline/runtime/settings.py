"""Settings from environment variables, typed and validated; the only reader of os.environ.

A missing or invalid setting stops the stage and is named; there are no silent fallbacks.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)

from ops_pipeline.domain.bars import BAR_OFFSET_S, MOST_WAIT_S
from ops_pipeline.domain.operations.stage import Login
from ops_pipeline.errors import AccountNotConfigured, SettingsInvalid

_WIDEST = {4: 8, 6: 7}


# Where Alpaca trades real money; paper money has a host of its own.
_REAL_MONEY = "api.alpaca.markets"


def is_real_money(host: str) -> bool:
    return host.rstrip(".").lower() == _REAL_MONEY


def environment() -> Mapping[str, str]:
    return os.environ


AccountName = Annotated[str, StringConstraints(pattern="^[a-z0-9_]{1,50}$")]


class Settings(BaseModel):
    """Settings of a stage; the alias is the variable's name."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    database_url: str | None = Field(default=None, alias="DATABASE_URL")
    database_owner_url: str | None = Field(default=None, alias="DATABASE_OWNER_URL")
    database_reader_url: str | None = Field(default=None, alias="DATABASE_READER_URL")
    database_news_url: str | None = Field(default=None, alias="DATABASE_NEWS_URL")
    database_market_url: str | None = Field(default=None, alias="DATABASE_MARKET_URL")
    database_trading_url: str | None = Field(default=None, alias="DATABASE_TRADING_URL")
    database_control_url: str | None = Field(default=None, alias="DATABASE_CONTROL_URL")
    deployment: str = Field(default="main", alias="OPS_DEPLOYMENT", pattern="^[a-z0-9]{1,12}$")
    data_account: str | None = Field(
        default=None, alias="DATA_ACCOUNT", pattern="^[a-z0-9_]{1,50}$"
    )
    deployed_accounts: tuple[AccountName, ...] | None = Field(
        default=None, alias="DEPLOYED_ACCOUNTS"
    )
    data_feed: Literal["iex", "sip"] = Field(default="iex", alias="ALPACA_DATA_FEED")
    bar_offset_s: int = Field(default=BAR_OFFSET_S, alias="BAR_OFFSET_S", ge=0, le=MOST_WAIT_S)
    market_data_vendor: str = Field(
        default="alpaca", alias="MARKET_DATA_VENDOR", pattern="^[a-z][a-z0-9_]*$"
    )
    trading_url: HttpUrl = Field(
        default=HttpUrl("https://paper-api.alpaca.markets"), alias="ALPACA_TRADING_URL"
    )
    broker_read_after_write: bool = Field(default=False, alias="BROKER_READ_AFTER_WRITE")
    data_url: HttpUrl = Field(
        default=HttpUrl("https://data.alpaca.markets"), alias="ALPACA_DATA_URL"
    )
    vix_url: HttpUrl = Field(
        default=HttpUrl("https://cdn.cboe.com/api/global/us_indices/daily_prices/VIX_History.csv"),
        alias="VIX_URL",
    )
    feed_proxy_url: HttpUrl | None = Field(default=None, alias="FEED_PROXY_URL")
    feed_logins: SecretStr | None = Field(default=None, alias="FEED_LOGINS")
    feed_logins_secret_id: str | None = Field(default=None, alias="FEED_LOGINS_SECRET_ID")
    feed_host_interval_s: float = Field(default=1.0, alias="FEED_HOST_INTERVAL_S", ge=0, le=8)
    feed_allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), alias="FEED_ALLOWED_NETWORKS"
    )
    model_dir: Path | None = Field(default=None, alias="MODEL_DIR")
    model_s3_uri: str | None = Field(
        default=None, alias="MODEL_S3_URI", pattern="^s3://[a-z0-9][a-z0-9.-]+(/[^/?#]+)*/?$"
    )
    model_sha256: str | None = Field(default=None, alias="MODEL_SHA256", pattern="^[0-9a-f]{64}$")
    migrations_dir: Path = Field(default=Path("migrations"), alias="MIGRATIONS_DIR")
    db_secret_id: str | None = Field(default=None, alias="DB_SECRET_ID")
    db_news_secret_id: str | None = Field(default=None, alias="DB_NEWS_SECRET_ID")
    db_market_secret_id: str | None = Field(default=None, alias="DB_MARKET_SECRET_ID")
    db_trading_secret_id: str | None = Field(default=None, alias="DB_TRADING_SECRET_ID")
    db_control_secret_id: str | None = Field(default=None, alias="DB_CONTROL_SECRET_ID")
    db_reader_secret_id: str | None = Field(default=None, alias="DB_READER_SECRET_ID")
    db_ca_file: Path | None = Field(default=None, alias="DB_CA_FILE")
    alpaca_secret_prefix: str | None = Field(default=None, alias="ALPACA_SECRET_PREFIX")

    @field_validator("feed_allowed_networks", "deployed_accounts", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        return given.split(",") if isinstance(given, str) else given

    @field_validator("feed_allowed_networks")
    @classmethod
    def _narrow(
        cls, networks: tuple[IPv4Network | IPv6Network, ...]
    ) -> tuple[IPv4Network | IPv6Network, ...]:
        """A private range at most: the whole world is public anyway."""
        if any(network.prefixlen < _WIDEST[network.version] for network in networks):
            raise ValueError("networks of at least /8, or /7 for IPv6")
        return networks

    def require_database_url(self) -> str:
        return _required("DATABASE_URL", self.database_url)

    def group_url(self, login: Login | None) -> str | None:
        """The URL of a group's login; None: it is DATABASE_URL's, as a function has its own."""
        of_group = {
            "news": self.database_news_url,
            "market": self.database_market_url,
            "trading": self.database_trading_url,
            "control": self.database_control_url,
        }
        return of_group.get(login) if login else None

    def require_paper_money(self) -> None:
        """Raises SettingsInvalid where ALPACA_TRADING_URL is the address of real money."""
        if is_real_money(self.trading_url.host or ""):
            raise SettingsInvalid(
                "ALPACA_TRADING_URL is that of real money, which this version does not trade: "
                "unset it"
            )

    def require_reader_url(self) -> str:
        return _required("DATABASE_READER_URL", self.database_reader_url)

    def require_ca_file(self) -> Path:
        """CA certificates that the database is verified with; required to log in by a secret."""
        path = self.db_ca_file
        if path is None or not path.is_file():
            raise SettingsInvalid("DB_CA_FILE names no file, and DB_SECRET_ID needs one")
        return path

    def model_in_s3(self) -> tuple[str, str] | None:
        """The model's S3 URI and its manifest's hash; None where another model is used.

        Raises:
            SettingsInvalid: one of the two is missing, or MODEL_DIR is set as well.
        """
        if self.model_s3_uri is None and self.model_sha256 is None:
            return None
        if self.model_dir is not None:
            raise SettingsInvalid("MODEL_DIR and MODEL_S3_URI are both set: say which")
        uri = _required("MODEL_S3_URI", self.model_s3_uri)
        return uri, _required("MODEL_SHA256", self.model_sha256)

    def owner_url(self) -> str:
        """The login that may change the schema; DATABASE_URL by default."""
        return self.database_owner_url or self.require_database_url()


class BrokerKeys(BaseModel):
    """One account's keys and the account number they are bound to."""

    model_config = ConfigDict(frozen=True)

    key_id: str = Field(min_length=1, repr=False)
    secret_key: str = Field(min_length=1, repr=False)
    account_number: str = Field(min_length=1, repr=False)


# Its look-ups may miss an order that it accepted a moment ago: one miss proves nothing there.
_REAL_BROKER = re.compile(r"(?:.*\.)?alpaca\.markets\.?")


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Validate the variables of the pipeline.

    Raises:
        SettingsInvalid: the message has the variable and what was expected, never its value.
    """
    names = [field.alias for field in Settings.model_fields.values() if field.alias]
    given = {name: variables[name] for name in names if variables.get(name)}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"{item['loc'][0]}: {item['msg']}" for item in error.errors(include_input=False)
        )
        raise SettingsInvalid(problems) from None
    if settings.broker_read_after_write and _REAL_BROKER.fullmatch(settings.trading_url.host or ""):
        raise SettingsInvalid("BROKER_READ_AFTER_WRITE: never where ALPACA_TRADING_URL is Alpaca's")
    return settings


# By the field of the file that describes a deployment.
_DESCRIBED = {"data.feed": "ALPACA_DATA_FEED", "data.account": "DATA_ACCOUNT"}


def described_by(variables: Mapping[str, str]) -> dict[str, str]:
    """What these variables say that the deployment's file could say too, by its field."""
    return {
        name: said for name, variable in _DESCRIBED.items() if (said := variables.get(variable))
    }


def read_broker_keys(
    variables: Mapping[str, str], account: str, broker: str = "alpaca"
) -> BrokerKeys:
    """The keys of one account, from <BROKER>_<ACCOUNT>_KEY_ID, _SECRET_KEY, _ACCOUNT_NUMBER.

    Raises:
        SettingsInvalid: one of them is missing, the account number included.
    """
    prefix = _prefix(account, broker)
    return BrokerKeys(
        key_id=_required(f"{prefix}KEY_ID", variables.get(f"{prefix}KEY_ID")),
        secret_key=_required(f"{prefix}SECRET_KEY", variables.get(f"{prefix}SECRET_KEY")),
        account_number=_required(
            f"{prefix}ACCOUNT_NUMBER", variables.get(f"{prefix}ACCOUNT_NUMBER")
        ),
    )


def has_broker_keys(variables: Mapping[str, str], account: str, broker: str = "alpaca") -> bool:
    """Whether any of an account's key variables is set; then all of them must be."""
    prefix = _prefix(account, broker)
    return any(variables.get(prefix + name) for name in ("KEY_ID", "SECRET_KEY", "ACCOUNT_NUMBER"))


def not_configured(account: str, broker: str = "alpaca") -> AccountNotConfigured:
    """The error for an account without any keys; it says what to do."""
    prefix = _prefix(account, broker)
    return AccountNotConfigured(
        f"{account} has no keys: set {prefix}KEY_ID, {prefix}SECRET_KEY and "
        f"{prefix}ACCOUNT_NUMBER (in AWS its secret), or `ops accounts switch {account} off`"
    )


def _prefix(account: str, broker: str) -> str:
    return f"{broker}_{account}_".upper()


def _required(name: str, value: str | None) -> str:
    if not value:
        raise SettingsInvalid(f"{name} is not set")
    return value
