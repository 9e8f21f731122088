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


@pytest.mark.parametrize(
    ("skill", "rule_error", "previous_error", "expected"),
    [
        # The rule has 0.36, the last release 0.40; 0.05 less is allowed, and two standard errors.
        (0.30, 0.02, 0.02, ["warned", "warned"]),  # 0.06 > 0.05 > 0.04, and 0.10 > 0.05
        (0.30, 0.03, 0.05, ["passed", "passed"]),  # 0.06 and 0.10 are exactly two standard errors
        (0.30, 0.0299, 0.0499, ["warned", "warned"]),
        (0.34, 0.5, 0.001, ["passed", "warned"]),  # 0.02, however uncertain; 0.06 for sure
    ],
)
def test_a_loss_that_may_be_chance_holds_nothing_back(
    skill: float, rule_error: float, previous_error: float, expected: list[str]
) -> None:
    result = score_gate(
        skill,
        rule_skill=0.36,
        previous_skill=0.40,
        rule_error=rule_error,
        previous_error=previous_error,
        limits=Limits(max_score_loss=0.05),
    )
    assert [outcome.status for outcome in result.outcomes] == expected


def test_no_limit_allows_any_loss() -> None:
    assert statuses(0.0, 0.9, 0.9, loss=None) == ["not_available", "not_available"]


def test_a_warning_tells_both_skills_and_what_to_do() -> None:
    [line] = score_gate(0.1, rule_skill=0.05, previous_skill=0.25).warning_lines()
    assert "skill 0.100, that of the last release 0.250" in line
    assert "at most 0.05 less" in line
    assert "The last good scores stay." in line
