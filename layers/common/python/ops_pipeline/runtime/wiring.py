"""Builds what the handlers use; with the registry the only module that names the adapters.

Each adapter is imported inside its builder, so that a function loads only what it
uses (alpaca-py alone imports pandas).
"""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Literal

from ops_pipeline.db import accounts, bindings, data_feeds, schema
from ops_pipeline.db.console.console import Console
from ops_pipeline.db.deployment import applied
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, target_from_url
from ops_pipeline.db.migrations.runner import LIMITS
from ops_pipeline.db.parameters import GuardRules, Versioned, for_guard, in_force
from ops_pipeline.db.roles import Role
from ops_pipeline.db.runs import DryDatabase, FencedDatabase, Lease, UnitsOfWork
from ops_pipeline.domain.deployment.ladder import why_not_offered
from ops_pipeline.domain.feeds.polling import HostPace
from ops_pipeline.domain.market import minute_of
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.domain.operations.stage import Login
from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.execution.context import AccountContext, open_context
from ops_pipeline.execution.market.shared_quotes import SharedQuotes
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.ports import (
    Binding,
    Broker,
    Calendar,
    Classifier,
    Clock,
    CorporateActionFeed,
    Heard,
    Journal,
    MarketData,
    NewsFeed,
    VolatilityIndex,
)
from ops_pipeline.runtime import log
from ops_pipeline.runtime.binding import KeysInUse, StoredBinding
from ops_pipeline.runtime.check_orders import WithoutCheckOrders
from ops_pipeline.runtime.registry import (
    ALPACA,
    Access,
    BrokerAccess,
    bar_vendor_named,
    broker_named,
)
from ops_pipeline.runtime.settings import (
    BrokerKeys,
    Settings,
    described_by,
    environment,
    has_broker_keys,
    not_configured,
    read_broker_keys,
    read_settings,
)

if TYPE_CHECKING:
    from ops_pipeline.adapters.secrets import SecretsManager
    from ops_pipeline.stages.account_binding import Binder
    from ops_pipeline.stages.operating.account_setup import AccountSetup
    from ops_pipeline.stages.operating.checks import Checks
    from ops_pipeline.stages.operating.deployment_setup import DeploymentSetup
    from ops_pipeline.stages.operating.order_check import OrderCheck
    from ops_pipeline.stages.rebuilding import Rebuilder


