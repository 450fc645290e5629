"""The rivals of FreeLB in one straight line each: what `adversary/` must equal.

No hook of ours, no micro-batches, no shared steps. Each takes the random numbers that were drawn
(found in the perturbations that went through the model), leaves its gradient in the parameters and
returns the mean loss.
"""

import torch
from torch.nn.functional import cross_entropy, mse_loss

from freelb_tune.training.passes.lookup import input_embeddings


def logits_of(model, batch, delta):
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    handle = input_embeddings(model).register_forward_hook(lambda module, args, out: out + delta)
    try:
        return model(**inputs).logits
    finally:
        handle.remove()


def task_loss(logits, labels):
    if logits.shape[-1] == 1:
        return mse_loss(logits[:, 0], labels.to(logits), reduction="none")
    return cross_entropy(logits, labels, reduction="none")


def apart(p, q):
    """KL(p || q) + KL(q || p) from logits, or the squared difference of two regressions."""
    if p.shape[-1] == 1:
        return (p[:, 0] - q[:, 0]) ** 2
    p, q = p.softmax(-1), q.softmax(-1)
    return (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)


def kl(p, q):
    if p.shape[-1] == 1:
        return (p[:, 0] - q[:, 0]) ** 2
    p, q = p.softmax(-1), q.softmax(-1)
    return (p * (p / q).log()).sum(-1)


def unit(grad, norm):
    flat = grad.reshape(len(grad), -1)
    size = flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)
    return grad / size.view(-1, 1, 1)


def step_up(delta, grad, adv_lr, max_norm, norm):
    delta = delta.detach() + adv_lr * unit(grad, norm)
    if max_norm is None:
        return delta
    if norm == "linf":
        return delta.clamp(-max_norm, max_norm)
    rows = []
    for row in delta:
        length = row.norm()
        rows.append(row * max_norm / length if length > max_norm else row)
    return torch.stack(rows)


def slope(value, delta):
    return torch.autograd.grad(value, delta)[0]


def pgd(model, batch, start, *, adv_steps, adv_lr, max_norm, norm):
    delta = start
    for _ in range(adv_steps - 1):
        delta = delta.detach().requires_grad_()
        loss = task_loss(logits_of(model, batch, delta), batch["labels"]).mean()
        delta = step_up(delta, slope(loss, delta), adv_lr, max_norm, norm)
    loss = task_loss(logits_of(model, batch, delta.detach()), batch["labels"]).mean()
    loss.backward()
    return loss.item()


def freeat(model, batch, start, *, adv_steps, adv_lr, max_norm, norm, learning_rate):
    """Plain gradient descent; the last step is left to whoever called."""
    delta, total = start, 0.0
    for step in range(adv_steps):
        delta = delta.detach().requires_grad_()
        model.zero_grad()
        loss = task_loss(logits_of(model, batch, delta), batch["labels"]).mean()
        loss.backward()
        total += loss.item()
        if step == adv_steps - 1:
            break
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= learning_rate * parameter.grad
        delta = step_up(delta, delta.grad, adv_lr, max_norm, norm)
    return total / adv_steps


def fgm(model, batch, *, adv_lr, width):
    delta = torch.zeros(*batch["input_ids"].shape, width, dtype=torch.float64, requires_grad=True)
    clean = task_loss(logits_of(model, batch, delta), batch["labels"]).mean()
    clean.backward()
    moved = adv_lr * unit(delta.grad, "l2")
    other = task_loss(logits_of(model, batch, moved), batch["labels"]).mean()
    other.backward()
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= 2
    return (clean.item() + other.item()) / 2


def noise(model, batch, start, way, *, adv_steps, adv_lr, max_norm, norm):
    delta, total = start, 0.0
    for _ in range(adv_steps):
        loss = task_loss(logits_of(model, batch, delta), batch["labels"]).mean() / adv_steps
        loss.backward()
        total += loss.item()
        delta = step_up(delta, way, adv_lr, max_norm, norm)
    return total


def smart(model, batch, start, *, ascent_steps, adv_lr, max_norm, norm, adv_weight):
    clean = logits_of(model, batch, torch.zeros_like(start))
    delta = start
    for _ in range(ascent_steps):
        delta = delta.detach().requires_grad_()
        away = apart(logits_of(model, batch, delta), clean.detach()).mean()
        delta = step_up(delta, slope(away, delta), adv_lr, max_norm, norm)
    moved = logits_of(model, batch, delta.detach())
    loss = (task_loss(clean, batch["labels"]) + adv_weight * apart(clean, moved)).mean()
    loss.backward()
    return loss.item()


