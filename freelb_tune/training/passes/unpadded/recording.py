"""Passes recorded as CUDA graphs, and played again: small encoders wait for their launches.

Room: training. A pass of a BERT of base size launches hundreds of kernels; for the thousand tokens
of an RTE batch the device needs a fraction of the time in which they are launched one by one. A
graph is recorded for each rounded shape of batch, on its second meeting; before, the same kernels
are launched on the same memory, so that it makes no difference to a number when that was.

Letters: B examples, T tokens of the padded batch, N packed tokens, E embedding width, C classes.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from freelb_tune.training.passes.dropout import DropoutReplay
from freelb_tune.training.passes.unpadded.layout import Layout
from freelb_tune.training.passes.unpadded.linear import CastWeights

__all__ = ["Recorder", "Shape", "Static", "StaticPass"]

MEETINGS = 2
"""A shape is recorded when it is met this often: a graph takes a few passes to make."""

MOST = 48
"""No more shapes are recorded: each keeps some memory. The others are launched."""

logger = logging.getLogger(__name__)
Body = Callable[["Static"], tuple[Tensor, Tensor]]
"""One pass forward and backward; gives losses `(B,)` and logits `(B, C)`."""


class Shape(NamedTuple):
    """What a recorded pass holds for; batches of fewer tokens are filled up to it."""

    standing: int
    examples: int
    width: int
    tokens: int
    more: tuple[Any, ...]


@dataclass
class Static:
    """The memory that a recorded pass reads.

    Attributes:
        inputs: the model's, `(B, T)` each.
        labels: `(B, ...)`.
        layout: where the real tokens lie.
        words: the perturbed embeddings, `(B, T, E)`, a leaf.
        slope: the gradient by them, `(B, T, E)`.
        factor: what the sum of the losses is multiplied by.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    layout: Layout
    words: Tensor
    slope: Tensor
    factor: Tensor

    def take(self, inputs: Mapping[str, Tensor], labels: Tensor, layout: Layout) -> None:
        """Copy one batch in."""
        for name, value in inputs.items():
            self.inputs[name].copy_(value)
        self.labels.copy_(labels)
        self.layout.rows.copy_(layout.rows)
        self.layout.starts.copy_(layout.starts)
        self.layout.real.copy_(layout.real)

    @torch.no_grad()
    def put(self, words: Tensor, factor: Tensor | float) -> None:
        """Copy a pass's words and factor in."""
        self.words.copy_(words)
        if isinstance(factor, Tensor):
            self.factor.copy_(factor)
        else:
            self.factor.fill_(factor)


class StaticPass:
    """A training pass on memory of its own: launched at first, then recorded."""

    def __init__(self, static: Static, body: Body, recorder: "Recorder") -> None:
        self._static, self._body, self._recorder = static, body, recorder
        self._graph: Any = None
        self._found: tuple[Tensor, Tensor]
        self._met = 0

    @property
    def is_recorded(self) -> bool:
        """Whether it is played from a recording."""
        return self._graph is not None

    def begin(self, inputs: Mapping[str, Tensor], labels: Tensor, layout: Layout) -> None:
        """Take a mini-batch."""
        self._static.take(inputs, labels, layout)
        self._recorder.refresh()
        self._met += 1
        on_gpu = labels.device.type == "cuda"
        if on_gpu and self._met == MEETINGS and self._recorder.has_room:
            self._record()

    def play(self, words: Tensor, factor: Tensor | float) -> tuple[Tensor, Tensor, Tensor]:
        """Run it on perturbed words `(B, T, E)`; the weights' gradients are added up.

        Returns:
            Losses, logits, and the gradient by the words: copies, as the next play overwrites them.
        """
        self._static.put(words, factor)
        self._recorder.lend_gradients()
        if self._graph is None:
            self._found = self._body(self._static)
        else:
            self._graph.replay()
        losses, logits = self._found
        return losses.clone(), logits.clone(), self._static.slope.clone()

    def _record(self) -> None:
        static, recorder = self._static, self._recorder
        device = static.words.device
        draws, main = DropoutReplay(device), torch.cuda.current_stream(device)
        before = recorder.take_gradients()
        try:
            with recorder.aside(device):
                self._body(static)  # what is set up once, is set up before it is recorded
            recorder.lend_memory()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(
                graph, recorder.pool, recorder.stream(device), capture_error_mode="thread_local"
            ):
                found = self._body(static)
            self._graph, self._found = graph, found
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as err:
            recorder.refused = str(err).split("\n", maxsplit=1)[0]
            logger.warning("passes are launched one by one, which is slower: %s", recorder.refused)
        finally:
            torch.cuda.set_stream(main)  # a capture that fails leaves its own
            for weight, grad in before.items():
                weight.grad = grad
            draws.rewind()


