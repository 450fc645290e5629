"""A model's own layers at a lower price on a CPU, while a micro-batch is passed through.

Room: training. Nothing is copied from a model: for the length of a forward pass, its `nn.Dropout`
and `nn.Linear` layers and its attention compute the same by cheaper means.

torch draws a Bernoulli number per entry, which costs a tenth of a MiniLM step; 16 random bits
against a threshold cost a fraction of it. A rate p becomes round(p x 65536) / 65536.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from freelb_tune.training.passes.attention import kept_attention
from freelb_tune.training.passes.dropout import KeptMasks
from freelb_tune.training.passes.linear import linear_on_live_rows
from freelb_tune.training.passes.lookup import is_checkpointing

__all__ = ["Thrift", "can_be_thrifty"]


def can_be_thrifty(model: nn.Module, device: torch.device) -> bool:
    """Whether a model's layers may be lent other means.

    Not on a GPU, where it was not measured; not where layers run again in backward, as gradient
    checkpointing has it, nor where they are compiled, as both must see the layers as they are; nor
    where the model's `forward` was replaced, as it is to open autocast.
    """
    compiled = hasattr(model, "_orig_mod") or model._compiled_call_impl is not None
    replaced = "forward" in vars(model)
    changed = compiled or replaced or is_checkpointing(model)
    return device.type == "cpu" and model.training and not changed


class Thrift:
    """What can be had cheaper in a model."""

    def __init__(self, model: nn.Module) -> None:
        parts = [m for m in model.modules() if "forward" not in vars(m)]  # lent to nobody yet
        self._dropouts = [m for m in parts if type(m) is nn.Dropout and m.training and 0 < m.p < 1]
        self._linears = [m for m in parts if type(m) is nn.Linear]
        self._config = getattr(model, "config", None)

    @contextmanager
    def lent(self, masks: KeptMasks, gradients: bool) -> Iterator[None]:
        """Lend it for one forward pass; nothing of it stays behind.

        Args:
            masks: the micro-batch's dropout masks.
            gradients: whether gradients by the parameters are wanted.
        """
        masks.rewind()
        # Under autocast, layers change their inputs' dtype; leave that to torch.
        plain = not torch.is_autocast_enabled("cpu")
        linears = self._linears if plain and gradients else []
        for layer in self._dropouts:
            layer.forward = partial(_drop, masks=masks, p=layer.p)  # type: ignore[method-assign]
        for linear in linears:
            linear.forward = partial(linear_on_live_rows, layer=linear)  # type: ignore[method-assign]
        try:
            with kept_attention(self._config if plain else None, masks):
                yield
        finally:
            for part in (*self._dropouts, *linears):
                del part.forward


def _drop(x: Tensor, masks: KeptMasks, p: float) -> Tensor:
    mask = masks.next(tuple(x.shape), p, x)
    return x if mask is None else x * mask
