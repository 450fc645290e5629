"""One mini-batch and its passes through a model: what an adversary works on.

Room: training. A model, a padded batch and an optional perturbation in; losses and gradients out.

Letters: B examples in the mini-batch, b in one micro-batch, T tokens, E embedding width, C classes.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from freelb_tune.adversary.divergence import Problem
from freelb_tune.adversary.passes import Objective, PassResult, Targets
from freelb_tune.training.passes.dropout import DropoutReplay, KeptMasks
from freelb_tune.training.passes.lookup import (
    fixed,
    input_embeddings,
    is_checkpointing,
    logits_of,
    real_tokens,
    rows_of,
    same_ids,
    states_seen,
    token_lengths,
    unused,
    word_count,
)
from freelb_tune.training.passes.pieces import cut_by_length
from freelb_tune.training.passes.thrift import Thrift, can_be_thrifty
from freelb_tune.training.passes.weights import MovedWeights

__all__ = ["Machinery", "PaddedPasses"]


class Machinery(NamedTuple):
    """What the trainer lends to every pass.

    Attributes:
        context: opens autocast around a forward pass.
        backward: back-propagates a loss (accelerate's, which scales it under fp16).
        loss: each example's loss from logits `(b, C)` and labels `(b, ...)`.
        update: one optimizer step on the gradients so far, then clears them.
        problem: what the logits are of.
    """

    context: Callable[[], AbstractContextManager[Any]]
    backward: Callable[[Tensor], None]
    loss: Callable[[Tensor, Tensor], Tensor]
    update: Callable[[], None]
    problem: Problem = "single_label_classification"


class PaddedPasses(MovedWeights):
    """Passes of one mini-batch through any encoder with an embedding layer.

    The perturbation enters through a forward hook on the input embeddings, so the model sees its
    `input_ids` as ever. The mini-batch runs as micro-batches of similar length, trimmed to their
    longest example and weighted so that the mini-batch gradient is unchanged; dropout draws the
    same masks in every pass. The words are looked up once per mini-batch, and the gradients that
    arrive at them are added up and sent into the embedding matrix once, by `close`.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Mapping[str, Tensor],
        labels: Tensor,
        *,
        items: int | Tensor,
        generator: torch.Generator,
        tools: Machinery,
        step: int = 0,
        largest: int | None = None,
        whole: bool = False,
    ) -> None:
        """Look the words up and cut the mini-batch.

        Args:
            model: a sequence classifier, in training mode.
            inputs: `input_ids` `(B, T)` and others of `OVER_TOKENS`.
            labels: `(B, ...)`.
            items: the loss is divided by this many examples: those of the whole weight update
                that count.
            generator: source of the adversary's noise.
            tools: the trainer's autocast, backward, loss and optimizer step.
            step: weight updates that were done before this one.
            largest: most examples in one micro-batch.
            whole: keep the mini-batch in one piece (a GPU gains nothing from small ones).
        """
        self.generator, self.tools, self.step = generator, tools, step
        self.loss, self.problem = tools.loss, tools.problem
        self._model, self._inputs, self.labels, self.items = model, dict(inputs), labels, items
        self._module = input_embeddings(model)
        mask = real_tokens(model, inputs)
        self._pieces = _pieces_of(mask, largest, whole)
        self._order = torch.cat([piece for piece, _ in self._pieces]).argsort()
        self.micro_batch = max(len(piece) for piece, _ in self._pieces)
        self._runs_again = is_checkpointing(model)
        self._thrift = Thrift(model) if can_be_thrifty(model, mask.device) else None
        self.ids = self._inputs["input_ids"]
        self.words = word_count(self._module)
        self.redraw()
        self._look_up()
        self.mask = mask.to(self._words.dtype)
        self.width = self._words.shape[-1]

    def _look_up(self) -> None:
        self._words = self._module(self._inputs["input_ids"])  # (B, T, E), in the graph
        self._arrived: Tensor | None = None

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
        losses, logits, seen = [], [], []
        arrived = [torch.zeros_like(self._words, requires_grad=False) for _ in deltas]
        self._dropout.rewind()
        wanted = (parameters or ascend) and torch.is_grad_enabled()
        for place, (rows, width) in enumerate(self._pieces):
            lent = partial(self._lend, place, parameters)
            with self._kept(parameters), torch.set_grad_enabled(wanted):
                with states_seen(self._model, states) as own_states:
                    leaves, outs = self._forward(deltas, rows, width, lent, apart)
                own = rows_of(targets, rows)
                outs = (*outs, *own_states)
                piece = objective(outs, own) if objective else self.loss(outs[0], own)
                self._backward(piece.sum() * (scale / self.items), leaves, parameters, ascend)
            losses.append(piece.detach().float())
            logits.append([out.detach() for out in outs[: len(deltas)]])
            beyond = (0, 0, 0, self.mask.shape[1] - width)
            seen.append([F.pad(state.detach(), beyond) for state in own_states])
            for grad, leaf in zip(arrived, leaves, strict=True):
                if leaf.grad is not None:
                    grad[rows, :width] = leaf.grad
        if parameters:
            for grad in arrived:
                self._arrived = grad if self._arrived is None else self._arrived + grad
        kept = self.mask.unsqueeze(-1)
        grads = tuple(
            grad * kept if ascend and delta is not None else None
            for grad, delta in zip(arrived, deltas, strict=True)
        )
        whole = tuple(self._in_order(parts) for parts in zip(*logits, strict=True))
        found = tuple(self._in_order(parts).mul_(kept) for parts in zip(*seen, strict=True))
        return PassResult(self._in_order(losses), whole, grads, found)

    def _in_order(self, parts: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
        """The micro-batches' parts put together, `(B, ...)`, in the order of the mini-batch."""
        return torch.cat(parts)[self._order]

    def _forward(
        self,
        deltas: tuple[Tensor | None, ...],
        rows: Tensor,
        width: int,
        lent: Callable[[int], AbstractContextManager[None]],
        apart: bool,
    ) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Logits of one micro-batch for each perturbation, and the embeddings they started from."""
        inputs = {name: _trim(value, rows, width) for name, value in self._inputs.items()}
        words = self._words.detach()[rows, :width]  # (b, T, E)
        leaves, outs = [], []
        drawn = self._dropout.state()
        for copy, delta in enumerate(deltas):
            leaf = words.clone() if delta is None else words + delta[rows, :width]
            leaves.append(leaf.requires_grad_())
            if not apart:
                self._dropout.restore(drawn)
            ids = inputs["input_ids"]
            masks = lent(copy if apart else 0)
            with Entry(self._module, ids, leaf) as entry, self.tools.context(), masks:
                output = self._model(**inputs)
            if not entry.used:
                raise unused(self._model)
            outs.append(logits_of(output))
        return leaves, tuple(outs)

    def _kept(self, parameters: bool) -> AbstractContextManager[None]:
        return nullcontext() if parameters or not self._runs_again else fixed(self._model)

    def _backward(self, loss: Tensor, leaves: list[Tensor], parameters: bool, ascend: bool) -> None:
        if parameters:
            self.tools.backward(loss)
        elif ascend and self._runs_again:  # reentrant checkpointing takes backward() alone
            torch.autograd.backward(loss)
        elif ascend:
            grads = torch.autograd.grad(loss, leaves, materialize_grads=True)
            for leaf, grad in zip(leaves, grads, strict=True):
                leaf.grad = grad

    def redraw(self) -> None:
        """See `Passes.redraw`."""
        if self._thrift is not None:
            # Kept masks come from a generator of their own, so that what a model draws itself meets
            # the global one in the same state in every pass.
            self._draws = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        self._masks: dict[int, list[KeptMasks]] = {}
        self._dropout = DropoutReplay(self.labels.device)

    def _lend(self, place: int, parameters: bool, copy: int) -> AbstractContextManager[None]:
        """Cheaper means for one forward pass of a piece; copies that are apart drop other units."""
        if self._thrift is None:
            return nullcontext()
        if copy not in self._masks:
            self._masks[copy] = [KeptMasks(self._draws) for _ in self._pieces]
        return self._thrift.lent(self._masks[copy][place], parameters)

    def _begin_again(self) -> None:
        self._look_up()

    def update(self) -> None:
        """See `Passes.update`."""
        self.close()
        self.tools.update()
        self._look_up()

    def close(self) -> None:
        """Send what arrived at the words into the embedding matrix, once per mini-batch."""
        if self._arrived is not None and self._words.requires_grad:
            self._words.backward(self._arrived.to(self._words.dtype))
        self._arrived = None


def _pieces_of(mask: Tensor, largest: int | None, whole: bool) -> list[tuple[Tensor, int]]:
    """Rows and width of each micro-batch; a whole one waits for no device."""
    examples, width = mask.shape
    if whole:
        rows = torch.arange(examples, device=mask.device)
        return [(piece, width) for piece in torch.split(rows, largest or examples)]
    lengths = token_lengths(mask)
    return [
        (torch.tensor(piece, device=mask.device), max(lengths[row] for row in piece))
        for piece in cut_by_length(lengths, largest)
    ]


class Entry:
    """Puts given embeddings in the place of the ones a model looks up, while it is open."""

    def __init__(self, module: nn.Module, ids: Tensor, words: Tensor) -> None:
        self._module, self._ids, self._words = module, ids, words
        self.used = False

    def __enter__(self) -> "Entry":
        self._handle = self._module.register_forward_hook(self._replace, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _replace(
        self, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: Tensor
    ) -> Tensor:
        looked_up = next(iter((*args, *named.values())), None)
        if not same_ids(looked_up, self._ids):
            return output  # other ids of the same table, such as token types
        self.used = True
        return self._words.to(output.dtype)


def _trim(value: Any, rows: Tensor, width: int) -> Any:
    """A micro-batch's rows of an input over tokens, cut to its longest example."""
    return value[rows, :width] if isinstance(value, Tensor) else value
