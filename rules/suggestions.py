"""What somebody probably meant: the hint at the end of an error about a name."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like a misspelt or shortened one, if any is like it."""
    names = sorted(known)
    longer = [each for each in names if len(name) > 2 and each.startswith(name)]
    return next(iter(longer or get_close_matches(name, names, n=1)), None)


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean …?``, or all known names where none is near."""
    names = sorted(known)
    near = nearest(name, names)
    return f"did you mean {near}?" if near else f"use one of {', '.join(names)}"
