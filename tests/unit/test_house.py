"""The house rules that a linter does not know, held against the source itself."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ops_pipeline.db import schema
from ops_pipeline.domain.operations.manifest import STAGES
from ops_pipeline.errors import InvalidInput
from tests.support.handlers import read_as_its_handler
from tests.unit.source_rules import (
    CHANCE,
    CLOCK_IN_SQL,
    ENVIRONMENT,
    NOW,
    PACKAGE,
    ROOT,
    banned_names,
    code_lines,
    imported_modules,
    python_files,
    texts,
)

FUNCTIONS = ROOT / "functions"
LOCAL = ROOT / "ops_local"
DEPLOYED = python_files(PACKAGE, FUNCTIONS, ROOT / "infra")
HANDLERS = sorted(FUNCTIONS.glob("*/handler.py"))
EVENTS = sorted(FUNCTIONS.glob("*/events/*.json"))
MIGRATIONS = sorted((ROOT / "migrations").glob("*.sql"))

# Each with the one file that may, and why nothing else needs to.
ALLOWED = {
    PACKAGE / "adapters" / "clock.py": ("datetime.datetime.now",),
    PACKAGE / "runtime" / "settings.py": ("os.environ",),
    # The library asks the environment itself, while it is imported, whether to report home.
    PACKAGE / "adapters" / "onnx_runtime.py": ("os.environ",),
    # The salt of the account numbers' marks; a replay has one that is always the same.
    PACKAGE / "adapters" / "chance.py": ("secrets.token_bytes",),
    # The password of this machine's own server: it is in no row and in no replay.
    LOCAL / "postgres" / "process.py": ("secrets.token_urlsafe",),
    LOCAL / "exchange" / "__main__.py": ("secrets.token_urlsafe",),
}


def _place(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", DEPLOYED + python_files(LOCAL), ids=_place)
def test_now_chance_and_the_environment_are_asked_for_in_one_place(file: Path) -> None:
    found = banned_names(file.read_text(), NOW + CHANCE + ENVIRONMENT)
    allowed = ALLOWED.get(file, ())
    assert [use for use in found if use.partition(": ")[2] not in allowed] == []


def test_each_exception_to_that_rule_is_still_needed() -> None:
    for file, names in ALLOWED.items():
        used = {use.partition(": ")[2] for use in banned_names(file.read_text(), names)}
        assert used == set(names), _place(file)


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\ndatetime.now(tz)",
        "import datetime as dt\ndt.datetime.now()",
        "from datetime import datetime as moment\nclock = moment.now",
        "from datetime import date\ndate.today()",
        "import time\ntime.time()",
        "from time import time\ntime()",
        "import uuid\nuuid.uuid4()",
        "from uuid import uuid4 as fresh\nfresh()",
        "import random\nrandom.shuffle(rows)",
        "from random import Random\nRandom()",
        "import numpy as np\nnp.random.normal()",
        "import numpy as np\nnp.random.default_rng()",
        "import os\nos.environ['A']",
        "from os import getenv\ngetenv('A')",
    ],
)
def test_the_search_sees_a_banned_name_however_it_is_imported(source: str) -> None:
    assert len(banned_names(source, NOW + CHANCE + ENVIRONMENT)) == 1


def test_the_search_lets_seeds_and_measured_durations_pass() -> None:
    source = (
        "import numpy as np, time\nfrom random import Random\n"
        "def draw(chance: Random, rng: np.random.Generator) -> Random:\n"
        "    np.random.default_rng(7)\n    time.monotonic()\n    return Random(7)\n"
    )
    assert banned_names(source, NOW + CHANCE + ENVIRONMENT) == []


@pytest.mark.parametrize("file", python_files(PACKAGE / "domain"), ids=_place)
def test_the_domain_imports_the_standard_library_two_libraries_and_itself(file: Path) -> None:
    foreign = {
        name
        for name in imported_modules(file.read_text())
        if name.partition(".")[0] not in sys.stdlib_module_names | {"numpy", "publicsuffixlist"}
        and not f"{name}.".startswith("ops_pipeline.domain.")
    }
    assert foreign == set()


@pytest.mark.parametrize("file", python_files(PACKAGE / "domain"), ids=_place)
def test_the_domain_adds_floats_with_fsum_so_that_every_python_decides_the_same(file: Path) -> None:
    """From 3.12 on sum() of floats compensates: the last digits differ from 3.11's."""
    plain = [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "sum"
        and len(node.args) == 1  # a second one says that Decimals are added
    ]
    assert plain == []


@pytest.mark.parametrize("file", python_files(ROOT / "tests"), ids=_place)
def test_what_tests_share_lies_beside_them_not_in_another_test(file: Path) -> None:
    modules = [name.split(".") for name in imported_modules(file.read_text())]
    ours = [name for name in modules if name[0] == "tests"]
    assert [name for name in ours if any(part.startswith("test_") for part in name)] == []


