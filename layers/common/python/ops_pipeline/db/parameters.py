"""Versions of the trading parameters, as rows and as the typed model."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ops_pipeline.db.driver.connection import Database, Row, Transaction
from ops_pipeline.domain.operations.parameter_bounds import out_of_bounds
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput, SettingsInvalid

Source = Literal["default", "overlay", "learning", "operator"]

_ADAPTER = TypeAdapter(Parameters)


@dataclass(frozen=True, slots=True)
class Versioned:
    """The parameters in force and their version, which is stored in every row they led to."""

    version: int
    rules: Parameters


@dataclass(frozen=True, slots=True)
class GuardRules:
    """The parameters that positions are guarded with, whatever version is in force.

    Attributes:
        version: Where the rules stand; None: they are the shipped defaults.
        fault: Why the version in force is not used, for which entries are refused; None: it is.
    """

    version: int | None
    rules: Parameters
    fault: str | None = None


_ACTIVE = "SELECT version, parameters FROM parameter_versions WHERE active"
_ACTIVE_VERSION = "SELECT version FROM parameter_versions WHERE active"
_ACTIVE_SOURCE = "SELECT version, source FROM parameter_versions WHERE active"
_NEWEST_FIRST = "SELECT version, parameters FROM parameter_versions ORDER BY version DESC"
_BY_CHECKSUM = """
SELECT version, parameters = CAST(:parameters AS jsonb) AS unchanged FROM parameter_versions
WHERE checksum = :checksum
"""
_NEXT = "SELECT coalesce(max(version), 0) + 1 AS version FROM parameter_versions"
_DEACTIVATE = "UPDATE parameter_versions SET active = false WHERE active AND version <> :version"
_ACTIVATE = "UPDATE parameter_versions SET active = true WHERE version = :version AND NOT active"
_INSERT = """
INSERT INTO parameter_versions (version, source, parameters, checksum, active, created_at)
VALUES (:version, :source, CAST(:parameters AS jsonb), :checksum, false, :now)
"""


def in_force(database: Database, known: Versioned | None) -> Versioned:
    """The version in force; versions never change, so a known one is not read again.

    Raises:
        SettingsInvalid: as `load_active`.
    """
    if known is not None and database.read(_ACTIVE_VERSION) == [{"version": known.version}]:
        return known
    with database.transaction() as tx:
        return load_active(tx)


def load_active(tx: Transaction) -> Versioned:
    """The version in force.

    Raises:
        SettingsInvalid: none is active, or the stored ones do not fit the model or its bounds.
    """
    row = tx.one(_ACTIVE)
    if row is None:
        raise SettingsInvalid("parameter_versions holds no active version")
    return _loaded(row)


def source_in_force(tx: Transaction) -> tuple[int, Source] | None:
    """The version in force, whether it can be used or not, and where it came from."""
    row = tx.one(_ACTIVE_SOURCE)
    return None if row is None else (row["version"], row["source"])


def for_guard(database: Database, known: Versioned | None) -> GuardRules:
    """The version in force; where that cannot be used the newest that can, else the defaults.

    Positions that are held are guarded by rules that were good once: none at all would be worse.
    """
    try:
        good = in_force(database, known)
    except SettingsInvalid as error:
        with database.transaction() as tx:
            return _newest_good(tx, fault=str(error))
    return GuardRules(good.version, good.rules)


def _newest_good(tx: Transaction, *, fault: str) -> GuardRules:
    for row in tx.rows(_NEWEST_FIRST):
        with suppress(SettingsInvalid):
            good = _loaded(row)
            return GuardRules(good.version, good.rules, fault)
    return GuardRules(None, Parameters(), fault)


def _loaded(row: Row) -> Versioned:
    """Raises SettingsInvalid where it does not fit the model or its bounds."""
    try:
        rules = _strictly(row["parameters"])
    except ValidationError as error:
        first = _told(error.errors(include_input=False)[0])
        raise SettingsInvalid(f"parameter version {row['version']}: {first}") from None
    if wrong := out_of_bounds(rules):
        raise SettingsInvalid(f"parameter version {row['version']}: {'; '.join(wrong)}")
    return Versioned(row["version"], rules)


def activate(tx: Transaction, parameters: Parameters, *, source: Source, now: datetime) -> int:
    """Put these parameters in force, as a new version unless they are one already.

    Raises:
        InvalidInput: one is out of its bounds.
    """
    _require_bounds(parameters)
    text = json.dumps(_ADAPTER.dump_python(parameters, mode="json"), sort_keys=True)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    known = tx.one(_BY_CHECKSUM, checksum=checksum, parameters=text)
    row = known if known and known["unchanged"] else tx.one(_NEXT)
    assert row is not None  # noqa: S101 - an aggregate always gives a row
    version = int(row["version"])
    if row is not known:
        if known:
            # That version was rewritten since, and is not what its checksum says.
            checksum = hashlib.sha256(f"{version} {text}".encode()).hexdigest()
        tx.execute(
            _INSERT, version=version, source=source, parameters=text, checksum=checksum, now=now
        )
    tx.execute(_DEACTIVATE, version=version)
    tx.execute(_ACTIVATE, version=version)
    return version


def overlay(base: Parameters, changes: Mapping[str, Any]) -> Parameters:
    """The base with some parameters replaced, for a what-if replay.

    Raises:
        InvalidInput: a name is not a parameter, a value does not fit or is out of its bounds.
    """
    changed, wrong = overlaid(base, changes)
    if wrong:
        raise InvalidInput(f"parameters: {'; '.join(wrong)}")
    return changed


def overlaid(base: Parameters, changes: Mapping[str, Any]) -> tuple[Parameters, list[str]]:
    """As `overlay`, with a sentence on everything that is wrong; the base, where something is."""
    values = _ADAPTER.dump_python(base, mode="json")
    wrong = list(_merge(values, changes, path=""))
    try:
        changed = _strictly(values)
    except ValidationError as error:
        return base, [*wrong, *map(_told, error.errors(include_input=False))]
    wrong += out_of_bounds(changed)
    return (base if wrong else changed), wrong


def changes(base: Parameters, changed: Parameters) -> dict[str, dict[str, Any]]:
    """What an overlay would have to say to lead from the one to the other; a list as a whole."""
    first, second = (_ADAPTER.dump_python(it, mode="json") for it in (base, changed))
    found = {
        section: {name: it for name, it in values.items() if it != first[section][name]}
        for section, values in second.items()
    }
    return {section: values for section, values in found.items() if values}


def differences(before: Parameters, after: Parameters) -> list[str]:
    """What differs between two, by path: the value before and the one after."""
    first, second = (dict(_leaves(_ADAPTER.dump_python(it, mode="json"))) for it in (before, after))
    return [
        f"{path} {first.get(path, 'none')} -> {second.get(path, 'none')}"
        for path in {**first, **second}
        if first.get(path) != second.get(path)
    ]


def _strictly(values: Any) -> Parameters:
    """By JSON's own types: true is no number, nor is a text that looks like one."""
    return _ADAPTER.validate_json(json.dumps(values, default=str), strict=True)


def _require_bounds(parameters: Parameters) -> None:
    if wrong := out_of_bounds(parameters):
        raise InvalidInput(f"parameters: {'; '.join(wrong)}")


def _merge(values: dict[str, Any], changes: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in changes.items():
        if name not in values:
            known = ", ".join(sorted(values))
            yield f"{path}{name} is unknown; expected one of {known}"
        elif isinstance(values[name], dict) and isinstance(value, dict):
            yield from _merge(values[name], value, f"{path}{name}.")
        else:
            values[name] = value


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(values, dict):
        for name, value in values.items():
            yield from _leaves(value, f"{path}.{name}".lstrip("."))
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _leaves(value, f"{path}[{number}]")
    else:
        yield path, values


def _told(item: ErrorDetails) -> str:
    return ": ".join(filter(None, [".".join(map(str, item["loc"])), item["msg"]]))
