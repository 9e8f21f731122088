"""Reading exports: recognise, decode, map, reject.

Belongs here: everything between a file in the landing folder and canonical text in raw Parquet. Does not
belong here: business rules, and whatever needs more than one record to decide. The package knows nothing of
the other rooms; it computes with a DuckDB connection that it is given.

``load`` reads what is new in landing; ``catalog`` names the raw files that count.
"""

from sources.feeds import FeedFiles, canonical_feeds
from sources.ledger import Delivery, catalog
from sources.loading import LoadResult, Refusal, load
from sources.profiles import SourceDefaults

__all__ = [
    "Delivery",
    "FeedFiles",
    "LoadResult",
    "Refusal",
    "SourceDefaults",
    "canonical_feeds",
    "catalog",
    "load",
]
