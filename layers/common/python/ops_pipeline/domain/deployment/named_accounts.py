"""The accounts that the deployment's file and another place name.

CDK's app asks too, which has none of the packages that reading the rest of the file takes.
"""

from collections.abc import Iterable

FILE = "ops.toml"


def differing_accounts(file: Iterable[str], other: Iterable[str], where: str) -> list[str]:
    """A sentence on each account that is named in the file or in the other place alone."""
    both = set(file), set(other)
    return [
        f"accounts.{name}: named in {FILE if name in both[0] else where} alone: name it in both"
        for name in sorted(both[0] ^ both[1])
    ]
