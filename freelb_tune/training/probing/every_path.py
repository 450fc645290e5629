"""One model put through every path, and each path's numbers held against the model's own.

Room: training. A tiny ragged batch goes forward and backward in double precision, without dropout:
as `Trainer` runs it, and through each of our paths. `Trainer` pads a batch to its longest example,
so every number is held against those of the plain model on that padded batch. A model that reads
padding reads the same padding on both sides.

Letters: b examples, T tokens, E embedding width.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from freelb_tune.adversary.divergence import Problem
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.inputs.model_config import UNBUILT, short
from freelb_tune.training.passes.lookup import input_embeddings, logits_of
from freelb_tune.training.passes.losses import example_losses, problem_of
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.packing import PackedPasses, packed_encoder
from freelb_tune.training.passes.plain import PlainPasses
from freelb_tune.training.passes.unpadded.passes import UnpaddedPasses
from freelb_tune.training.probing.at_rest import (
    LENGTHS,
    batch_of,
    draw_alike,
    make_still,
    narrow_seen,
    push_of,
    types_of,
)
from freelb_tune.training.probing.own_loss import check_own_loss
from freelb_tune.training.probing.tryout import Batch, gradients

__all__ = ["Paths", "Unseen", "look"]

CLOSE, CLOSE_IN_FLOAT32 = 1e-9, 1e-4
"""Largest gap, as a share of the largest value, between numbers that are the same: in double
precision throughout, and where the model computes in float32 somewhere whatever its weights are."""

Numbers = dict[str, Tensor]
Open = Callable[[Batch], Any]


class Paths(NamedTuple):
    """Which of the faster paths are right for a model; the plain one always is.

    Attributes:
        padding_free: the one without padding, where the model has it.
        trimmed: micro-batches of similar length, their words looked up once.
        why: what keeps the fastest on a CPU from being right; empty where nothing does.
        unpadded: the model's own layers on real tokens, which is for a GPU.
    """

    padding_free: bool
    trimmed: bool
    why: str = ""
    unpadded: bool = False


class Unseen(Exception):
    """The model fails on a batch of tokens alone, as the message says."""


def look(model: nn.Module, *, own_loss: bool = False, dtype: torch.dtype = torch.float64) -> Paths:
    """Put a small model, which is ours to change, through every path.

    Raises:
        Unseen: it fails on a short batch.
        FreeLBTuneError: as `probe`.
    """
    input_embeddings(model)  # or its refusal
    make_still(model, dtype)
    types = types_of(model)
    try:
        batch = batch_of(model)
        if (labels := batch["labels"]).is_floating_point():
            batch["labels"] = labels.to(dtype)
        with narrow_seen() as narrow:
            want = _plainly(model, batch)
    except UNBUILT as err:
        raise Unseen(f"it fails on {len(LENGTHS)} short examples: {short(err)}") from err
    close = CLOSE_IN_FLOAT32 if narrow or want["logits"].dtype != torch.float64 else CLOSE
    if types_of(model) != types:
        return Paths(False, False, "it puts other layers in when it meets a batch")
    if own_loss:
        check_own_loss(model, batch, _losses(model, batch)[0])
    plain = partial(_open, partial(PlainPasses, model), model)
    delta = push_of(model).to(dtype)
    pushed = _check_perturbed(model, plain, batch, want, delta, close)
    right, why = {}, []
    for name, kind in _faster(model):
        opened = partial(_open, kind, model)
        wrong = _wrong(opened, model, batch, delta, (want, pushed), close)
        right[name] = not wrong
        why += [f"the {name} path {wrong}"] if wrong and name != "unpadded" else []
    return Paths(
        right.get("padding-free", False), right["trimmed"], "; ".join(why), right["unpadded"]
    )


def _faster(model: nn.Module) -> Iterator[tuple[str, Callable[..., Any]]]:
    packed = packed_encoder(model, torch.device("cpu"), None)
    if packed is not None:
        yield "padding-free", partial(PackedPasses, packed, dropout=torch.Generator())
    yield "trimmed", partial(PaddedPasses, model, largest=2)
    yield "unpadded", partial(UnpaddedPasses, model)


def _wrong(
    opened: Open,
    model: nn.Module,
    batch: Batch,
    delta: Tensor,
    want: tuple[Numbers, Numbers],
    close: float,
) -> str:
    """What a path gets wrong, clean and perturbed; empty if nothing."""
    try:
        found = [_gap(_numbers(opened, model, batch, d), w)
                 for d, w in zip((None, delta), want, strict=True)]  # fmt: skip
    except (FreeLBTuneError, *UNBUILT) as err:
        return f"fails ({re.split(r'[.;] ', short(err))[0]})"
    finally:
        model.zero_grad()
    return "" if max(found) <= close else f"gives other numbers (by {max(found):.1g})"


def _check_perturbed(
    model: nn.Module, plain: Open, batch: Batch, want: Numbers, delta: Tensor, close: float
) -> Numbers:
    """Hold the plain path against the model itself, at rest and under a push.

    Returns:
        Its numbers under the push.

    Raises:
        FreeLBTuneError: it is not the model's own, or nothing is learnt of a push.
    """
    name = type(model).__name__
    try:
        gap = _gap(_numbers(plain, model, batch, torch.zeros_like(delta)), want)
        pushed = _numbers(plain, model, batch, delta)
    except UNBUILT as err:
        raise FreeLBTuneError(
            f"{name} cannot be perturbed at its input embeddings: {short(err)}"
        ) from err
    if gap > close:
        raise FreeLBTuneError(
            f"{name} learns otherwise when a perturbation of zero is added to its input "
            f"embeddings (by {gap:.1g} of the largest gradient); adversaries need one that does not"
        )
    if not bool(pushed["delta"].flatten(1).any(1).all()):
        raise FreeLBTuneError(
            f"{name} learns nothing of a perturbation of its input embeddings (the loss's gradient "
            "by it is zero); adversaries need a classifier that reads them"
        )
    return pushed


def _open(kind: Callable[..., Any], model: nn.Module, batch: Batch) -> Any:
    loss, problem = _losses(model, batch)
    return kind(
        _inputs(batch),
        batch["labels"],
        items=len(batch["labels"]),
        generator=torch.Generator(),
        tools=Machinery(nullcontext, torch.Tensor.backward, loss, lambda: None, problem),
    )


def _losses(model: nn.Module, batch: Batch) -> tuple[Callable[[Tensor, Tensor], Tensor], Problem]:
    problem = problem_of(getattr(model, "config", None), batch["labels"])
    return partial(example_losses, problem=problem), problem


def _numbers(opened: Open, model: nn.Module, batch: Batch, delta: Tensor | None) -> Numbers:
    """Logits, each weight's gradient, and the perturbation's where there is one."""
    draw_alike()
    passes = opened(batch)
    result = passes.run(delta)
    passes.close()
    found = {"logits": result.logits[0], **gradients(model)}
    if delta is None:
        return found
    slope = result.grads[0]
    return {**found, "delta": torch.zeros_like(delta) if slope is None else slope}


def _plainly(model: nn.Module, batch: Batch) -> Numbers:
    """The same of the model as it stands, without anything of ours."""
    draw_alike()
    logits = logits_of(model(**_inputs(batch)))
    loss = _losses(model, batch)[0](logits, batch["labels"]).mean()
    torch.autograd.backward(loss)
    return {"logits": logits.detach(), **gradients(model)}


def _gap(got: Numbers, want: Numbers) -> float:
    """The largest difference; of gradients by weights, as a share of the largest of them all."""
    alone = {"logits", "delta"} & want.keys()
    weights = want.keys() - alone
    scale = {name: float(want[name].abs().max()) for name in alone}
    scale |= dict.fromkeys(weights, max((float(want[n].abs().max()) for n in weights), default=0.0))
    gaps = [float((got[name] - value).abs().max()) / max(scale[name], 1e-30)
            for name, value in want.items() if value.numel()]  # fmt: skip
    return float("inf") if any(gap != gap for gap in gaps) else max(gaps, default=0.0)


def _inputs(batch: Batch) -> Batch:
    return {name: value for name, value in batch.items() if name != "labels"}
