"""FreeLB on a GPU beside the plain loop and `Trainer`, side by side in one run.

    python -m bench.gpu.speed                     the table of docs/gpu.md (about five minutes)
    python -m bench.gpu.speed --size base --batch 16 --lengths rte      one setting of it

Random weights at the sizes of roberta-base and roberta-large, K 3, bf16. Each variant trains the
same batches for a few epochs; the quicker one of the last two counts, optimizer included,
and the device is waited for at its ends only.
"""

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data import MadeUp, rte_lengths
from bench.plain import PlainLoop, pad

K = 3
BATCHES = 4
SETTINGS = {"adv_lr": 0.05, "init_mag": 0.1, "max_norm": 0.1}
SIZES = {
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
VARIANTS = (
    "plain",
    "trainer_clean",
    "trainer_clean_best",
    "ours_clean",
    "ours_padded",
    "ours_launched",
    "ours",
    "ours_fused",
)
# Two more, in which shapes are met and recorded.
EPOCHS = {"ours": 4, "ours_clean": 4, "ours_fused": 4}


def build(size: str) -> Any:
    """A randomly initialised classifier on the GPU, dropout on."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, pad_token_id=1, **SIZES[size]
    )
    with torch.device("cuda"):
        return RobertaForSequenceClassification(config)


def _epochs_of(variant: str) -> int:
    return EPOCHS.get(variant, 3)


def time_plain(model: Any, rows: MadeUp, batch: int) -> float:
    """Seconds of each epoch's weight update."""
    loop = PlainLoop(model, K, bf16=True, **SETTINGS)
    times = []
    for _ in range(3):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for start in range(0, len(rows), batch):
            loop.step([rows[i] for i in range(start, start + batch)])
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / BATCHES)
    return min(times[1:])


def time_trainer(
    variant: str, model: Any, rows: MadeUp, batch: int, folder: str
) -> tuple[float, float | None]:
    """The same, of `Trainer` or of `AdversarialTrainer`; and a recorded pass's on the device."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    from freelb_tune.space.settings.adversaries import FreeLBSettings, NoneSettings
    from freelb_tune.training import AdversarialTrainer
    from freelb_tune.training.inputs.tokens import PadCollator

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            torch.cuda.synchronize()
            self.began = time.perf_counter()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            torch.cuda.synchronize()
            times.append((time.perf_counter() - self.began) / BATCHES)

    ours = variant.startswith("ours")
    best = {"bf16": True, "tf32": True, "dataloader_pin_memory": True}
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch,
        num_train_epochs=_epochs_of(variant),
        learning_rate=2e-5,
        train_sampling_strategy="sequential",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        **(best if ours or variant.endswith("best") else {"tf32": False}),  # it is the process's
    )
    common = {"model": model, "args": arguments, "callbacks": [Clock()], "train_dataset": rows}
    if not ours:
        trainer: Any = Trainer(data_collator=pad, **common)
    else:
        clean = variant == "ours_clean"
        trainer = AdversarialTrainer(
            data_collator=PadCollator({"input_ids": 1, "attention_mask": 0}, counted=True),
            adversary=NoneSettings() if clean else FreeLBSettings(adv_steps=K, **SETTINGS),
            padding_free=False if variant == "ours_padded" else None,
            **common,
        )
        if variant == "ours_launched":
            trainer._recordings.refused = "to be measured without"
    trainer.remove_callback(PrinterCallback)
    with kernels_of(variant):
        trainer.train()
    if ours and (why := trainer._recordings.refused) and variant != "ours_launched":
        print(f"  not recorded: {why}", flush=True)
    graphs = [each._graph for each in trainer._recordings._passes.values()] if ours else []
    alone = [timed(graph.replay, 5) for graph in graphs if graph is not None]
    return min(times[-2:]), float(np.mean(alone)) if alone else None


def kernels_of(variant: str) -> AbstractContextManager[None]:
    """Lend recorded passes the kernels that a variant tries."""
    if variant != "ours_fused":
        return nullcontext()
    from bench.gpu.fused import fused

    return fused()


def timed(run: Callable[[], Any], repeats: int = 10) -> float:
    """Median seconds of a call on the device, after two that do not count."""
    found = []
    for at in range(repeats + 2):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if at >= 2:
            found.append(begin.elapsed_time(end) / 1000)
    return float(np.median(found))


def pure_pass(model: Any, rows: MadeUp, batch: int) -> float:
    """Seconds of the model's own forward and backward on a padded batch, gradients kept."""
    inputs = [
        {k: v.cuda() for k, v in pad([rows[i] for i in range(s, s + batch)]).items()}
        for s in range(0, len(rows), batch)
    ]
    model.train()

    def once() -> None:
        for each in inputs:
            with torch.autocast("cuda", torch.bfloat16):
                loss = model(**each).loss
            loss.backward()

    return timed(once, 1) / len(inputs)


