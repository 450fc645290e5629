"""Passes of one mini-batch through a model's own layers on real tokens only, on a GPU.

Room: training. The adversary's contract is the padded passes'; here the layers see packed tokens,
and a training pass is played from a recording where that is right.

Letters: B examples, T tokens of the padded batch, N packed tokens, E embedding width.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from freelb_tune.adversary.passes import PassResult
from freelb_tune.training.passes.lookup import logits_of, real_tokens
from freelb_tune.training.passes.minibatch import Entry, Machinery, PaddedPasses
from freelb_tune.training.passes.unpadded.layers import on_real_tokens
from freelb_tune.training.passes.unpadded.layout import layout_of
from freelb_tune.training.passes.unpadded.recording import Recorder, Shape, Static, StaticPass
from freelb_tune.training.passes.unpadded.rounding import step_of, up_to

__all__ = ["UnpaddedPasses"]

_WIDTHS, _TOKENS = 16, 64  # a batch's width and its tokens are rounded up to multiples of these


class UnpaddedPasses(PaddedPasses):
    """See `Passes`."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Mapping[str, Tensor],
        labels: Tensor,
        *,
        standing: int = 0,
        recorder: Recorder | None = None,
        room: int | None = None,
        tokens: int | None = None,
        **common: Any,
    ) -> None:
        """Arguments as for `PaddedPasses`.

        Args:
            standing: what `standing_of` says of the model.
            recorder: plays passes again; None runs each as it is.
            room: the most tokens of an example that the model has places for, if that is known.
            tokens: how many are real; to count them is to wait for the device.
        """
        if recorder is not None:
            inputs = _widened(model, inputs, room)
        super().__init__(model, inputs, labels, whole=True, **common)
        self._recorder, self._standing = recorder, standing
        real = real_tokens(model, inputs).ne(0)
        tokens = int(real.sum()) if tokens is None else tokens
        step = step_of(tokens, _TOKENS)
        filled = tokens if recorder is None else min(up_to(tokens, step), real.numel())
        self._layout = layout_of(real, filled, max(real.shape[1], step))
        self._apart = False  # whether the weights, or their gradients, are for now elsewhere
        self._found: StaticPass | None = None
        self._looked = False

    def _lend(self, place: int, parameters: bool, copy: int) -> AbstractContextManager[None]:
        return on_real_tokens(self._model, self._layout)

    def run(self, *deltas: Tensor | None, scale: float = 1.0, **more: Any) -> PassResult:
        """See `Passes.run`."""
        if self._apart or not _is_usual(deltas, more) or (static := self._static_pass()) is None:
            return super().run(*deltas, scale=scale, **more)
        (delta,) = deltas
        words = self._words.detach()
        self._dropout.rewind()
        losses, logits, slope = static.play(
            words if delta is None else words + delta, scale / self.items
        )
        self._arrived = slope if self._arrived is None else self._arrived + slope
        wanted = more.get("ascend", True) and delta is not None
        return PassResult(losses, (logits,), (slope * self.mask.unsqueeze(-1) if wanted else None,))

    def update(self) -> None:
        """See `Passes.update`."""
        super().update()
        if self._recorder is not None:
            self._recorder.refresh()

    def weigh(self) -> tuple[PassResult, dict[str, Tensor]]:
        """See `Passes.weigh`."""
        with self._unrecorded():
            return super().weigh()

    @contextmanager
    def moved(self, steps: Mapping[str, Tensor]) -> Iterator[None]:
        """See `Passes.moved`."""
        with self._unrecorded(), super().moved(steps):
            yield

    @contextmanager
    def _unrecorded(self) -> Iterator[None]:
        before, self._apart = self._apart, True
        try:
            yield
        finally:
            self._apart = before

    def _static_pass(self) -> StaticPass | None:
        """The pass on memory of its own, with this batch in it; None to run it as it is."""
        if self._looked or self._recorder is None:
            return self._found
        self._looked = True
        labels = self.labels
        own = self.problem, tuple(self._inputs), labels.shape[1:], labels.dtype
        examples, width = self._layout.shape
        shape = Shape(self._standing, examples, width, len(self._layout.rows), own)
        body = partial(_pass, self._model, self._module, self.tools, self._recorder)
        static = partial(self._static, self._recorder)
        self._found = self._recorder.of(shape, self._model, static, body)
        self._found.begin(self._inputs, labels, self._layout)
        return self._found

    def _static(self, recorder: Recorder) -> Static:
        own = self._words.detach()
        words, slope = recorder.memory(own)
        with torch.no_grad():
            words.copy_(own)
        exact = torch.promote_types(own.dtype, torch.float32)  # bf16 would round 1/48
        return Static(
            {name: value.clone() for name, value in self._inputs.items()},
            self.labels.clone(),
            self._layout._replace(
                rows=self._layout.rows.clone(),
                starts=self._layout.starts.clone(),
                real=self._layout.real.clone(),
            ),
            words,
            slope,
            torch.ones((), dtype=exact, device=self.labels.device),
        )


def _pass(
    model: nn.Module, embeddings: nn.Module, tools: Machinery, recorder: Recorder, static: Static
) -> tuple[Tensor, Tensor]:
    """Forward and backward on static memory; gives losses `(B,)` and logits `(B, C)`."""
    static.words.grad = static.slope.zero_()
    entry = Entry(embeddings, static.inputs["input_ids"], static.words)
    with entry, tools.context(), recorder.lent(), on_real_tokens(model, static.layout):
        logits = logits_of(model(**static.inputs))
    losses = tools.loss(logits, static.labels)
    tools.backward(losses.sum() * static.factor)
    return losses.detach().float(), logits.detach()


def _widened(
    model: nn.Module, inputs: Mapping[str, Tensor], room: int | None
) -> Mapping[str, Tensor]:
    """A batch padded to a rounded width, so that fewer shapes are met."""
    ids = inputs["input_ids"]
    width = ids.shape[1]
    wide = up_to(width, step_of(width, _WIDTHS))
    if "attention_mask" not in inputs or room is None or wide > room:
        return inputs
    pad = getattr(getattr(model, "config", None), "pad_token_id", None) or 0
    beyond = (0, wide - width)
    return {
        name: F.pad(value, beyond, value=pad if name == "input_ids" else 0)
        for name, value in inputs.items()
    }


def _is_usual(deltas: tuple[Tensor | None, ...], more: Mapping[str, Any]) -> bool:
    """Whether a pass trains on one perturbation by the task's own loss."""
    odd = any(more.get(name) for name in ("objective", "apart", "states"))
    trains = more.get("parameters", True) and torch.is_grad_enabled()
    return len(deltas) == 1 and trains and not odd and more.get("targets") is None
