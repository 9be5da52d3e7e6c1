"""What counts as a change of a module, and that each is seen or survives as its tests deserve."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation import results
from tests.mutation.mutants import mutants
from tests.mutation.results import Outcome
from tests.mutation.runner import PACKAGE, ROOT, put
from tests.mutation.targets import TARGETS


def changes(source: str) -> list[str]:
    """What follows the arrow in the name of each mutant."""
    return [found.name.partition(" -> ")[2] for found in mutants(source, "x.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["a <= b"]),
        ("x = a is None", ["a is not None"]),
        ("x = a and b", ["a or b", "b", "a"]),
        ("x = a + b * c", ["a - b * c", "a + b / c"]),
        ("x = not a", ["a"]),
        ("x = -a", ["a"]),
        ("a = 1", ["2"]),
        ("a = True", ["False"]),
        ("a = 'x'", ["'mutant'"]),
        ("a = f'{b:.2f} of {c}'", ["'mutant'"]),
        ("a = Decimal('0.01')", ["Decimal('0.1')"]),
        ("a = f(b)", ["f(None)"]),
        ("a = f(b=c)", ["b=None", "without b=c"]),
        ("a = Order(b=c)", ["b=None"]),
        ("a = len(b)", []),
        ("a = min(b)", ["max(b)"]),
        ("a = quote.bid", ["quote.ask"]),
        ("a = f(minutes=b)", ["minutes=None", "without minutes=b", "f(seconds=b)"]),
        ("a = b if c else d", ["b if not c else d"]),
        ("a = [b for b in c if b]", ["not b"]),
        ("a = {b, c}", ["without b", "without c"]),
        ("a = {b: c}", ["without b"]),
        ("a, b = c, d", []),
        ("if a:\n    b = c", ["nothing", "not a"]),
        ("def f(a: int) -> int:\n    return a", ["return None"]),
        ("def f(a):\n    a = g(a)", ["nothing", "g(None)"]),
        ("raise a", ["nothing"]),
        ("a += 1", ["nothing", "2"]),
    ],
)
def test_a_construct_is_changed_in_each_way_that_a_test_should_notice(
    source: str, expected: list[str]
) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""What it is."""',
        "from a import b",
        "A = Literal['x', 'y']",
        "a: Callable[[int], 'Order']",
        "def f(a: 'Order') -> 'Order': ...",
        "assert a is not None",
        "@dataclass(frozen=True)\nclass A:\n    b: int",
    ],
)
def test_what_changes_nothing_that_runs_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_a_mutant_is_named_for_its_function_and_the_same_one_by_its_count() -> None:
    source = "class A:\n    def f(self):\n        b = a < 1\n        b = a < 1\n"
    names = [found.name for found in mutants(source, "x.py") if "<=" in found.name]
    assert names == ["A.f: a < 1 -> a <= 1", "A.f: a < 1 -> a <= 1 (2)"]


def test_each_mutant_has_one_change_and_the_next_one_has_not() -> None:
    """What one change did to the tree is taken back before the next."""
    values = []
    for mutant in mutants("a = 1 < 2\nb = 2 < 2\n", "x.py"):
        namespace: dict[str, object] = {}
        exec(mutant.code, namespace)  # noqa: S102 - the source above
        values.append((namespace["a"], namespace["b"]))
    of_the_first = [(True, False), (False, False), (True, False)]
    of_the_second = [(True, True), (True, False), (True, True)]
    assert values == of_the_first + of_the_second


FORMS = """
LIMIT = 1

def plain(a=2):
    def inner():
        return a + 3
    return inner()

class Box:
    size = 4

    @property
    def wide(self):
        return 5

    @classmethod
    def of(cls):
        return 6

    def method(self):
        return [each for each in (7,)]
"""


