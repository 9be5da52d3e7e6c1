"""Brings a deployment to what its file says, in one transaction, or shows what that would change.

What the file does not name is left as it is. Nothing that has a history is deleted: an account
that is not in the file any more is switched off, and nothing changes while one of them holds
something.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ops_pipeline.db import accounts, parameters
from ops_pipeline.db.deployment import account_rows, applied
from ops_pipeline.db.deployment.applied import AppliedDeployment
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import operator
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.deployment.description import (
    AccountDescription,
    DeploymentFile,
    read_description,
)
from ops_pipeline.domain.deployment.modes import stored_mode
from ops_pipeline.domain.deployment.named_accounts import FILE, differing_accounts
from ops_pipeline.domain.feeds.subscriptions import FeedChange
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput, SettingsInvalid
from ops_pipeline.ports import Clock
from ops_pipeline.stages.operating import feed_setup, watching
from ops_pipeline.stages.operating.account_setup import AccountChange, AccountSetup


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCommand:
    """One application of a file.

    Attributes:
        file: Its content, as a TOML reader gives it.
        parameters: Put the file's parameters in force also where others came from learning, from
            a rollback or from another hand.
        confirm: False only shows what would change.
        shown: What a person agreed to: anything else is refused. None: whatever it comes to.
        file_name: What the person calls the file, for the messages.
    """

    operator: str
    reason: str
    file: Mapping[str, Any]
    parameters: bool = False
    confirm: bool = False
    shown: Sequence[str] | None = None
    file_name: str = FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSetup:
    """What applying a file takes.

    Attributes:
        db: Where to apply it.
        dry: The same database; its units of work are rolled back.
        settings: What the environment sets already, by field of the file: it wins over the file.
    """

    db: UnitsOfWork
    dry: UnitsOfWork
    accounts: AccountSetup
    settings: Mapping[str, str]
    clock: Clock

    def run(self, command: ApplyCommand) -> dict[str, Any]:
        """Apply the file, or show what that would change.

        Returns:
            `changed`, a sentence for each; `notes` on what is left as it is; `applied`.

        Raises:
            InvalidInput: no reason; the file is wrong, or asks for what is refused: a line for
                each, and nothing was changed.
        """
        if not command.reason.strip():
            raise InvalidInput("reason: say why, it is kept with the action")
        described, rules = self._read(command)
        with (self.db if command.confirm else self.dry).transaction() as tx:
            work = _Application(tx, self, command, described, rules)
            work.run()
            _require(command, work.refused)
            if work.changed:
                _require_shown(command, work.changed)
                self._record(tx, command, work)
        return {
            "action": "apply",
            "changed": work.changed,
            "notes": work.notes,
            "applied": command.confirm and bool(work.changed),
        }

    def _read(self, command: ApplyCommand) -> tuple[DeploymentFile, Parameters]:
        described, wrong = read_description(command.file)
        rules = Parameters()
        if not wrong:
            rules, odd = parameters.overlaid(rules, described.parameters or {})
            wrong += [f"parameters.{each}" for each in odd]
            wrong += self._against_the_environment(command, described)
        _require(command, wrong)
        return described, rules

    def _against_the_environment(
        self, command: ApplyCommand, described: DeploymentFile
    ) -> list[str]:
        """Where the file asks for what a variable of this machine or stack sets otherwise."""
        asked = {"data.feed": described.data_feed, "data.account": described.data_account}
        wrong = [
            f"{name}: the environment says {self.settings[name]}: change it there, or here"
            for name, value in asked.items()
            if value is not None and self.settings.get(name, value) != value
        ]
        deployed = self.accounts.deployed
        if deployed is not None:
            names = [account.name for account in described.accounts]
            wrong += differing_accounts(command.file_name, names, "the stack's context", deployed)
        return wrong

    def _record(self, tx: Transaction, command: ApplyCommand, work: "_Application") -> None:
        now = self.clock.now()
        applied.save(tx, work.after, now=now, by=command.operator)
        operator.record(
            tx,
            operator=command.operator,
            action="apply",
            scope=EVERYTHING,
            reason=command.reason,
            details={"changed": work.changed, "notes": work.notes},
            now=now,
        )


def _of_feed(change: FeedChange) -> str:
    """A change of the list of feeds, with the values before and after."""
    details = "".join(
        f", {name}: {before} -> {after}" for name, (before, after) in change.changed.items()
    )
    return f"feeds.feed: {change.change} {change.spec.url} ({change.spec.source}){details}"


def _require_shown(command: ApplyCommand, changed: list[str]) -> None:
    """Somebody else may have changed something since; their word is not overruled unseen."""
    if command.shown is not None and list(command.shown) != changed:
        raise InvalidInput(
            "what would change is no longer what was shown, and nothing was changed: look again"
        )


def _require(command: ApplyCommand, wrong: list[str]) -> None:
    """Raises InvalidInput with a line for each, if there is any."""
    if wrong:
        count = "1 problem" if len(wrong) == 1 else f"{len(wrong)} problems"
        lines = "".join(f"\n  {each}" for each in wrong)
        raise InvalidInput(f"{command.file_name} has {count}, nothing was changed:{lines}")


@dataclass(slots=True)
class _Application:
    """One application within its transaction, part by part.

    Attributes:
        changed, notes, refused: Sentences on what was done, left, or may not be done.
        after: What is kept of the file.
    """

    tx: Transaction
    setup: DeploymentSetup
    command: ApplyCommand
    described: DeploymentFile
    rules: Parameters
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    before: AppliedDeployment = field(default_factory=AppliedDeployment)
    after: AppliedDeployment = field(default_factory=AppliedDeployment)

    def run(self) -> None:
        # In the order in which everybody locks them, so that two of these wait for each other.
        for name in accounts.all_names(self.tx):
            accounts.load_locked(self.tx, name)
        self.before = applied.load(self.tx)
        self.after = replace(self.before, description=dict(self.command.file))
        for account in self.described.accounts:
            self._account(account)
        self._accounts_not_named()
        self._data()
        self._feeds()
        self._tickers()
        self._parameters()
        if not self.changed and self.after != self.before:
            self.changed.append(f"{self.command.file_name}: kept as what describes this deployment")

    def _account(self, wanted: AccountDescription) -> None:
        known = wanted.name in accounts.all_names(self.tx)
        if not known:
            self._note(wanted.name, lambda: self._add(wanted))
        elif self._same_account(wanted):
            setup, tx, name = self.setup.accounts, self.tx, wanted.name
            if wanted.limits:
                self._note(name, lambda: setup.limit(tx, name, wanted.limits))
            self._note(name, lambda: setup.switch(tx, name, on=wanted.on))

    def _add(self, wanted: AccountDescription) -> AccountChange:
        setup = self.setup.accounts
        done = setup.add(
            self.tx, wanted.name, broker=wanted.broker, mode=wanted.mode, limits=wanted.limits
        )
        if not wanted.on:
            return done
        on = setup.switch(self.tx, wanted.name, on=True)
        return replace(done, changed=(*done.changed, *on.changed), notes=on.notes)

    def _same_account(self, wanted: AccountDescription) -> bool:
        """Whether it may stand for the account that is there, its mode changed if need be."""
        name, place = wanted.name, f"accounts.{wanted.name}"
        there = accounts.load(self.tx, name)
        if there.broker != wanted.broker:
            self.refused.append(
                f"{place}.broker: it is at {there.broker}, and an account's broker stands:"
                " add another account"
            )
            return False
        mode = stored_mode(wanted.mode, wanted.broker)
        if there.execution_mode == mode:
            return True
        if held := account_rows.open_things(self.tx, name):
            self.refused.append(f"{place}.mode: its mode stands while {held} are open")
            return False
        account_rows.set_mode(self.tx, name, mode)
        self.changed.append(f"{place}: mode: {there.execution_mode} -> {mode}")
        return True

    def _accounts_not_named(self) -> None:
        """Switch off what the file does not name, unless something of it is open."""
        named = {account.name for account in self.described.accounts}
        for name in accounts.entry_accounts(self.tx):
            if name in named:
                continue
            if held := account_rows.open_things(self.tx, name):
                self.refused.append(
                    f"accounts.{name}: it is not in the file, and {held} are open:"
                    f" `ops close --account {name}` first, or name it with on = false"
                )
            else:
                self._note(name, partial(self.setup.accounts.switch, self.tx, name, on=False))
                self.notes.append(f"accounts.{name}: not in the file: its history stays")

    def _note(self, name: str, change: Callable[[], AccountChange]) -> None:
        """Do it, and keep what came of it; what is refused is refused with all the rest."""
        try:
            done = change()
        except (InvalidInput, SettingsInvalid) as error:
            self.refused.append(f"accounts.{name}: {error}")
            return
        if done.changed:
            self.changed += [f"accounts.{name}: {each}" for each in done.changed]
            self.notes += [f"accounts.{name}: {each}" for each in done.notes]

    def _data(self) -> None:
        before, described = self.before, self.described
        feed = self._chosen("data.feed", before.data_feed, described.data_feed)
        account = self._chosen("data.account", before.data_account, described.data_account)
        self.after = replace(self.after, data_feed=feed, data_account=account)

    def _chosen(self, place: str, before: str | None, wanted: str | None) -> str | None:
        """What the file says, else what was chosen before."""
        if wanted is None or wanted == before:
            return before
        self.changed.append(f"{place}: {before or 'not set'} -> {wanted}")
        if place not in self.setup.settings:
            self.notes.append(f"{place}: read when `ops up` starts the next time")
        return wanted

    def _feeds(self) -> None:
        """The list of feeds; one that is not named is removed from it and keeps its news."""
        named, contact = self.described.feeds, self.described.contact
        if named is None:
            plan = feed_setup.plan_additions(self.tx, (), contact=contact)
        else:
            plan = feed_setup.plan_exactly(self.tx, named, contact=contact)
        self.refused += [f"feeds.feed {url}: {why}" for url, why in plan.refused.items()]
        if plan.contact is not None:
            self.changed.append(f"feeds.contact: {plan.contact}")
        self.changed += [_of_feed(change) for change in plan.changes]
        feed_setup.apply(self.tx, plan, self.setup.clock.now())

    def _tickers(self) -> None:
        """What is watched; positions in the rest are guarded all the same."""
        named = self.described.tickers
        if named is None:
            return
        try:
            plan = watching.plan_watched_only(self.tx, named)
            watching.watch_only(self.tx, named)
        except InvalidInput as error:
            self.refused.append(f"tickers.watch: {error}")
            return
        for watched, what in ((True, "watch"), (False, "stop watching")):
            if symbols := [symbol for symbol, to in plan.items() if to is watched]:
                self.changed.append(f"tickers.watch: {what} {', '.join(symbols)}")
        if plan and (unknown := watching.without_name(self.tx)):
            names = ", ".join(unknown)
            self.notes.append(f"tickers.watch: no news finds {names}, whose names nobody gave")

    def _parameters(self) -> None:
        if self.described.parameters is None:
            return
        found = parameters.source_in_force(self.tx)
        in_force = self._usable()
        if found is not None and in_force == self.rules:
            self.after = replace(self.after, parameter_version=found[0])
            return
        if found is not None and not self._is_base(*found) and not self.command.parameters:
            version, source = found
            self.notes.append(
                f"parameters: version {version} ({source}) is in force and not the file's:"
                f" {self._drift(in_force)}; left so: `ops apply --parameters` changes it"
            )
            return
        now = self.setup.clock.now()
        version = parameters.activate(self.tx, self.rules, source="operator", now=now)
        stood = "none" if found is None else str(found[0])
        self.changed.append(f"parameters: version {stood} -> {version}: {self._drift(in_force)}")
        self.after = replace(self.after, parameter_version=version)

    def _usable(self) -> Parameters | None:
        """What is in force; None where there is nothing, or nothing that can be used."""
        try:
            return parameters.load_active(self.tx).rules
        except SettingsInvalid:
            return None

    def _is_base(self, version: int, source: str) -> bool:
        """Whether what is in force was put there by a file, or shipped and never changed."""
        base = self.before.parameter_version
        return source == "default" if base is None else version == base

    def _drift(self, in_force: Parameters | None) -> str:
        if in_force is None:
            return "what is in force cannot be used"
        return ", ".join(parameters.differences(in_force, self.rules))
