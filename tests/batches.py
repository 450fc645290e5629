"""Padded batches of made-up tokens, as the tests' tiny encoders read them."""

import torch


def padded_batch(lengths=(3, 12, 7, 5, 12, 9), seed=3, pad_id=0, labels=2):
    """`input_ids` and `attention_mask` `(B, T)`, `labels` `(B,)`; padding on the right."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.full((len(lengths), max(lengths)), pad_id)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(3, 60, (length,), generator=rng)
        mask[row, :length] = 1
    if labels == 1:
        targets = torch.rand(len(lengths), generator=rng)
    else:
        targets = torch.randint(0, labels, (len(lengths),), generator=rng)
    return {"input_ids": ids, "attention_mask": mask, "labels": targets}


def pad_id_of(kind):
    return 1 if kind == "roberta" else 0
