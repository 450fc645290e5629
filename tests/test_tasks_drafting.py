"""A search space written for a file that nobody has described."""

import csv
import random

import pytest

import freelb_tune as ft
from freelb_tune.tasks.drafting import draft_space

TOPICS = {
    "billing": (
        "Die Rechnung stimmt nicht, bitte prüfen.",
        'The "invoice" is wrong,\nplease check.',
    ),
    "login": ("Ich kann mich nicht anmelden.", "I cannot log in, the page stays empty."),
    "delivery": ("Das Paket ist nie angekommen!", "My parcel never arrived; where is it?"),
    "other": ("Vielen Dank für die schnelle Hilfe.", "Thanks, that helped a lot."),
}


def tickets(path, encoding="utf-8", separator=","):
    chance = random.Random(1)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["ticket_id", "channel", "message", "category"])
        for n in range(600):
            topic = chance.choice(list(TOPICS))
            text = " ".join(chance.choice(TOPICS[topic]) for _ in range(chance.randint(1, 4)))
            writer.writerow([n, ("mail", "phone")[n % 2], text, topic])
    return path


@pytest.mark.parametrize(("encoding", "separator"), [("utf-8", ","), ("cp1252", ";")])
def test_what_is_written_plans_without_an_edit(tmp_path, encoding, separator):
    path = tickets(tmp_path / "tickets.csv", encoding, separator)
    text = draft_space(path, model="config:bert").replace(
        'model: "config:bert"', "model: {name: 'config:bert', config: {hidden_size: 16}}"
    )
    (tmp_path / "tickets.yaml").write_text(text, "utf-8")
    plan = ft.plan(ft.load_space(tmp_path / "tickets.yaml"), tmp_path)
    assert len(plan) == (3 + 3) * 3  # three learning rates, a clean arm to each, three seeds
    cell = plan.cells.iloc[0]
    assert (cell["data.text"], cell["data.label"], cell["task"]) == (
        *("message", "category"),
        "classification",
    )
    assert any("cut into 480 rows to train on and 120 for dev" in note for note in plan.notes)
    assert "600 rows" in text
    assert "xlm-roberta-base" in draft_space(path)


def test_a_file_without_labels_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("text\none\ntwo\n", "utf-8")
    with pytest.raises(ft.FreeLBTuneError, match="no column looks like labels: .* are 'text'"):
        draft_space(tmp_path / "a.csv")
