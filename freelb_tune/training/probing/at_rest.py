"""A small model and a batch for it, so still that every path must give the same numbers.

Room: training. No dropout, no special token, no weight at a trivial value, and the same draws.

Letters: b examples, T tokens, E embedding width.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from freelb_tune.training.passes.lookup import input_embeddings
from freelb_tune.training.probing.tryout import Batch, made_up_batch

__all__ = ["LENGTHS", "batch_of", "draw_alike", "make_still", "narrow_seen", "push_of", "types_of"]

LENGTHS = (3, 9, 5, 3)
"""Tokens of the batch's examples; the short ones are cut to a piece of three tokens."""


def make_still(model: nn.Module, dtype: torch.dtype) -> None:
    """Training mode that drops nothing, in our precision, with no weight at a trivial value."""
    model.to(dtype).train()
    for part in model.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
        _drop_nothing(part)
    _drop_nothing(getattr(model, "config", None))
    noise = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:  # a head of zeros would hide all that lies before it
                weight.add_(torch.randn(weight.shape, generator=noise), alpha=0.02)


def _drop_nothing(owner: Any) -> None:
    """Set every rate of dropout that an object carries as a number to 0."""
    for name, value in list(vars(owner).items()) if hasattr(owner, "__dict__") else ():
        if "drop" in name and isinstance(value, float):
            vars(owner)[name] = 0.0


def types_of(model: nn.Module) -> frozenset[type]:
    """The classes of a model's modules."""
    return frozenset(type(part) for part in model.modules())


def batch_of(model: nn.Module) -> Batch:
    """Words alone, no special token, and what `Trainer` would leave in: what `forward` takes."""
    config: Any = model.config.get_text_config()  # type: ignore[operator,union-attr]
    batch = made_up_batch(model, LENGTHS)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    special = [v for n, v in vars(config).items() if n.endswith("_token_id") and isinstance(v, int)]
    odd = mask.bool() & torch.isin(ids, torch.tensor(special))
    batch["input_ids"] = ids.masked_fill(odd, config.vocab_size - 1)
    taken = inspect.signature(model.forward).parameters
    return {name: value for name, value in batch.items() if name in taken or name == "labels"}


def push_of(model: nn.Module) -> Tensor:
    """A push of a tenth of a word's size, zero on padding, `(b, T, E)`."""
    weight: Any = input_embeddings(model).weight
    places = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    noise = torch.Generator().manual_seed(3)
    drawn = torch.randn(*places.shape, weight.shape[-1], generator=noise, dtype=torch.float64)
    return 0.1 * float(weight.detach().std()) * drawn * places.unsqueeze(-1)


def draw_alike() -> None:
    """What a model draws besides dropout is the same each time."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the model's own draws


@contextmanager
def narrow_seen() -> Iterator[list[torch.dtype]]:
    """Note whether anything is computed in less than double precision while it is open."""
    seen: list[torch.dtype] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            for each in out if isinstance(out, tuple | list) else (out,):
                if isinstance(each, Tensor) and each.is_floating_point() and each.numel() > 1:
                    seen.extend([each.dtype] * (each.dtype.itemsize < 8 and not seen))
            return out

    with Watch():  # type: ignore[no-untyped-call]
        yield seen
