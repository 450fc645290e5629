"""Promises of what is perturbed: every example, no padding, within the ball, and as it is told.

Room: training.
"""

from torch import nn

from freelb_tune.adversary.delta import lengths
from freelb_tune.space.settings.adversaries import AdversarySettings, Ascent, Perturbing
from freelb_tune.training.probing.tryout import made_up_batch, try_out
from freelb_tune.training.promises.claims import CLOSE, Promise, claim, close, delta_of

__all__ = ["PERTURBATION"]


def _returns_what_it_did(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    tried = try_out(settings, model, batch)
    outcome, b = tried.outcome, len(batch["labels"])
    for name, losses in (("losses", outcome.losses), ("adversarial", outcome.adversarial)):
        claim(tuple(losses.shape) == (b,), f"{name} has shape {tuple(losses.shape)}, not ({b},)")
        claim(bool(losses.isfinite().all()), f"{name} is not finite: {losses.tolist()}")
        claim(not losses.requires_grad, f"{name} still holds a graph")
    last = tried.deltas[-1] if tried.deltas else None
    if outcome.delta is None or last is None:
        claim(outcome.delta is last, "delta is None exactly if nothing was perturbed")
    else:
        close(outcome.delta, last, "delta, beside the last perturbation that was run,")


def _counts_its_passes(settings: AdversarySettings, model: nn.Module) -> None:
    tried = try_out(settings, model, made_up_batch(model))
    said, seen = tried.outcome.passes, tried.forwards
    claim(said == seen, f"it says {said} passes, and {seen} went through the model")


def _perturbs_every_example(settings: AdversarySettings, model: nn.Module) -> None:
    if not isinstance(settings, Perturbing):
        return
    tried = try_out(settings, model, made_up_batch(model))
    sizes = lengths(delta_of(tried), "linf").tolist()
    claim(min(sizes) > 0, f"largest entries of the perturbation by example: {sizes}")


def _leaves_padding_alone(settings: AdversarySettings, model: nn.Module) -> None:
    batch = made_up_batch(model)
    for number, delta in enumerate(try_out(settings, model, batch).deltas):
        stray = delta[batch["attention_mask"] == 0].abs().max().item()
        claim(stray == 0, f"perturbation {number} has an entry of {stray} on padding")


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
        radius = lengths(delta_of(wide), norm).min().item() / 2
        tight = try_out(free.model_copy(update={"max_norm": radius}), model, made_up_batch(model))
        length = lengths(delta_of(tight), norm).max().item()
        claim(length <= radius * (1 + CLOSE), f"{norm} norm {length} in a ball of {radius}")


def _is_the_same_in_any_company(settings: AdversarySettings, model: nn.Module) -> None:
    first, second = made_up_batch(model), made_up_batch(model, (3, 6, 8, 4), seed=2)
    for name, value in first.items():
        second[name][0] = value[0]
    ours, theirs = (try_out(settings, model, batch) for batch in (first, second))
    claim(len(ours.deltas) == len(theirs.deltas), "the number of passes depends on the batch")
    for number, (a, b) in enumerate(zip(ours.deltas, theirs.deltas, strict=True)):
        close(a[0], b[0], f"with other examples beside it, an example's perturbation {number}")
    close(ours.outcome.losses[0], theirs.outcome.losses[0], "an example's loss in other company")


PERTURBATION: dict[str, Promise] = {
    "returns what it did": _returns_what_it_did,
    "counts its passes": _counts_its_passes,
    "perturbs every example": _perturbs_every_example,
    "leaves padding alone": _leaves_padding_alone,
    "stays in the ball": _stays_in_the_ball,
    "is the same in any company": _is_the_same_in_any_company,
}