def smart_as_coded(model, batch, start, *, ascent_steps, adv_lr, max_norm, norm, adv_weight):
    """mt-dnn's two: `detach` on each half's target, 1e-6 beside each example's norm."""
    clean = logits_of(model, batch, torch.zeros_like(start))
    delta = start
    for _ in range(ascent_steps):
        delta = delta.detach().requires_grad_()
        grad = slope(apart(logits_of(model, batch, delta), clean.detach()).sum(), delta)
        size = grad.flatten(1).norm(dim=1, p=2 if norm == "l2" else float("inf")).view(-1, 1, 1)
        delta = step_up(delta, grad, adv_lr * size / (size + 1e-6), max_norm, norm)
    moved = logits_of(model, batch, delta.detach())
    if clean.shape[-1] == 1:
        halves = apart(clean, moved)
    else:
        halves = kl(clean.detach(), moved) + kl(moved.detach(), clean)
    loss = (task_loss(clean, batch["labels"]) + adv_weight * halves).mean()
    loss.backward()
    return loss.item()


def r3f(model, batch, start, *, adv_weight):
    clean = logits_of(model, batch, torch.zeros_like(start))
    moved = logits_of(model, batch, start)
    loss = (task_loss(clean, batch["labels"]) + adv_weight * apart(clean, moved)).mean()
    loss.backward()
    return loss.item()


def vat(model, batch, probe, *, ascent_steps, adv_lr, init_mag, adv_weight):
    clean = logits_of(model, batch, torch.zeros_like(probe))
    fixed = clean.detach()
    for step in range(ascent_steps):
        probe = probe.detach().requires_grad_()
        way = slope(kl(fixed, logits_of(model, batch, probe)).mean(), probe)
        probe = init_mag * unit(way, "l2") if step < ascent_steps - 1 else adv_lr * unit(way, "l2")
    moved = logits_of(model, batch, probe.detach())
    loss = (task_loss(clean, batch["labels"]) + adv_weight * kl(fixed, moved)).mean()
    loss.backward()
    return loss.item()


def tavat(model, batch, example, token, *, adv_steps, adv_lr, max_norm):
    """Both perturbations from their start; what the table is to add is left in the second."""
    total = 0.0
    for step in range(adv_steps):
        delta = (example + token).detach().requires_grad_()
        loss = task_loss(logits_of(model, batch, delta), batch["labels"]).mean() / adv_steps
        loss.backward()
        total += loss.item()
        if step == adv_steps - 1:
            break
        example = example + adv_lr * unit(delta.grad, "l2")
        rows = []
        for row, grad, real in zip(token, delta.grad, batch["attention_mask"], strict=True):
            moved = torch.stack([h + adv_lr * g / max(g.norm(), 1e-8) if on else h
                                 for h, g, on in zip(row, grad, real, strict=True)])  # fmt: skip
            rows.append(moved * (moved.norm(dim=1) / moved.norm(dim=1).max())[:, None])
        token = torch.stack(rows)
        for row in range(len(token)):
            length = (example[row] + token[row]).norm()
            if max_norm is not None and length > max_norm:
                example[row] *= max_norm / length
                token[row] *= max_norm / length
    return total, token


def sam(model, batch, *, rho, eta=None):
    """ASAM where there is an eta; the weights are put back as they were."""
    weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
    before = {n: p.detach().clone() for n, p in weights.items()}
    still = torch.zeros(1)
    task_loss(logits_of(model, batch, still), batch["labels"]).mean().backward()
    own = {n: p.detach().abs() + eta if eta is not None and "weight" in n else torch.ones_like(p)
           for n, p in weights.items()}  # fmt: skip
    slopes = {n: p.grad for n, p in weights.items() if p.grad is not None}
    whole = sum((own[n] * g).square().sum() for n, g in slopes.items()).sqrt()
    with torch.no_grad():
        for name, slope in slopes.items():
            weights[name] += rho * own[name] ** 2 * slope / whole
    model.zero_grad()
    loss = task_loss(logits_of(model, batch, still), batch["labels"]).mean()
    loss.backward()
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(before[name])
    return loss.item()


def rdrop(model, batch, *, adv_weight):
    """Two draws of the model's own dropout, one after the other."""
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    first, second = model(**inputs).logits, model(**inputs).logits
    both = task_loss(first, batch["labels"]) + task_loss(second, batch["labels"])
    between = apart(first, second) / (1 if first.shape[-1] == 1 else 2)
    loss = ((both + adv_weight * between) / 2).mean()
    loss.backward()
    return loss.item()


def creat(model, batch, start, *, adv_steps, adv_lr, max_norm, adv_weight):
    def both(delta):
        seen = []
        handle = model.base_model.register_forward_hook(
            lambda module, args, out: seen.append(out[0] * batch["attention_mask"].unsqueeze(-1))
        )
        logits = logits_of(model, batch, delta)
        handle.remove()
        return logits, seen[0]

    logits, clean = both(torch.zeros_like(start))
    loss = task_loss(logits, batch["labels"]).mean() / 2
    loss.backward()
    delta = start
    for _ in range(adv_steps - 2):
        delta = delta.detach().requires_grad_()
        logits, states = both(delta)
        alike = torch.cosine_similarity(states, clean.detach(), dim=-1).sum(-1)
        value = (task_loss(logits, batch["labels"]) - adv_weight * alike).mean()
        delta = step_up(delta, slope(value, delta), adv_lr, max_norm, "l2")
    other = task_loss(both(delta.detach())[0], batch["labels"]).mean() / 2
    other.backward()
    return (loss + other).item()
