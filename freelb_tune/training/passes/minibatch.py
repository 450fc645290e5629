"""One mini-batch and its passes through a model: what an adversary works on.

Room: training. A model, a padded batch and an optional perturbation in; losses and gradients out.

Letters: B examples in the mini-batch, b in one micro-batch, T tokens, E embedding width, C classes.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from freelb_tune.adversary.passes import Objective, PassResult
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.dropout import DropoutReplay, KeptMasks
from freelb_tune.training.passes.pieces import cut_by_length
from freelb_tune.training.passes.thrift import Thrift, can_be_thrifty

__all__ = ["Machinery", "PaddedPasses", "input_embeddings", "real_tokens", "token_lengths"]


class Machinery(NamedTuple):
    """What the trainer lends to every pass.

    Attributes:
        context: opens autocast around a forward pass.
        backward: back-propagates a loss (accelerate's, which scales it under fp16).
        loss: each example's loss from logits `(b, C)` and labels `(b,)`.
        update: one optimizer step on the gradients so far, then clears them.
    """

    context: Callable[[], AbstractContextManager[Any]]
    backward: Callable[[Tensor], None]
    loss: Callable[[Tensor, Tensor], Tensor]
    update: Callable[[], None]


def input_embeddings(model: nn.Module) -> nn.Module:
    """The module that turns token ids into word embeddings.

    Raises:
        FreeLBTuneError: the model has none, or has a decoder that reads the same one.
    """
    config = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        raise FreeLBTuneError(
            f"{type(model).__name__} has a decoder; adversaries need an encoder-only classifier"
        )
    try:
        module = cast(Any, model).get_input_embeddings()
    except (AttributeError, NotImplementedError):
        module = None
    if not isinstance(module, nn.Module):
        raise FreeLBTuneError(
            f"{type(model).__name__} has no input embeddings to perturb; "
            "adversaries need a classifier that reads get_input_embeddings()"
        )
    return module


def real_tokens(inputs: Mapping[str, Tensor]) -> Tensor:
    """1 for a real token and 0 for padding, `(B, T)`; all ones where no mask is given."""
    mask = inputs.get("attention_mask")
    return torch.ones_like(inputs["input_ids"]) if mask is None else mask


def token_lengths(mask: Tensor) -> list[int]:
    """Each example's number of positions up to its last real token, from `(B, T)`.

    With padding on the left nothing can be trimmed on the right, and every length is T.
    """
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths: list[int] = (mask.ne(0) * places).amax(1).clamp_min(1).tolist()
    return lengths


class PaddedPasses:
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
        items: int,
        generator: torch.Generator,
        tools: Machinery,
        step: int = 0,
        largest: int | None = None,
        whole: bool = False,
    ) -> None:
        """Look the words up and cut the mini-batch.

        Args:
            model: a sequence classifier, in training mode.
            inputs: `input_ids` `(B, T)`, `attention_mask` `(B, T)` and whatever else it takes.
            labels: `(B,)`.
            items: the loss is divided by this many examples: B, or more under accumulation.
            generator: source of the adversary's noise.
            tools: the trainer's autocast, backward, loss and optimizer step.
            step: weight updates that were done before this one.
            largest: most examples in one micro-batch.
            whole: keep the mini-batch in one piece (a GPU gains nothing from small ones).
        """
        self.generator, self.tools, self.loss, self.step = generator, tools, tools.loss, step
        self._model, self._inputs, self.labels, self._items = model, dict(inputs), labels, items
        self._module = input_embeddings(model)
        mask = real_tokens(inputs)
        lengths = [mask.shape[1]] * mask.shape[0] if whole else token_lengths(mask)
        rows = cut_by_length(lengths, largest, overhead=float("inf")) if whole else None
        self._pieces = [
            (torch.tensor(piece, device=mask.device), max(lengths[row] for row in piece))
            for piece in rows or cut_by_length(lengths, largest)
        ]
        self.micro_batch = max(len(piece) for piece, _ in self._pieces)
        self._thrift = Thrift(model) if can_be_thrifty(model, mask.device) else None
        self._lent: list[Callable[[bool], AbstractContextManager[None]]]
        self._lent = [lambda gradients: nullcontext() for _ in self._pieces]
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
        targets: Tensor | None = None,
        scale: float = 1.0,
        parameters: bool = True,
        ascend: bool = True,
    ) -> PassResult:
        """See `Passes.run`."""
        targets = self.labels if targets is None else targets
        b = self.labels.shape[0]
        losses = torch.zeros(b, device=self.labels.device)
        logits: list[Tensor | None] = [None] * len(deltas)
        arrived = [torch.zeros_like(self._words, requires_grad=False) for _ in deltas]
        self._dropout.rewind()
        for (rows, width), lent in zip(self._pieces, self._lent, strict=True):
            with torch.set_grad_enabled((parameters or ascend) and torch.is_grad_enabled()):
                leaves, outs = self._forward(deltas, rows, width, partial(lent, parameters))
                own = targets[rows]
                piece = objective(outs, own) if objective else self.loss(outs[0], own)
            self._backward(piece.sum() * (scale / self._items), leaves, parameters, ascend)
            losses[rows] = piece.detach().float()
            for i, (leaf, out) in enumerate(zip(leaves, outs, strict=True)):
                if leaf.grad is not None:
                    arrived[i][rows, :width] = leaf.grad
                whole = logits[i]
                if whole is None:
                    whole = logits[i] = out.new_empty((b, out.shape[-1]), requires_grad=False)
                whole[rows] = out.detach()
        if parameters:
            for grad in arrived:
                self._arrived = grad if self._arrived is None else self._arrived + grad
        kept = self.mask.unsqueeze(-1)
        grads = tuple(
            grad * kept if ascend and delta is not None else None
            for grad, delta in zip(arrived, deltas, strict=True)
        )
        return PassResult(losses, tuple(out for out in logits if out is not None), grads)

    def _forward(
        self,
        deltas: tuple[Tensor | None, ...],
        rows: Tensor,
        width: int,
        lent: Callable[[], AbstractContextManager[None]],
    ) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Logits of one micro-batch for each perturbation, and the embeddings they started from."""
        inputs = {name: _trim(value, rows, width) for name, value in self._inputs.items()}
        words = self._words.detach()[rows, :width]  # (b, T, E)
        leaves, outs = [], []
        drawn = self._dropout.state()
        for delta in deltas:
            leaf = words.clone() if delta is None else words + delta[rows, :width]
            leaves.append(leaf.requires_grad_())
            self._dropout.restore(drawn)
            with _Entry(self._module, leaf) as entry, self.tools.context(), lent():
                output = self._model(**inputs)
            if not entry.used:
                raise FreeLBTuneError(
                    f"{type(self._model).__name__} computed its logits without its input "
                    "embeddings; adversaries need a classifier that reads get_input_embeddings()"
                )
            outs.append(output["logits"] if isinstance(output, Mapping) else output[0])
        return leaves, tuple(outs)

    def _backward(self, loss: Tensor, leaves: list[Tensor], parameters: bool, ascend: bool) -> None:
        if parameters:
            self.tools.backward(loss)
        elif ascend:
            grads = torch.autograd.grad(loss, leaves, materialize_grads=True)
            for leaf, grad in zip(leaves, grads, strict=True):
                leaf.grad = grad

    def redraw(self) -> None:
        """See `Passes.redraw`."""
        if self._thrift is not None:
            # Kept masks come from a generator of their own, so that what a model draws itself meets
            # the global one in the same state in every pass.
            generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
            masks = [KeptMasks(generator) for _ in self._pieces]
            self._lent = [partial(self._thrift.lent, own) for own in masks]
        self._dropout = DropoutReplay(self.labels.device)

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


class _Entry:
    """Puts given embeddings in the place of the ones a model looks up, while it is open."""

    def __init__(self, module: nn.Module, words: Tensor) -> None:
        self._module, self._words = module, words
        self.used = False

    def __enter__(self) -> "_Entry":
        self._handle = self._module.register_forward_hook(self._replace)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _replace(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        if output.shape != self._words.shape:
            raise FreeLBTuneError(
                f"the model looked up embeddings of shape {tuple(output.shape)} where "
                f"{tuple(self._words.shape)} was expected; adversaries need (batch, tokens, width)"
            )
        self.used = True
        return self._words.to(output.dtype)


def _trim(value: Any, rows: Tensor, width: int) -> Any:
    """A micro-batch's rows of an input, cut to its longest example if it runs over tokens."""
    if not isinstance(value, Tensor):
        return value
    return value[rows, :width] if value.ndim > 1 else value[rows]
