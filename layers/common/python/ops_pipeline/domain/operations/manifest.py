"""Every stage and every state machine of the pipeline, one entry each.

Functions, schedules, state machines, health checks, the summary of a replay and the weights of
bundles derive from this file. STAGES stand in the order in which a summary lists them, MACHINES
in the order in which those of one minute run locally. After a change: `make asl docs`.
"""

from datetime import timedelta
from types import MappingProxyType

from ops_pipeline.domain.operations.stage import (
    AtLeastEvery,
    EveryFewMinutes,
    EveryMinute,
    Layer,
    Machine,
    NotMonitored,
    Output,
    Severity,
    Stage,
    StartTimes,
)

_BROKER: tuple[Layer, ...] = ("common", "vendor", "broker")
_DATA_ENV = ("DB_SECRET_ID", "MARKET_DATA_VENDOR", "ALPACA_DATA_URL", "ALPACA_DATA_FEED")
_TRADING_ENV = (*_DATA_ENV, "ALPACA_TRADING_URL", "OPS_DEPLOYMENT")
# What db_migration gives their passwords.
_OTHER_LOGINS = tuple(
    f"DB_{login.upper()}_SECRET_ID" for login in ("news", "market", "trading", "control", "reader")
)
# daily_cycle starts twice on each weekday, holidays included: from Friday's last start to
# Monday's first it is 64 hours.
_TWICE_A_WEEKDAY = AtLeastEvery(timedelta(hours=66))
# From Friday to Monday it is 72 hours, one more when the clocks go back.
_ONCE_A_WEEKDAY = AtLeastEvery(timedelta(hours=74))

# From before the open until the last orders have settled; holidays end at MarketClock.
SESSION_MINUTES = StartTimes(
    (
        "cron(25-59 9 ? * MON-FRI *)",
        "cron(* 10-15 ? * MON-FRI *)",
        "cron(0-10 16 ? * MON-FRI *)",
    ),
    "every minute of a session",
)

# Within the session: the evening's run of daily_cycle compares what its last minutes left.
FIVE_MINUTES_OF_A_SESSION = StartTimes(
    ("cron(30-55/5 9 ? * MON-FRI *)", "cron(0/5 10-15 ? * MON-FRI *)", "cron(0 16 ? * MON-FRI *)"),
    "every 5 minutes of a session",
)

# After daily_cycle's 08:30.
MORNING_RETRIES = StartTimes(
    (
        "cron(35-55/5 8 ? * MON-FRI *)",
        "cron(0/5 9-11 ? * MON-FRI *)",
        "cron(0/30 12-15 ? * MON-FRI *)",
    ),
    "every 5 minutes of the morning",
)

MACHINES = (
    Machine(
        name="daily_cycle",
        comment="Before the open and after the close: read corporate actions, compare with the "
        "broker, read the volatility index, report, delete old rows. A failed stage does not stop "
        "the others; without a volatility reading no entry is allowed all day.",
        starts=StartTimes(
            ("cron(30 8 ? * MON-FRI *)", "cron(20 16 ? * MON-FRI *)"), "08:30 and 16:20"
        ),
        # What is announced is known before positions are compared with the broker's.
        steps=("corporate_actions", "reconciler", "market_regime", "report", "retention"),
        timeout_s=600,
        # Two runs a day, of minutes, whose history the console keeps for 90 days.
        kind="standard",
        after_failure="go_on",
    ),
    Machine(
        name="news_cycle",
        comment="Fetches the feeds, then classifies until the backlog is empty, the time budget "
        "is spent or three passes are done; the next minute continues.",
        starts=StartTimes(("cron(* * * * ? *)",), "every minute"),
        steps=("rss_ingest", "classifier"),
        timeout_s=235,
    ),
    Machine(
        name="position_cycle",
        comment="Guards open positions once a minute, even when news, bars or signals fail. "
        "Continues after the close, while orders still settle.",
        starts=SESSION_MINUTES,
        steps=("market_clock", "position_manager"),
        timeout_s=150,
    ),
    Machine(
        name="regime_cycle",
        comment="Reads the volatility index again where the last session's close is not known "
        "yet: before the open and through the morning, later twice an hour. A run that finds "
        "it stored asks nobody.",
        starts=MORNING_RETRIES,
        steps=("market_regime",),
        timeout_s=150,
    ),
    Machine(
        name="reconcile_cycle",
        comment="Compares each guarded account with its broker, one account a call, so that "
        "neither a slow account nor a failed one keeps the others waiting. After the guard in "
        "the same minute where both run one after the other.",
        starts=FIVE_MINUTES_OF_A_SESSION,
        steps=("market_clock", "reconciler"),
        timeout_s=150,
    ),
    # It waits for the minute's bars: the others of the minute have started meanwhile.
    Machine(
        name="trading_cycle",
        comment="From new bars to orders, once a minute: it waits some seconds for the bars. "
        "Nothing here protects open positions: position_cycle does, independently.",
        starts=SESSION_MINUTES,
        steps=("market_clock", "telemetry", "features", "watchlist", "signals", "dispatcher"),
        timeout_s=239,
    ),
)