class Recorder:
    """A model's static passes. One pool of memory serves all, as one is played at a time.

    Attributes:
        refused: why nothing more is recorded; empty while it is.
    """

    def __init__(self, *, bf16: bool = False) -> None:
        self._bf16 = bf16
        self._passes: dict[Shape, StaticPass] = {}
        self._grads: dict[Tensor, Tensor] = {}
        self._pool: Any = None
        self._memory: tuple[Tensor, Tensor] | None = None
        self._standing: int | None = None
        self._cast: CastWeights | None = None
        self.refused = ""

    def of(
        self, shape: Shape, model: nn.Module, static: Callable[[], Static], body: Body
    ) -> StaticPass:
        """The pass of a shape."""
        if shape.standing != self._standing:  # what was recorded is of another model now
            self._standing = shape.standing
            self._passes, self._grads, self._cast, self._memory = {}, {}, None, None
        if shape not in self._passes:
            if self._bf16 and self._cast is None:
                self._cast = CastWeights(model)
                self._cast.refresh()
            made = static()
            if not self._grads:
                self._grads = _gradients(model, made, body)
            self._passes[shape] = StaticPass(made, body, self)
        return self._passes[shape]

    @property
    def has_room(self) -> bool:
        """Whether another pass is recorded."""
        return not self.refused and self.recorded < MOST

    def memory(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Memory for perturbed words as `like` and for the gradient by them; all shapes share it.

        Both are of its shape; the words are a leaf.
        """
        size = like.numel()
        if self._memory is None or self._memory[0].numel() < size:
            self._memory = like.new_empty(size), like.new_empty(size)
        words, slope = (flat[:size].view(like.shape) for flat in self._memory)
        return words.requires_grad_(), slope

    def refresh(self) -> None:
        """See the weights as they stand now."""
        if self._cast is not None:
            self._cast.refresh()

    def lent(self) -> AbstractContextManager[Any]:
        """Lend a model cheaper means for one pass forward."""
        return nullcontext() if self._cast is None else self._cast.lent()

    def take_gradients(self) -> dict[Tensor, Tensor | None]:
        """Take the weights' gradients off, so that a pass makes others."""
        before = {weight: weight.grad for weight in self._grads}
        for weight in self._grads:
            weight.grad = None
        return before

    def lend_memory(self) -> None:
        """Let the weights' gradients be the memory that the static passes add to, as it is."""
        for weight, own in self._grads.items():
            weight.grad = own

    def lend_gradients(self) -> None:
        """The same, with the gradients of the weight update so far in it."""
        fresh = []
        for weight, own in self._grads.items():
            if weight.grad is own:
                continue
            if weight.grad is None:
                fresh.append(own)
            else:
                own.copy_(weight.grad)
            weight.grad = own
        if fresh:
            torch._foreach_zero_(fresh)

    @property
    def recorded(self) -> int:
        """How many passes are played from a recording."""
        return sum(each.is_recorded for each in self._passes.values())

    @property
    def pool(self) -> Any:
        """The graphs' memory."""
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        return self._pool

    @staticmethod
    def stream(device: torch.device) -> Any:
        """The one stream that graphs are recorded on: cuBLAS keeps memory for each."""
        if device not in _STREAMS:
            _STREAMS[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        return _STREAMS[device]

    @contextmanager
    def aside(self, device: torch.device) -> Iterator[None]:
        """Run on that stream, between what came before and what follows."""
        stream, main = self.stream(device), torch.cuda.current_stream(device)
        stream.wait_stream(main)
        try:
            with torch.cuda.stream(stream):
                yield
        finally:
            main.wait_stream(stream)


_STREAMS: dict[torch.device, Any] = {}


def _gradients(model: nn.Module, static: Static, body: Body) -> dict[Tensor, Tensor]:
    """Memory for the gradients of those weights that a pass reaches; nothing else is moved."""
    weights = [p for p in model.parameters() if p.requires_grad]
    before = [p.grad for p in weights]
    draws = DropoutReplay(static.words.device)
    try:
        for weight in weights:
            weight.grad = None
        body(static)
        return {weight: weight.grad for weight in weights if weight.grad is not None}
    finally:
        for weight, grad in zip(weights, before, strict=True):
            weight.grad = grad
        draws.rewind()
