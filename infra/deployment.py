"""The options of a deployment: CDK context values, each with a default."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ops_pipeline.domain.bars import BAR_OFFSET_S, MOST_WAIT_S
from ops_pipeline.domain.deployment.named_accounts import differing_accounts
from ops_pipeline.domain.operations.stage import Stage

MAIN = "main"


class ContextInvalid(ValueError):
    """A context value is invalid; the message names it and what it may be."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One installation in one AWS account and region; docs/operations.md explains each value.

    Attributes:
        stage: Part of every name, so that several stages can coexist. 1-12 letters and digits.
        accounts: Trading accounts, whose keys lie in `<prefix>/alpaca/<account>`.
        market_data_vendor: The registered name of the adapter that reads bars and quotes.
        data_account: Whose keys read market data; "" takes the first of the accounts.
        data_feed: Of Alpaca's: "iex", or "sip" with its paid plan.
        bar_offset_s: So many seconds after its tick trading_cycle fetches bars, 0 to 10.
        nat: "instance", "gateway", or "none" (no internet access: everything pauses).
        nat_ami: Image of the NAT instance; "" takes the newest Amazon Linux 2023.
        database_class: For example "t4g.micro".
        storage_gib: Disk of the database, GiB.
        console_replica: Whether the console asks a copy of the database that follows it.
        deletion_protection: Whether the database refuses to be deleted.
        schedules_enabled: False until the first deployment has been checked.
        alarm_email: Receives alarms; "" sends none.
        reserved_concurrency: Per function; 0 reserves none (new AWS accounts have 10 in total).
        budget_usd: Monthly cost above which an e-mail is sent; needs alarm_email.
        architecture: "arm64" or "x86_64", for all functions except the classifier.
        classifier_architecture: The same for the classifier: onnxruntime used to crash on arm64.
        model_s3_uri: Folder of the classifier's trained model, `s3://bucket/prefix`; "" uses
            the embedded word list.
        model_sha256: Hash of the manifest in that folder; required with it.
        log_days: Days that logs are kept.
        tracing: Whether X-Ray traces functions and state machines.
        feed_logins: Whether the secret `<prefix>/feeds` has logins of feeds.
        flow_logs: Whether the network writes who connected to whom.
        operators: People who each get an alias of control, and a policy for it alone.
        audit_trail: Whether CloudTrail keeps who called control, db_query and db_migration.
    """

    stage: str = MAIN
    accounts: tuple[str, ...] = ("large", "tiny")
    market_data_vendor: str = "alpaca"
    data_account: str = ""
    data_feed: str = "iex"
    bar_offset_s: int = BAR_OFFSET_S
    nat: str = "instance"
    nat_ami: str = ""
    database_class: str = "t4g.micro"
    storage_gib: int = 20
    console_replica: bool = False
    deletion_protection: bool = True
    schedules_enabled: bool = False
    alarm_email: str = ""
    reserved_concurrency: int = 0
    budget_usd: int = 31
    architecture: str = "arm64"
    classifier_architecture: str = "arm64"
    model_s3_uri: str = ""
    model_sha256: str = ""
    log_days: int = 30
    tracing: bool = False
    feed_logins: bool = False
    flow_logs: bool = False
    operators: tuple[str, ...] = ()
    audit_trail: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of all names; the main stage has the short one."""
        return "ops-pipeline" if self.stage == MAIN else f"ops-pipeline-{self.stage}"

    @property
    def reads_data(self) -> str:
        """The account whose keys read market data."""
        return self.data_account or self.accounts[0]

    @property
    def schedules_run(self) -> bool:
        return self.schedules_enabled and self.nat != "none"

    def function_name(self, function: str) -> str:
        return f"{self.prefix}-{function.replace('_', '-')}"


def has_model(function: Stage, deployment: Deployment) -> bool:
    """Whether the function loads a trained model when it starts."""
    return "inference" in function.layers and deployment.model_s3_uri != ""


def has_feed_logins(function: Stage, deployment: Deployment) -> bool:
    """Whether the function reads the secret with the logins of feeds."""
    return "rss" in function.adapters and deployment.feed_logins


# The files of a model folder; a test compares them with what the adapter fetches.
MODEL_FILES = ("config.json", "manifest.json", "model.onnx", "tokenizer.json")


def model_objects(deployment: Deployment) -> tuple[str, ...]:
    """The ARNs of the trained model's files; none without one."""
    if not deployment.model_s3_uri:
        return ()
    folder = deployment.model_s3_uri.removeprefix("s3://").rstrip("/")
    return tuple(f"arn:aws:s3:::{folder}/{name}" for name in MODEL_FILES)


