"""How the chance of a false claim is shared out over the looks at a results folder.

Room: results. A look's number in, its share out. Whoever adds seeds after seeing a verdict and
looks again has another chance to be fooled. So the 5 % are shared out beforehand: the first look
has four fifths of them, the second a tenth, look k 0.2 / (k (k - 1)). However many looks follow,
these add up to no more than the whole, and by Bonferroni's inequality so do the chances of a false
claim.

Reference:
    Spending the level over looks: Lan & DeMets, Biometrika 70, 1983. The shares are ours: most to
    the first, as one look at the planned end is the usual path (docs/statistics.md).
"""

__all__ = ["ALPHA", "share_of"]

ALPHA = 0.05
"""Chance that a search without any effect is ever called different, at whichever look."""

_FIRST = 0.8


def share_of(look: int) -> float:
    """The share of `ALPHA` that a look may spend; 1 is the first."""
    return _FIRST if look == 1 else (1 - _FIRST) / (look * (look - 1))