STAGES = (
    Stage(
        name="rss_ingest",
        description="Fetches the news feeds and stores each story once.",
        timeout_s=25,
        login="news",
        adapters=("rss",),
        retried_errors=("FeedUnavailable",),
        monitoring=EveryMinute("always"),
        # Filings and wires alone bring some every few minutes of a session.
        output=Output(
            "inbound_events_raw",
            due_after=timedelta(hours=2),
            oldest=timedelta(hours=2),
            moment="fetched_at",
        ),
        rows_in="seen",
        rows_out="stored",
    ),
    Stage(
        name="classifier",
        description="Scores the sentiment of stories and finds their tickers, within a budget.",
        timeout_s=25,
        login="news",
        memory_mb=1024,
        layers=("common", "vendor", "inference"),
        adapters=("lexicon_classifier",),
        monitoring=EveryMinute("always"),
        rows_in="classified",
        rows_out="classified",
    ),
    Stage(
        name="market_clock",
        description="Reports whether a session is open and which accounts to serve.",
        timeout_s=10,
        login="market",
        env=("DB_SECRET_ID", "BAR_OFFSET_S"),
        adapters=("calendar",),
        monitoring=EveryMinute("session", scope="machines"),
    ),
    Stage(
        name="market_regime",
        description="Reads the volatility index and stores the market regime.",
        # Two sources of the index at most, then up to 22 requests for bars.
        timeout_s=60,
        login="market",
        memory_mb=512,
        layers=_BROKER,
        accounts="data",
        env=(*_DATA_ENV, "VIX_URL"),
        adapters=("vix", "calendar"),
        monitoring=_TWICE_A_WEEKDAY,
        rows_in="readings",
        rows_out="readings",
    ),
    Stage(
        name="corporate_actions",
        description="Reads announced splits, dividends, renamings and mergers.",
        timeout_s=30,
        login="market",
        memory_mb=512,
        layers=_BROKER,
        accounts="data",
        env=_DATA_ENV,
        retried_errors=("MarketDataUnavailable",),
        monitoring=_TWICE_A_WEEKDAY,
        rows_in="announced",
        rows_out="announced",
    ),
    Stage(
        name="telemetry",
        description="Fetches final one-minute bars and quarantines invalid ones.",
        timeout_s=25,
        login="market",
        memory_mb=512,
        layers=_BROKER,
        accounts="data",
        env=_DATA_ENV,
        adapters=("calendar",),
        retried_errors=("MarketDataUnavailable",),
        monitoring=EveryMinute("session"),
        output=Output("lane_telemetry", due_after=timedelta(minutes=5)),
        rows_in="fetched",
        rows_out="stored",
    ),
    Stage(
        name="features",
        description="Computes the features of the newest minute.",
        timeout_s=15,
        login="market",
        adapters=("calendar",),
        monitoring=EveryMinute("session"),
        # The first row needs 50 bars of the session.
        output=Output("lane_features", due_after=timedelta(minutes=55)),
        rows_in="tickers",
        rows_out="rows",
    ),
    Stage(
        name="watchlist",
        description="Scores the tickers and updates the watchlist.",
        timeout_s=10,
        login="market",
        monitoring=EveryMinute("session"),
        rows_in="scored",
        rows_out="listed",
    ),
    Stage(
        name="signals",
        description="Turns watched tickers into recommendations for each account.",
        timeout_s=10,
        login="trading",
        monitoring=EveryMinute("session"),
        rows_in="evaluated",
        rows_out="recommendations",
    ),
    Stage(
        name="dispatcher",
        description="Resolves orders with unknown outcome, then takes recommendations through "
        "the gates to the broker.",
        timeout_s=30,
        login="trading",
        memory_mb=512,
        layers=_BROKER,
        accounts="event",
        env=_TRADING_ENV,
        adapters=("calendar",),
        monitoring=EveryMinute("session", scope="entry"),
        rows_in="pulled",
        rows_out="processed",
    ),
    Stage(
        name="position_manager",
        description="Syncs orders and fills, marks positions and exits by rule.",
        timeout_s=45,
        login="trading",
        memory_mb=512,
        layers=_BROKER,
        accounts="event",
        env=_TRADING_ENV,
        adapters=("calendar",),
        monitoring=EveryMinute("session", scope="guard", severity="critical"),
        rows_in="positions",
        rows_out="exits_sent",
    ),
    Stage(
        name="reconciler",
        description="Compares positions and orders with each broker account.",
        timeout_s=45,
        login="trading",
        memory_mb=512,
        layers=_BROKER,
        # One account's in a session; before and after it all of them, one after the other.
        accounts="all",
        env=_TRADING_ENV,
        monitoring=EveryFewMinutes(5, scope="guard"),
        rows_in="positions_compared",
        rows_out="differences",
    ),
    Stage(
        name="discovery",
        description="Proposes tickers to watch, from news, volume and liquidity.",
        timeout_s=25,
        login="market",
        memory_mb=512,
        layers=_BROKER,
        accounts="data",
        env=_DATA_ENV,
        adapters=("calendar",),
        starts=StartTimes(("cron(15 16 ? * MON-FRI *)",), "16:15"),
        monitoring=_ONCE_A_WEEKDAY,
        rows_in="named",
        rows_out="proposed",
    ),
    Stage(
        name="report",
        description="Summarizes the day.",
        timeout_s=20,
        login="market",
        monitoring=_TWICE_A_WEEKDAY,
    ),
    Stage(
        name="retention",
        description="Deletes rows that are older than their table's retention period.",
        timeout_s=15,
        login="control",
        monitoring=_TWICE_A_WEEKDAY,
    ),
    # make new-stage writes its entry above this line.
    Stage(
        name="healthcheck",
        description="Checks runs, output, failures and invariants, and opens alerts.",
        timeout_s=30,
        login="market",
        adapters=("calendar",),
        starts=StartTimes(("cron(0/5 * * * ? *)",), "every 5 minutes"),
        monitoring=NotMonitored(
            "It cannot report its own absence: the CloudWatch alarm HealthcheckSilent does."
        ),
        rows_in="checked",
        rows_out="alerts_opened",
    ),
    Stage(
        name="run_failure",
        description="Records a failed state of a state machine: metric and alert first.",
        timeout_s=10,
        login="market",
        schema="any",
        on_demand="each state machine, when a state fails",
        monitoring=NotMonitored("It runs only when a state fails."),
    ),
    Stage(
        name="control",
        description="Halts, closes, binds, rebuilds, checks and sets up on the operator's command.",
        # Binding and rebuilding ask a broker for each account, checks ask vendors too.
        timeout_s=60,
        login="control",
        memory_mb=512,
        layers=_BROKER,
        accounts="all",
        env=(*_TRADING_ENV, "VIX_URL", "DEPLOYED_ACCOUNTS"),
        adapters=("calendar",),
        on_demand="the operator",
        monitoring=NotMonitored("It runs only when the operator calls it."),
    ),
    Stage(
        name="db_migration",
        description="Applies the bundled migrations before any other function changes.",
        timeout_s=300,
        login="migration",
        env=("DB_SECRET_ID", *_OTHER_LOGINS, "MIGRATIONS_DIR"),
        schema="any",
        on_demand="each deployment, and the operator",
        monitoring=NotMonitored("It runs with a deployment, which fails when it fails."),
    ),
    Stage(
        name="db_query",
        description="Runs one read-only SQL statement for the operator.",
        timeout_s=30,
        login="reader",
        schema="any",
        on_demand="the operator",
        monitoring=NotMonitored("It runs only when the operator calls it."),
    ),
)

_BY_NAME = MappingProxyType({stage.name: stage for stage in STAGES})


def severity_of(target: str) -> Severity:
    """How bad it is when this machine or function does not run: critical without the guard."""
    machines = [machine.steps for machine in MACHINES if machine.name == target]
    steps = machines[0] if machines else (target,)
    found = (getattr(_BY_NAME[step].monitoring, "severity", "warning") for step in steps)
    return "critical" if "critical" in found else "warning"


def stage_named(name: str) -> Stage:
    """The entry of one stage. Raises KeyError where there is none."""
    return _BY_NAME[name]
