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
    "model": "build or verify a model folder",
    "tickers": "import or look up what news may name",
}

_STACK = (target.STACK,)
_DATABASE = (target.DATABASE_URL, target.STACK)

VERBS = (
    Verb("up", "run the schedules on the wall clock", "up:COMMAND"),
    Verb("replay", "run a recorded day through the pipeline", "replay:REPLAY"),
    Verb("demo", "generate a session and replay it", "replay:DEMO"),
    Verb(
        "explain",
        "tell one trade or refusal from start to end",
        "explain:COMMAND",
        reaches=(target.REPLAY, *_DATABASE),
    ),
    Verb("compare", "where two replays differ", "compare:COMMAND"),
    Verb("classify", "judge texts, one a line", "classify:COMMAND"),
    Verb("invoke", "call one function with an event", "invoke:COMMAND", reaches=_STACK),
    Verb(
        "query",
        "run one reading SQL statement",
        "query:COMMAND",
        reaches=_DATABASE,
        formats=("json", "csv"),
    ),
    Verb("model build", "export a downloaded BERT classifier as int8 ONNX", "model:BUILD"),
    Verb("model verify", "compare an int8 model with its fp32 on a file", "model:VERIFY"),
    Verb("tickers import", "add the securities of a file", "tickers:IMPORT"),
    Verb("tickers list", "those of a symbol or with a word in their names", "tickers:LIST"),
    Verb("tickers proposals", "what discovery proposed and you decided", "tickers:PROPOSALS"),
    Verb(
        "tickers accept",
        "watch these from the next minute on; proposed or not",
        "tickers:ACCEPT",
    ),
    Verb("tickers reject", "watch these no more, and never propose them again", "tickers:REJECT"),
    Verb(
        "migrate",
        "bring the database to the newest migration",
        "migrate:COMMAND",
        reaches=_DATABASE,
    ),
    Verb("status", "what runs, what is held, what is wrong", "status:COMMAND", reaches=_STACK),
    Verb(
        "doctor",
        "whether every invariant holds, row by row",
        "doctor:COMMAND",
        reaches=_STACK,
    ),
    Verb("halt", "stop new entries; exits go on", "control:HALT", reaches=_STACK),
    Verb(
        "resume",
        "let entries in again, and count losing streaks anew",
        "control:RESUME",
        reaches=_STACK,
    ),
    Verb(
        "close",
        "sell what is held, cancel what is being bought",
        "control:CLOSE",
        reaches=_STACK,
    ),
    Verb("cost", "what a month in AWS costs, by position", "cost:COMMAND", reaches=_STACK),
)
