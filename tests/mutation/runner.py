"""Runs a module's tests against each of its mutants, each in a process forked for it alone.

What the tests import from elsewhere is loaded once, before the first fork. A change within a
function is tried in a fork of a process that has collected the tests: there the function gets
the changed code, whoever imported it. What is read while the module is loaded is tried in a
process that imports the changed module. No file is written.
"""

import importlib
import importlib.util
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import hypothesis
import pytest

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers" / "common" / "python"

# Far above what the slowest tests of a module take, also on a busy machine.
TIME_OUT_S = 120.0
_OURS = ("ops_pipeline", "ops_local", "functions", "infra", "examples")
_LOADED_ONCE = ("numpy", "pg8000", "hypothesis.strategies", "zoneinfo", "pydantic")
_FORKING = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Target:
    """A module with the tests that answer for it; they need no database."""

    module: str
    file: Path
    tests: tuple[Path, ...]

    @classmethod
    def of(cls, module: str, *tests: str) -> "Target":
        """A module of the package, with tests of this repository."""
        file = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
        return cls(module, file, tuple(ROOT / test for test in tests))

    def mutants(self) -> list[Mutant]:
        return list(mutants(self.file.read_text(), str(self.file)))


def prepare() -> None:
    """Load what every fork needs; the same examples for each mutant, and none is shrunk."""
    for name in _LOADED_ONCE:
        importlib.import_module(name)
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")
    ours = [name for name in sys.modules if name.partition(".")[0] in _OURS]
    if ours:
        raise RuntimeError(f"loaded before the first mutant: {ours}")


def passes(target: Target) -> bool:
    """Whether the tests pass on the module as it is."""
    process = _FORKING.Process(target=_run_tests, args=(target,))
    process.start()
    process.join()
    return process.exitcode == 0


def survivors(
    target: Target, tried: Sequence[Mutant], *, time_out_s: float = TIME_OUT_S
) -> Iterator[Mutant]:
    """The mutants that no test notices, as they are found.

    Args:
        time_out_s: From then on a mutant counts as noticed: it runs for ever.

    Raises:
        RuntimeError: the tests could not be collected.
    """
    loaded = [mutant for mutant in tried if mutant.function is None]
    yield from _unnoticed(loaded, lambda it: _test_loaded(target, it), time_out_s)
    by_name = {mutant.name: mutant for mutant in tried if mutant.function is not None}
    ours, theirs = _FORKING.Pipe(duplex=False)
    trials = _Trials(target.module, list(by_name.values()), theirs, time_out_s)
    process = _FORKING.Process(target=_run_tests, args=(target, trials))
    process.start()
    theirs.close()
    try:
        while name := ours.recv():
            yield by_name[name]
    except EOFError:
        raise RuntimeError(f"the tests of {target.module} were not collected") from None
    finally:
        process.join()


def _unnoticed(
    tried: Sequence[Mutant], trial: Callable[[Mutant], int], time_out_s: float
) -> Iterator[Mutant]:
    """The mutants whose trial ends with 0, each in a fork, as many at once as there are cores."""
    waiting = list(reversed(tried))
    running: dict[BaseProcess, tuple[Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            mutant = waiting.pop()
            started = _FORKING.Process(target=lambda it=mutant: os._exit(trial(it)))
            started.start()
            running[started] = (mutant, time.monotonic())
        wait([process.sentinel for process in running], timeout=1)
        for process, (mutant, since) in list(running.items()):
            if process.exitcode is None and time.monotonic() - since > time_out_s:
                process.kill()
                process.join()
            if process.exitcode is not None:
                del running[process]
                if process.exitcode == 0:
                    yield mutant


def _test_loaded(target: Target, mutant: Mutant) -> int:
    sys.meta_path.insert(0, _Finder(target.module, target.file, mutant.code))
    return _pytest(target)


def _run_tests(target: Target, *plugins: object) -> None:
    os._exit(_pytest(target, *plugins))


def _pytest(target: Target, *plugins: object) -> int:
    """Run the tests up to the first that fails, and say nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    loaded_already = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options = ["-x", "-q", "--noconftest", "-p", "no:cacheprovider", *loaded_already]
    return pytest.main([*options, *(str(test) for test in target.tests)], plugins=plugins)


@dataclass(frozen=True, slots=True)
class _Trials:
    """As a plugin of pytest: in place of running the tests once, runs them for each mutant."""

    module: str
    tried: Sequence[Mutant]
    answer: Connection
    time_out_s: float

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return False
        # Those that try many examples come last: most changes are noticed before.
        session.items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))
        for mutant in _unnoticed(self.tried, lambda it: self._trial(session, it), self.time_out_s):
            self.answer.send(mutant.name)
        self.answer.send(None)
        return True

    def _trial(self, session: pytest.Session, mutant: Mutant) -> int:
        put(sys.modules[self.module], mutant)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return 1
        return 0


def put(module: ModuleType, mutant: Mutant) -> None:
    """Give a function of a loaded module the changed code, wherever it has been imported."""
    path = (mutant.function or "").split(".")
    found: Any = module
    for name in path:
        found = vars(found)[name]
    for inner in ("fget", "__func__"):
        found = getattr(found, inner, None) or found
    if not isinstance(found, FunctionType):
        raise TypeError(f"{mutant.function} is no function, but {found!r}")
    found.__code__ = _code_of(mutant.code, path)


def _code_of(code: CodeType, path: Sequence[str]) -> CodeType:
    for name in path:
        (code,) = [it for it in code.co_consts if isinstance(it, CodeType) and it.co_name == name]
    return code


class _Finder(MetaPathFinder, Loader):
    """Gives a mutant to whoever imports its module."""

    def __init__(self, module: str, file: Path, code: CodeType) -> None:
        self._module, self._file, self._code = module, file, code

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._file, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - our own module, changed in one place
