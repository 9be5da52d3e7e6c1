"""The accounts that the deployment's file and another place name.

CDK's app asks too, which has none of the packages that reading the rest of the file takes.
"""

from collections.abc import Iterable

FILE = "ops.toml"


def differing_accounts(
    file: str, accounts: Iterable[str], where: str, others: Iterable[str]
) -> list[str]:
    """A sentence on each account that is named in the file or in the other place alone."""
    both = set(accounts), set(others)
    return [
        f"accounts.{name}: named in {file if name in both[0] else where} alone: name it in both"
        for name in sorted(both[0] ^ both[1])
    ]
