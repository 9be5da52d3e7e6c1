"""Finds secrets in a configuration file that is meant to be shown, copied and kept in a repository.

What is said of one has its place and never its value.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

_NAMES = re.compile(
    r"secret|passw|token|api_?key|key_?id|credential|private_?key|account_?number|\bkey\b|login",
    re.IGNORECASE,
)
# Of an address: apikey and x-token, and neither keywords nor author.
_QUERY = re.compile(
    r"secret|passw|token|(^|[_-])(api|access)?_?key$|^auth(orization)?$|^sig(nature)?$",
    re.IGNORECASE,
)
_VALUES = (
    # Alpaca's ids of keys, on paper, of real money and of brokers; its secrets; AWS's ids.
    re.compile(r"\b[PAC]K[A-Z0-9]{16,}\b"),
    re.compile(r"(?<![\w/+.-])[A-Za-z0-9/+]{40,}(?![\w/+.-])"),
    re.compile(r"\bA[KS]IA[A-Z0-9]{16}\b"),
    re.compile(r"-----BEGIN "),
)


def secrets_in(values: object, path: str = "") -> Iterator[str]:
    """A sentence on each field that looks like a secret, by its name or its value."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            place = f"{path}.{name}".lstrip(".")
            if _NAMES.search(str(name)):
                yield f"{place}: a secret has no place in this file: {_INSTEAD}"
            else:
                yield from secrets_in(value, place)
    elif isinstance(values, list):
        for number, item in enumerate(values):
            yield from secrets_in(item, f"{path}[{number}]")
    elif isinstance(values, str) and _is_secret(values):
        yield f"{path}: this looks like a secret, which has no place in this file: {_INSTEAD}"


_INSTEAD = "keys stand in the environment, in AWS in Secrets Manager"


def _is_secret(text: str) -> bool:
    return any(pattern.search(text) for pattern in _VALUES) or any(
        _has_login(word) for word in text.split()
    )


def _has_login(text: str) -> bool:
    """Whether an address has a login in it, or a key among its parameters."""
    try:
        parts = urlsplit(text)
        if not parts.scheme or not parts.netloc:
            return False
        return "@" in parts.netloc or any(_QUERY.search(name) for name, _ in parse_qsl(parts.query))
    except ValueError:
        return False
