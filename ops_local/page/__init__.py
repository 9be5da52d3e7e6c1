"""The page of a replay: one HTML file with charts, tables and one explained trade.

It loads nothing: scripts, styles and data are in the file.
"""

from ops_local.page.document import build, write
from ops_local.page.sources import PageSession, read

__all__ = ["PageSession", "build", "read", "write"]
