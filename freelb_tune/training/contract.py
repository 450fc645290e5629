"""What every adversary promises, as checks that anybody's adversary can be put through.

Room: training. Under pytest:

    from freelb_tune.training.contract import CHECKS, check

    @pytest.mark.parametrize("name", CHECKS)
    def test_my_adversary_keeps_the_contract(name):
        check(MySettings(), checks=[name])

The checks run on a copy of the model in double precision with dropout off, on made-up batches,
within seconds on a CPU. A broken promise is an `AssertionError` that says which and how.
"""

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from freelb_tune.adversary.delta import lengths
from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.settings.adversaries import (
    ADVERSARIES,
    AdversarySettings,
    Ascent,
    NoneSettings,
    Perturbing,
    Scheduled,
)
from freelb_tune.training.passes.packed import pack
from freelb_tune.training.tryout import Tried, gradients, made_up_batch, tiny_model, try_out

__all__ = ["CHECKS", "check"]

CLOSE = 1e-5
"""Largest gap, as a share of the largest value, between numbers that should be equal."""

Grads = dict[str, Tensor]


def check(
    settings: AdversarySettings | str,
    model: nn.Module | None = None,
    checks: Iterable[str] | None = None,
) -> None:
    """Put an adversary through the contract.

    Args:
        settings: of a registered adversary, which should perturb; its name for the defaults.
        model: a sequence classifier, left as it is; a tiny BERT if None.
        checks: names from `CHECKS`; all of them if None.

    Raises:
        AssertionError: it breaks a promise.
        FreeLBTuneError: there is no such adversary or check.
    """
    if isinstance(settings, str):
        if settings not in ADVERSARIES:
            raise FreeLBTuneError(f"adversary: {unknown_name(settings, ADVERSARIES)}")
        settings = ADVERSARIES[settings](method=settings)
    bench = copy.deepcopy(tiny_model() if model is None else model).double().eval()
    for name in CHECKS if checks is None else checks:
        if name not in CHECKS:
            raise FreeLBTuneError(f"check: {unknown_name(name, CHECKS)}")
        try:
            with _randomness_put_back():
                CHECKS[name](settings, bench)
        except AssertionError as err:
            raise AssertionError(f"{settings.method}: {name}: {err}") from err