def retention(days: int) -> str:
    """CDK's word for so many days of logs.

    Raises:
        ContextInvalid: CloudWatch keeps logs for other spans only.
    """
    names = {1: "ONE_DAY", 7: "ONE_WEEK", 14: "TWO_WEEKS", 30: "ONE_MONTH", 90: "THREE_MONTHS"}
    if days not in names:
        raise ContextInvalid(f"log_days must be one of {', '.join(map(str, names))}")
    return names[days]


def layers_of(function: Stage, deployment: Deployment) -> tuple[str, ...]:
    """The function's layers; the one that runs a model only if there is a model."""
    if has_model(function, deployment):
        return function.layers
    return tuple(name for name in function.layers if name != "inference")


_ALLOWED: Mapping[str, str] = {
    "stage": r"[a-z0-9]{1,12}",
    "market_data_vendor": r"[a-z][a-z0-9_]*",
    "data_account": r"|[a-z0-9_]{1,50}",
    "data_feed": r"iex|sip",
    "nat": r"instance|gateway|none",
    "nat_ami": r"|ami-[0-9a-f]{8,17}",
    "database_class": r"[a-z0-9]+\.[a-z0-9]+",
    "alarm_email": r"|[^@\s]+@[^@\s]+",
    "architecture": r"arm64|x86_64",
    "classifier_architecture": r"arm64|x86_64",
    "model_s3_uri": r"|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9!_.()/-]+",
    "model_sha256": r"|[0-9a-f]{64}",
}
_AT_MOST: Mapping[str, int] = {"bar_offset_s": MOST_WAIT_S}
_ACCOUNT = re.compile(r"[a-z0-9_]{1,50}")


def read_deployment(context: Callable[[str], Any]) -> Deployment:
    """Read each field by its name; None means the default.

    Raises:
        ContextInvalid: a value that is not of the field's kind, or half of a pair.
    """
    given = {field.name: context(field.name) for field in fields(Deployment)}
    readers: dict[type, Callable[[str, Any], Any]] = {
        bool: _flag,
        int: _number,
        tuple: _names,
        str: _text,
    }
    defaults = Deployment()
    chosen = Deployment(
        **{
            name: readers[type(getattr(defaults, name))](name, value)
            for name, value in given.items()
            if value is not None
        }
    )
    if bool(chosen.model_s3_uri) != bool(chosen.model_sha256):
        raise ContextInvalid("model_s3_uri and model_sha256 are given together or not at all")
    if chosen.reads_data not in chosen.accounts:
        raise ContextInvalid(f"data_account must be one of {', '.join(chosen.accounts)}")
    return chosen


def require_same_accounts(deployment: Deployment, file: Path) -> None:
    """Refuse to deploy other accounts than those of the file that describes the deployment.

    Raises:
        ContextInvalid: names each that stands in one of the two alone; or the file is no TOML.
    """
    if not file.is_file():
        return
    try:
        named = tomllib.loads(file.read_text(encoding="utf-8")).get("accounts", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContextInvalid(f"{file.name}: {error}") from None
    if not isinstance(named, dict):
        raise ContextInvalid(f"{file.name}: accounts: expected tables, as [accounts.large]")
    if wrong := differing_accounts(file.name, named, "the context", deployment.accounts):
        raise ContextInvalid("; ".join(wrong))


def _flag(name: str, value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ContextInvalid(f"{name} must be true or false")
    return str(value).lower() == "true"


def _number(name: str, value: Any) -> int:
    if not re.fullmatch(r"\d{1,5}", str(value)):
        raise ContextInvalid(f"{name} must be a whole number")
    if (number := int(value)) > _AT_MOST.get(name, number):
        raise ContextInvalid(f"{name} must be {_AT_MOST[name]} at most")
    return number


def _names(name: str, value: Any) -> tuple[str, ...]:
    listed = tuple(value.split(",")) if isinstance(value, str) else tuple(value)
    if not listed or any(not _ACCOUNT.fullmatch(account) for account in listed):
        raise ContextInvalid(f"{name} must be names with commas between them")
    return tuple(sorted(listed))


def _text(name: str, value: Any) -> str:
    pattern = _ALLOWED[name]
    if not re.fullmatch(pattern, str(value)):
        raise ContextInvalid(f"{name} must match {pattern}")
    return str(value)
