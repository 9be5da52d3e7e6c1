"""Reads tables of a configuration file, and collects everything that is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class TableReader:
    """One table of the file, read field by field; each problem names the field.

    Attributes:
        path: Where it stands, as accounts.large; "" for the file itself.
        problems: Shared with the tables inside; a sentence each.
    """

    path: str
    values: Mapping[str, object]
    problems: list[str]
    _read: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "", *, one_of: tuple[str, ...] = ()) -> str:
        """A text, one of these where any are named."""
        value = self._value(name, default)
        expected = " or ".join(f'"{word}"' for word in one_of) or "a text"
        if not isinstance(value, str) or (one_of and value not in one_of):
            self.wrong(name, f"expected {expected}")
            return default
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._value(name, default)
        if isinstance(value, bool):
            return value
        self.wrong(name, "expected true or false")
        return default

    def whole(self, name: str, default: int) -> int:
        value = self._value(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.wrong(name, "expected a whole number")
        return default

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where there is none."""
        value = self._value(name, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.wrong(name, "expected a list of texts")
        return ()

    def table(self, name: str) -> "TableReader":
        """The table of that name; empty where there is none."""
        return self._inner(name, self._value(name, {}))

    def tables(self, name: str) -> list["TableReader"]:
        """A list of tables, as [[feeds.feed]]; empty where there is none."""
        value = self._value(name, [])
        if not isinstance(value, list):
            self.wrong(name, f"expected [[{self._place(name)}]], once for each")
            return []
        return [self._inner(f"{name}[{number}]", item) for number, item in enumerate(value)]

    def named_tables(self) -> Iterator[tuple[str, "TableReader"]]:
        """Each entry of this table, as a table of its own."""
        for name, value in self.values.items():
            self._read.add(name)
            yield name, self._inner(name, value)

    def taken(self, names: Iterable[str]) -> dict[str, object]:
        """The values of these names that are there, for whoever knows better what they are."""
        self._read |= set(names)
        return {name: self.values[name] for name in names if name in self.values}

    def done(self) -> None:
        """Report each field that nobody has read: it is unknown."""
        for name in self.values:
            if name not in self._read:
                known = ", ".join(sorted(self._read)) or "nothing"
                self.wrong(name, f"unknown; expected one of {known}")

    def wrong(self, name: str, why: str) -> None:
        self.problems.append(f"{self._place(name)}: {why}")

    def _value(self, name: str, default: object) -> object:
        self._read.add(name)
        return self.values.get(name, default)

    def _inner(self, name: str, value: object) -> "TableReader":
        if isinstance(value, Mapping):
            return TableReader(self._place(name), value, self.problems)
        self.wrong(name, f"expected a table, [{self._place(name)}]")
        return TableReader(self._place(name), {}, self.problems)

    def _place(self, name: str) -> str:
        return f"{self.path}.{name}".lstrip(".")