@dataclass
class Runtime:
    """What a process keeps between invocations: settings, clock, connections.

    Attributes:
        owner: Owner of the leases that this process takes; None: the request's id.
    """

    variables: Mapping[str, str]
    clock: Clock
    owner: str | None = None
    known_parameters: Versioned | None = None
    _brokers: dict[tuple[str, str], tuple[Broker, StoredBinding]] = field(default_factory=dict)
    _schema_checked: bool = False
    _login: Login | None = None
    _databases: dict[str | None, Database] = field(default_factory=dict, repr=False)

    @cached_property
    def settings(self) -> Settings:
        return read_settings(self.variables)

    @property
    def database(self) -> Database:
        """The database under the login of the stage that is being served.

        Here a process serves all stages, each under its group's own login, as in AWS. Outside
        of a stage it is DATABASE_URL's.
        """
        url = self.settings.group_url(self._login)
        found = self._databases.get(url)
        if found is None:
            found = self._databases[url] = self._logged_in(url)
        return found

    def _logged_in(self, url: str | None) -> Database:
        """By the group's URL, or, if that is None, by the function's own secret or URL."""
        name = "ops-pipeline"
        if url is None and self._logs_in_by_secret:
            return Database(self._secret_target(), application_name=name, renew=self._secret_target)
        target = target_from_url(url or self.settings.require_database_url())
        return Database(target, application_name=name)

    @contextmanager
    def serving(self, stage: str) -> Iterator[None]:
        """Within, the database is that of the stage's login."""
        before, self._login = self._login, stage_named(stage).login
        try:
            yield
        finally:
            self._login = before

    @cached_property
    def owner_database(self) -> Database:
        name = "ops-pipeline-migrations"
        if self._logs_in_by_secret:
            return Database(
                self._secret_target(),
                application_name=name,
                limits=LIMITS,
                renew=self._secret_target,
            )
        return Database(
            target_from_url(self.settings.owner_url()), application_name=name, limits=LIMITS
        )

    @property
    def _logs_in_by_secret(self) -> bool:
        settings = self.settings
        return settings.db_secret_id is not None and settings.database_url is None

    @cached_property
    def console(self) -> Console:
        url = self.settings.database_reader_url
        if url is None and self._logs_in_by_secret:
            return Console(self._secret_target(), renew=self._secret_target)
        url = self.settings.require_reader_url()
        return Console(target_from_url(url, name="DATABASE_READER_URL"))

    @cached_property
    def secrets(self) -> "SecretsManager":
        from ops_pipeline.adapters.secrets import SecretsManager

        return SecretsManager()

    def _secret_target(self) -> ConnectionTarget:
        """The login of DB_SECRET_ID, read again, over TLS verified with DB_CA_FILE."""
        settings = self.settings
        login = self.secrets.database_login(settings.db_secret_id or "")
        return ConnectionTarget(
            host=login.host,
            port=login.port,
            database=login.database,
            user=login.user,
            password=login.password,
            ssl_context=_strict_context(settings.require_ca_file()),
        )

    def role_passwords(self) -> dict[Role, str]:
        """Passwords of the other logins, for the migration that creates those roles."""
        settings = self.settings
        named = {
            Role.NEWS: settings.db_news_secret_id,
            Role.MARKET: settings.db_market_secret_id,
            Role.TRADING: settings.db_trading_secret_id,
            Role.CONTROL: settings.db_control_secret_id,
            Role.READER: settings.db_reader_secret_id,
        }
        return {
            role: self.secrets.database_login(secret_id).password
            for role, secret_id in named.items()
            if secret_id
        }

    def broker_keys(self, account: str, held_at: str = ALPACA) -> BrokerKeys:
        """One account's keys, from the environment or else from its secret, read again.

        Raises:
            AccountNotConfigured: neither has any of them.
            SettingsInvalid: some of them are missing, or the secret can't be read.
        """
        prefix = self.settings.alpaca_secret_prefix
        if has_broker_keys(self.variables, account, held_at):
            return read_broker_keys(self.variables, account, held_at)
        held = None if prefix is None else self.secrets.account_keys(f"{prefix}/{account}")
        if held is None:
            raise not_configured(account, held_at)
        return BrokerKeys(
            key_id=held.key_id, secret_key=held.secret_key, account_number=held.account_number
        )

    @cached_property
    def calendar(self) -> Calendar:
        from ops_pipeline.adapters.calendar import NyseCalendar

        return NyseCalendar()

    @cached_property
    def _data_settings(self) -> Settings:
        """The settings, with the data plan of the deployment's file where no variable says one."""
        with self.database.transaction() as tx:
            chosen = applied.load(tx)
        known = described_by(self.variables)
        said = {
            name: value
            for name, value in (
                ("data_feed", chosen.data_feed),
                ("data_account", chosen.data_account),
            )
            if value is not None and name.replace("_", ".") not in known
        }
        return self.settings.model_copy(update=said)

    @cached_property
    def market_data(self) -> MarketData:
        """Bars and quotes of MARKET_DATA_VENDOR, where they need keys by data_account's."""
        return self._market_data(self._data_settings)

    @property
    def corporate_actions(self) -> CorporateActionFeed | None:
        """The announcements of MARKET_DATA_VENDOR; None where it has none."""
        build = bar_vendor_named(self._data_settings.market_data_vendor).actions
        return None if build is None else build(self._data_access(self._data_settings))

    def _market_data(self, settings: Settings) -> MarketData:
        return bar_vendor_named(settings.market_data_vendor).build(self._data_access(settings))

    def _data_access(self, settings: Settings) -> Access:
        return Access(
            settings=settings,
            variables=self.variables,
            keys=lambda: self.broker_keys(self.data_account, settings.market_data_vendor),
        )

    def _market_data_of(self, feed: Literal["iex", "sip"]) -> MarketData:
        return self._market_data(self._data_settings.model_copy(update={"data_feed": feed}))

    @cached_property
    def feed_in_use(self) -> str:
        """The feed that bars and quotes come from."""
        return bar_vendor_named(self.settings.market_data_vendor).feed(self._data_settings)

    @cached_property
    def data_feed(self) -> str:
        """The same, known to the database from now on."""
        vendor, feed = self.settings.market_data_vendor, self.feed_in_use
        with self.database.transaction() as tx:
            data_feeds.ensure(tx, feed=feed, vendor=vendor)
        return feed

    @cached_property
    def data_account(self) -> str:
        """The account whose keys read market data: DATA_ACCOUNT, else the first that has any.

        Raises:
            SettingsInvalid: DATA_ACCOUNT names no account at the vendor.
            StaleData: there is no account at the vendor.
        """
        vendor, chosen = self.settings.market_data_vendor, self._data_settings.data_account
        with self.database.transaction() as tx:
            names = accounts.names_at(tx, vendor)
        if chosen is not None and chosen not in names:
            known = ", ".join(names)
            raise SettingsInvalid(f"DATA_ACCOUNT names no account at {vendor}; known are {known}")
        keyed = (name for name in names if has_broker_keys(self.variables, name, vendor))
        return chosen or next(keyed, names[0])

    @cached_property
    def feed(self) -> NewsFeed:
        from ops_pipeline.adapters.feed_logins import FeedLogins
        from ops_pipeline.adapters.rss import RssFeed

        proxy = self.settings.feed_proxy_url
        return RssFeed(
            proxy_url=str(proxy) if proxy else None,
            networks=self.settings.feed_allowed_networks,
            logins=FeedLogins(self._feed_logins),
        )

    @property
    def feed_pace(self) -> HostPace:
        """How requests to one host of feeds are spaced."""
        interval_s = self.settings.feed_host_interval_s
        return HostPace(interval_s, interval_s / 2)

    def _feed_logins(self) -> str | None:
        """What FEED_LOGINS holds, else the secret; None where neither is set."""
        given, secret = self.settings.feed_logins, self.settings.feed_logins_secret_id
        if given is not None:
            return given.get_secret_value()
        return self.secrets.text(secret) if secret else None

    @cached_property
    def classifier(self) -> Classifier:
        """The model of MODEL_DIR or MODEL_S3_URI, or the embedded one; stored with each row."""
        in_s3 = self.settings.model_in_s3()
        folder = self.settings.model_dir
        if in_s3 is not None:
            from ops_pipeline.adapters.model_store import ModelStore

            folder = ModelStore().folder(*in_s3)
        if folder is not None:
            from ops_pipeline.adapters.onnx_classifier import OnnxClassifier

            return OnnxClassifier(folder)
        from ops_pipeline.adapters.lexicon_classifier import LexiconClassifier

        return LexiconClassifier()

    @property
    def volatility_sources(self) -> "Sequence[Callable[[], VolatilityIndex]]":
        """Who may have the volatility index, the quickest first; each is built when it is asked."""
        if self.settings.market_data_vendor == ALPACA:
            return (self._alpaca_vix, self._published_vix)
        return (self._published_vix,)

    def _published_vix(self) -> VolatilityIndex:
        from ops_pipeline.adapters.vix import VixCsv

        return VixCsv(str(self.settings.vix_url), self.settings.feed_allowed_networks)

    def _alpaca_vix(self) -> VolatilityIndex:
        """With the keys that read bars; whether their plan has indices shows when they ask."""
        from ops_pipeline.adapters.alpaca_indices import AlpacaVix

        def pair() -> tuple[str, str]:
            keys = self.broker_keys(self.data_account, ALPACA)
            return keys.key_id, keys.secret_key

        key_id, secret_key = pair()
        url = str(self.settings.data_url).rstrip("/")
        return AlpacaVix(url=url, key_id=key_id, secret_key=secret_key, renew=pair)

    def broker(self, account: str, held_at: str = ALPACA) -> Broker:
        """One account at a broker, its number checked against the bound one.

        One that was never proven, or is bound to another number since, is made anew: its keys
        may have been exchanged as well.
        """
        known = self._brokers.get((account, held_at))
        if known is None or not known[1].holds():
            keys = KeysInUse(lambda: self.broker_keys(account, held_at))
            binding = StoredBinding(
                lambda: bindings.find(self.database, account), account, held_at, keys
            )
            known = (self._open_broker(held_at, keys, binding), binding)
            self._brokers[account, held_at] = known
        return known[0]

    def unbound_broker(self, account: str, held_at: str) -> Broker:
        """One account at a broker by the number beside its keys alone: to bind it by."""
        from ops_pipeline.adapters.one_number import OneNumber

        keys = KeysInUse(lambda: self.broker_keys(account, held_at))
        return self._open_broker(held_at, keys, OneNumber(keys.read().account_number))

    @cached_property
    def binder(self) -> "Binder":
        """Binds accounts to what their keys open."""
        from ops_pipeline.adapters.chance import new_salt
        from ops_pipeline.stages.account_binding import Binder

        return Binder(
            db=self.database,
            dry=DryDatabase(self.database),
            open_broker=self.unbound_broker,
            new_salt=new_salt,
            clock=self.clock,
        )

    @property
    def account_setup(self) -> "AccountSetup":
        """Adds accounts, switches them and changes their limits."""
        from ops_pipeline.stages.operating.account_setup import AccountSetup

        return AccountSetup(
            db=self.database,
            knows_broker=broker_named,
            clock=self.clock,
            deployed=self.settings.deployed_accounts,
        )

    @property
    def deployment_setup(self) -> "DeploymentSetup":
        """Brings the deployment to what its file says."""
        from ops_pipeline.stages.operating.deployment_setup import DeploymentSetup

        return DeploymentSetup(
            db=self.database,
            dry=DryDatabase(self.database),
            accounts=self.account_setup,
            settings=described_by(self.variables),
            clock=self.clock,
        )

    @property
    def rebuilder(self) -> "Rebuilder":
        """Fills the database from the brokers, with the parameters in force."""
        from ops_pipeline.stages.rebuilding import Rebuilder

        return Rebuilder(
            db=self.database,
            binder=self.binder,
            gateway=self._unleased_gateway,
            deployment=self.settings.deployment,
            clock=self.clock,
        )

    def _unleased_gateway(self, account: str) -> OrderGateway:
        """The way to an account's broker for an operator's command, which sends nothing."""
        ctx = open_context(
            account,
            tick=minute_of(self.clock.now()),
            db=self.database,
            parameters=for_guard(self.database, self.known_parameters),
            deployment=self.settings.deployment,
            clock=self.clock,
            journal=log,
        )
        broker = self.account_broker(ctx)
        return OrderGateway(ctx=ctx, db=self.database, broker=broker, calendar=self.calendar)

    def account_broker(self, ctx: AccountContext) -> Broker:
        """The broker as a run of the account sees it, without the orders of `ops check`.

        Raises:
            SettingsInvalid: the account is to trade real money.
        """
        if (why := why_not_offered(ctx.account.execution_mode)) is not None:
            raise SettingsInvalid(f"{ctx.name}: {why}")
        broker = self.broker(ctx.name, ctx.account.broker)
        return WithoutCheckOrders(broker, ctx.deployment, ctx.name)

    @property
    def checks(self) -> "Checks":
        """Tries brokers and vendors one by one, and changes nothing."""
        from ops_pipeline.stages.operating.checks import Checks

        return Checks(
            db=DryDatabase(self.database),
            rules=lambda: for_guard(self.database, self.known_parameters),
            open_broker=self.broker,
            market_data=self._market_data_of,
            data_feed=lambda: self._data_settings.data_feed,
            vix=self.volatility_sources,
            calendar=self.calendar,
            clock=self.clock,
            deployment=self.settings.deployment,
        )

    @property
    def order_check(self) -> "OrderCheck":
        """Tries the way of an order to a paper account, without buying anything."""
        from ops_pipeline.stages.operating.order_check import OrderCheck

        return OrderCheck(
            db=self.database,
            open_broker=self._recorded_broker,
            market_data=lambda: self.market_data,
            calendar=self.calendar,
            clock=self.clock,
            rules=lambda: for_guard(self.database, self.known_parameters).rules,
            deployment=self.settings.deployment,
            address=self.settings.trading_url.host or "",
            wait=sleep,
        )

    def _recorded_broker(
        self, account: str, held_at: str, heard: Heard
    ) -> tuple[Broker, Sequence[str]]:
        """The bound account with a listener, and the texts that what it hears may not keep."""
        keys = KeysInUse(lambda: self.broker_keys(account, held_at))
        binding = StoredBinding(
            lambda: bindings.find(self.database, account), account, held_at, keys
        )
        found = keys.read()
        private = (found.key_id, found.secret_key, found.account_number)
        return self._open_broker(held_at, keys, binding, heard), private

    def _open_broker(
        self, held_at: str, keys: KeysInUse, binding: Binding, heard: Heard | None = None
    ) -> Broker:
        return broker_named(held_at)(
            BrokerAccess(
                settings=self.settings,
                variables=self.variables,
                keys=keys.read,
                binding=binding,
                heard=heard,
            )
        )

    def close(self) -> None:
        """Close the open connections."""
        for database in self._databases.values():
            database.close()
        for name in ("owner_database", "console"):
            if name in self.__dict__:
                getattr(self, name).close()

    def require_schema(self) -> None:
        """Raise SchemaBehind if the database lacks a migration; checked once per process."""
        if not self._schema_checked:
            with self.database.transaction() as tx:
                schema.require_current(tx)
            self._schema_checked = True


