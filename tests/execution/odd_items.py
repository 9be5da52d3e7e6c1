"""Items of a list that can't be read."""

from ops_pipeline.domain.legible import IllegibleItem, ItemKind


def odd(kind: ItemKind, name: str = "x", **fields: object) -> IllegibleItem:
    return IllegibleItem(kind=kind, name=name, reason="qty is no number", content="{}", **fields)  # type: ignore[arg-type]
