"""Measurements: a night against its floor, and the models against a peer. Run by ``make bench``.

Belongs here: what is timed, how it is measured and how it is shown. Does not belong here: anything the project itself
needs; nothing imports this folder. ``README.md`` beside this file says how to read the figures.
"""

from pathlib import Path

__all__ = ["AS_OF", "DEFAULT_RULES", "EXPORT", "RULES", "SOURCE"]

_ROOT = Path(__file__).resolve().parents[1]
_EXAMPLE = _ROOT / "examples" / "online_retail"

#: The export everything is measured on, the folder it is delivered in, its rules and its last day.
EXPORT = _EXAMPLE / "online_retail.csv.gz"
SOURCE = "online_retail"
RULES = _EXAMPLE / "business.yml"
AS_OF = "2011-12-09"
#: The rules of a home that names none.
DEFAULT_RULES = _ROOT / "config" / "business.yml"
