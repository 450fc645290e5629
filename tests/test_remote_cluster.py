"""A real search on two machines that share nothing but an S3 server, of which one dies."""

from contextlib import suppress

import pytest

import freelb_tune as ft
from bench.chaos.search import Search, compare
from freelb_tune.search import Silent
from freelb_tune.store.remote.place import open_place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SPACE = """\
name: chaos
task: entailment_toy
data: {source: synthetic, max_length: 32, max_train_examples: 640, max_eval_examples: 64}
model:
  name: config:bert
  config: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}
trainer: {num_train_epochs: 4, per_device_train_batch_size: 16, learning_rate: 2.e-3}
adversary: {method: freelb, adv_steps: 2, adv_lr: {grid: [0.01, 0.03]}}
seeds: [1, 2]
"""


class Killer(Silent):
    """Ends the second node once both have worked and a trial there has told an epoch."""

    def __init__(self, caches, kill):
        self.was_busy, self.killed = False, None
        self._caches, self._kill = caches, kill

    def opened(self, board):
        self._board = board

    def tick(self):
        here = [
            {home.name.partition("-")[0] for home in (cache / "trials").glob("*-*")}
            for cache in self._caches
        ]
        self.was_busy |= all(here)
        begun = [cell_id for cell_id in here[1] if self._board[cell_id].epochs_done in (1, 2)]
        if self.was_busy and begun and self.killed is None:
            self.killed = begun[0]
            self._kill()


def started(start):
    """What has started: on a busy machine the half minute that Ray gives itself may not do."""
    for _ in range(4):
        with suppress(Exception):
            return start()
    return start()


def test_a_search_on_machines_that_share_nothing_survives_one_of_them(
    s3, s3_server, caches, tmp_path, monkeypatch
):
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    (tmp_path / "chaos.yaml").write_text(SPACE)
    space = ft.load_space(tmp_path / "chaos.yaml")
    caches("node-1")
    cluster = started(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 1}))
    try:
        caches("node-2")
        node = started(lambda: cluster.add_node(num_cpus=1))
        cluster.wait_for_nodes()
        caches("driver")
        folders = [tmp_path / name / "freelb-tune" for name in ("node-1", "node-2")]
        killer = Killer(folders, lambda: cluster.remove_node(node, allow_graceful=False))
        results = ft.search(space, s3, address=cluster.address, progress=killer)
    finally:
        ray.shutdown()
        cluster.shutdown()
    ft.search(space, tmp_path / "local", dashboard=False, progress=False)

    assert killer.was_busy
    assert killer.killed
    (tmp_path / "driver" / "chaos").symlink_to(results.folder)
    search, whole = Search(tmp_path / "driver", []), Search(tmp_path / "local", [])
    found = compare(search, whole)
    assert (found.lost, found.doubled, found.changed, found.equal) == (0, 0, 0, True)
    events = [(each["event"], each.get("cell_id")) for each in search.events()]
    assert ("retried", killer.killed) in events
    assert "again" not in dict(events)  # what had been told was not trained again
    assert not list(results.folder.glob("cells/*/checkpoint"))  # no trial saw this folder
    assert (results.folder / "best" / "model.safetensors").exists()
    assert all(list((folder / "inputs").glob("*/train")) for folder in folders)
    place = open_place(f"{s3}/chaos")
    assert place.folders("trials") == []
    assert place.read("table.md") == (whole.folder / "table.md").read_bytes()
