"""Promises of what is learnt: the same gradient however a batch is cut, and nothing else moved.

Room: training.
"""

import copy
import random

import numpy as np
import torch
from torch import Tensor, nn

from freelb_tune.space.settings.adversaries import AdversarySettings, NoneSettings, Scheduled
from freelb_tune.training.passes.packed import pack
from freelb_tune.training.probing.tryout import gradients, made_up_batch, try_out
from freelb_tune.training.promises.claims import Promise, claim, close, close_all, one_step

__all__ = ["GRADIENT"]


def _is_the_same_in_micro_batches(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    whole, want = one_step(settings, model, batch)
    cut, got = one_step(settings, model, batch, largest=1)
    close_all(got, want, "in micro-batches of one example")
    for number, (a, b) in enumerate(zip(cut.deltas, whole.deltas, strict=True)):
        close(a, b, f"in micro-batches of one example perturbation {number}")


def _is_the_same_without_padding(settings: AdversarySettings, model: nn.Module) -> None:
    if pack(model) is None:
        return
    batch = made_up_batch(model)
    _, want = one_step(settings, model, batch)
    _, got = one_step(settings, model, batch, padding_free=True)
    close_all(got, want, "on the padding-free path")


def _adds_up_under_accumulation(settings: AdversarySettings, model: nn.Module) -> None:
    batches = [made_up_batch(model), made_up_batch(model, (6, 2), seed=3)]
    parts = []
    for batch in batches:
        tried, alone = one_step(settings, model, batch)
        if tried.updates:
            claim(settings.UPDATES_WEIGHTS, "it calls update(), and its settings do not say so")
            return
        parts.append({name: value * len(batch["labels"]) / 6 for name, value in alone.items()})
    for batch in batches:
        try_out(settings, model, batch, items=6)
    want = {name: parts[0][name] + parts[1][name] for name in parts[0]}
    close_all(gradients(model), want, "of two accumulated batches, beside their mean,")


def _does_nothing_when_off(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    _, plain = one_step(NoneSettings(), model, batch)
    if not isinstance(settings, Scheduled) and one_step(settings, model, batch)[0].deltas:
        return  # it has no lengths to set to 0
    off = settings.times(0.0) if isinstance(settings, Scheduled) else settings
    _, got = one_step(off, model, batch)
    close_all(got, plain, "with every length 0, beside the clean arm,")


def _begins_when_told(settings: AdversarySettings, model: nn.Module) -> None:
    if not isinstance(settings, Scheduled):
        return
    batch = made_up_batch(model)
    _, plain = one_step(NoneSettings(), model, batch)
    late = settings.model_copy(update={"adv_begin_step": 4, "adv_warmup_steps": 3})
    before, got = one_step(late, model, batch, step=3)
    close_all(got, plain, "before it begins, beside the clean arm,")
    claim(before.forwards == 1, f"before it begins it makes {before.forwards} passes")
    now = settings.model_copy(update={"adv_begin_step": 0, "adv_warmup_steps": 0})
    for step, share in ((4, 1 / 4), (7, 1.0)):
        _, want = one_step(now.times(share), model, batch)
        _, got = one_step(late, model, batch, step=step)
        close_all(got, want, f"in update {step} of a warm-up from 4 over 3")


def _keeps_to_its_generator(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    before = _global_state()
    first, want = one_step(settings, model, batch)
    after = _global_state()
    claim(torch.equal(before[0], after[0]), "it moved torch's global generator")
    claim(before[1:] == after[1:], "it moved Python's or numpy's global generator")
    torch.rand(1), random.random(), np.random.random()  # noqa: B018, NPY002
    second, got = one_step(settings, model, batch)
    for a, b in zip(first.deltas, second.deltas, strict=True):
        claim(torch.equal(a, b), "with the same generator it perturbs otherwise")
    claim(all(torch.equal(got[name], want[name]) for name in want), "gradients are not repeatable")


def _leaves_the_model_alone(settings: AdversarySettings, model: nn.Module) -> None:
    before = copy.deepcopy(model.state_dict())
    wanted = [p.requires_grad for p in model.parameters()]
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    one_step(settings, model, made_up_batch(model))
    for name, value in model.state_dict().items():
        claim(torch.equal(value, before[name]), f"{name} changed without an optimizer step")
    claim(wanted == [p.requires_grad for p in model.parameters()], "requires_grad changed")
    left = sum(len(module._forward_hooks) for module in model.modules())
    claim(hooks == left, f"{left - hooks} hooks were left behind")


def _is_as_its_plainest(settings: AdversarySettings, model: nn.Module) -> None:
    if "plainest" not in vars(type(settings)):
        return  # it says of nothing that it cannot matter
    batch, fields = made_up_batch(model), type(settings).model_fields
    for change in ({}, {"adv_steps": 1}, {"max_norm": 1e3}):
        own = settings.model_copy(update={k: v for k, v in change.items() if k in fields})
        (_, got), (_, want) = (one_step(each, model, batch) for each in (own, own.plainest()))
        same = all(torch.equal(got[name], want[name]) for name in want)
        claim(same, f"plainest() of {own} trains otherwise: {own.plainest()}")


def _global_state() -> tuple[Tensor, object, str]:
    return torch.get_rng_state(), random.getstate(), repr(np.random.get_state())  # noqa: NPY002


GRADIENT: dict[str, Promise] = {
    "is the same in micro-batches": _is_the_same_in_micro_batches,
    "is the same without padding": _is_the_same_without_padding,
    "adds up under accumulation": _adds_up_under_accumulation,
    "does nothing when off": _does_nothing_when_off,
    "begins when told": _begins_when_told,
    "keeps to its generator": _keeps_to_its_generator,
    "leaves the model alone": _leaves_the_model_alone,
    "is as its plainest": _is_as_its_plainest,
}
