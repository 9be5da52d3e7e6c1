"""The page of a replay: one HTML file with charts, tables and one explained trade, that asks for
nothing from anywhere."""

from ops_local.page.document import build, write
from ops_local.page.sources import Session

__all__ = ["Session", "build", "write"]
