"""Which path a model's passes may take: the fastest that gives `Trainer`'s own numbers.

Room: training. A probe decides, not a list of names: a small model of the same class and config, or
a copy of the model itself, is put through each path.
"""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from freelb_tune.training.inputs.adapter import is_adapted, rebuilt
from freelb_tune.training.inputs.model_config import UNBUILT, short
from freelb_tune.training.probing.at_rest import types_of
from freelb_tune.training.probing.every_path import Paths, Unseen, look
from freelb_tune.training.probing.small_models import SMALL, Build, Unbuilt, small_models

__all__ = ["Paths", "Unseen", "aside", "paths_of", "probe"]


def probe(build: Build, config: Any, *, own_loss: bool = False) -> tuple[Paths, frozenset[type]]:
    """Look at the model of a config; no generator moves.

    Args:
        build: makes a model of a config.
        config: transformers' own.
        own_loss: refuse a model with a loss of its own.

    Returns:
        Its paths, and the types of its modules: none where it is too large to be looked at, and
        its sizes are such that it cannot be made smaller.

    Raises:
        Unseen: it cannot be built, or fails on a short batch.
        FreeLBTuneError: no adversary can perturb it, or it has a loss of its own.
    """
    failed = said = ""
    with aside():
        torch.manual_seed(0)
        try:
            for model, ours in small_models(build, config):
                for dtype in (torch.float64, torch.float32):  # experts' kernels know no double
                    try:
                        return look(model, own_loss=own_loss, dtype=dtype), types_of(model)
                    except Unseen as err:
                        said = str(err)
                        failed = "" if ours else said
        except Unbuilt as err:
            failed = str(err)
    if failed:
        raise Unseen(failed)
    why = f"a small one cannot be looked at ({said})" if said else "it is too large to be looked at"
    return Paths(False, False, why), frozenset()


_KNOWN: dict[tuple[type, str], tuple[Paths, frozenset[type]]] = {}


def paths_of(model: nn.Module) -> Paths:
    """The paths of a model as it stands, asked of a small one of its class, or of a copy of it.

    Where neither can be looked at it takes the plain path: it is right whatever the model does.

    Raises:
        FreeLBTuneError: as `probe`.
    """
    config: Any = getattr(model, "config", None)
    if hasattr(config, "to_dict"):
        kind: type = type(model)
        build: Build = kind
        said = repr(config.to_dict())
        if is_adapted(model):
            adapted: Any = model
            kind, build = type(adapted.get_base_model()), rebuilt(adapted)
            said += repr(adapted.peft_config)
        key = kind, said
        try:
            if key not in _KNOWN:
                _KNOWN[key] = probe(build, config)
            paths, types = _KNOWN[key]
            if types_of(model) <= types:  # nobody has put other layers in
                return paths
        except Unseen:
            pass
    if sum(weight.numel() for weight in model.parameters()) > SMALL:
        return Paths(False, False, "it is too large to be looked at, and no plain class's")
    with aside():
        try:
            return look(_copy(model))
        except (Unseen, *UNBUILT) as err:
            return Paths(False, False, f"it cannot be looked at ({short(err)})")


def _copy(model: nn.Module) -> nn.Module:
    """A copy in float32 on the CPU; accelerate's autocast stays with the model itself."""
    lent = vars(model).pop("forward", None) if hasattr(model, "_original_forward") else None
    try:
        found = copy.deepcopy(model)
    finally:
        if lent is not None:
            model.forward = lent
    found.zero_grad()
    return found.cpu()


@contextmanager
def aside() -> Iterator[None]:
    """Move no generator, and take one thread, which is quickest for so little.

    Gradients are taken, also where the model is met while it predicts.
    """
    state, threads = np.random.get_state(), torch.get_num_threads()  # noqa: NPY002
    drawn = random.getstate()
    torch.set_num_threads(1)
    with torch.random.fork_rng(), torch.inference_mode(mode=False), torch.enable_grad():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            np.random.set_state(state)  # noqa: NPY002
            random.setstate(drawn)
