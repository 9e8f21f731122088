"""What every estimator here needs: argument checks, grouping of equal rows, maximum likelihood, its result.

Belongs here: tools that know nothing of a particular model. Does not belong here: a likelihood or a
prediction; those stand with their model (``beta_geometric.py``, ``gamma_gamma.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]
#: Takes the logarithms of the parameters, returns a value to minimise and its gradient.
Objective = Callable[[Floats], tuple[float, Floats]]

#: Shape parameters are sought between exp(-10) and exp(10). Beyond, nothing visible changes any more (a gamma
#: of shape exp(10) varies by less than one per cent), but differences of gamma functions lose their digits.
LOG_SHAPE_BOUND = 10.0
#: Scale parameters follow the shapes, so they need more room; in internally scaled units.
LOG_SCALE_BOUND = 20.0
#: Below this (weighted) number of repeat buyers four parameters cannot be told apart: the prior joins in.
MIN_REPEATERS = 10.0
#: Standard deviation, in logarithms, of the prior that joins in: a factor of e either way is one deviation.
PRIOR_LOG_SD = 1.0
#: Largest slope of the mean log-likelihood, per unit of log-parameter, at which a point counts as a maximum.
GRADIENT_TOLERANCE = 1e-6

# The Newton polish: slope at which it stops, steps at most, shortenings tried on each.
_POLISHED = 1e-10
_NEWTON_STEPS = 50
_DAMPINGS = (1.0, 0.3, 0.1, 0.01)
# Differences of gradients over this step have some six good digits; flatter directions count as this curved.
_HESSIAN_STEP = 1e-4
_LEAST_CURVATURE = 1e-9
# Largest standard deviation of a log-parameter that draws have: a factor of 20 either way is as good as unknown.
_UNKNOWN_LOG_SD = 3.0
# Differences of gamma functions leave this relative error in the mean log-likelihood at the largest shapes.
_VALUE_NOISE = 1e-9


# ------------------------------------------------------------------------------------------------- arguments


def as_floats(name: str, values: ArrayLike) -> Floats:
    """Return ``values`` as a one-dimensional float array.

    Raises
    ------
    ValueError
        If the values are not numbers or have more than one dimension.
    """
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers only: {error}.") from error
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}: pass one value per customer.")
    return array


def require(valid: NDArray[np.bool_], name: str, must: str, values: Floats) -> None:
    """Raise a ValueError that names the argument and its first offending row unless all are valid."""
    if not valid.all():
        row = int(np.argmin(valid))
        raise ValueError(f"{name} must {must}: row {row} holds {values[row]:g}.")


def require_same_length(**columns: Floats) -> None:
    """Raise a ValueError unless all columns have the same number of rows."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"{', '.join(lengths)} must have the same length: {found}.")


def non_negative(name: str, values: ArrayLike) -> Floats:
    """Return ``values`` as finite floats of at least zero, or raise a ValueError that names them."""
    array = as_floats(name, values)
    require(np.isfinite(array) & (array >= 0), name, "be finite and not negative", array)
    return array


def counts(name: str, values: ArrayLike) -> Floats:
    """Return ``values`` as whole, non-negative floats, or raise a ValueError that names them."""
    array = non_negative(name, values)
    require(array == np.floor(array), name, "be a whole number", array)
    return array


def duration(name: str, value: float) -> float:
    """Return one finite length of time of at least zero, or raise a ValueError that names it."""
    if np.ndim(value) != 0:
        raise ValueError(f"{name} must be a single number, the same horizon for every row.")
    return float(non_negative(name, value)[0])


