"""What the gates allow.

What belongs here: the numbers, each with a default. What does not: what they are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.schema import Gates


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gates allow.

    Parameters
    ----------
    max_rejected_share : float
        Share of a delivery's records that may be rejected, 0 to 1.
    min_rejected : int
        So many rejected records of a delivery are never too many, whatever their share.
    volume_history : int
        Earlier deliveries of a source and feed that are needed before the size of the newest is judged.
    volume_window : int
        So many of the latest of them form the median.
    volume_band : (float, float)
        Smallest and largest newest delivery, as multiples of that median.
    warn_age_days : int
        Days after which data is old enough for a warning.
    max_age_days : int, optional
        Days after which the newest delivery of a source is too old to publish from. None: only warn.
    source_max_age_days : mapping of str to int
        The same for single sources; takes the place of `max_age_days`.
    max_order_age_days : int, optional
        Days after which the newest order is too old. None: only warn, because no orders may be the truth.
    max_row_drop : float
        Share of a mart's rows that may be missing compared with the last release, 0 to 1.
    max_score_loss : float, optional
        Skill that the churn scores may have less than those they replace, 0 to 1. None: any.
    min_list_rows, max_list_rows : int, int or None
        Rows that each list may have. The default minimum of 0 makes an empty list legal.
    """

    max_rejected_share: float = 0.2
    min_rejected: int = 20
    volume_history: int = 4
    volume_window: int = 8
    volume_band: tuple[float, float] = (0.2, 5.0)
    warn_age_days: int = 7
    max_age_days: int | None = None
    source_max_age_days: Mapping[str, int] = field(default_factory=dict)
    max_order_age_days: int | None = None
    max_row_drop: float = 0.5
    max_score_loss: float | None = 0.05
    min_list_rows: int = 0
    max_list_rows: int | None = None

    @classmethod
    def from_rules(cls, gates: Gates, source_max_age_days: Mapping[str, int] | None = None) -> Limits:
        """The limits that the business rules and the sources set; the rest stay at their defaults."""
        return cls(
            max_rejected_share=gates.max_rejected_share,
            max_age_days=gates.max_age_days,
            source_max_age_days=source_max_age_days or {},
            max_row_drop=gates.max_row_drop,
            max_score_loss=gates.max_score_loss,
            min_list_rows=gates.list_size.min_rows,
            max_list_rows=gates.list_size.max_rows,
        )


DEFAULT_LIMITS = Limits()
