"""Word lists: text files in the folder words, part of the package and read once.

A file begins with a header in lines with "#" that says what it holds. "[name]" begins a
list, and each further line is one of its phrases.
"""

from pathlib import Path

FOLDER = Path(__file__).with_name("words")


def word_lists(file: str) -> dict[str, frozenset[str]]:
    """The lists of words/<file>.txt by their names, in the order of the file.

    Raises:
        ValueError: a phrase stands before the first list, or a list comes twice.
    """
    lists: dict[str, list[str]] = {}
    phrases: list[str] | None = None
    for line in (FOLDER / f"{file}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            if name in lists:
                raise ValueError(f"{file}.txt: the list {name} comes twice")
            phrases = lists[name] = []
        elif line and not line.startswith("#"):
            if phrases is None:
                raise ValueError(f"{file}.txt: {line!r} stands before the first list")
            phrases.append(line)
    return {name: frozenset(found) for name, found in lists.items()}
