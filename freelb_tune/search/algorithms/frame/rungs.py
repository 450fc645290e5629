"""ASHA's rungs: which epochs they are, who has been there, and who goes on.

Room: search, without Ray. A rung compares configurations, each by one number; `stopping` says which
number, and when.

Reference:
    Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020,
    arXiv:1810.05934. As Ray has it: nothing that stopped is promoted later.
"""

from collections.abc import Sequence

from freelb_tune.search.algorithms.frame.stopping import Decision

__all__ = ["Rungs"]


class Rungs:
    """Asynchronous successive halving over epochs, one bracket.

    What arrives at a rung is compared with what got there before it, and stops if it is not among
    their best 1 in `reduction_factor`; the first always goes on. A configuration with a seed
    missing ranks after every complete one, as it does in tables: it stops where a complete one has
    been, is else compared with others like it, and never counts where a complete one is judged.

    Args:
        grace_epochs: the first rung.
        reduction_factor: from one rung to the next; one in this many goes on.
        max_epochs: the full budget; rungs are before it.
        sign: 1.0 where higher values are better, -1.0 where lower ones are.
    """

    def __init__(
        self, grace_epochs: int, reduction_factor: int, max_epochs: int, sign: float
    ) -> None:
        self._factor, self._sign = reduction_factor, sign
        self._complete: dict[int, list[float]] = {}
        self._incomplete: dict[int, list[float]] = {}
        epoch = grace_epochs
        while epoch < max_epochs:
            self._complete[epoch], self._incomplete[epoch] = [], []
            epoch *= reduction_factor

    @property
    def epochs(self) -> Sequence[int]:
        """After which epochs a rung stands, the first one first."""
        return list(self._complete)

    def applies(self, config_id: str, epoch: int) -> bool:
        """At every rung."""
        return True

    def judge(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> Decision:
        """Whether a configuration that arrives with this score would go on; changes nothing."""
        before = self._complete[epoch]
        if not is_complete:
            if before:
                return "stop"
            before = self._incomplete[epoch]
        return "continue" if not before or self._sign * score >= self._cutoff(before) else "stop"

    def enter(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> None:
        """Count a configuration from now on, whatever was decided."""
        values = self._complete if is_complete else self._incomplete
        values[epoch].append(self._sign * score)

    def _cutoff(self, values: list[float]) -> float:
        """The least that is among the best 1 in `reduction_factor`, to the last bit Ray's own."""
        import numpy as np

        return float(np.nanpercentile(values, (1 - 1 / self._factor) * 100))
