"""Which trial has which GPU: on two raylets of this machine, with two GPUs each that Ray counts.

No GPU is touched: what is held is whom Ray Tune, as this project asks it, lets see which.
"""

import itertools
import json
import os
import sys
import time
from dataclasses import dataclass

import pytest
import search_fixtures
from ray import cloudpickle
from search_fixtures import Prepare, make_plan, train

from freelb_tune.search import SearchOptions, Work, run_search
from freelb_tune.store import CellState, cell_folder

for module in (search_fixtures, sys.modules[__name__]):
    cloudpickle.register_pickle_by_value(module)  # workers have no path to the tests

pytestmark = pytest.mark.slow  # each starts raylets
TRIALS = 16


@dataclass(frozen=True)
class Stay:
    """A trial's time on the GPUs that it saw."""

    node: str
    gpus: tuple[str, ...]
    begin: float
    end: float

    def meets(self, other):
        return self.begin < other.end and other.begin < self.end


def train_and_tell(cell, ready, folder, report, threads, /):
    """Train, and write down where, on which GPUs and from when to when."""
    import ray

    gpus, begin = os.environ["CUDA_VISIBLE_DEVICES"].split(","), time.monotonic()
    train(cell, ready, folder, report, threads)
    stay = [ray.get_runtime_context().get_node_id(), gpus, begin, time.monotonic()]
    (folder / "stay.json").write_text(json.dumps(stay))


@pytest.fixture(scope="module")
def cluster():
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 8, "num_gpus": 2})
    try:
        made.add_node(num_cpus=8, num_gpus=2)
        made.wait_for_nodes()
        yield made.address
    finally:
        ray.shutdown()
        made.shutdown()


def stays(cluster, base, gpu):
    """Search on the cluster; gives every trial's stay."""
    lrs = [0.01 * (at + 1) for at in range(TRIALS)]
    space, plan = make_plan(base, adv_lr=lrs, epochs=1, resources=f"{{gpu: {gpu}, cpu: 1}}")
    work = Work(Prepare(base / "orders", epochs=1, seconds=0.5), train_and_tell)
    done = run_search(space, plan, base / "results", SearchOptions(address=cluster), work=work)
    assert done.counts[CellState.DONE] == TRIALS
    found = []
    for cell in plan.cells:
        told = (cell_folder(base / "results", cell.id) / "stay.json").read_text()
        node, gpus, begin, end = json.loads(told)
        found.append(Stay(node, tuple(gpus), begin, end))
    return found


def shared(found):
    """The pairs that saw the same GPU at the same time."""
    pairs = itertools.combinations(found, 2)
    return [
        (a, b) for a, b in pairs if a.node == b.node and set(a.gpus) & set(b.gpus) and a.meets(b)
    ]


def test_sixteen_trials_on_four_gpus_never_share_one_and_use_both_machines_at_once(
    cluster, tmp_path
):
    found = stays(cluster, tmp_path, 1)
    assert {len(stay.gpus) for stay in found} == {1}
    assert not shared(found)
    assert len({(stay.node, *stay.gpus) for stay in found}) == 4
    assert any(a.node != b.node and a.meets(b) for a, b in itertools.combinations(found, 2))


def test_halves_of_a_gpu_are_shared_by_two_and_no_more(cluster, tmp_path):
    found = stays(cluster, tmp_path, 0.5)
    assert {len(stay.gpus) for stay in found} == {1}
    assert shared(found)
    for stay in found:
        at_once = [o for o in found if (o.node, o.gpus) == (stay.node, stay.gpus)]
        assert sum(o.begin <= stay.begin < o.end for o in at_once) <= 2


def test_two_gpus_for_a_trial_are_its_own(cluster, tmp_path):
    found = stays(cluster, tmp_path, 2)
    assert {len(stay.gpus) for stay in found} == {2}
    assert not shared(found)
    assert len({stay.node for stay in found}) == 2