def _returns_what_it_did(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    tried = try_out(settings, model, batch)
    outcome, b = tried.outcome, len(batch["labels"])
    for name, losses in (("losses", outcome.losses), ("adversarial", outcome.adversarial)):
        _claim(tuple(losses.shape) == (b,), f"{name} has shape {tuple(losses.shape)}, not ({b},)")
        _claim(bool(losses.isfinite().all()), f"{name} is not finite: {losses.tolist()}")
        _claim(not losses.requires_grad, f"{name} still holds a graph")
    last = tried.deltas[-1] if tried.deltas else None
    if outcome.delta is None or last is None:
        _claim(outcome.delta is last, "delta is None exactly if nothing was perturbed")
    else:
        _close(outcome.delta, last, "delta, beside the last perturbation that was run,")


def _counts_its_passes(settings: AdversarySettings, model: nn.Module) -> None:
    tried = try_out(settings, model, made_up_batch(model))
    said, seen = tried.outcome.passes, tried.forwards
    _claim(said == seen, f"it says {said} passes, and {seen} went through the model")


def _perturbs_every_example(settings: AdversarySettings, model: nn.Module) -> None:
    if not isinstance(settings, Perturbing):
        return
    tried = try_out(settings, model, made_up_batch(model))
    sizes = lengths(_delta(tried), "linf").tolist()
    _claim(min(sizes) > 0, f"largest entries of the perturbation by example: {sizes}")


def _leaves_padding_alone(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    for number, delta in enumerate(try_out(settings, model, batch).deltas):
        stray = delta[batch["attention_mask"] == 0].abs().max().item()
        _claim(stray == 0, f"perturbation {number} has an entry of {stray} on padding")


def _stays_in_the_ball(settings: AdversarySettings, model: nn.Module) -> None:
    fields = type(settings).model_fields
    if not isinstance(settings, Perturbing) or "max_norm" not in fields:
        return
    for norm in ("l2", "linf") if "norm" in fields else (getattr(settings, "norm", "l2"),):
        changed = {"max_norm": None, "relative": False} | (
            {"norm": norm} if "norm" in fields else {}
        )
        free = settings.model_copy(update=changed)
        wide = try_out(free, model, made_up_batch(model))
        if isinstance(settings, Ascent) and len(wide.deltas) == 1:
            return  # the starting noise alone, which no ball holds
        radius = lengths(_delta(wide), norm).min().item() / 2
        tight = try_out(free.model_copy(update={"max_norm": radius}), model, made_up_batch(model))
        length = lengths(_delta(tight), norm).max().item()
        _claim(length <= radius * (1 + CLOSE), f"{norm} norm {length} in a ball of {radius}")


def _is_the_same_in_any_company(settings: AdversarySettings, model: nn.Module) -> None:
    first, second = made_up_batch(model), made_up_batch(model, (3, 6, 8, 4), seed=2)
    for name, value in first.items():
        second[name][0] = value[0]
    ours, theirs = (try_out(settings, model, batch) for batch in (first, second))
    _claim(len(ours.deltas) == len(theirs.deltas), "the number of passes depends on the batch")
    for number, (a, b) in enumerate(zip(ours.deltas, theirs.deltas, strict=True)):
        _close(a[0], b[0], f"with other examples beside it, an example's perturbation {number}")
    _close(ours.outcome.losses[0], theirs.outcome.losses[0], "an example's loss in other company")


def _is_the_same_in_micro_batches(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    whole, want = _step(settings, model, batch)
    cut, got = _step(settings, model, batch, largest=1)
    _close_all(got, want, "in micro-batches of one example")
    for number, (a, b) in enumerate(zip(cut.deltas, whole.deltas, strict=True)):
        _close(a, b, f"in micro-batches of one example perturbation {number}")


def _is_the_same_without_padding(settings: AdversarySettings, model: nn.Module) -> None:
    if pack(model) is None or settings.READS_STATES:
        return
    batch = made_up_batch(model)
    _, want = _step(settings, model, batch)
    _, got = _step(settings, model, batch, padding_free=True)
    _close_all(got, want, "on the padding-free path")


def _adds_up_under_accumulation(settings: AdversarySettings, model: nn.Module) -> None:
    batches = [made_up_batch(model), made_up_batch(model, (6, 2), seed=3)]
    parts = []
    for batch in batches:
        tried, alone = _step(settings, model, batch)
        if tried.updates:
            _claim(settings.UPDATES_WEIGHTS, "it calls update(), and its settings do not say so")
            return
        parts.append({name: value * len(batch["labels"]) / 6 for name, value in alone.items()})
    for batch in batches:
        try_out(settings, model, batch, items=6)
    want = {name: parts[0][name] + parts[1][name] for name in parts[0]}
    _close_all(gradients(model), want, "of two accumulated batches, beside their mean,")


def _does_nothing_when_off(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    _, plain = _step(NoneSettings(), model, batch)
    if not isinstance(settings, Scheduled) and _step(settings, model, batch)[0].deltas:
        return  # it has no lengths to set to 0
    off = settings.times(0.0) if isinstance(settings, Scheduled) else settings
    _, got = _step(off, model, batch)
    _close_all(got, plain, "with every length 0, beside the clean arm,")


def _begins_when_told(settings: AdversarySettings, model: nn.Module) -> None:
    if not isinstance(settings, Scheduled):
        return
    batch = made_up_batch(model)
    _, plain = _step(NoneSettings(), model, batch)
    late = settings.model_copy(update={"adv_begin_step": 4, "adv_warmup_steps": 3})
    before, got = _step(late, model, batch, step=3)
    _close_all(got, plain, "before it begins, beside the clean arm,")
    _claim(before.forwards == 1, f"before it begins it makes {before.forwards} passes")
    now = settings.model_copy(update={"adv_begin_step": 0, "adv_warmup_steps": 0})
    for step, share in ((4, 1 / 4), (7, 1.0)):
        _, want = _step(now.times(share), model, batch)
        _, got = _step(late, model, batch, step=step)
        _close_all(got, want, f"in update {step} of a warm-up from 4 over 3")


def _keeps_to_its_generator(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    before = _global_state()
    first, want = _step(settings, model, batch)
    after = _global_state()
    _claim(torch.equal(before[0], after[0]), "it moved torch's global generator")
    _claim(before[1:] == after[1:], "it moved Python's or numpy's global generator")
    torch.rand(1), random.random(), np.random.random()  # noqa: B018, NPY002
    second, got = _step(settings, model, batch)
    for a, b in zip(first.deltas, second.deltas, strict=True):
        _claim(torch.equal(a, b), "with the same generator it perturbs otherwise")
    _claim(all(torch.equal(got[name], want[name]) for name in want), "gradients are not repeatable")


def _leaves_the_model_alone(settings: AdversarySettings, model: nn.Module) -> None:
    before = copy.deepcopy(model.state_dict())
    wanted = [p.requires_grad for p in model.parameters()]
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    _step(settings, model, made_up_batch(model))
    for name, value in model.state_dict().items():
        _claim(torch.equal(value, before[name]), f"{name} changed without an optimizer step")
    _claim(wanted == [p.requires_grad for p in model.parameters()], "requires_grad changed")
    left = sum(len(module._forward_hooks) for module in model.modules())
    _claim(hooks == left, f"{left - hooks} hooks were left behind")


def _is_as_its_plainest(settings: AdversarySettings, model: nn.Module) -> None:
    if "plainest" not in vars(type(settings)):
        return  # it says of nothing that it cannot matter
    batch, fields = made_up_batch(model), type(settings).model_fields
    for change in ({}, {"adv_steps": 1}, {"max_norm": 1e3}):
        own = settings.model_copy(update={k: v for k, v in change.items() if k in fields})
        (_, got), (_, want) = (_step(each, model, batch) for each in (own, own.plainest()))
        same = all(torch.equal(got[name], want[name]) for name in want)
        _claim(same, f"plainest() of {own} trains otherwise: {own.plainest()}")


CHECKS: dict[str, Callable[[AdversarySettings, nn.Module], None]] = {
    "returns what it did": _returns_what_it_did,
    "counts its passes": _counts_its_passes,
    "perturbs every example": _perturbs_every_example,
    "leaves padding alone": _leaves_padding_alone,
    "stays in the ball": _stays_in_the_ball,
    "is the same in any company": _is_the_same_in_any_company,
    "is the same in micro-batches": _is_the_same_in_micro_batches,
    "is the same without padding": _is_the_same_without_padding,
    "adds up under accumulation": _adds_up_under_accumulation,
    "does nothing when off": _does_nothing_when_off,
    "begins when told": _begins_when_told,
    "keeps to its generator": _keeps_to_its_generator,
    "leaves the model alone": _leaves_the_model_alone,
    "is as its plainest": _is_as_its_plainest,
}
"""Every promise by name; each function raises AssertionError where it is broken."""


def _step(
    settings: AdversarySettings,
    model: nn.Module,
    batch: dict[str, Tensor],
    *,
    step: int = 0,
    largest: int | None = None,
    padding_free: bool = False,
) -> tuple[Tried, Grads]:
    model.zero_grad()
    tried = try_out(settings, model, batch, step=step, largest=largest, padding_free=padding_free)
    return tried, gradients(model)


@contextmanager
def _randomness_put_back() -> Iterator[None]:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002


def _delta(tried: Tried) -> Tensor:
    delta = tried.outcome.delta
    if delta is None:
        raise AssertionError("it perturbs nothing")
    return delta


def _global_state() -> tuple[Tensor, object, str]:
    return torch.get_rng_state(), random.getstate(), repr(np.random.get_state())  # noqa: NPY002


def _claim(kept: bool, sentence: str) -> None:
    if not kept:
        raise AssertionError(sentence)


def _close(got: Tensor, want: Tensor, what: str, size: float | None = None) -> None:
    size = max(want.abs().max().item(), 1e-12) if size is None else size
    gap = (got - want).abs().max().item()
    _claim(gap <= CLOSE * size, f"{what} differs by {gap:.3g} where values are up to {size:.3g}")


def _close_all(got: Grads, want: Grads, what: str) -> None:
    size = max(value.abs().max().item() for value in want.values())
    for name, value in want.items():
        _close(got[name], value, f"{what} the gradient of {name}", size)