def histories(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Check purchase histories and return them as float arrays of equal length.

    Parameters
    ----------
    frequency, recency, age : array_like, shape (n,)
        Repeat purchases; time of the last purchase and age, both since the first purchase (``age`` is ``T``).

    Raises
    ------
    ValueError
        If a value is negative or not finite, a frequency is not whole, a recency lies beyond T, or a customer
        without repeat purchase has a recency.
    """
    x, last, total = counts("frequency", frequency), non_negative("recency", recency), non_negative("T", age)
    require_same_length(frequency=x, recency=last, T=total)
    require(last <= total, "recency", "not exceed T", last)
    require((x > 0) | (last == 0), "recency", "be 0 where frequency is 0", last)
    return x, last, total


def case_weights(weights: ArrayLike | None, rows: int) -> Floats:
    """Return one weight per row: ones if none are given.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or their number differs from the rows.
    """
    if weights is None:
        return np.ones(rows)
    array = non_negative("weights", weights)
    if len(array) != rows:
        raise ValueError(f"weights must have one value per row: {len(array)} for {rows} rows.")
    return array


def positive_parameters(**parameters: float) -> dict[str, float]:
    """Return the parameters as floats, or raise a ValueError that names the one that is not positive."""
    for name, value in parameters.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive, finite number, not {value!r}.")
    return {name: float(value) for name, value in parameters.items()}


@cache
def unit_rule(nodes: int) -> tuple[Floats, Floats]:
    """Return the nodes and weights of Gauss-Legendre quadrature on (0, 1)."""
    at, weights = np.polynomial.legendre.leggauss(nodes)
    return (1 + at) / 2, weights / 2


# -------------------------------------------------------------------------------------------------- grouping


def group_rows(*columns: Floats) -> tuple[tuple[Floats, ...], Groups]:
    """Find the distinct rows of a table given as columns.

    A sort of the columns beats ``numpy.unique(axis=0)`` severalfold, which compares rows as opaque bytes.

    Parameters
    ----------
    *columns : ndarray, shape (n,)

    Returns
    -------
    distinct : tuple of ndarray, shape (m,)
        The distinct rows in ascending order, again as columns.
    group : ndarray of int, shape (n,)
        The row of ``distinct`` that each input row equals.
    """
    order = np.lexsort(columns[::-1])
    rows = len(order)
    starts = np.zeros(rows, dtype=np.bool_)
    starts[:1] = True
    ordered = [column[order] for column in columns]
    for column in ordered:
        starts[1:] |= column[1:] != column[:-1]
    group = np.empty(rows, dtype=np.intp)
    group[order] = np.cumsum(starts) - 1
    return tuple(column[starts] for column in ordered), group


def group_weighted(weights: Floats, *columns: Floats) -> tuple[tuple[Floats, ...], Floats]:
    """Return the distinct rows with positive weight, as columns, and the sum of the weights of each."""
    used = weights > 0
    distinct, group = group_rows(*(column[used] for column in columns))
    totals = np.bincount(group, weights=weights[used], minlength=len(distinct[0]))
    return distinct, totals.astype(np.float64)


# ------------------------------------------------------------------------------------------------ estimation


@dataclass(frozen=True)
class Maximum:
    """Where the search for a maximum of the likelihood ended.

    Attributes
    ----------
    theta : ndarray, shape (p,)
        Logarithms of the parameters.
    slope : float
        Largest component of the projected gradient of the mean log-likelihood: the certificate of a maximum.
    deviations : ndarray, shape (p,)
        Standard errors of ``theta`` from the Hessian of the total log-likelihood; NaN where it is not
        positive definite, which happens when a maximum lies at the edge of the parameter space.
    covariance : ndarray, shape (p, p)
        Of ``theta``. A little information is added in every direction, so that it exists also at an edge.
    """

    theta: Floats
    slope: float
    deviations: Floats
    covariance: Floats

    @property
    def certified(self) -> bool:
        """Whether the gradient vanishes to within ``GRADIENT_TOLERANCE``."""
        return self.slope <= GRADIENT_TOLERANCE


def maximise(
    objective: Objective,
    starts: Sequence[Floats],
    lower: Floats,
    upper: Floats,
    total_weight: float,
    pilot: Objective | None = None,
) -> Maximum:
    """Maximise a likelihood from several starts, polish by Newton steps and measure the curvature.

    Parameters
    ----------
    objective : callable
        Mean negative log-likelihood and its gradient, in log-parameters.
    starts : sequence of ndarray, shape (p,)
        Points to begin from; they are moved inside the bounds.
    lower, upper : ndarray, shape (p,)
        Bounds of the log-parameters.
    total_weight : float
        Number of customers the mean is taken over: it turns curvature into standard errors.
    pilot : callable, optional
        A cheaper objective, on a part of the data, that chooses among the starts.

    Returns
    -------
    Maximum
        Never raises on a difficult surface: the certificate says how good the point is.
    """
    bounds = list(zip(lower.tolist(), upper.tolist(), strict=True))

    def descend(function: Objective, start: Floats, ftol: float, gtol: float) -> tuple[float, Floats]:
        options: Any = {"maxiter": 1000, "maxfun": 2000, "ftol": ftol, "gtol": gtol}
        found = minimize(
            function,
            np.clip(start, lower, upper),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options=options,
        )
        return float(found.fun), np.clip(np.asarray(found.x, dtype=np.float64), lower, upper)

    # The optimiser's matrices have four rows: threads of the linear algebra would only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        # A loose descent suffices to tell good starts from bad ones.
        candidates = [descend(pilot or objective, start, ftol=1e-9, gtol=1e-5) for start in starts]
        best = min(candidates, key=lambda candidate: candidate[0])[1]
        theta = descend(objective, best, ftol=1e-13, gtol=1e-8)[1]
        theta, hessian = _polish(objective, theta, lower, upper)
    slope = _slope(theta, objective(theta)[1], lower, upper)
    information = hessian * total_weight
    return Maximum(theta, slope, _deviations(information), _covariance(information))


def _polish(objective: Objective, theta: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Follow damped Newton steps to where the gradient vanishes; return the point and its Hessian.

    A quasi-Newton search stalls on the long, flat ridges of these likelihoods; curvature shows the way along.
    """
    value, gradient = objective(theta)
    hessian = _hessian(objective, theta)
    for _ in range(_NEWTON_STEPS):
        slope = _slope(theta, gradient, lower, upper)
        if slope <= _POLISHED:
            break
        step = _newton_step(theta, gradient, hessian, lower, upper)
        for damping in _DAMPINGS:
            trial = np.clip(theta - damping * step, lower, upper)
            trial_value, trial_gradient = objective(trial)
            gain, noise = value - trial_value, _VALUE_NOISE * (1 + abs(value))
            # Near the maximum the value drowns in rounding; there the gradient is the better judge.
            if gain > noise or (gain >= -noise and _slope(trial, trial_gradient, lower, upper) < slope):
                break
        else:
            break
        moved = float(np.max(np.abs(trial - theta)))
        theta, value, gradient = trial, trial_value, trial_gradient
        # Close to the maximum the curvature no longer changes, and it is the dear part.
        if moved > _HESSIAN_STEP:
            hessian = _hessian(objective, theta)
    return theta, hessian


def _slope(theta: Floats, gradient: Floats, lower: Floats, upper: Floats) -> float:
    """Return the largest component of the gradient that does not merely press against a bound."""
    return float(np.max(np.abs(np.where(_pressed(theta, gradient, lower, upper), 0.0, gradient))))


def _pressed(theta: Floats, gradient: Floats, lower: Floats, upper: Floats) -> NDArray[np.bool_]:
    return ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))


