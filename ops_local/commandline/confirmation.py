"""Asks a person on a terminal before something is done; a script that calls a verb has decided."""

import sys


def is_asked(*, yes: bool) -> bool:
    """Whether somebody sits there who is to be asked.

    Args:
        yes: Given as an option: nothing is asked.
    """
    return not yes and sys.stdin.isatty()


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether it shall be done: somebody says so, or nobody is asked."""
    if not is_asked(yes=yes):
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
