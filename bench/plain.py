"""FreeLB's training loop as the authors' Hugging Face script runs it: the side we compare with.

Written from the description of huggingface-transformers/examples/run_glue_freelb.py (zhuchen03/
FreeLB): every batch padded to its longest example, K passes from embeddings of the whole padded
batch, gradients divided by K, clipped at 1, AdamW as it comes, gradients zeroed after the step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class PlainLoop:
    """A model, its optimizer and the loop's settings."""

    def __init__(
        self,
        model: Any,
        adv_steps: int,
        adv_lr: float,
        init_mag: float,
        max_norm: float,
        bf16: bool = False,
    ):
        self.model, self.k, self.bf16 = model, adv_steps, bf16
        self.adv_lr, self.init_mag, self.max_norm = adv_lr, init_mag, max_norm
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)

    def step(self, rows: Sequence[dict[str, Any]]) -> float:
        """One weight update on one batch."""
        self.model.train()
        device = self.model.device
        batch = {name: value.to(device) for name, value in pad(rows).items()}
        mask = batch["attention_mask"].float()
        words = self.model.get_input_embeddings()(batch["input_ids"])
        delta = torch.zeros_like(words).uniform_(-1, 1) * mask.unsqueeze(2)
        dims = mask.sum(1) * words.shape[-1]
        delta = (delta * (self.init_mag / dims.sqrt()).view(-1, 1, 1)).detach()
        total = 0.0
        for step in range(self.k):
            delta.requires_grad_()
            with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
                loss = self.model(
                    inputs_embeds=words + delta,
                    attention_mask=batch["attention_mask"],
                    labels=batch["labels"],
                ).loss
            loss = loss / self.k
            total += loss.item()
            loss.backward()
            if step == self.k - 1:
                break
            delta = self._ascend(delta)
            words = self.model.get_input_embeddings()(batch["input_ids"])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.model.zero_grad(set_to_none=False)
        return total

    def _ascend(self, delta: Tensor) -> Tensor:
        assert delta.grad is not None
        grad = delta.grad.clone().detach()
        size = grad.view(len(grad), -1).norm(dim=1).view(-1, 1, 1).clamp(min=1e-8)
        moved = (delta + self.adv_lr * grad / size).detach()
        norm = moved.view(len(moved), -1).norm(dim=1)
        over = (norm > self.max_norm).to(moved)
        keep = (self.max_norm / norm * over + (1 - over)).view(-1, 1, 1)
        return (moved * keep).detach()


def pad(rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """A batch padded to its longest example."""
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        n = len(row["input_ids"])
        ids[i, :n], mask[i, :n] = torch.as_tensor(row["input_ids"]), 1
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
