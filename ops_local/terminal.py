"""Rich's console for `ops`: its own colours act, the texts in it do not."""

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ops_local.visible import acting, visible


class VisibleConsole(Console):
    """Shows every text as `visible` writes it, whoever wrote it."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def terminal(*, stderr: bool = False) -> Console:
    """Where tables and sentences for a person go."""
    return VisibleConsole(file=acting(sys.stderr if stderr else sys.stdout), highlight=False)
