"""Statistical models of buying and spending, as plain estimators on arrays.

Belongs here: probability models and their estimation in numpy and scipy. Does not belong here: tables, files,
databases, orchestration, business thresholds. The estimators follow scikit-learn's shape (``fit`` returns the
object, fitted state ends in an underscore) and the vocabulary of the field (``frequency``, ``recency``,
``T``).
"""

from models.bg_bb import BetaGeoBetaBinomial
from models.bg_nbd import BetaGeoNBD
from models.contracts import KaplanMeier, ShiftedBetaGeometric
from models.gamma_gamma import GammaGamma
from models.mbg_cnbd_k import ModifiedBetaGeoCNBD
from models.mbg_nbd import ModifiedBetaGeoNBD
from models.pareto_nbd import ParetoNBD

__all__ = [
    "BetaGeoBetaBinomial",
    "BetaGeoNBD",
    "GammaGamma",
    "KaplanMeier",
    "ModifiedBetaGeoCNBD",
    "ModifiedBetaGeoNBD",
    "ParetoNBD",
    "ShiftedBetaGeometric",
]