@dataclass
class Deps:
    """What one invocation of a handler may use."""

    runtime: Runtime
    lease: Lease
    dry_run: bool

    @cached_property
    def db(self) -> UnitsOfWork:
        if self.dry_run:
            return DryDatabase(self.runtime.database)
        return FencedDatabase(self.runtime.database, self.lease)

    @cached_property
    def parameters(self) -> Versioned:
        self.runtime.known_parameters = in_force(
            self.runtime.database, self.runtime.known_parameters
        )
        return self.runtime.known_parameters

    @cached_property
    def guard_parameters(self) -> GuardRules:
        """The version in force, or what positions are guarded with where it cannot be used."""
        found = for_guard(self.runtime.database, self.runtime.known_parameters)
        if found.fault is None and found.version is not None:
            self.runtime.known_parameters = Versioned(found.version, found.rules)
        return found

    @property
    def clock(self) -> Clock:
        return self.runtime.clock

    @property
    def calendar(self) -> Calendar:
        return self.runtime.calendar

    @property
    def journal(self) -> Journal:
        return log

    def account_context(
        self, account: str, tick: datetime, *, guards: bool = False
    ) -> AccountContext:
        """The context of one account's run; an unknown account raises InvalidInput.

        Args:
            guards: The run protects what is held, and so goes on with `guard_parameters`.
        """
        return open_context(
            account,
            tick=tick,
            db=self.db,
            parameters=self.guard_parameters if guards else self.parameters,
            deployment=self.runtime.settings.deployment,
            clock=self.clock,
            journal=self.journal,
            lease_expires_at=self.lease.expires_at,
        )

    def order_gateway(self, ctx: AccountContext) -> OrderGateway:
        """The way to the account's broker; a SIMULATED account has none."""
        return OrderGateway(
            ctx=ctx,
            db=self.db,
            calendar=self.calendar,
            broker=None if ctx.account.simulated else self.runtime.account_broker(ctx),
            # It is a promise of the server at ALPACA_TRADING_URL.
            read_after_write=self.runtime.settings.broker_read_after_write
            and ctx.account.broker == ALPACA,
        )

    def market_reader(self, ctx: AccountContext) -> MarketReader:
        data = self.runtime.market_data
        return MarketReader(
            account_name=ctx.name,
            data=data,
            calendar=self.calendar,
            clock=self.clock,
            journal=self.journal,
            shared=SharedQuotes(self.db, data, self.clock, self.journal, self.runtime.feed_in_use),
        )


