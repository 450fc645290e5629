"""A model's own layers, run on packed tokens while a block is open.

Room: training. What lies before the first layer (the embeddings) and after the last (the head) sees
the padded batch as ever; two hooks pack what goes in and pad what comes out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.unpadded.attention import packed_attention
from freelb_tune.training.passes.unpadded.layout import Layout, pack, unpack

__all__ = ["layers_of", "on_real_tokens"]


def layers_of(model: nn.Module) -> nn.ModuleList:
    """A model's layers, in their order.

    Raises:
        FreeLBTuneError: it has no list of as many modules as its config has layers.
    """
    count = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    found = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if len(found) != 1:
        raise FreeLBTuneError("it has no one list of its layers")
    return found[0]


@contextmanager
def on_real_tokens(model: nn.Module, layout: Layout) -> Iterator[None]:
    """Run the layers on packed tokens.

    Raises:
        FreeLBTuneError: the model's layers, or its attention, cannot be run so.
    """
    layers = layers_of(model)

    def enter(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if args:
            return (pack(args[0], layout), *args[1:]), named
        return args, {**named, "hidden_states": pack(named["hidden_states"], layout)}

    def leave(module: nn.Module, args: Any, out: Any) -> Any:
        if isinstance(out, Tensor):
            return unpack(out, layout)
        return (unpack(out[0], layout), *out[1:])

    first = layers[0].register_forward_pre_hook(enter, with_kwargs=True)
    last = layers[-1].register_forward_hook(leave)
    try:
        with packed_attention(model.config, layout):
            yield
    finally:
        first.remove()
        last.remove()
