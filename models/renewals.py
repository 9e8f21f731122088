"""The probability that a customer under contract leaves within a horizon: learned from how contracts went before.

Belongs here: the hazard of not renewing by the renewals made, the rate of cancelling in between, what both say of each
contract that runs, the fallback where few contracts have come to an end, and the reasons of a score in log-odds. Does
not belong here: the distributions themselves (``contracts.py``), customers without a contract (``churn.py``), which
contract goes on with which and what was known on a day (SQL).

A contract is left at a renewal, or cancelled in between. With h(j) the chance that the j-th renewal is not made and
c(u) the rate of cancelling at tenure u, the chance to leave within the horizon is

    1 - exp(-∫ c(u) du) · Π (1 - h(j))

over the horizon, and over the renewals that fall due within it. With none due, only the cancellations are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from models.btyd import MIN_REPEATERS
from models.churn_candidates import Reasons, kept
from models.contracts import ShiftedBetaGeometric

__all__ = ["CONTRACT_MODEL", "CONTRACT_REASONS", "Book", "ContractScores", "score_contracts"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Names = NDArray[np.str_]

#: The name under which these probabilities are published.
CONTRACT_MODEL = "contract_hazard"
#: Of ``ShiftedBetaGeometric``: what stands in before anybody has renewed (Fader & Hardie 2007, high-end customers).
PRIOR = {"alpha": 0.668, "beta": 3.806}
#: Renewals that an average weighs as much as in the share of one renewal's number, and the prior in that average.
SHRINKAGE = 10.0
#: Cancellations and contract years that stand in before any have been seen: one in ten years.
PRIOR_CANCELLATIONS, PRIOR_YEARS = 0.5, 5.0
#: Days of tenure from which on another rate of cancelling holds, and the contract years that the common rate weighs.
TENURES = (0.0, 365.0, 730.0)
YEARS_OF_ALL = 10.0
#: How far a term may be from the usual one, as months and leap years make it, and still be one.
TOLERANCE = 0.05
#: Young contracts that tell what the usual term is, at least, and the share of them that must have it.
YOUNG_CONTRACTS, YOUNG_SHARE = 5, 0.8
DAYS_PER_YEAR = 365.0
#: No term is taken for shorter, in days.
SHORTEST_TERM = 7.0

#: Reasons of a status, in Chinese and English.
CONTRACT_REASONS: Mapping[str, tuple[str, str]] = {
    "renewals": (
        "在合同期内：按已续约次数估计不续约的可能",
        "Under contract: the chance of no renewal, by the renewals made",
    ),
    "few_renewals": (
        "在合同期内；续约历史太少，采用平均不续约率",
        "Under contract; too few renewals: their average",
    ),
    "no_renewals": (
        "在合同期内；尚无续约历史，采用已发表研究的先验值",
        "Under contract; no renewal is known yet: a published prior stands in",
    ),
    "in_grace": (
        "合同已结束，仍在宽限期：采用同类合同未续约的比例",
        "The contract has ended and can still be renewed: the share of such that was not",
    ),
}
_STATUS = {
    "renewals": "model",
    "few_renewals": "segment_average",
    "no_renewals": "insufficient",
    "in_grace": "segment_average",
}


@dataclass(frozen=True)
class Book:
    """All contracts that have begun, as known on one day: arrays of shape (n,). Days are since 1970-01-01.

    Attributes
    ----------
    customer : ndarray of integers
        A code, the same for all contracts of a customer.
    outcome : ndarray of str
        ``running``, ``renewed`` (ran out, and another contract goes on), ``replaced`` (ended before, and another goes
        on), ``in_grace`` (has ended, and can still be renewed), ``not_renewed``, ``cancelled``.
    held_since, started : ndarray
        First day of the customer's time under contract, and of the contract itself.
    due : ndarray
        Of a running contract the day on which it is to be renewed; NaN where there is none.
    ended, renewed : ndarray
        Day of the end, and the day on which another contract went on; NaN where there is none.
    terms_before : ndarray
        Contracts that were renewed before this one.
    renewals_seen, step : ndarray
        How often the day of renewal was seen to move ahead, and by how many days; NaN without any.
    """

    customer: NDArray[np.integer]
    outcome: Names
    held_since: Floats
    started: Floats
    due: Floats
    ended: Floats
    renewed: Floats
    terms_before: Floats
    renewals_seen: Floats
    step: Floats

    def __post_init__(self) -> None:
        sizes = {one.name: len(getattr(self, one.name)) for one in fields(self)}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"All columns must have one value per contract, but have {sizes}.")


@dataclass(frozen=True)
class ContractScores:
    """What is to be expected of every customer under contract: arrays of shape (m,), customers ascending.

    Of several contracts the one that is likeliest to go on speaks: a customer leaves with the last of them.

    Attributes
    ----------
    customer : ndarray
        Codes.
    probability : ndarray
        P(no contract any more after the horizon), in (0, 1).
    status, reason : ndarray of str
        As in ``models.churn``; a reason is a key of :data:`CONTRACT_REASONS`.
    renewals_made : ndarray
        By this contract and those that it goes on with.
    days_to_renewal : ndarray
        NaN where none is due.
    renewals_ahead : ndarray
        Renewals within the horizon.
    days_since_end : ndarray
        Of contracts in their days of grace; NaN for others.
    renewal_hazard, cancellation_hazard : ndarray
        Cumulated over the horizon, so that probability = 1 - exp(-(renewal_hazard + cancellation_hazard)) unless the
        contract has ended.
    next_hazard : ndarray
        The chance that the next renewal is not made.
    """

    customer: NDArray[np.integer]
    probability: Floats
    status: Names
    reason: Names
    renewals_made: Floats
    days_to_renewal: Floats
    renewals_ahead: Floats
    days_since_end: Floats
    renewal_hazard: Floats
    cancellation_hazard: Floats
    next_hazard: Floats

    def explain(self, rows: NDArray[np.intp]) -> Reasons:
        """Split the log-odds of some rows into how soon renewals are due, how many were made, and an end that was.

        The base is that of the mean of all customers whose contract runs. The first two are Shapley shares: the mean
        of what each changes with the other known and unknown.

        Parameters
        ----------
        rows : array_like of int, shape (k,)
            Positions in ``customer``.
        """
        names = ("days_to_renewal", "renewals_made", "contract_ended")
        runs = np.isnan(self.days_since_end)
        ahead, each = self.renewals_ahead, self.renewal_hazard
        # Per renewal, where several fall due; where none does, the next.
        per = np.where(ahead > 0, each / np.maximum(ahead, 1), -np.log1p(-self.next_hazard))
        count = max(int(runs.sum()), 1)
        usual_ahead, usual_per = float(ahead[runs].sum()) / count, float(per[runs].sum()) / count
        usual_rest = float(self.cancellation_hazard[runs].sum()) / count
        # Cancelling is part of tenure, as is the hazard of the next renewal.
        rest = self.cancellation_hazard

        def odds(ahead: Floats | float, per: Floats | float, rest: Floats | float) -> Floats:
            return np.asarray(logit(kept(-np.expm1(-(np.asarray(ahead) * per + rest)))), dtype=np.float64)

        base = float(odds(usual_ahead, usual_per, usual_rest))
        margin = logit(self.probability)
        only_due, only_made = odds(ahead, usual_per, usual_rest), odds(usual_ahead, per, rest)
        by_due = (only_due - base + margin - only_made) / 2
        by_made = (only_made - base + margin - only_due) / 2
        contributions = np.column_stack(
            [np.where(runs, by_due, 0.0), np.where(runs, by_made, 0.0), np.where(runs, 0.0, margin - base)]
        )
        values = np.column_stack([self.days_to_renewal, self.renewals_made, self.days_since_end])
        return Reasons(names, base, contributions[rows], values[rows], margin[rows])


def score_contracts(book: Book, *, today: int, horizon_days: int) -> ContractScores:
    """Learn from all contracts how customers leave, and say it of those that still run.

    Parameters
    ----------
    book : Book
        Nothing in it may be dated after today but days of renewal.
    today : int
        Days since 1970-01-01.
    horizon_days : int
        Days ahead, at least 1.

    Returns
    -------
    ContractScores
        One row per customer with a contract that runs or is in its days of grace; legal for none.

    Raises
    ------
    ValueError
        If a contract begins, ends or is renewed after today.

    References
    ----------
    Fader & Hardie (2007), How to Project Customer Retention, Journal of Interactive Marketing 21(1), 76-90, for the
    hazard of the j-th renewal, alpha / (alpha + beta + j - 1); Kaplan & Meier (1958), JASA 53(282), 457-481, for the
    share of those who were at risk at it.
    """
    for name in ("started", "ended", "renewed"):
        if np.any(getattr(book, name) > today):
            raise ValueError(f"{name} must not lie after today")
    made, term = _renewals_made(book, today)
    hazard, reason = _Renewals.learned(book, made)
    runs, lapsed = book.outcome == "running", book.outcome == "in_grace"
    number = book.terms_before + made + 1

    first = np.maximum(book.due - today, 0.0)
    within = runs & (first <= horizon_days)
    ahead = np.where(within, 1 + np.floor((horizon_days - np.nan_to_num(first)) / term), 0.0)
    renewal = np.zeros(len(number))
    for step in range(int(ahead.max(initial=0.0))):
        due = np.flatnonzero(step < ahead)
        renewal[due] -= np.log1p(-hazard.of(number[due] + step))
    cancellation = _cancelling(book, today, horizon_days)
    probability = np.where(runs, -np.expm1(-(renewal + cancellation)), _share_lost_after_the_end(book))

    rows = np.flatnonzero(runs | lapsed)
    # A customer leaves with the last contract.
    rows = rows[np.lexsort((rows, probability[rows], book.customer[rows]))]
    rows = rows[np.unique(book.customer[rows], return_index=True)[1]]
    reasons = np.where(lapsed, "in_grace", reason)[rows]
    return ContractScores(
        customer=book.customer[rows],
        probability=kept(probability[rows]),
        status=np.array([_STATUS[each] for each in reasons.tolist()], dtype=np.str_),
        reason=reasons.astype(np.str_),
        renewals_made=(number - 1)[rows],
        days_to_renewal=np.where(runs, book.due - today, np.nan)[rows],
        renewals_ahead=ahead[rows],
        days_since_end=np.where(lapsed, today - book.ended, np.nan)[rows],
        renewal_hazard=renewal[rows],
        cancellation_hazard=cancellation[rows],
        next_hazard=hazard.of(number)[rows],
    )


# ------------------------------------------------------------------------------------------------------- pieces


class _Renewals:
    """The chance not to make the j-th renewal."""

    def __init__(self, by_number: Floats, beyond: float, model: ShiftedBetaGeometric | None = None) -> None:
        self._by_number, self._beyond, self._model = by_number, beyond, model

    @classmethod
    def learned(cls, book: Book, made: Floats) -> tuple[_Renewals, str]:
        """Learn as much as the renewals that were due carry; with it goes the reason."""
        kept_on, lost = _decisions(book, made)
        renewed, losses = float(kept_on.sum()), float(lost.sum())
        if renewed + losses == 0:
            return cls(np.zeros(0), 0.0, ShiftedBetaGeometric.from_params(**PRIOR)), "no_renewals"
        at_risk = kept_on + lost
        if min(renewed, losses) >= MIN_REPEATERS:
            # Renewed once and again is one contract: whoever renewed and was not due again since is still running.
            open_after = np.maximum(kept_on - np.append(at_risk[1:], 0.0), 0.0)
            numbers = np.arange(1.0, len(at_risk) + 1)
            model = ShiftedBetaGeometric().fit(
                np.concatenate([numbers, numbers]),
                np.repeat([True, False], len(numbers)),
                np.concatenate([lost, open_after]),
            )
            if model.status_ not in ("too_few_losses", "not_converged"):
                return cls(np.zeros(0), 0.0, model), "renewals"
        first = PRIOR["alpha"] / (PRIOR["alpha"] + PRIOR["beta"])
        average = (losses + SHRINKAGE * first) / (renewed + losses + SHRINKAGE)
        return cls((lost + SHRINKAGE * average) / (at_risk + SHRINKAGE), average), "few_renewals"

    def of(self, number: Floats) -> Floats:
        """The chance for each number, from 1."""
        if self._model is not None:
            return 1 - self._model.probability_renewed(1, number - 1)
        if not len(self._by_number):
            return np.full(number.shape, self._beyond)
        place = np.minimum(number.astype(np.int64), len(self._by_number)) - 1
        return np.where(number <= len(self._by_number), self._by_number[place], self._beyond)


def _renewals_made(book: Book, today: int) -> tuple[Floats, Floats]:
    """How often each contract was renewed without becoming another one, and how long its terms are, in days.

    Many systems keep one row per contract and move its day of renewal ahead. Where that was not seen, it shows in the
    days: the row is due, or ended, some usual terms after its beginning.
    """
    runs = book.outcome == "running"
    span = np.where(runs, book.due, book.ended) - book.started
    term = np.where(np.isfinite(book.step), book.step, _usual_term(book, span, runs, today))
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = np.maximum(np.round(span / term), 1.0)
        fits = np.abs(span / whole - term) <= TOLERANCE * term
        rolled = runs & fits & (whole >= 2) & (book.due - today <= (1 + TOLERANCE) * term)
        older = runs & (span > 1.5 * term)
        is_rolling = bool(np.any(book.renewals_seen > 0)) or (older.any() and float(rolled[older].mean()) >= 0.5)
        passed = np.where(np.isin(book.outcome, ["renewed", "not_renewed"]), whole, np.ceil(span / term)) - 1
    inferred = np.where(rolled, whole - 1, 0.0)
    if is_rolling:
        inferred = np.where(~runs & np.isfinite(passed), np.maximum(passed, 0.0), inferred)
    made = np.maximum(book.renewals_seen, inferred)
    with np.errstate(invalid="ignore"):
        own = np.where(np.isfinite(book.step), book.step, np.where(rolled, span / whole, span))
    return made, np.maximum(np.where(np.isfinite(own), own, DAYS_PER_YEAR), SHORTEST_TERM)


def _usual_term(book: Book, span: Floats, runs: Flags, today: int) -> float:
    """The term that most contracts have: as their days of renewal were seen to move, else as young ones were made."""
    # Of older ones it cannot be told whether they have been renewed.
    is_young = runs & (span >= SHORTEST_TERM) & (today - book.started < DAYS_PER_YEAR)
    term = np.where(np.isfinite(book.step), book.step, np.where(is_young, span, np.nan))
    young = term[np.isfinite(term)]
    if len(young) < YOUNG_CONTRACTS:
        return float("nan")
    usual = float(np.median(young))
    return usual if float(np.mean(np.abs(young - usual) <= TOLERANCE * usual)) >= YOUNG_SHARE else float("nan")


def _decisions(book: Book, made: Floats) -> tuple[Floats, Floats]:
    """How many contracts were renewed, and were not, at the first renewal, the second and so on."""
    renewed, lost = book.outcome == "renewed", book.outcome == "not_renewed"
    first, last = book.terms_before + 1, book.terms_before + made + renewed
    length = int(np.max(last + lost, initial=0.0))
    begins = np.bincount(first.astype(np.int64), minlength=length + 2)
    ends = np.bincount((last + 1).astype(np.int64), minlength=length + 2)
    size = max(len(begins), len(ends))
    running = np.cumsum(np.pad(begins, (0, size - len(begins))) - np.pad(ends, (0, size - len(ends))))
    at = (book.terms_before + made + 1)[lost].astype(np.int64)
    losses = np.bincount(at, minlength=length + 2)
    return running[1 : length + 1].astype(np.float64), losses[1 : length + 1].astype(np.float64)


def _cancelling(book: Book, today: int, horizon_days: int) -> Floats:
    """The hazard of being cancelled within the horizon, by tenure, whether or not a renewal is due."""
    edges = np.append(np.array(TENURES), np.inf)

    def days_in(start: Floats, stop: Floats) -> Floats:
        days = np.minimum(stop[:, None], edges[1:]) - np.maximum(start[:, None], edges[:-1])
        return np.asarray(np.maximum(days, 0.0), dtype=np.float64)

    entered = book.started - book.held_since
    left = np.where(np.isfinite(book.ended), book.ended, today) - book.held_since
    years = days_in(entered, left).sum(axis=0) / DAYS_PER_YEAR
    cancelled = left[book.outcome == "cancelled"]
    events, _ = np.histogram(cancelled, edges)
    common = (events.sum() + PRIOR_CANCELLATIONS) / (years.sum() + PRIOR_YEARS)
    rate = (events + YEARS_OF_ALL * common) / (years + YEARS_OF_ALL)
    tenure = today - book.held_since
    return np.asarray(days_in(tenure, tenure + horizon_days) @ rate / DAYS_PER_YEAR, dtype=np.float64)


def _share_lost_after_the_end(book: Book) -> float:
    """Of contracts that ended before another went on, the share that none followed; as likely as not without any."""
    lost = float(np.isin(book.outcome, ["not_renewed", "cancelled"]).sum())
    late = float(np.sum(book.renewed > book.ended))
    return (lost + 1) / (lost + late + 2)
