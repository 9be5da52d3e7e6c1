"""The verbs of `ops`: each is one line here, and its code is imported only when it is called.

A new verb is a `Command` in a module of ops_local.commands, a line here and a sentence in the
README (tests/docs/test_readme.py looks for both).
"""

from dataclasses import dataclass

from ops_local.commandline import target


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb as it is typed.

    Attributes:
        name: One word, or a group and an action: "tickers list".
        help: One line for `ops --help`.
        command: Where its Command is, below ops_local.commands, as "module:NAME".
        reaches: Options that choose the stack or database it speaks to (target.OPTIONS).
        formats: Options that choose how the answer is printed (parser.FORMATS).
    """

    name: str
    help: str
    command: str
    reaches: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("json",)


GROUPS = {
    "accounts": "list, add, switch and bind accounts, and change their limits",
    "events": "import, remove and list dates that entries may keep away from",
    "feeds": "list, add, pause, remove or try news feeds",
    "model": "build or verify a model folder",
    "tickers": "import, find and choose securities",
}

_STACK = (target.STACK,)
_REPLAY = (target.REPLAY,)
_HERE_OR_STACK = (target.REPLAY, target.STACK)
_ANY = (target.REPLAY, target.DATABASE_URL, target.STACK)

VERBS = (
    Verb("up", "run the schedules on the wall clock", "up:COMMAND"),
    Verb("recordings", "coverage, gaps and kind of recorded days", "recordings:COMMAND"),
    Verb("replay", "run a recorded day through the pipeline", "replay:REPLAY"),
    Verb("demo", "generate a session and replay it", "replay:DEMO"),
    Verb(
        "explain",
        "explain one trade or refusal, from headlines to result",
        "explain:COMMAND",
        reaches=_ANY,
    ),
    Verb(
        "tca",
        "what orders cost against the quotes they were decided on",
        "tca:COMMAND",
        reaches=_ANY,
    ),
    Verb("backtest", "many recorded days at once, with many parameter sets", "backtest:COMMAND"),
    Verb("compare", "compare two replays", "compare:COMMAND"),
    Verb("classify", "classify texts, one on each line", "classify:COMMAND"),
    Verb("invoke", "call one function with an event", "invoke:COMMAND", reaches=_STACK),
    Verb(
        "query",
        "run one reading SQL statement",
        "query:COMMAND",
        reaches=_ANY,
        formats=("json", "csv"),
    ),
    Verb("model build", "export a downloaded BERT classifier as int8 ONNX", "model:BUILD"),
    Verb("model verify", "compare an int8 model with its fp32 on a file", "model:VERIFY"),
    Verb("tickers import", "add the securities of a file", "tickers:IMPORT", reaches=_REPLAY),
    Verb(
        "tickers list",
        "find securities by symbol or by a word of the name",
        "tickers:LIST",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "tickers proposals",
        "what discovery proposed, and what was decided",
        "tickers:PROPOSALS",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "tickers add",
        "watch symbols of your own choice",
        "tickers:ADD",
        reaches=_HERE_OR_STACK,
    ),
    Verb("tickers remove", "stop watching these", "tickers:REMOVE", reaches=_HERE_OR_STACK),
    Verb(
        "tickers accept",
        "watch what was proposed or imported",
        "tickers:ACCEPT",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "tickers reject",
        "stop watching these, and never propose them again",
        "tickers:REJECT",
        reaches=_HERE_OR_STACK,
    ),
    Verb("events import", "add the dates of a CSV file", "events:IMPORT", reaches=_HERE_OR_STACK),
    Verb(
        "events remove",
        "take off the dates of a CSV file",
        "events:REMOVE",
        reaches=_HERE_OR_STACK,
    ),
    Verb("events list", "dates to come", "events:LIST", reaches=_HERE_OR_STACK),
    Verb("feeds list", "feeds and what their servers said", "feeds:LIST", reaches=_HERE_OR_STACK),
    Verb("feeds add", "add a feed, or those to begin with", "feeds:ADD", reaches=_HERE_OR_STACK),
    Verb(
        "feeds import",
        "add the feeds of an OPML or CSV file",
        "feeds:IMPORT",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "feeds remove",
        "take feeds off the list; their news stays",
        "feeds:REMOVE",
        reaches=_HERE_OR_STACK,
    ),
    Verb("feeds pause", "stop fetching feeds", "feeds:PAUSE", reaches=_HERE_OR_STACK),
    Verb("feeds resume", "fetch feeds again", "feeds:RESUME", reaches=_HERE_OR_STACK),
    Verb(
        "feeds contact",
        "whom the servers of feeds may write to",
        "feeds:CONTACT",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "feeds test",
        "fetch a feed once and say what it serves",
        "feeds:TEST",
        reaches=_STACK,
    ),
    Verb(
        "migrate",
        "bring the database to the newest migration",
        "migrate:COMMAND",
        reaches=_ANY,
    ),
    Verb(
        "status",
        "accounts, last runs, open positions and open alerts",
        "status:COMMAND",
        reaches=_ANY,
    ),
    Verb(
        "doctor",
        "check every invariant, with the rows that break one",
        "doctor:COMMAND",
        reaches=_ANY,
    ),
    Verb(
        "check",
        "try everything that a trading day needs, one thing after the other",
        "check:COMMAND",
        reaches=_STACK,
    ),
    Verb("halt", "stop new entries; exits continue", "control:HALT", reaches=_HERE_OR_STACK),
    Verb(
        "resume",
        "allow entries again, and restart the count of losing trades",
        "control:RESUME",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "close",
        "sell what is held and cancel what is live",
        "close:COMMAND",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "init",
        "write ops.toml, the file that describes a deployment",
        "deployment:INIT",
        reaches=_STACK,
    ),
    Verb(
        "apply",
        "bring the deployment to what ops.toml says, after showing it",
        "deployment:APPLY",
        reaches=_STACK,
    ),
    Verb(
        "config",
        "the values in force, and where each comes from",
        "deployment:CONFIG",
        reaches=_STACK,
    ),
    Verb("accounts list", "accounts and whether they are bound", "accounts:LIST", reaches=_STACK),
    Verb(
        "accounts bind",
        "bind accounts to what their keys open, after a comparison",
        "accounts:BIND",
        reaches=_STACK,
    ),
    Verb(
        "accounts add",
        "add an account, switched off and unbound",
        "accounts:ADD",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "accounts switch",
        "let an account make new entries, or no more",
        "accounts:SWITCH",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "accounts adopt",
        "decide on what an account held before its first run",
        "holdings:ADOPT",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "accounts limits",
        "change an account's limits, within bounds",
        "accounts:LIMITS_OF",
        reaches=_HERE_OR_STACK,
    ),
    Verb(
        "backup",
        "write the database into one new file",
        "backup:BACKUP",
        reaches=_REPLAY,
    ),
    Verb("restore", "restore a backup; entries stay halted", "backup:RESTORE"),
    Verb(
        "rebuild",
        "fill an empty database from the brokers; entries stay halted",
        "rebuild:COMMAND",
        reaches=_STACK,
    ),
    Verb("cost", "monthly cost in AWS, by item", "cost:COMMAND", reaches=_STACK),
)
