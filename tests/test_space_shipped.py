"""Every shipped space: it loads, spans what its first lines say, and can run."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from space_fixtures import SHIPPED, column, planned

from freelb_tune.results.forecast import forecast
from freelb_tune.space import load_space
from freelb_tune.tasks import task_metrics

ROOT = Path(__file__).parents[1]
GOLDEN = json.loads((ROOT / "tests" / "golden_ids.json").read_text("utf-8"))
RTE = next(path for path in SHIPPED if path.stem == "rte_grid")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_space_loads_and_can_run(path):
    space = load_space(path, tasks=task_metrics())
    cells = planned(space).cells
    assert space.name == path.stem
    assert len({cell.id for cell in cells}) == len(cells) > 0
    for cell in cells:
        assert all([cell.adversary, cell.data, cell.model, cell.run, cell.trainer])  # can be read
    ids = [cell.id for cell in cells]
    whole = hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]
    found = {"cells": len(ids), "first": ids[0], "last": ids[-1], "all": whole}
    assert found == GOLDEN.get(space.name), (
        f"the ids of {space.name} are not those of golden_ids.json: an id may not change unless "
        "TRAINING_VERSION does; a new space is added to the file"
    )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_space_answers_what_it_asks_and_how_it_is_run(path):
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    assert f"--space {path.relative_to(ROOT / 'search_spaces').with_suffix('')}" in text
    assert re.search(r"^# Needs ", text, re.MULTILINE)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_cost_in_a_shipped_spaces_head_is_what_plan_counts(path):
    found = re.search(r"^# Cost( .*\n(?:#  .*\n)*)", path.read_text("utf-8"), re.MULTILINE)
    cost = " ".join(found[1].replace("#", " ").split())
    space = load_space(path, tasks=task_metrics())
    (work,) = (
        line for line in forecast(space, planned(space), ()).sentences if line[:5] == "Work:"
    )
    (passes,) = re.findall(r"([\d,]+) forward and backward passes", work)
    assert f" {passes} passes" in cost


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_space_spans_as_many_cells_as_its_head_says(path):
    said = re.search(r"^# Cells .*= (\d+)$", path.read_text("utf-8"), re.MULTILINE)
    if said is None:
        pytest.skip("its head gives no number")
    assert len(planned(load_space(path)).cells) == int(said[1])


def test_the_seeds_grid_is_its_readmes():
    space = load_space(RTE, tasks=task_metrics())
    cells = planned(space).cells
    batch = "trainer.per_device_train_batch_size"
    names = ("adversary.adv_lr", "adversary.init_mag", "adversary.max_norm")
    wanted = [(n, lr, m, m) for n in (16, 32) for lr in (0.05, 0.1) for m in (0.1, 0.2)]
    assert column(cells, batch, *names) == wanted
    assert column(cells, batch, arm="clean") == [(16,), (32,)]
    # ParaGen's RTE run, as search_spaces/rte_grid.yaml says where
    assert {
        name: cells[0].settings[f"trainer.{name}"]
        for name in ("learning_rate", "max_steps", "warmup_steps", "weight_decay", "adam_beta2")
    } == {
        "learning_rate": 2e-5,
        "max_steps": 2036,
        "warmup_steps": 122,
        "weight_decay": 0.001,
        "adam_beta2": 0.98,
    }
    assert space.table.rows == list(names)
    assert space.table.columns == batch
