"""FreeLB as published, in one straight line: no hook, no micro-batches, no optimisation.

Written from Algorithm 1 of Zhu et al. (ICLR 2020) and the update rules of the authors'
huggingface-transformers/examples/run_glue_freelb.py. What `AdversarialTrainer` must equal.
"""

from torch.nn.functional import cross_entropy, mse_loss

from freelb_tune.training.passes.lookup import input_embeddings


def losses_of(model, batch, delta):
    """Each example's loss at words + delta, the perturbation added where the words come out."""
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    handle = input_embeddings(model).register_forward_hook(
        lambda module, args, output: output + delta
    )
    try:
        logits = model(**inputs).logits
    finally:
        handle.remove()
    if logits.shape[-1] == 1:
        return mse_loss(logits[:, 0], batch["labels"].float(), reduction="none")
    return cross_entropy(logits, batch["labels"], reduction="none")


def freelb(model, batch, start, *, adv_steps, adv_lr, max_norm, norm, items=None):
    """Accumulate FreeLB's gradient in the parameters.

    Returns the mean loss over passes and every delta that was passed through the model.
    """
    items = items or len(batch["labels"])
    delta, trajectory, total = start.clone(), [], 0.0
    for step in range(adv_steps):
        delta = delta.detach().requires_grad_()
        trajectory.append(delta.detach().clone())
        loss = losses_of(model, batch, delta).sum() / items / adv_steps
        loss.backward()
        total += loss.item()
        if step == adv_steps - 1:
            break
        grad = delta.grad.detach()
        flat = grad.reshape(len(grad), -1)
        if norm == "l2":
            size = flat.norm(dim=1).clamp(min=1e-8).view(-1, 1, 1)
            delta = delta.detach() + adv_lr * grad / size
            if max_norm is not None:
                now = delta.reshape(len(delta), -1).norm(dim=1)
                over = (now > max_norm).float()
                keep = over * max_norm / now.clamp(min=1e-12) + (1 - over)
                delta = delta * keep.view(-1, 1, 1)
        else:
            size = flat.abs().amax(dim=1).clamp(min=1e-8).view(-1, 1, 1)
            delta = delta.detach() + adv_lr * grad / size
            if max_norm is not None:
                delta = delta.clamp(-max_norm, max_norm)
    return total, trajectory
