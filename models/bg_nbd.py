"""The BG/NBD model.

Belongs here: what distinguishes this member of the family. Does not belong here: what it shares with the
MBG/NBD (``beta_geometric.py``).
"""

from models.beta_geometric import BetaGeometricFamily, Parameters


class BetaGeoNBD(BetaGeometricFamily):
    """Beta-geometric / negative binomial model of repeat buying.

    A customer may leave after each repeat purchase, not after the first one: everyone who bought once counts
    as alive for ever. Methods and fitted attributes: see the base class.

    References
    ----------
    Fader, Hardie & Lee (2005), Counting Your Customers the Easy Way, Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> model = BetaGeoNBD.from_params(r=0.2425945, alpha=4.4136025, a=0.792922, b=2.4259068)
    >>> float(model.expected_purchases(39, frequency=2, recency=30.43, T=38.86)[0].round(4))
    1.2259
    """

    _first_flips = 0
    # The CDNOW estimates of the paper, rounded, with alpha on the scaled axis.
    _PRIOR = Parameters(r=0.25, alpha=1.1, a=0.8, b=2.4)
