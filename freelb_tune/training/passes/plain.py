"""Passes of one mini-batch through a model exactly as `Trainer` runs it: slower, always right.

Room: training. The batch goes through whole, as it was padded, with the model's own layers and
draws; a perturbation is added to what its embeddings give. For models that read padding, that
transpose, pad or wrap what they look up, and whose embeddings carry somebody's hooks.

Letters: B examples in the mini-batch, b in one micro-batch, T tokens, E embedding width, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pad

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.dropout import DropoutReplay
from freelb_tune.training.passes.lookup import (
    input_embeddings,
    logits_of,
    rows_of_input,
    same_ids,
    states_seen,
    unused,
)
from freelb_tune.training.passes.whole import WholePasses

__all__ = ["PlainPasses"]

Place = Callable[[Tensor], Tensor]
"""From what belongs to the batch's tokens, `(b, T, E)`, to where the model looked them up."""


class PlainPasses(WholePasses):
    """See `Passes`. What the model draws itself is replayed, so that all passes drop alike."""

    def __init__(
        self, model: nn.Module, inputs: Mapping[str, Tensor], labels: Tensor, **common: Any
    ) -> None:
        """Arguments as for `PaddedPasses`.

        Raises:
            FreeLBTuneError: the model's input embeddings are no matrix.
        """
        self._module = input_embeddings(model)
        weight: Any = getattr(self._module, "weight", None)
        if not isinstance(weight, Tensor) or weight.ndim != 2:
            raise FreeLBTuneError(
                f"{type(model).__name__} has {type(self._module).__name__} for its input "
                "embeddings, which has no weight (words, width); adversaries need one"
            )
        super().__init__(model, weight, inputs, labels, **common)

    def _forward(
        self, leaves: Sequence[Tensor | None], rows: Tensor, apart: bool, states: bool
    ) -> tuple[Tensor, ...]:
        whole = len(rows) == len(self.labels)
        count = len(self.labels)
        inputs = {
            name: value if whole else rows_of_input(value, rows, count)
            for name, value in self._inputs.items()
        }
        outs = []
        drawn = self._dropout.state()
        with states_seen(self._model, states) as seen:
            for delta in leaves:
                if not apart:
                    self._dropout.restore(drawn)
                own = None if delta is None else delta[rows]
                with _Added(self._module, inputs["input_ids"], own) as added, self.tools.context():
                    output = self._model(**inputs)
                if not added.used:
                    raise unused(self._model)
                outs.append(logits_of(output))
        return (*outs, *seen)

    def _rewind(self) -> None:
        self._dropout.rewind()

    def redraw(self) -> None:
        """See `Passes.redraw`."""
        self._dropout = DropoutReplay(self.labels.device)


class _Added:
    """Adds a perturbation to what embeddings give for a batch's tokens, while it is open."""

    def __init__(self, module: nn.Module, ids: Tensor, delta: Tensor | None) -> None:
        self._module, self._ids, self._delta = module, ids, delta
        self.used = delta is None

    def __enter__(self) -> "_Added":
        self._handle = self._module.register_forward_hook(self._add, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _add(self, module: nn.Module, args: tuple[Any, ...], named: Any, output: Any) -> Any:
        if self._delta is None:
            return output
        looked_up = next(iter((*args, *named.values())), None)
        place = _place(looked_up, self._ids) if isinstance(looked_up, Tensor) else None
        if place is None:
            return output  # another table's ids, such as token types that share the words' matrix
        self.used = True
        if isinstance(output, tuple):
            return (output[0] + place(self._delta).to(output[0].dtype), *output[1:])
        return output + place(self._delta).to(output.dtype)


def _place(looked_up: Tensor, ids: Tensor) -> Place | None:
    """How a batch's tokens `(b, T)` lie in what a model looked up; None if they are not there."""
    if same_ids(looked_up, ids):
        return lambda x: x
    if looked_up.ndim == 2 and same_ids(looked_up.t(), ids):
        return lambda x: x.transpose(0, 1)
    more = looked_up.shape[-1] - ids.shape[1]
    if more > 0 and same_ids(looked_up[..., : ids.shape[1]], ids):
        return lambda x: pad(x, (0, 0, 0, more))
    return None
