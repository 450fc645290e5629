"""Small models, batches and trainers for the checks, and what the paper's formula gives."""

import os
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, at the first product

import torch
from torch import Tensor

from bench.data import MadeUp, rte_lengths
from bench.plain import pad
from freelb_tune.adversary.delta import ascend
from freelb_tune.space.settings.adversaries import FreeLBSettings
from freelb_tune.training import AdversarialTrainer

SETTINGS = FreeLBSettings(adv_steps=3, adv_lr=0.05, init_mag=0.0, max_norm=0.08)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 30522,
}
KINDS = ("bert", "roberta", "electra", "distilbert", "camembert", "xlm-roberta", "deberta-v2")


def model_of(kind: str, dropout: float = 0.0, **sizes: Any) -> Any:
    """A small random classifier on the GPU."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    own: dict[str, Any] = {**SMALL, **sizes}
    if kind == "distilbert":
        own |= {"dim": own["hidden_size"], "n_layers": 2, "n_heads": 2, "hidden_dim": 128}
        own |= {"dropout": dropout, "attention_dropout": dropout, "seq_classif_dropout": dropout}
    own |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if kind in ("roberta", "camembert", "xlm-roberta"):
        own |= {"max_position_embeddings": 514, "pad_token_id": 1}
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **own)
    if kind == "deberta-v2":
        config.pooler_dropout = dropout
    model = AutoModelForSequenceClassification.from_config(config).to(DEVICE)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3)  # so that a perturbation matters
    return model


def batch_of(count: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """A padded batch of RTE's lengths on the GPU."""
    rows = MadeUp(rte_lengths("train", count, seed=seed), seed=seed)
    return {k: v.to(DEVICE) for k, v in pad([rows[i] for i in range(count)]).items()}


def trainer_of(model: Any, folder: str, settings: Any = SETTINGS, **given: Any) -> Any:
    """A trainer whose `training_step` can be called by itself."""
    from transformers import TrainingArguments

    more = {"use_cpu": True} if DEVICE == "cpu" else {}
    arguments = TrainingArguments(
        output_dir=folder, report_to=[], per_device_train_batch_size=16, **more, **given
    )
    trainer = AdversarialTrainer(model=model, args=arguments, adversary=settings)
    trainer.create_optimizer()
    trainer.model_wrapped = trainer.accelerator.prepare_model(model)
    return trainer


def gradient(trainer: Any, batch: dict[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
    """One training step's loss and gradients; they are cleared."""
    model = trainer.model
    loss = trainer.training_step(
        model, dict(batch), torch.tensor(len(batch["labels"]), device=DEVICE)
    )
    found = {n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return float(loss), found


def reference(
    model: Any, batch: dict[str, Tensor], settings: Any
) -> tuple[float, dict[str, Tensor]]:
    """The same straight from the paper, in double precision on the padded batch."""
    import copy

    twin = copy.deepcopy(model)
    if "forward" in vars(twin):  # accelerate's autocast
        del twin.forward
    twin = twin.double().train()
    inputs = {k: v for k, v in batch.items() if k not in ("labels", "input_ids")}
    words = twin.get_input_embeddings()
    delta = torch.zeros(
        *batch["input_ids"].shape, words.weight.shape[1], dtype=torch.double, device=DEVICE
    )
    kept = batch["attention_mask"][..., None].double()
    total = 0.0
    for _ in range(settings.adv_steps):
        delta = delta.detach().requires_grad_()
        hook = words.register_forward_hook(lambda *a, d=delta: a[2] + d)
        logits = twin(input_ids=batch["input_ids"], **inputs).logits
        hook.remove()
        loss = torch.nn.functional.cross_entropy(logits, batch["labels"]) / settings.adv_steps
        loss.backward()
        total += float(loss.detach())
        delta = ascend(delta.detach(), delta.grad * kept, settings)
    return total, {n: p.grad for n, p in twin.named_parameters() if p.grad is not None}


def gap(got: dict[str, Tensor], want: dict[str, Tensor]) -> float:
    """Largest difference as a share of the largest gradient."""
    top = max(float(v.abs().max()) for v in want.values())
    return max(float((got[n].double() - v.double()).abs().max()) for n, v in want.items()) / top


def cosine(got: dict[str, Tensor], want: dict[str, Tensor]) -> float:
    """Of all gradients together."""
    a, b = (torch.cat([v[n].double().flatten() for n in want]) for v in (got, want))
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))
