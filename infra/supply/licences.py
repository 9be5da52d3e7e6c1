"""Which licences the layers may have: `python -m infra.supply.licences` lists and judges them."""

import re
import sys
from collections.abc import Iterable, Mapping

from infra.supply.shipped import ShippedPackage, shipped

# They ask for their text to be kept, which the layers do, and for nothing of our own code.
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-0", "PSF-2.0"}
    | {"Zlib"}
)
# Others, for one package each, with the reason.
EXCEPTIONS: Mapping[str, tuple[str, str]] = {
    "certifi": ("MPL-2.0", "a list of certificates, used unchanged: MPL binds its own files alone"),
    "publicsuffixlist": ("MPL-2.0", "a list of suffixes and its reader, used unchanged: as above"),
}
# Compiled libraries that a wheel brings along under another licence than its own.
BUNDLED: Mapping[str, tuple[str, str]] = {
    "libgfortran": ("GPL-3.0-or-later WITH GCC-exception-3.1", "the exception is for just this"),
    "libquadmath": ("LGPL-2.1-or-later", "a shared library, which anybody may replace"),
    "libscipy_openblas64_": ("BSD-3-Clause", "allowed for all"),
}
_OPERATORS = re.compile(r"\s+(AND|OR)\s+|[()]")


def refused(packages: Iterable[ShippedPackage]) -> list[str]:
    """A line for each package whose licence is not allowed."""
    return [f"{one.name} {one.version}: {one.licence}" for one in packages if not _may(one)]


def _may(package: ShippedPackage) -> bool:
    excepted = EXCEPTIONS.get(package.name)
    if excepted is not None:
        return package.licence == excepted[0]
    return _allowed(package.licence)


def _allowed(expression: str) -> bool:
    """Whether we may choose licences out of an expression that are all allowed.

    OR binds less than AND; parentheses are not read, and with them nothing is chosen.
    """
    if "(" in expression:
        return all(word in ALLOWED for word in _OPERATORS.split(expression) if _names_one(word))
    return any(
        all(word.strip() in ALLOWED for word in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def _names_one(word: str | None) -> bool:
    return bool(word) and word not in ("AND", "OR")


def main() -> int:
    packages = shipped()
    for one in packages:
        sys.stdout.write(f"{one.name:24} {one.version:16} {one.licence}\n")
    bad = refused(packages)
    sys.stderr.writelines(f"not allowed in a layer: {line}\n" for line in bad)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
