"""Numbers of a running search in Prometheus, and the dashboard that asks for them."""

import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from dataclasses import replace
from importlib.resources import files

import pytest
from store_fixtures import epoch
from test_search_run import start, wait_until

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune import metrics
from freelb_tune.search.ray_tune.machines import cluster
from freelb_tune.search.ray_tune.metrics import GAUGES, tokens_per_second
from freelb_tune.store import CellState, TextLengths, load_store, set_lengths
from freelb_tune.store.cells.lengths import SetLengths

CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: freelb_tune
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def asked(port, query):
    """What Prometheus answers: labels and value of each series."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            found = json.load(reply)["data"]["result"]
    except OSError:
        return []
    return [(each["metric"], float(each["value"][1])) for each in found]


def test_the_dashboard_asks_for_every_gauge_and_for_nothing_else():
    text = (files("freelb_tune.watching") / "grafana.json").read_text("utf-8")
    board = json.loads(text)
    queries = [t["expr"] for panel in board["panels"] for t in panel["targets"]]
    named = set(re.findall(r"ray_freelb_tune_(\w+)", " ".join(queries)))
    assert named == {*GAUGES, "cells"}
    assert set(re.findall(r"ray_freelb_tune_(\w+)", text)) == named
    labels = set(re.findall(r"(\w+)=~|by \((\w+)\)|{{(\w+)}}", text))
    assert {"".join(each) for each in labels} == {*metrics._LABELS, "state"}


def test_real_tokens_are_those_that_are_kept_each_once_by_seconds_of_training():
    # texts of 5, 9 and 20 tokens, of which 10 are kept: 5 + 9 + 10
    texts = TextLengths(10, {"train": set_lengths([5, 9, 20], 10)})
    first = epoch("c", 1, 0.5, step=4, train_seconds=2.0)
    assert tokens_per_second([first], texts) == 12.0
    # the last epoch had half of the steps
    assert tokens_per_second([first, replace(first, epoch=2, step=6)], texts) == 6.0
    assert tokens_per_second([first], None) is None
    assert tokens_per_second([replace(first, train_seconds=0.0)], texts) is None
    assert tokens_per_second([first], TextLengths(10, {"train": SetLengths(3, 1, 20)})) is None


def test_a_port_that_is_taken_is_refused_before_ray_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FreeLBTuneError, match=rf"--metrics-port {port}: cannot listen there"):
            cluster._check_free(port)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not here: apt-get install prometheus",
)
def test_prometheus_answers_with_the_score_of_a_finished_cell(tmp_path):
    port, own = free_port(), free_port()
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=port))
    served = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{own}",
        ],
        stderr=subprocess.DEVNULL,
    )
    plan = {"resources": "{max_concurrent: 1}", "adv_lr": [0.01, 0.02], "metrics_port": port}
    search = start(tmp_path, "{algorithm: grid}", 8.0, **plan)
    try:
        wait_until(
            lambda: (
                asked(own, 'ray_freelb_tune_cells{state="done"} == 1')
                and asked(own, "ray_freelb_tune_epoch == 4")
            ),
            search,
        )
        (score,) = asked(own, "ray_freelb_tune_score and ray_freelb_tune_epoch == 4")
        running = asked(own, 'ray_freelb_tune_cells{search="standin", state="running"}')
    finally:
        for process in (search, served):
            process.send_signal(signal.SIGINT)
            process.wait(60)
    (done,) = (e for e in load_store(tmp_path / "results").cells if e.state is CellState.DONE)
    labels, value = score
    assert value == pytest.approx(done.epochs[-1].score)
    assert (labels["search"], labels["configuration"]) == ("standin", done.cell.config_id)
    assert (labels["arm"], labels["seed"]) == ("adversarial", "1")
    assert [count for _, count in running] == [1.0]
