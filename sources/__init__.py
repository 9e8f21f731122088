"""Reading exports: recognise, decode, map, reject.

Belongs here: everything between a file in the landing folder and canonical text in raw Parquet. Does not
belong here: business rules, and whatever needs more than one record to decide. The package knows nothing of
the other rooms. The ledger is read with a DuckDB connection that it is given; files are read in a process of
their own (``worker.py``), which has to open one for itself.

``load`` reads what is new in landing; ``catalog`` names the raw files that count; ``inspect`` says how files
would be read; ``replay`` writes corrections of what was rejected.
"""

from sources.errors import RefusedFileError
from sources.feeds import FeedFiles, canonical_feeds
from sources.inspecting import Examined, Inspection, inspect
from sources.ledger import Delivery, catalog
from sources.loading import LoadResult, Refusal, load
from sources.replaying import NotCorrected, Replayed, WrittenCorrection, replay
from sources.settings import SourceDefaults

__all__ = [
    "Delivery",
    "Examined",
    "FeedFiles",
    "Inspection",
    "LoadResult",
    "NotCorrected",
    "Refusal",
    "RefusedFileError",
    "Replayed",
    "SourceDefaults",
    "WrittenCorrection",
    "canonical_feeds",
    "catalog",
    "inspect",
    "load",
    "replay",
]