def test_a_change_within_a_function_is_told_from_one_that_is_read_while_loading() -> None:
    where = {found.name.partition(" -> ")[2]: found.function for found in mutants(FORMS, "x.py")}
    assert [where[str(number)] for number in (2, 3, 5)] == [None, None, None]
    assert where["a + 4"] == "plain"
    assert [where[str(number)] for number in (6, 7)] == ["Box.wide", "Box.of"]
    assert where["(8,)"] == "Box.method"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("a + 4", (6, 5, 6, [7])),
        ("6", (5, 6, 6, [7])),
        ("7", (5, 5, 7, [7])),
        ("(8,)", (5, 5, 6, [8])),
    ],
)
def test_a_loaded_function_of_any_form_gets_its_change(
    changed: str, told: tuple[object, ...]
) -> None:
    module = ModuleType("forms")
    exec(compile(FORMS, "x.py", "exec"), module.__dict__)  # noqa: S102 - the source above
    imported, box = module.plain, module.Box()
    (mutant,) = [it for it in mutants(FORMS, "x.py") if it.name.endswith(f" -> {changed}")]
    put(module, mutant)
    assert (imported(), box.wide, module.Box.of(), box.method()) == told


_TRY = """
import sys
from pathlib import Path
from tests.mutation.runner import Target, passes, prepare, survivors
folder = Path(sys.argv[1])
prepare()
target = Target("toy", folder / "toy.py", (folder / "test_toy.py",))
print(passes(target))
for found in survivors(target, target.mutants(), time_out_s=5):
    print(found.name)
"""


def _survivors(folder: Path, toy: str, test: str) -> list[str]:
    """Whether the tests pass on the module as it is, and its survivors."""
    (folder / "toy.py").write_text(toy)
    (folder / "test_toy.py").write_text(f"import toy\n\n\ndef test_it() -> None:\n    {test}\n")
    # The folder of the tests is no package: pytest puts it on the path.
    command = [sys.executable, "-c", _TRY, str(folder)]
    path = {"PYTHONPATH": f"{ROOT}:{PACKAGE}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "toy.py").read_text() == toy
    return sorted(done.stdout.splitlines())


BOUNDED = "def over(amount):\n    return amount > 5\n"


def test_a_test_at_the_boundary_notices_what_one_beside_it_does_not(tmp_path: Path) -> None:
    weak = _survivors(tmp_path, BOUNDED, "assert toy.over(9) and not toy.over(1)")
    assert weak == [
        "True",
        "over: amount > 5 -> amount > 6",
        "over: amount > 5 -> amount >= 5",
    ]
    assert _survivors(tmp_path, BOUNDED, "assert toy.over(6) and not toy.over(5)") == ["True"]


def test_a_mutant_that_never_ends_counts_as_noticed(tmp_path: Path) -> None:
    counting = "def count(n):\n    while n < 3:\n        n += 1\n    return n\n"
    assert _survivors(tmp_path, counting, "assert toy.count(0) == 3") == ["True"]


def test_tests_that_fail_unchanged_are_told_apart(tmp_path: Path) -> None:
    assert _survivors(tmp_path, BOUNDED, "assert toy.over(5)")[0] == "False"


def test_each_target_and_its_tests_are_there() -> None:
    files = [file for target in TARGETS for file in (target.file, *target.tests)]
    assert [file for file in files if not file.is_file()] == []


@pytest.mark.parametrize("module", sorted(results.reasons()))
def test_each_listed_survivor_is_a_change_that_is_made(module: str) -> None:
    """A reason for a change that the code does not allow any more is to be deleted."""
    (target,) = [target for target in TARGETS if target.module == module]
    made = {mutant.name for mutant in target.mutants()}
    assert sorted(results.reasons()[module].keys() - made) == []


def test_a_survivor_without_a_reason_and_a_reason_without_one_are_told() -> None:
    outcome = Outcome("a", tried=4, survived=("f: x -> y", "f: y -> x"), seconds=1)
    known = {"a": {"f: x -> y": "equal", "f: z -> x": "equal"}}
    assert results.without_a_reason(outcome, known) == ["f: y -> x"]
    assert results.killed_after_all(outcome, known) == ["f: z -> x"]
    assert outcome.score_pct == 50


def test_the_score_counts_every_change_alike_and_the_page_shows_all() -> None:
    small = Outcome("ops_pipeline.a", tried=2, survived=("f: x | y -> x & y",), seconds=1)
    large = Outcome("ops_pipeline.b", tried=8, survived=(), seconds=1)
    assert results.score_pct([small, large]) == 90
    page = results.page([small, large], {})
    assert "| `a` | 2 | 1 | 1 | 50.0 % |" in page
    assert "| all | 10 | 9 | 1 | 90.0 % |" in page
    assert "| `a` | `f: x \\| y -> x & y` | **no reason yet** |" in page
