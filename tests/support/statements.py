"""Every SQL constant of the db modules; a new one is tested from the day it is written."""

import importlib
import pkgutil
from collections.abc import Iterator

import ops_pipeline.db

_PREPARABLE = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")


def _statements() -> Iterator[tuple[str, str, str]]:
    package = f"{ops_pipeline.db.__name__}."
    for found in pkgutil.walk_packages(ops_pipeline.db.__path__, package):
        for name, value in vars(importlib.import_module(found.name)).items():
            if isinstance(value, str) and " ".join(value.split()).startswith(_PREPARABLE):
                yield found.name.removeprefix(package), name, value


# Module, name and statement.
STATEMENTS = list(_statements())
