"""One mini-batch put through an adversary outside any trainer, with everything it did noted.

Room: training. Needs no data, no files and no optimizer.

Letters: B examples, T tokens, E embedding width, C classes.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from freelb_tune.adversary import Outcome, Passes, absolute, embedding_norm, make_adversary
from freelb_tune.adversary.passes import PassResult
from freelb_tune.space.settings.adversaries import AdversarySettings
from freelb_tune.training.passes.lookup import input_embeddings
from freelb_tune.training.passes.losses import example_losses, problem_of
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.packing import PackedPasses, packed_encoder

__all__ = ["Tried", "gradients", "made_up_batch", "tiny_model", "try_out"]

Batch = dict[str, Tensor]


@dataclass
class Tried:
    """What an adversary did with a mini-batch.

    Attributes:
        outcome: what it returned.
        deltas: every perturbation that went through the model, in order, `(B, T, E)` each.
        forwards: times that the mini-batch went through the model.
        updates: times that it let the optimizer step.
    """

    outcome: Outcome
    deltas: list[Tensor]
    forwards: int
    updates: int


@dataclass
class _Noted:
    """Passes that note what goes through them."""

    passes: Any
    deltas: list[Tensor] = field(default_factory=list)
    forwards: int = 0
    updates: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.passes, name)

    def run(self, *deltas: Tensor | None, **wanted: Any) -> PassResult:
        self.deltas += [delta.detach().clone() for delta in deltas if delta is not None]
        self.forwards += len(deltas)
        result: PassResult = self.passes.run(*deltas, **wanted)
        return result

    def weigh(self) -> tuple[PassResult, dict[str, Tensor]]:
        self.forwards += 1
        found: tuple[PassResult, dict[str, Tensor]] = self.passes.weigh()
        return found

    def update(self) -> None:
        self.updates += 1
        self.passes.update()


def tiny_model() -> nn.Module:
    """A BERT classifier of two layers and 16 units with fixed random weights."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        initializer_range=0.2,
    )
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        return BertForSequenceClassification(config)  # type: ignore[no-any-return]
    finally:
        torch.set_rng_state(state)


def made_up_batch(model: nn.Module, lengths: Sequence[int] = (3, 8, 5, 8), seed: int = 1) -> Batch:
    """Random tokens and labels that a model takes, padded on the right.

    Args:
        model: a sequence classifier with a `config`.
        lengths: real tokens of each example.
        seed: of the tokens and labels; one row's do not depend on another's length.
    """
    config: Any = model.config
    words: Any = config if hasattr(config, "vocab_size") else config.get_text_config()
    size, width = int(words.vocab_size), max(lengths)
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(min(3, size - 1), size, (len(lengths), width), generator=rng)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    ids = ids.where(mask == 1, int(config.pad_token_id or 0))
    problem = getattr(config, "problem_type", None)
    if problem == "multi_label_classification":
        labels = torch.randint(0, 2, (len(lengths), config.num_labels), generator=rng).float()
    elif config.num_labels == 1:
        labels = torch.rand(len(lengths), generator=rng)
    elif problem == "regression":  # several values for each example
        labels = torch.rand(len(lengths), config.num_labels, generator=rng)
    else:
        labels = torch.randint(0, config.num_labels, (len(lengths),), generator=rng)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter's gradient, zero where it has none; clears them."""
    found = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.detach().clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    model.zero_grad()
    return found


def try_out(
    settings: AdversarySettings,
    model: nn.Module,
    batch: Batch,
    *,
    items: int | None = None,
    step: int = 0,
    largest: int | None = None,
    padding_free: bool = False,
) -> Tried:
    """Put one mini-batch through an adversary; gradients add up in the model's `.grad`.

    An optimizer step that it asks for clears the gradients and moves nothing.

    Args:
        settings: of the adversary.
        model: a sequence classifier.
        batch: as from `made_up_batch`.
        items: examples that the loss is divided by; those of the batch if None.
        step: weight updates before this one.
        largest: most examples in one micro-batch.
        padding_free: take the path without padding, which the model must have.
    """
    norm = getattr(settings, "norm", "l2")
    unit = embedding_norm(input_embeddings(model), norm)
    adversary = make_adversary(absolute(settings, unit))
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    labels = batch["labels"]
    problem = problem_of(model.config, labels)
    loss = partial(example_losses, problem=problem)
    common: dict[str, Any] = {
        "items": items or len(labels),
        "generator": torch.Generator().manual_seed(5),
        "tools": Machinery(
            nullcontext, torch.Tensor.backward, loss, lambda: model.zero_grad(), problem
        ),
        "step": step,
    }
    passes: PackedPasses | PaddedPasses
    if padding_free:
        encoder = packed_encoder(model, labels.device, True)
        assert encoder is not None  # it raises instead
        dropout = torch.Generator().manual_seed(6)
        passes = PackedPasses(encoder, inputs, labels, dropout=dropout, **common)
    else:
        passes = PaddedPasses(model, inputs, labels, largest=largest, **common)
    noted = _Noted(passes)
    watched: Passes = noted  # hands on what it does not note
    outcome = adversary(watched)
    passes.close()
    return Tried(outcome, noted.deltas, noted.forwards, noted.updates)
