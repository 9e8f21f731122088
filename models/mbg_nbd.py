"""The MBG/NBD model.

Belongs here: what distinguishes this member of the family. Does not belong here: what it shares with the
BG/NBD (``beta_geometric.py``).
"""

from models.beta_geometric import BetaGeometricFamily, Parameters


class ModifiedBetaGeoNBD(BetaGeometricFamily):
    """Modified beta-geometric / negative binomial model of repeat buying.

    A customer may leave after every purchase, the first included: the probability that a one-time buyer is
    still alive falls with silence. Methods and fitted attributes: see the base class.

    References
    ----------
    Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
    analysis, International Journal of Research in Marketing 24(3), 201-209. Hoppe & Wagner (2007), Customer
    Base Analysis: The Case for a Central Variant of the Betageometric/NBD Model.

    Examples
    --------
    >>> model = ModifiedBetaGeoNBD.from_params(r=0.5248431, alpha=6.1830852, a=0.8913594, b=1.6140023)
    >>> float(model.probability_alive(frequency=2, recency=30.43, T=38.86)[0].round(4))
    0.7061
    """

    _first_flips = 1
    # Published CDNOW estimates, rounded, with alpha on the scaled axis.
    _PRIOR = Parameters(r=0.5, alpha=1.6, a=0.9, b=1.6)
