"""HTML that its content cannot break: text is escaped unless it is `Html` already."""

from collections.abc import Iterable, Sequence
from html import escape

from ops_local.figures import cell
from ops_local.summary import Part, is_number
from ops_pipeline.db.driver.connection import Row

_VOID = ("meta",)


class Html(str):
    """Markup, which is not escaped."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str) -> Html:
    """An element; `class_` means class, and underscores in names become hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    """The parts concatenated, plain text escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(rows: Sequence[Row], caption: str) -> Html:
    """A table of rows with the same columns, numbers right-aligned; scrolls if too wide."""
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
    # Named and focusable, so that it can be scrolled by keyboard too.
    return tag("div", whole, class_="wide", role="region", aria_label=caption, tabindex="0")


def part_table(part: Part) -> Html:
    """One table of the summary, or a sentence if it is empty."""
    if not part.rows:
        return tag("p", f"{part.title}: none")
    return table(part.rows, part.title)


def _side(right: bool, value: object = None) -> dict[str, str]:
    classes = ["number"] if right else []
    if value == "REFUSED":
        classes.append("refused")
    return {"class_": " ".join(classes)} if classes else {}
