"""A search with adapters, a method with a memory and a shuffled grid, killed and run again."""

import pytest
from test_cli import killed, outputs, run_cli

from freelb_tune import open_results

SPACE = """\
name: toy
task: entailment_toy
model:
  name: config:bert
  config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}
  adapter: {grid: [none, {type: lora, r: 4, alpha: 8, target_modules: all-linear}]}
data: {source: synthetic, max_length: 32, max_train_examples: 64, max_eval_examples: 40}
trainer: {num_train_epochs: 3, learning_rate: 1.0e-3}
adversary: {method: {grid: [tavat, sam]}, adv_steps: 2}
seeds: [1]
search: {order: shuffled}
table: {columns: adapter}
resources: {max_concurrent: 1}
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # three searches
def test_a_killed_search_of_adapters_and_methods_ends_in_the_same_tables(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE, "utf-8")
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    done = run_cli("--space", path, "--results", straight)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 cells done" in done.stdout

    killed(path, broken, cells=4)
    again = run_cli("--space", path, "--results", broken)
    assert again.returncode == 0, again.stderr
    assert outputs(broken / "toy") == outputs(straight / "toy")

    table = (straight / "toy" / "table.md").read_text("utf-8")
    assert "adapter" in table
    assert "lora" in table
    answer = open_results(straight / "toy").best.pipeline()
    assert answer({"text": "All dogs bark.", "text_pair": "Some dogs bark."})
