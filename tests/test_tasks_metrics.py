"""Metrics: their values on examples done by hand, their directions, and what is no score."""

import subprocess
import sys

import numpy as np
import pytest

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks import TASKS, compute_metrics, get_task, submission_lines, task_metrics


def logits(predictions, classes=2):
    return np.eye(classes, dtype=np.float32)[predictions]


def test_accuracy_f1_and_matthews_are_those_done_by_hand():
    # truth 1 1 1 0 0 0, said 1 1 0 1 0 0: 2 true positives, 1 false, 1 missed, 2 true negatives
    truth, said = np.array([1, 1, 1, 0, 0, 0]), [1, 1, 0, 1, 0, 0]
    pair = compute_metrics(get_task("mrpc"), logits(said), truth)
    assert pair == {"accuracy": pytest.approx(4 / 6), "f1": pytest.approx(2 / 3)}
    # (2*2 - 1*1) / sqrt(3*3*3*3)
    scores = compute_metrics(get_task("cola"), logits(said), truth)
    assert scores == {"matthews": pytest.approx(1 / 3), "accuracy": pytest.approx(4 / 6)}


def test_f1_counts_the_positive_class_only():
    scores = compute_metrics(get_task("qqp"), logits([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    assert scores == {"accuracy": 0.75, "f1": 0.0}


def test_correlations_read_real_values_in_either_shape():
    # ranks 1 2 3 against 1 3 2: 1 - 6*2/(3*8) = 0.5; the same by Pearson on these numbers
    truth, said = np.array([1.0, 2.0, 3.0]), np.array([[1.0], [3.0], [2.0]], dtype=np.float32)
    expected = {"pearson": pytest.approx(0.5), "spearman": pytest.approx(0.5)}
    assert compute_metrics(get_task("stsb"), said, truth) == expected
    assert compute_metrics(get_task("stsb"), said[:, 0], truth) == expected


def test_a_constant_is_associated_with_nothing():
    scores = compute_metrics(get_task("stsb"), np.ones((3, 1)), np.array([1.0, 2.0, 3.0]))
    assert scores == {"pearson": 0.0, "spearman": 0.0}
    assert compute_metrics(get_task("cola"), logits([1, 1]), np.array([0, 1]))["matthews"] == 0.0


@pytest.mark.parametrize("task", ["rte", "stsb"])
def test_a_logit_that_is_not_finite_gives_no_score(task):
    bad = np.array([[np.nan], [1.0]]) if task == "stsb" else np.array([[np.nan, 0.0], [1.0, 0.0]])
    scores = compute_metrics(get_task(task), bad, np.array([0, 0]))
    assert all(np.isnan(score) for score in scores.values())


def test_every_metric_has_its_direction():
    lower = {m.name for task in TASKS.values() for m in task.metrics if m.better == "lower"}
    assert lower == {"rmse"}
    truth = np.array([1.0, 2.0])
    assert compute_metrics(get_task("regression"), truth + 2, truth)["rmse"] == pytest.approx(2.0)


def test_each_task_searches_by_what_the_papers_select_by():
    first = {name: names[0] for name, names in task_metrics().items()}
    assert first["cola"] == "matthews"
    assert first["stsb"] == "pearson"
    rest = {"sst2", "mrpc", "qqp", "mnli", "qnli", "rte", "wnli", "entailment_toy"}
    assert {first[name] for name in rest} == {"accuracy"}


def test_names_and_metrics_load_nothing_heavy():
    code = (
        "import sys, freelb_tune.tasks as t; t.task_metrics(); t.get_task('rte');"
        "from freelb_tune.space.settings.sections import DataFields, Inputs, ModelFields;"
        "rest = DataFields(), ModelFields(name='none');"
        "[t.data_fingerprint(Inputs(name, *rest)) for name in ('entailment_toy', 'rte')];"
        "heavy = {'torch', 'ray', 'transformers', 'datasets', 'sklearn', 'scipy', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_submission_has_words_where_the_server_wants_words():
    header = "index\tprediction"
    rte = submission_lines(get_task("rte"), np.array([1, 0]))
    assert rte == [header, "0\tnot_entailment", "1\tentailment"]
    mnli = submission_lines(get_task("mnli"), [2], index=[7])
    assert mnli == [header, "7\tcontradiction"]
    assert submission_lines(get_task("wnli"), [1, 0]) == [header, "0\t1", "1\t0"]
    stsb = submission_lines(get_task("stsb"), [5.2, -0.1, 2.5])
    assert stsb == [header, "0\t5.000", "1\t0.000", "2\t2.500"]
    with pytest.raises(FreeLBTuneError, match="'regression' has no GLUE submission"):
        submission_lines(get_task("regression"), [1.0])
