"""What must hold on a GPU, tried on one: each check says what it found, and all are run.

    python -m bench.gpu.checks [--only NAME ...] [--fused]

Exit status 1 if one failed.
"""

import argparse
import math
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.data import MadeUp
from bench.gpu.parts import (
    DEVICE,
    KINDS,
    SETTINGS,
    SMALL,
    batch_of,
    cosine,
    gap,
    gradient,
    model_of,
    reference,
    trainer_of,
)
from bench.plain import pad
from freelb_tune.space.cells.cell import Cell
from freelb_tune.training.inputs.tokens import REAL_TOKENS
from freelb_tune.training.passes.unpadded import linear, recording


def is_fusing() -> bool:
    """Whether `bench.gpu.fused` is tried."""
    return recording.CastWeights is not linear.CastWeights


def is_recorded(trainer: Any) -> str:
    """Whether its passes were played from a recording, and how many layers' ends were fused."""
    made = trainer._recordings
    said = f"{made.recorded} recorded" if made.recorded else f"launched ({made.refused or 'never'})"
    return f"{said}, {len(made._cast._closing) if made._cast else 0} fused" if is_fusing() else said


def exact_float32(kind: str) -> str:
    """FreeLB's gradient in float32 without TF32: first launched, then recorded."""
    with tempfile.TemporaryDirectory() as folder:
        model = model_of(kind)
        trainer = trainer_of(model, folder, bf16=False, tf32=False)
        worst = []
        for seed in (0, 1):
            batch = batch_of(seed=seed)
            want = reference(model, batch, SETTINGS)
            for _ in range(4):
                loss, got = gradient(trainer, batch)
                worst.append(max(gap(got, want[1]), abs(loss - want[0])))
        said = is_recorded(trainer)
    assert max(worst) < 1e-5, f"off by {worst}"
    return f"off by {max(worst):.1e}, {said}"


def exact_bf16(kind: str) -> str:
    """The same in bf16: the loss within 1e-2, the gradient of the same direction and size."""
    with tempfile.TemporaryDirectory() as folder:
        model = model_of(kind)
        trainer = trainer_of(model, folder, bf16=True)
        batch = batch_of()
        want = reference(model, batch, SETTINGS)
        found = [gradient(trainer, batch) for _ in range(4)]
        loss = max(abs(one[0] - want[0]) for one in found)
        along = min(cosine(one[1], want[1]) for one in found)
        alike = gap(found[3][1], found[0][1])
        said = is_recorded(trainer)
    assert loss < 1e-2, f"loss off by {loss}"
    assert along > 0.99, f"cosine {along}"
    return (
        f"loss off by {loss:.1e}, cosine {along:.5f}, recorded off launched by {alike:.1e}, {said}"
    )


def _passes(trainer: Any, batch: dict[str, Tensor]) -> Any:
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    trainer.model.train()
    trainer._met = (None, None)
    trainer._update_inputs = [batch]
    return trainer._open(trainer.model, inputs, batch["labels"], len(batch["labels"]))


def _slope_agrees(passes: Any, model: Any, close: float) -> None:
    """The gradient is that of the very units that were dropped: a difference of losses tells."""
    start = torch.zeros(*passes.mask.shape, passes.width, device=DEVICE)
    slope = passes.run(start).slope
    model.zero_grad()
    step = 0.05 * slope / slope.norm() ** 2  # the mean loss by 0.05
    ahead, back = (passes.run(start + way * step).losses.mean() for way in (1, -1))
    model.zero_grad()
    found = float(ahead - back) / 0.1
    assert abs(found - 1) < close, f"a step along the gradient gains {found} of what it should"


