"""The Triton kernels that `bench.gpu.fused` tries, interpreted on a CPU beside torch's own layers.

    pip install triton && TRITON_INTERPRET=1 python -m pytest tests/test_gpu_kernels.py

Skipped without: Triton takes a gigabyte, and decides when it is imported whether it interprets.
"""

import os
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from conftest import tiny_encoder
from test_training_unpadded import gradients, static_passes
from torch import nn
from torch.nn.functional import cosine_similarity

from freelb_tune.adversary import make_adversary
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.training.passes.unpadded.recording import Recorder

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("needs triton and TRITON_INTERPRET=1", allow_module_level=True)
pytest.importorskip("triton")

from bench.gpu.fused import FusedWeights, fused


def model_of(kind, dropout=0.0):
    torch.manual_seed(0)
    model = tiny_encoder(kind, dropout=dropout).train()
    for weight in model.parameters():
        if weight.ndim == 1:
            nn.init.normal_(weight, std=0.3)  # so that a bias matters
    return model


def run(model, words):
    with torch.autocast("cpu", torch.bfloat16):
        return model(inputs_embeds=words).logits.float()


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_fused_kernels_make_the_gradient_of_double_precision(kind):
    model = model_of(kind)
    start = torch.randn(3, 7, model.get_input_embeddings().weight.shape[1])
    lent = FusedWeights(model)
    lent.refresh()
    assert len(lent._closing) == 2 * len(lent._rising) > 0
    for _ in range(2):  # gradients add up
        words = start.clone().requires_grad_()
        with lent.lent():
            loss = run(model, words).square().sum()
        loss.backward()
    got = {**gradients(model), "words": words.grad}
    model.zero_grad()
    exact = model.double()
    for _ in range(2):
        words = start.double().requires_grad_()
        loss_exact = exact(inputs_embeds=words).logits.square().sum()
        loss_exact.backward()
    want = {**gradients(exact), "words": words.grad}
    assert float(loss.detach()) == pytest.approx(float(loss_exact.detach()), rel=0.05)
    assert got.keys() == want.keys()
    both = [torch.cat([found[n].double().flatten() for n in want]) for found in (got, want)]
    assert float(cosine_similarity(*both, dim=0)) > 0.999
    for name in want:
        if any(part in name for part in ("LayerNorm", "dense.bias")) and want[name].norm() > 1e-3:
            along = cosine_similarity(got[name].double().flatten(), want[name].flatten(), dim=0)
            assert float(along) > 0.99, name


def test_fused_kernels_drop_the_same_units_in_both_directions():
    model = model_of("bert", dropout=0.3)
    lent = FusedWeights(model)
    lent.refresh()
    start = torch.randn(2, 6, model.config.hidden_size)

    def loss(words):
        torch.manual_seed(5)
        with lent.lent():
            return run(model, words)[:, 0].sum()

    words = start.clone().requires_grad_()
    loss(words).backward()
    slope = words.grad
    step = slope / slope.norm()
    with torch.no_grad():
        ahead, back = loss(start + step), loss(start - step)
        again = loss(start), loss(start)
    assert float((ahead - back) / 2) == pytest.approx(float(slope.norm()), rel=0.2)
    assert again[0] == again[1]


def test_static_passes_take_the_fused_kernels():
    model = model_of("bert")
    recorder, launched = Recorder(bf16=True), Recorder(bf16=True)
    adversary = make_adversary(ADVERSARIES["freelb"](adv_lr=0.05, max_norm=0.2))
    context = partial(torch.autocast, "cpu", torch.bfloat16)
    found = []
    for made, kernels in ((recorder, fused), (launched, nullcontext)):
        with kernels():
            passes = static_passes(model, made, context=context)
            outcome = adversary(passes)
            passes.close()
        found.append((outcome.losses, gradients(model)))
        model.zero_grad()
    assert torch.allclose(found[0][0], found[1][0], atol=1e-2)
    both = [torch.cat([v.double().flatten() for v in own.values()]) for _, own in found]
    assert float(cosine_similarity(*both, dim=0)) > 0.999
