"""What passes have in common that put a mini-batch through as it was padded.

Room: training. How a model is given a perturbation is left to the classes built on this.

Letters: B examples in the mini-batch, b in one micro-batch, T tokens, E embedding width, C classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from freelb_tune.adversary.passes import Objective, PassResult, Targets
from freelb_tune.training.passes.lookup import fixed, real_tokens, rows_of
from freelb_tune.training.passes.minibatch import Machinery
from freelb_tune.training.passes.weights import MovedWeights

__all__ = ["WholePasses"]


class WholePasses(MovedWeights, ABC):
    """See `Passes`. The perturbations are leaves of the graph, and their gradients stay there."""

    def __init__(
        self,
        model: nn.Module,
        weight: Tensor,
        inputs: Mapping[str, Tensor],
        labels: Tensor,
        *,
        items: int | Tensor,
        generator: torch.Generator,
        tools: Machinery,
        step: int = 0,
        largest: int | None = None,
    ) -> None:
        """Arguments as for `PaddedPasses`, and `weight`, the words' embeddings `(words, E)`."""
        self.generator, self.tools, self.step = generator, tools, step
        self.loss, self.problem = tools.loss, tools.problem
        self._model, self._inputs, self.labels, self.items = model, dict(inputs), labels, items
        self.mask = real_tokens(model, inputs).to(weight.dtype)
        self.words, self.width = weight.shape
        self.ids = self._inputs["input_ids"]
        rows = torch.arange(len(labels), device=labels.device)
        self._pieces = torch.split(rows, largest or len(labels))
        self.micro_batch = len(self._pieces[0])
        self.redraw()

    def run(
        self,
        *deltas: Tensor | None,
        objective: Objective | None = None,
        targets: Targets | None = None,
        scale: float = 1.0,
        parameters: bool = True,
        ascend: bool = True,
        apart: bool = False,
        states: bool = False,
    ) -> PassResult:
        """See `Passes.run`."""
        targets = self.labels if targets is None else targets
        wanted = parameters or (ascend and any(delta is not None for delta in deltas))
        leaves = [
            delta if delta is None else delta.detach().clone().requires_grad_(ascend)
            for delta in deltas
        ]
        losses, logits, seen = [], [], []
        self._rewind()
        with (
            nullcontext() if parameters else fixed(self._model),
            torch.set_grad_enabled(wanted and torch.is_grad_enabled()),
        ):
            for rows in self._pieces:
                outs = self._forward(leaves, rows, apart, states)
                own = rows_of(targets, rows)
                piece = objective(outs, own) if objective else self.loss(outs[0], own)
                if wanted:
                    loss = piece.sum() * (scale / self.items)
                    (self.tools.backward if parameters else torch.autograd.backward)(loss)
                losses.append(piece.detach().float())
                logits.append([out.detach() for out in outs[: len(deltas)]])
                seen.append([state.detach() for state in outs[len(deltas) :]])
        kept = self.mask.unsqueeze(-1)
        grads = tuple(
            None if leaf is None or leaf.grad is None or not ascend else leaf.grad * kept
            for leaf in leaves
        )
        whole = tuple(torch.cat(parts) for parts in zip(*logits, strict=True))
        found = tuple(torch.cat(parts) * kept for parts in zip(*seen, strict=True))
        return PassResult(torch.cat(losses), whole, grads, found)

    @abstractmethod
    def _forward(
        self, leaves: Sequence[Tensor | None], rows: Tensor, apart: bool, states: bool
    ) -> tuple[Tensor, ...]:
        """Logits of one micro-batch for each perturbation, with the same draws unless `apart`.

        The encoder's states follow them where they are asked for.
        """

    def _rewind(self) -> None:  # noqa: B027 (only one that draws as it goes has something to do)
        """Begin a pass."""

    @abstractmethod
    def redraw(self) -> None:
        """See `Passes.redraw`."""

    def update(self) -> None:
        """See `Passes.update`."""
        self.tools.update()

    def close(self) -> None:  # noqa: B027 (as above)
        """Nothing is left over."""
