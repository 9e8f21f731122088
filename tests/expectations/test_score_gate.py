"""The score gate: what it compares, by how much scores may be worse, and what cannot be compared."""

from __future__ import annotations

import pytest

from expectations import Limits, score_gate


def statuses(skill: float | None, rule: float | None, before: float | None, loss: float | None = 0.05) -> list[str]:
    result = score_gate(skill, rule_skill=rule, previous_skill=before, limits=Limits(max_score_loss=loss))
    assert result.passed, "a night without better scores is still worth publishing"
    return [outcome.status for outcome in result.outcomes]


@pytest.mark.parametrize(
    ("skill", "rule", "before", "expected"),
    [
        (0.30, 0.20, 0.35, ["passed", "passed"]),  # exactly as much less as is allowed
        (0.30, 0.20, 0.351, ["passed", "warned"]),
        (0.30, 0.36, 0.30, ["warned", "passed"]),
        (0.30, 0.20, None, ["passed", "not_available"]),  # the first night
        (None, None, 0.30, ["not_available", "not_available"]),  # nothing to test on
        (-0.10, -0.10, 0.30, ["passed", "warned"]),
    ],
)
def test_scores_may_be_worse_by_so_much(
    skill: float | None, rule: float | None, before: float | None, expected: list[str]
) -> None:
    assert statuses(skill, rule, before) == expected


def test_no_limit_allows_any_loss() -> None:
    assert statuses(0.0, 0.9, 0.9, loss=None) == ["not_available", "not_available"]


def test_a_warning_tells_both_skills_and_what_to_do() -> None:
    [line] = score_gate(0.1, rule_skill=0.05, previous_skill=0.25).warning_lines()
    assert "skill 0.100, that of the last release 0.250" in line
    assert "at most 0.05 less" in line
    assert "The last good scores stay." in line