def dropout_replayed(kind: str, bf16: bool) -> str:
    """Every pass of a mini-batch drops alike, recorded or not; another mini-batch otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(model_of(kind, 0.3), folder, bf16=bf16)
        batch = batch_of()
        seen = []
        for _ in range(4):
            passes = _passes(trainer, batch)
            zero = torch.zeros(*passes.mask.shape, passes.width, device=DEVICE)
            own = [passes.run(zero).losses for _ in range(3)]
            own.append(passes.run(None, parameters=False, ascend=False).losses)
            passes.close()
            trainer.model.zero_grad()
            assert all(torch.equal(own[0], each) for each in own[:3]), "passes drop differently"
            _slope_agrees(passes, trainer.model, 0.1 if bf16 else 0.01)
            apart = float((own[3] - own[0]).abs().max())
            alike = apart < (0.05 if bf16 else 1e-4)
            assert alike or is_fusing(), (
                f"a launched pass is off by {apart}"
            )  # fused draws otherwise
            seen.append(own[0])
        different = [float((a - b).abs().max()) for a, b in zip(seen, seen[1:], strict=False)]
        assert min(different) > 1e-3, "two mini-batches drop alike"
        kind, said = type(passes).__name__, is_recorded(trainer)
        return f"{kind}, {said}, between mini-batches {min(different):.2f}"


def out_of_memory() -> str:
    """A batch that does not fit is done in halves, to the same gradient."""
    with tempfile.TemporaryDirectory() as folder:
        model = model_of("bert", hidden_size=256, num_attention_heads=4, intermediate_size=1024,
                         num_hidden_layers=6)  # fmt: skip
        rows = MadeUp(np.full(256, 128), seed=0)
        batch = {k: v.to(DEVICE) for k, v in pad([rows[i] for i in range(256)]).items()}
        want = gradient(trainer_of(model, folder, bf16=False, tf32=False), batch)
        torch.cuda.empty_cache()
        held, whole = (
            torch.cuda.memory_allocated(),
            torch.cuda.get_device_properties(0).total_memory,
        )
        torch.cuda.set_per_process_memory_fraction((held + 700 * 2**20) / whole)
        try:
            small = trainer_of(model, folder, bf16=False, tf32=False)
            got = gradient(small, batch)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        off = gap(got[1], want[1])
        assert small._largest in range(1, 256), "memory did not run out"
        assert off < 1e-5, f"off by {off}"
        return f"{small.micro_batch} examples at a time, off by {off:.1e}"


def toy_cell(**changes: Any) -> Cell:
    """A cell of the synthetic task that trains in seconds."""
    sizes = {k: v for k, v in SMALL.items() if k != "vocab_size"}
    settings = {
        "task": "entailment_toy",
        "data.source": "synthetic",
        "data.max_length": 48,
        "data.max_train_examples": 256,
        "data.max_eval_examples": 64,
        "model.name": "config:bert",
        "model.config": {**sizes, "max_position_embeddings": 48},
        "trainer.learning_rate": 1e-3,
        "trainer.num_train_epochs": 4,
        "trainer.per_device_train_batch_size": 16,
        "adversary.method": "freelb",
        "adversary.adv_steps": 2,
        "adversary.max_norm": 0.2,
        **changes,
    }
    return Cell("c1", "k1", "k0", "adversarial", 3, settings, "toy", "tiny")


def resumed(exact: bool) -> str:
    """A cell that was interrupted twice gives the numbers of one that was not."""
    from freelb_tune.training import prepare, run_cell

    more = {"trainer.full_determinism": True} if exact else {}
    cell = toy_cell(**more)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = prepare([cell], folder / "cache")[cell.id]
        runs = []
        for place, stops in (("straight", ()), ("again", ()), ("broken", (1, 3))):
            for stop in (*stops, 99):
                records: list[Any] = []

                def report(record: Any, stop: int = stop, records: list[Any] = records) -> None:
                    records.append(record)
                    if len(records) == stop:
                        raise InterruptedError

                try:
                    run_cell(cell, prepared, folder / place, report)
                except InterruptedError:
                    continue
            runs.append([(r.train_loss, r.metrics, r.delta_norm) for r in records])
    torch.use_deterministic_algorithms(mode=False)
    losses = [[one[0] for one in run] for run in runs]
    spread = max(abs(a - b) for a, b in zip(losses[0], losses[1], strict=True))
    apart = max(abs(a - b) for a, b in zip(losses[0], losses[2], strict=True))
    if exact:
        assert runs[0] == runs[1], f"two runs differ by {spread}"
        assert runs[0] == runs[2], f"the interrupted run differs by {apart}"
    else:
        assert apart <= 3 * spread + 1e-3, f"by {apart}; two runs by {spread}"
    return f"losses apart by {apart:.1e}, two plain runs by {spread:.1e}"


def memory_is_free() -> str:
    """After a cell no memory of its model is held."""
    import gc

    from freelb_tune.training import prepare, run_cell

    cell = toy_cell()
    gc.collect()
    held = [torch.cuda.memory_allocated() / 2**20]
    for _ in range(3):
        with tempfile.TemporaryDirectory() as name:
            prepared = prepare([cell], Path(name) / "cache")[cell.id]
            run_cell(cell, prepared, Path(name) / "cell", lambda _: None)
        gc.collect()
        held.append(torch.cuda.memory_allocated() / 2**20)
    assert held[3] - held[1] < 1, f"MiB held before and after each: {held}"
    return f"MiB held before and after each of three cells: {', '.join(f'{m:.1f}' for m in held)}"


def no_wait() -> str:
    """How often a weight update waits for the device."""
    import warnings

    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(model_of("bert"), folder, bf16=True)
        batch = batch_of()
        tokens, items = int(batch["attention_mask"].sum()), torch.tensor(16, device=DEVICE)
        for _ in range(4):
            gradient(trainer, batch)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode(1)
            trainer.training_step(trainer.model, {**batch, REAL_TOKENS: tokens}, items)
            torch.cuda.set_sync_debug_mode(0)
        places = sorted(
            f"{'/'.join(Path(w.filename).parts[-2:])}:{w.lineno}"
            for w in seen
            if "synchroniz" in str(w.message)
        )
        trainer.model.zero_grad()
    places = [place for place in places if not place.startswith("cuda/__init__")]  # the switch
    assert not places, f"{len(places)}: {', '.join(places)}"
    return "none"


def methods() -> str:
    """Every method trains on the GPU, recorded or not, to finite gradients."""
    from freelb_tune.space.settings.adversaries import ADVERSARIES

    said = []
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in ADVERSARIES.items():
            try:
                trainer = trainer_of(model_of("bert", 0.1), folder, kind(), bf16=True)
                found = [gradient(trainer, batch_of()) for _ in range(3)]
                good = all(math.isfinite(loss) for loss, _ in found)
                said.append(f"{name}{'' if good else ' NOT FINITE'}")
            except Exception as err:  # noqa: BLE001
                said.append(f"{name} FAILED ({type(err).__name__}: {str(err)[:120]})")
    bad = [one for one in said if " " in one]
    assert not bad, "; ".join(bad)
    return ", ".join(said)


CHECKS: dict[str, Callable[[], str]] = {
    **{f"float32 {kind}": partial(exact_float32, kind) for kind in KINDS},
    **{f"bf16 {kind}": partial(exact_bf16, kind) for kind in KINDS},
    "dropout float32": partial(dropout_replayed, "roberta", False),
    "dropout bf16": partial(dropout_replayed, "roberta", True),
    "out of memory": out_of_memory,
    "resume exact": partial(resumed, True),
    "resume": partial(resumed, False),
    "memory": memory_is_free,
    "waits": no_wait,
    "methods": methods,
}


def main() -> int:
    """Run the checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="checks whose names begin so")
    parser.add_argument("--fused", action="store_true", help="with bench.gpu.fused's kernels")
    asked = parser.parse_args()
    if asked.fused:
        from bench.gpu.fused import fused

        with fused():
            return try_all(asked.only)
    return try_all(asked.only)


def try_all(only: list[str] | None) -> int:
    """Try those whose names begin so; 1 if one failed."""
    failed = 0
    for name, check in CHECKS.items():
        if only and not name.startswith(tuple(only)):
            continue
        try:
            print(f"ok    {name}: {check()}", flush=True)
        except Exception as err:  # noqa: BLE001 (the others are still to be tried)
            failed += 1
            print(f"FAIL  {name}: {type(err).__name__}: {str(err)[:600]}", flush=True)
            if not isinstance(err, AssertionError):
                traceback.print_exc(limit=-4)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