def _hessian(objective: Objective, theta: Floats) -> Floats:
    """Return the matrix of second derivatives by central differences of the analytic gradient."""
    steps = np.eye(len(theta)) * _HESSIAN_STEP
    rows = [(objective(theta + step)[1] - objective(theta - step)[1]) / (2 * _HESSIAN_STEP) for step in steps]
    matrix = np.stack(rows)
    return (matrix + matrix.T) / 2


def _newton_step(theta: Floats, gradient: Floats, hessian: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return the Newton step inside the bounds, downhill also where the surface is not a bowl."""
    step = np.zeros_like(theta)
    free = ~_pressed(theta, gradient, lower, upper)
    while free.any():
        eigenvalues, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
        stiffness = np.maximum(np.abs(eigenvalues), _LEAST_CURVATURE)
        along = np.einsum("ij,i->j", vectors, gradient[free]) / stiffness
        step[:] = 0.0
        step[free] = np.einsum("ij,j->i", vectors, along)
        # A coordinate at its bound that the others would push out stays where it is.
        outward = _pressed(theta, step, lower, upper)
        if not outward.any():
            break
        free &= ~outward
        step[:] = 0.0
    # Longer than one, a step leaves the region that the curvature describes. Cut short rather than clipped,
    # it keeps the direction of the ridge it follows.
    moving = np.abs(step) > np.finfo(np.float64).eps
    room = np.where(step > 0, theta - lower, upper - theta)[moving] / np.abs(step[moving])
    longest = 1.0 / max(1.0, float(np.max(np.abs(step))))
    return np.asarray(step * np.min(room, initial=longest), dtype=np.float64)


def _positive_definite(matrix: Floats) -> bool:
    """Whether the smallest eigenvalue stands clear of the error of the differences behind the matrix."""
    if not np.isfinite(matrix).all():
        return False
    eigenvalues = np.linalg.eigvalsh(matrix)
    return bool(eigenvalues[0] > 1e-10 * max(eigenvalues[-1], 1e-300))


def _deviations(information: Floats) -> Floats:
    if not _positive_definite(information):
        return np.full(len(information), np.nan)
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information))), dtype=np.float64)


def _covariance(information: Floats) -> Floats:
    """Return the inverse of the information; where there is hardly any, a deviation of ``_UNKNOWN_LOG_SD``."""
    values, vectors = np.linalg.eigh(np.nan_to_num(information))
    variances = 1 / (np.maximum(values, 0.0) + _UNKNOWN_LOG_SD**-2)
    return np.asarray(np.einsum("ij,j,kj->ik", vectors, variances, vectors), dtype=np.float64)


class Estimator:
    """What every fitted model holds, and how its parameters are drawn; not used by itself.

    Attributes
    ----------
    params_ : dict of str to float
        The estimates by their letters, in natural units.
    log_likelihood_ : float
        Total log-likelihood at ``params_`` in natural units; NaN if the parameters were given.
    standard_errors_ : dict of str to float
        From the inverse Hessian; NaN where it is singular (a maximum at the edge) or the parameters were given.
    covariance_ : ndarray, shape (p, p)
        Covariance of the logarithms of the parameters (of what exceeds their lower limit, where it is not zero), for
        draws. No direction has a deviation above 3, so it exists also at an edge; zero if the parameters were given.
    status_ : str
        Each model says which there are; ``given`` if the parameters were given.
    """

    params_: dict[str, float]
    log_likelihood_: float
    standard_errors_: dict[str, float]
    covariance_: Floats
    status_: str

    #: Letters of the parameters.
    _NAMES: ClassVar[tuple[str, ...]]
    #: Lower limits of the parameters that must exceed more than zero.
    _LIMITS: ClassVar[Mapping[str, float]] = {}

    @classmethod
    def _given(cls, **parameters: float) -> Self:
        model = cls()
        model.params_ = positive_parameters(**parameters)
        model.log_likelihood_ = float("nan")
        model.standard_errors_ = dict.fromkeys(model.params_, float("nan"))
        model.covariance_ = np.zeros((len(model.params_), len(model.params_)))
        model.status_ = "given"
        return model

    def _take(self, found: Maximum, scale: Floats) -> None:
        """Hold a maximum; ``scale`` turns each parameter into natural units."""
        estimates = np.exp(found.theta) * scale
        self.params_ = dict(zip(self._NAMES, (estimates + self._lower()).tolist(), strict=True))
        self.standard_errors_ = dict(zip(self._NAMES, (estimates * found.deviations).tolist(), strict=True))
        self.covariance_ = found.covariance

    def drawn(self, draws: int, seed: int = 0) -> list[Self]:
        """Return models with parameters drawn from the distribution of the estimates: what the data leave open.

        The logarithms of the parameters are normal around the estimates with covariance ``covariance_``.

        Parameters
        ----------
        draws : int
            Number of models.
        seed : int
            Not negative.

        Raises
        ------
        RuntimeError
            If the model has neither been fitted nor been given parameters.
        """
        centre = np.log(np.array(self._values()) - self._lower())
        values, vectors = np.linalg.eigh(self.covariance_)
        normal = np.random.default_rng([seed, draws]).standard_normal((draws, len(centre)))
        thetas = centre + np.einsum("ij,kj->ik", normal * np.sqrt(np.maximum(values, 0.0)), vectors)
        # Parameters beyond stay countable.
        limit = np.abs(centre) + LOG_SCALE_BOUND
        return [self._like(np.exp(np.clip(theta, -limit, limit)) + self._lower()) for theta in thetas]

    def _like(self, values: Floats) -> Self:
        """Return a model of this kind with other parameters."""
        return self._given(**dict(zip(self._NAMES, values.tolist(), strict=True)))

    def _lower(self) -> Floats:
        return np.array([self._LIMITS.get(name, 0.0) for name in self._NAMES])

    def _values(self) -> tuple[float, ...]:
        try:
            return tuple(self.params_.values())
        except AttributeError:
            name = type(self).__name__
            raise RuntimeError(
                f"This {name} has no parameters yet: call fit(...) or {name}.from_params(...)."
            ) from None


def with_prior(objective: Objective, centre: Floats, total_weight: float) -> Objective:
    """Add an independent normal prior on the log-parameters to a mean negative log-likelihood.

    The prior counts once, whatever the number of customers, so it fades as they grow. With no customer at all
    its centre is the answer.
    """
    scale = max(total_weight, 1.0)
    share = total_weight / scale

    def penalised(theta: Floats) -> tuple[float, Floats]:
        value, gradient = objective(theta)
        distance = (theta - centre) / PRIOR_LOG_SD
        penalty = float(np.sum(distance**2)) / 2 / scale
        return share * value + penalty, share * gradient + distance / PRIOR_LOG_SD / scale

    return penalised
