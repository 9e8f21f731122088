"""The gates: what data may be refused for.

What belongs here: the gates (raw, scores, warehouse, lists), the profile that makes big tables small enough to
be judged, and the one adapter to Great Expectations. What does not: fixing data, and what SQL must always
satisfy (keys, relations, reconciliation), which the tests of the tables assert.

Importing this package is cheap: Great Expectations and pandas are imported when a gate first judges.
"""

from expectations.gate import RESULT_COLUMNS, Expectation, Failure, GateError, GateResult, Outcome, validate
from expectations.limits import Limits
from expectations.lists import list_gate, list_rows
from expectations.marts import warehouse_gate
from expectations.profile import Metric, Profile, profile
from expectations.raw import raw_gate
from expectations.scores import score_gate

__all__ = [
    "RESULT_COLUMNS",
    "Expectation",
    "Failure",
    "GateError",
    "GateResult",
    "Limits",
    "Metric",
    "Outcome",
    "Profile",
    "list_gate",
    "list_rows",
    "profile",
    "raw_gate",
    "score_gate",
    "validate",
    "warehouse_gate",
]
