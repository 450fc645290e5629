"""Passes with the weights elsewhere: their gradient by themselves, and a step that is taken back.

Room: training. What `Passes.weigh` and `Passes.moved` do, whatever the path.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from freelb_tune.adversary.passes import PassResult

__all__ = ["MovedWeights"]


class MovedWeights:
    """See `Passes`. A class with this has `run` and `close`; `_begin_again` if it keeps a graph."""

    _model: nn.Module

    @property
    def weights(self) -> dict[str, Tensor]:
        """See `Passes`."""
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}

    def weigh(self) -> tuple[PassResult, dict[str, Tensor]]:
        """See `Passes.weigh`."""
        own: Any = self
        own.close()
        weights = self.weights
        before = {name: weight.grad for name, weight in weights.items()}
        for weight in weights.values():
            weight.grad = None
        self._begin_again()
        try:
            result: PassResult = own.run(None, ascend=False)
            own.close()
            found = {n: w.grad for n, w in weights.items() if w.grad is not None}
        finally:
            for name, weight in weights.items():
                weight.grad = before[name]
        self._begin_again()
        return result, found

    @contextmanager
    def moved(self, steps: Mapping[str, Tensor]) -> Iterator[None]:
        """See `Passes.moved`."""
        own: Any = self
        own.close()
        weights = {name: weight for name, weight in self.weights.items() if name in steps}
        kept = {name: weight.data for name, weight in weights.items()}
        try:
            for name, weight in weights.items():
                # In the step's own memory: a fresh copy of the weights costs more than the sum.
                weight.data = steps[name].add_(weight.data)
            self._begin_again()
            yield
            own.close()
        finally:
            for name, weight in weights.items():
                weight.data = kept[name]
            self._begin_again()

    def _begin_again(self) -> None:
        """Compute again what was computed from the weights."""
