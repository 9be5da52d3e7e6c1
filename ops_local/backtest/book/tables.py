"""Tables in memory whose changes can be taken back."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
_MISSING: Row = {}


@dataclass
class Undo:
    """What a unit of work has changed, newest last."""

    steps: list[Callable[[], None]] = field(default_factory=list)

    def roll_back(self, to: int = 0) -> None:
        """Take back all steps but the first `to`."""
        while len(self.steps) > to:
            self.steps.pop()()


class Table:
    """Rows by primary key, in the order of their insertion. A row is never changed in place.

    Args:
        key: The columns of the primary key.
        undo: Is told how to take back each change.
        columns: All columns with what a row has where nothing is given.
    """

    def __init__(self, key: tuple[str, ...], undo: Undo, columns: Mapping[str, Any]) -> None:
        self._key = key
        self._undo = undo
        self._empty = dict(columns)
        self._rows: dict[Hashable, Row] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._empty)

    def get(self, *key: Hashable) -> Row | None:
        """The row of that key."""
        return self._rows.get(key[0] if len(key) == 1 else key)

    def where(self, test: Callable[[Row], bool]) -> list[Row]:
        return [row for row in self._rows.values() if test(row)]

    def insert(self, row: Mapping[str, Any]) -> Row:
        """Add a row, or replace the one of its key; columns that are not given have their default.

        Raises:
            KeyError: there is no such column.
        """
        unknown = row.keys() - self._empty.keys()
        if unknown:
            raise KeyError(f"no column {', '.join(sorted(unknown))}")
        return self._put({**self._empty, **row})

    def update(self, row: Row, **changes: Any) -> Row:
        """Replace a row by one with these changes; its key stays."""
        return self._put({**row, **changes})

    def delete(self, row: Row) -> None:
        key = self._key_of(row)
        before = self._rows.pop(key)
        self._undo.steps.append(lambda: self._rows.__setitem__(key, before))

    def load(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hold exactly these rows; what was there before is forgotten."""
        self._rows = {self._key_of(row): {**self._empty, **row} for row in rows}

    def _put(self, row: Row) -> Row:
        key = self._key_of(row)
        before = self._rows.get(key, _MISSING)
        self._rows[key] = row
        self._undo.steps.append(lambda: self._take_back(key, before))
        return row

    def _take_back(self, key: Hashable, before: Row) -> None:
        if before is _MISSING:
            del self._rows[key]
        else:
            self._rows[key] = before

    def _key_of(self, row: Mapping[str, Any]) -> Hashable:
        if len(self._key) == 1:
            return row[self._key[0]]  # type: ignore[no-any-return]  # a value of a key column
        return tuple(row[name] for name in self._key)
