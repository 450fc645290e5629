"""What an adversary sees of training: one mini-batch that can be passed through the model.

Room: adversary. Tensors only; knows no files, tasks or Ray. `training/` provides the passes.

Letters used in this room: B examples, T tokens, E embedding width, C classes.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from freelb_tune.adversary.divergence import Problem

__all__ = ["Adversary", "Outcome", "PassResult", "Passes", "Remembering", "Targets"]

Targets = Tensor | tuple[Tensor, ...]
"""What an objective is given in place of the labels: `(B, ...)`, or several of those."""

Objective = Callable[[tuple[Tensor, ...], Any], Tensor]
"""From the logits of each perturbed copy, `(b, C)`, and the labels or targets, `(b, ...)`, to
losses `(b,)`. Where states were asked for, they follow the logits, `(b, t, H)` of each copy."""


@dataclass(frozen=True)
class PassResult:
    """What one pass brought back; nothing here holds a graph.

    Attributes:
        losses: each example's loss, `(B,)`.
        logits: of each perturbed copy, `(B, C)`.
        grads: gradient of the scaled mini-batch loss by each perturbation, `(B, T, E)`, zero on
            padding; None where that perturbation was None or no gradient was asked for.
        states: the encoder's last, of each copy, `(B, T, H)`, zero on padding; none unless asked.
    """

    losses: Tensor
    logits: tuple[Tensor, ...]
    grads: tuple[Tensor | None, ...]
    states: tuple[Tensor, ...] = ()

    @property
    def slope(self) -> Tensor:
        """The first perturbation's gradient, `(B, T, E)`.

        Raises:
            ValueError: it was not asked for.
        """
        if self.grads[0] is None:
            raise ValueError("the pass had no perturbation, or was run with ascend=False")
        return self.grads[0]


class Passes(Protocol):
    """One mini-batch, ready to be passed through the model any number of times.

    Every pass uses the same dropout masks. Gradients by the parameters add up in `.grad`.

    Attributes:
        mask: 1 for a real token and 0 for padding, `(B, T)`, in the embeddings' dtype.
        width: E.
        labels: `(B,)`, or `(B, C)` with several labels or values.
        problem: what the logits are of, for a divergence of two predictions.
        loss: the task's own loss of each example, `(b,)`, from logits `(b, C)` and labels.
        items: what the loss is divided by: the examples of the whole weight update that count.
        step: weight updates that were done before this one.
        generator: source of the adversary's noise; dropout draws from another one.
        ids: the tokens, `(B, T)`.
        words: V, how many there are in the vocabulary.
        weights: those that are trained, by name.
    """

    mask: Tensor
    width: int
    labels: Tensor
    problem: Problem
    loss: Callable[[Tensor, Tensor], Tensor]
    items: int | Tensor
    step: int
    generator: torch.Generator
    ids: Tensor
    words: int

    @property
    def weights(self) -> Mapping[str, Tensor]: ...

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
        """Pass the mini-batch forward and backward, once per perturbation.

        Args:
            deltas: added to the word embeddings, `(B, T, E)`; None for the clean embeddings.
            objective: losses from the copies' logits; the task's own loss of the first copy if
                None.
            targets: what the objective is given in place of the labels, `(B, ...)`.
            scale: the mini-batch's mean loss is multiplied by this before backward.
            parameters: whether gradients by the parameters are wanted.
            ascend: whether gradients by the perturbations are wanted. Without either, the pass
                is forward only.
            apart: let each copy have dropout masks of its own, the first those of all passes.
            states: whether the encoder's states are wanted.
        """
        ...

    def weigh(self) -> tuple[PassResult, dict[str, Tensor]]:
        """The clean pass, and its gradient by each trained weight, which is left out of `.grad`."""
        ...

    def moved(self, steps: Mapping[str, Tensor]) -> AbstractContextManager[None]:
        """Add a step to some weights for the passes inside; they are put back to the last bit.

        The steps' memory is used up.
        """
        ...

    def redraw(self) -> None:
        """Draw other dropout masks for the passes that follow."""
        ...

    def update(self) -> None:
        """Let the optimizer step on the gradients so far (for methods that step on each pass)."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What an adversary did with one mini-batch.

    Attributes:
        losses: each example's training loss, mean over the passes that train, `(B,)`.
        adversarial: each example's loss under the last perturbation, `(B,)`.
        delta: that perturbation, `(B, T, E)`; None if the method perturbs nothing.
        passes: forward and backward passes that were run.
    """

    losses: Tensor
    adversarial: Tensor
    delta: Tensor | None
    passes: int


@runtime_checkable
class Remembering(Protocol):
    """A method that learns from batch to batch: its memory is a part of a checkpoint.

    Attributes:
        memory: by name; empty before the first mini-batch. Its tensors are changed in place.
    """

    memory: dict[str, Tensor]


class Adversary(Protocol):
    """How a mini-batch is perturbed. One small file per method."""

    def __call__(self, passes: Passes) -> Outcome:
        """Leave the training gradient of one mini-batch in the parameters."""
        ...
