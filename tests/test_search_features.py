"""Searches with adapters, methods, sets, labels and folds, killed and run again."""

import json
import re

import pytest
from test_cli import killed, outputs, run_cli

from freelb_tune import open_results

MODEL = """\
name: toy
model:
  name: config:bert
  config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}
  PART
trainer: {num_train_epochs: 3, learning_rate: 1.0e-3}
search: {order: shuffled}
resources: {max_concurrent: 1}
"""
ADAPTERS = """\
task: entailment_toy
data: {source: synthetic, max_length: 32, max_train_examples: 64, max_eval_examples: 40}
adversary: {method: {grid: [tavat, creat, rdrop, asam]}, adv_steps: 2}
seeds: [1]
table: {columns: adapter}
"""
SETS = """\
task: multi_label_classification
data:
  text: text
  train: HERE/rows.jsonl
  dev: HERE/rows.jsonl
  test: HERE/rows.jsonl
  also:
    again: {file: HERE/renamed.jsonl, text: said, label: tags}
    typos: {builtin: characters, rate: 0.1}
adversary: {method: freelb, adv_steps: 4, adv_lr: {grid: [0.03, 0.1]}, max_norm: null}
seeds: [1, 2]
"""
FOLDS = """\
task: classification
data:
  file: HERE/classes.jsonl
  text: text
  folds: 3
  also: {typos: {builtin: characters, rate: 0.1}}
loss: {class_weights: balanced}
adversary: {method: {grid: [freelb, sam]}, adv_steps: 2}
seeds: [1]
"""
ADAPTED = "adapter: {grid: [none, {type: lora, r: 4, alpha: 8, target_modules: all-linear}]}"
WORDS = ("refund", "invoice", "crash", "login", "thanks", "slow")


def write_rows(folder):
    """Sixty texts of two words, with a class and several labels that follow from them."""
    pairs = [(a, b) for a in WORDS for b in WORDS if a != b] * 2
    texts = [f"{a} and {b}, message {n}" for n, (a, b) in enumerate(pairs)]
    several = [sorted({"bill"} & {"bill" if "refund" in t else ""} | {t.split()[0]}) for t in texts]
    for name, text, label in (("rows", "text", "label"), ("renamed", "said", "tags")):
        rows = ({text: t, label: s} for t, s in zip(texts, several, strict=True))
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    classes = ({"text": t, "label": "bug" if "crash" in t else "other"} for t in texts)
    (folder / "classes.jsonl").write_text("".join(json.dumps(r) + "\n" for r in classes), "utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # three searches
@pytest.mark.parametrize(
    ("part", "rest", "cells", "said"),
    [
        pytest.param(ADAPTED, ADAPTERS, 10, {"table.md": "lora"}, id="adapters"),
        pytest.param("", SETS, 6, {"robustness.md": r"(?s)again.*typos.*\btest\b"}, id="sets"),
        pytest.param("", FOLDS, 9, {"robustness.md": "typos", "table.md": "fold"}, id="folds"),
    ],
)
def test_a_killed_search_ends_in_the_same_tables(part, rest, cells, said, tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text((MODEL + rest).replace("PART", part).replace("HERE", str(tmp_path)), "utf-8")
    write_rows(tmp_path)
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    done = run_cli("--space", path, "--results", straight)
    assert done.returncode == 0, done.stderr
    assert f"{cells} of {cells} cells done" in done.stdout
    for name, pattern in said.items():
        assert re.search(pattern, (straight / "toy" / name).read_text("utf-8"))

    killed(path, broken, cells=cells // 2)
    again = run_cli("--space", path, "--results", broken)
    assert again.returncode == 0, again.stderr
    assert outputs(broken / "toy") == outputs(straight / "toy")

    answer = open_results(straight / "toy").best.pipeline()
    assert answer({"text": "All dogs bark.", "text_pair": "Some dogs bark."})
