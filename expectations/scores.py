"""The score gate: may tonight's churn scores replace those of the last release?

What belongs here: how good the scores may not have become worse than. What does not: how good they are
(``models/backtest.py``), and which scores are published instead (``assets/churn_scores.py``).
"""

from __future__ import annotations

from expectations.gate import Expectation, GateResult, validate
from expectations.limits import DEFAULT_LIMITS, Limits
from expectations.profile import Profile, bounded

__all__ = ["score_gate"]

#: Standard errors within which a loss is chance.
MARGIN = 2.0

_TABLE = "marts.churn_risk"
_COLUMN = "churn_probability"
_ADVICE = (
    "The last good scores stay. Look at model_quality; if the business has changed for good, raise "
    "gates.max_score_loss for one night."
)


def score_gate(
    skill: float | None,
    *,
    rule_skill: float | None,
    previous_skill: float | None,
    rule_error: float = 0.0,
    previous_error: float = 0.0,
    limits: Limits = DEFAULT_LIMITS,
) -> GateResult:
    """Compare tonight's scores with the rule about silence, and with those of the last release.

    Parameters
    ----------
    skill : float, optional
        Of tonight's scores in the backtest: 1 − Brier score ÷ that of the mean alone; 1 is perfect, 0 no better
        than the mean. None where there was nothing to test on.
    rule_skill : float, optional
        The same of the rule about silence.
    previous_skill : float, optional
        The same of the scores of the last release; None without one whose scores speak of as many days.
    rule_error, previous_error : float
        Standard errors of the differences between `skill` and each of the two.
    limits : Limits
        ``max_score_loss`` says by how much the skill may be less; None: by anything. A loss of two standard errors
        is allowed in any case: of a few hundred customers a measure is not known any better.

    Returns
    -------
    GateResult
        It warns and never fails: a night without better scores is still worth publishing.
    """
    references = {
        "not_worse_than_the_rule": (rule_skill, rule_error, "the rule about silence"),
        "not_worse_than_before": (previous_skill, previous_error, "the last release"),
    }
    measured = Profile(
        {
            name: None if skill is None or other is None else round(other - skill, 9)
            for name, (other, *_) in references.items()
        }
    )
    limit = limits.max_score_loss
    stated: list[Expectation] = []
    for name, (other, error, words) in references.items():
        allowed = None if limit is None else max(limit, round(MARGIN * error, 9))
        unavailable = ""
        if limit is None:
            unavailable = "the rules allow any loss"
        elif skill is None:
            unavailable = "no past day could be forecast"
        elif other is None:
            unavailable = f"there is no skill of {words} to compare with"
        stated.append(
            bounded(
                measured,
                name,
                high=allowed,
                name=name,
                table=_TABLE,
                column=_COLUMN,
                severity="warning",
                observed="" if skill is None or other is None else f"skill {skill:.3f}, that of {words} {other:.3f}",
                allowed="any" if allowed is None else f"at most {allowed:.3g} less than that of {words}",
                advice=_ADVICE,
                unavailable=unavailable,
            )
        )
    return validate("score", measured.frame(), stated)
