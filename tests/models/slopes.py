"""Slopes of an objective without its gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.btyd import Objective

Floats = NDArray[np.float64]


def central_differences(objective: Objective, theta: Floats) -> Floats:
    """Slopes by the five-point formula, good to some ten digits."""
    step = 1e-3

    def slope(unit: Floats) -> float:
        near = objective(theta + unit)[0] - objective(theta - unit)[0]
        far = objective(theta + 2 * unit)[0] - objective(theta - 2 * unit)[0]
        return (8 * near - far) / (12 * step)

    return np.array([slope(unit) for unit in np.eye(len(theta)) * step])