def test_no_class_name_is_defined_twice() -> None:
    """Each stage has its own Request and Outcome; any other name means one thing."""
    found: dict[str, set[str]] = {}
    for file in python_files(PACKAGE, LOCAL, ROOT / "infra"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and node.name not in ("Request", "Outcome"):
                found.setdefault(node.name, set()).add(_place(file))
    assert {name: sorted(files) for name, files in found.items() if len(files) > 1} == {}


def test_no_folder_holds_more_modules_than_a_reader_takes_in() -> None:
    folders = {file.parent for file in python_files(PACKAGE, LOCAL, ROOT / "infra")}
    sizes = {_place(folder): len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {place: size for place, size in sizes.items() if size > 26} == {}


@pytest.mark.parametrize("file", MIGRATIONS, ids=_place)
def test_a_migration_takes_times_and_ids_from_nobody(file: Path) -> None:
    code = re.sub(r"--.*|^COMMENT ON .*$", "", file.read_text(), flags=re.MULTILINE)
    assert CLOCK_IN_SQL.findall(code) == []


@pytest.mark.parametrize("file", python_files(PACKAGE), ids=_place)
def test_no_statement_of_ours_takes_times_and_ids_from_the_server(file: Path) -> None:
    # When a migration ran is left out of every comparison.
    found = [
        (line, hit[0])
        for line, text in texts(file.read_text())
        for hit in CLOCK_IN_SQL.finditer(text)
        if not ("INTO public.schema_migrations" in text and hit[0] == "clock_timestamp(")
    ]
    assert found == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now()",
        "at timestamptz DEFAULT CURRENT_TIMESTAMP",
        "id uuid DEFAULT gen_random_uuid()",
        "id bigserial PRIMARY KEY",
        "id bigint GENERATED ALWAYS AS IDENTITY",
        "'now'::timestamptz",
    ],
)
def test_that_search_sees_the_server_s_clock_and_counters(sql: str) -> None:
    assert CLOCK_IN_SQL.search(sql)


def test_the_code_knows_each_migration_of_the_folder() -> None:
    assert list(schema.VERSIONS) == [file.stem for file in MIGRATIONS]


@pytest.mark.parametrize("handler", HANDLERS, ids=_place)
def test_a_handler_is_wiring_of_at_most_25_lines(handler: Path) -> None:
    assert code_lines(handler.read_text()) <= 25


def test_each_function_has_a_handler_and_test_events() -> None:
    named = {stage.name for stage in STAGES}
    assert {file.parent.name for file in HANDLERS} == named
    assert {file.parent.parent.name for file in EVENTS} == named


@pytest.mark.parametrize("file", EVENTS, ids=_place)
def test_each_test_event_is_one_its_handler_accepts(file: Path) -> None:
    read_as_its_handler(file.parent.parent.name, json.loads(file.read_text()))


@pytest.mark.parametrize("stage", [file.parent.name for file in HANDLERS])
def test_no_handler_accepts_a_stranger_s_event(stage: str) -> None:
    with pytest.raises(InvalidInput):
        read_as_its_handler(stage, {"key1": "value1", "key2": "value2", "key3": "value3"})


def test_each_layer_s_packages_are_those_of_its_group() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = {"vendor": project["dependencies"]} | {
        layer: extras[layer] for layer in ("broker", "inference")
    }
    for layer, requirements in groups.items():
        listed = (ROOT / "layers" / layer / "requirements.txt").read_text().split()
        assert listed == [_name(requirement) for requirement in requirements], layer


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==", lock, re.MULTILINE))
    assert {_name(requirement) for group in groups for requirement in group} <= pinned
    assert "://" not in lock


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return found[0].lower()


# Written apart, so that this file does not find itself.
_MACHINE = re.compile(r"(?<![\w.*{}])/" + r"(?:work|root|home/\w+|Users/\w+|opt)/")
_REGISTRY = re.compile(
    r"py" + r"pi\.org|pythonhosted\.|registry\.npm" + r"js|(?<!emit-)index-u" + "rl"
)
_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE" + " KEY|\bPK[A-Z0-9]{18}\b")


def test_no_file_names_a_machine_s_paths_a_registry_or_a_key() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files are ours")
    # Root may run the tests in a clone that an ordinary user made.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        file = ROOT / name
        if not file.is_file():  # deleted, not yet committed
            continue
        text = file.read_text(errors="replace")
        for pattern in (_MACHINE, _REGISTRY, _SECRET):
            assert pattern.search(text) is None, f"{name}: {pattern.search(text)}"