def _strict_context(ca_file: Path) -> ssl.SSLContext:
    """Verifies as Python 3.13 does by default, also on 3.11: what runs here runs there."""
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def warm_up(stage: str, variables: Mapping[str, str]) -> None:
    """Import what the stage's first invocation in AWS will need.

    While a function's module is imported Lambda gives it a whole processor, afterwards only
    a share by its memory, so that an import then takes several times as long.
    """
    if variables.get("DB_SECRET_ID"):
        import ops_pipeline.adapters.secrets

        for name in stage_named(stage).adapters:
            import_module(f"ops_pipeline.adapters.{name}")
    if variables.get("ALPACA_SECRET_PREFIX"):
        import ops_pipeline.adapters.alpaca_broker
        import ops_pipeline.adapters.alpaca_data
    if variables.get("MODEL_S3_URI"):
        import ops_pipeline.adapters.model_store
        import ops_pipeline.adapters.onnx_classifier  # noqa: F401


_current: Runtime | None = None
_of_thread = threading.local()


def use(runtime: Runtime | None) -> None:
    """Set the process's runtime, for local runs and tests; None removes it."""
    global _current  # noqa: PLW0603 - a warm Lambda keeps its connection this way
    _current = runtime


def use_in_thread(runtime: Runtime) -> None:
    """Give the calling thread its own runtime: threads must not share connections."""
    _of_thread.runtime = runtime


def current() -> Runtime:
    """The thread's or the process's runtime; in AWS built from the environment on first use."""
    own: Runtime | None = getattr(_of_thread, "runtime", None)
    if own is not None:
        return own
    if _current is None:
        from ops_pipeline.adapters.clock import WallClock

        use(Runtime(environment(), WallClock()))
    assert _current is not None  # noqa: S101 - set just above
    return _current
