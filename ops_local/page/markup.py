"""HTML that cannot be broken by what it shows: text is escaped unless it is `Html` already."""

from collections.abc import Iterable, Sequence
from html import escape

from ops_local.figures import cell
from ops_local.summary import Part, is_number
from ops_pipeline.db.driver.connection import Row

_VOID = ("meta",)


class Html(str):
    """Text that is markup and goes in as it is."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str) -> Html:
    """An element; `class_` stands for class, and underscores in names for hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    """One after the other, plain text escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(rows: Sequence[Row], caption: str) -> Html:
    """Rows that share their columns, numbers to the right; it scrolls where it is too wide."""
    names = list(rows[0])
    right = {name for name in names if any(is_number(row[name]) for row in rows)}
    head = (
        tag("th", name.replace("_", " "), scope="col", **_side(name in right)) for name in names
    )
    body = (
        tag(
            "tr",
            *(
                tag("td", cell(name, value), **_side(name in right, value))
                for name, value in row.items()
            ),
        )
        for row in rows
    )
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
    )
    # With a name and a place in the tab order it can be scrolled by keyboard too.
    return tag("div", whole, class_="wide", role="region", aria_label=caption, tabindex="0")


def part_table(part: Part) -> Html:
    """One table of the summary; an empty one says so."""
    if not part.rows:
        return tag("p", f"{part.title}: none")
    return table(part.rows, part.title)


def _side(right: bool, value: object = None) -> dict[str, str]:
    classes = ["number"] if right else []
    if value == "REFUSED":
        classes.append("refused")
    return {"class_": " ".join(classes)} if classes else {}