def products(model: Any, tokens: int) -> tuple[float, float]:
    """Seconds and operations of the layers' matrix products alone, forward and backward."""
    shapes = [
        tuple(part.weight.shape)
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and "layer" in name
    ]
    kept = {}
    for out, own in set(shapes):
        made = (torch.randn(size, device="cuda", dtype=torch.bfloat16) * 0.02
                for size in ((tokens, own), (out, own), (tokens, out)))  # fmt: skip
        kept[out, own] = tuple(made)

    def once() -> None:
        for shape in shapes:
            x, weight, grad = kept[shape]
            torch.mm(x, weight.t())
            torch.mm(grad, weight)
            torch.mm(grad.t(), x)

    once()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        once()
    return timed(graph.replay), sum(6.0 * tokens * out * own for out, own in shapes)


def peak() -> float:
    """Operations per second of one large product in bf16."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * 8192**3 / timed(lambda: torch.mm(a, b))


def settings(asked: argparse.Namespace) -> Iterator[tuple[str, int, str]]:
    """Sizes, batch sizes and kinds of lengths to measure."""
    for size in asked.size or ("base", "large"):
        for lengths in asked.lengths or ("rte", "full"):
            for batch in asked.batch or ((16, 32) if lengths == "rte" else (16, 32, 128)):
                yield size, batch, lengths


def measure(
    size: str, batch: int, lengths: str, variants: tuple[str, ...], top: float
) -> list[dict[str, Any]]:
    """One setting's rows."""
    count = batch * BATCHES
    own = rte_lengths("train", count, seed=0) if lengths == "rte" else np.full(count, 128)
    rows = MadeUp(own, seed=0)
    tokens = rows.tokens / BATCHES
    model = build(size)
    alone, operations = products(model, round(tokens))
    pure = pure_pass(model, rows, batch)
    found: list[dict[str, Any]] = []
    for variant in variants:
        model = build(size)  # accelerate prepares a model once: for the first trainer's precision
        gc.collect()  # a trainer with recordings refers to itself
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            try:
                if variant == "plain":
                    seconds, replay = time_plain(model, rows, batch), None
                else:
                    seconds, replay = time_trainer(variant, model, rows, batch, folder)
            except Exception as err:  # noqa: BLE001 (the others are still to be measured)
                print(f"  {variant} failed: {type(err).__name__}: {str(err)[:300]}", flush=True)
                continue
        found.append(
            {
                "size": size,
                "batch": batch,
                "lengths": lengths,
                "variant": variant,
                "adv_steps": 1 if "clean" in variant else K,
                "tokens": round(tokens),
                "ms_per_step": 1000 * seconds,
                "recorded_ms": None if replay is None else 1000 * replay,
                "pure_ms": 1000 * pure,
                "products_ms": 1000 * alone,
                "operations": operations,
                "peak": top,
                "gib": torch.cuda.max_memory_allocated() / 2**30,
            }
        )
        plain = next((row for row in found if row["variant"] == "plain"), None)
        print(told(found[-1], plain), flush=True)
    return found


def told(row: dict[str, Any], plain: dict[str, Any] | None) -> str:
    """A row as a line of the table; `plain` is the plain loop's of the same setting, if any."""
    passes, recorded = row["adv_steps"] * row["tokens"], row["recorded_ms"]
    per_pass = row["ms_per_step"] / row["adv_steps"]
    ratio = "-"
    if plain and row["adv_steps"] == plain["adv_steps"]:
        ratio = f"{plain['ms_per_step'] / row['ms_per_step']:.2f}x"
    shown = [
        row["size"],
        row["batch"],
        row["lengths"],
        row["variant"],
        f"{row['ms_per_step']:.1f}",
        ratio,
        f"{passes / row['ms_per_step']:.0f}k",
        f"{row['operations'] / per_pass * 1000 / row['peak']:.2f}",
        f"{row['pure_ms']:.1f}",
        f"{per_pass:.1f}",
        "-" if recorded is None else f"{recorded:.2f}",
        "-" if recorded is None else f"{per_pass / recorded:.2f}x",
        f"{row['products_ms']:.2f}",
        "-" if recorded is None else f"{row['products_ms'] / recorded:.2f}",
        f"{row['products_ms'] / per_pass:.2f}",
        f"{row['gib']:.1f}",
    ]
    return f"| {' | '.join(map(str, shown))} |"


HEAD = """\
| size | batch | lengths | variant | ms/step | against plain | tokens x passes/s | of peak \
| pure pass, ms | ms/pass | recorded pass, ms | over it | products, ms | of recorded | of a pass \
| GiB |
|"""


def main() -> None:
    """Measure, print, and write the rows as JSON if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", action="append", choices=SIZES)
    parser.add_argument("--batch", action="append", type=int)
    parser.add_argument("--lengths", action="append", choices=("rte", "full"))
    parser.add_argument("--variant", action="append", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    asked = parser.parse_args()
    top = peak()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: {top / 1e12:.0f} TFLOP/s")
    print(HEAD + " --- |" * (HEAD.count("|") - 2))
    found: list[dict[str, Any]] = []
    for size, batch, lengths in settings(asked):
        found += measure(size, batch, lengths, tuple(asked.variant or VARIANTS), top)
        if asked.json:
            asked.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
