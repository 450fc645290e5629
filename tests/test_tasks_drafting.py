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
        'model: "config:bert"', "model: {name: 'config:bert', config: {hidden_size: 24}}"
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


ROWS = 40
TEXTS = [f"the film was {('good', 'bad', 'long')[n % 3]}, said {n}" for n in range(ROWS)]
LINKS = [f"https://tickets.example.com/{n}/" + "abcdef" * 20 for n in range(ROWS)]
SECOND = [f"they said so {n}" for n in range(ROWS)]


def drafted(folder, header, *columns):
    """The space that is drafted for a CSV of these columns, as it reads."""
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *zip(*columns, strict=True)])
    (folder / "a.yaml").write_text(draft_space(folder / "a.csv"), "utf-8")
    return ft.load_space(folder / "a.yaml")


def settings(space):
    return ft.plan(space).cells.iloc[0]


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        pytest.param(
            ["url", "premise", "date", "hypothesis", "gold_label"],
            [LINKS, TEXTS, ["2024-01-01", "2024-01-02"] * 20, SECOND, ["yes", "no"] * 20],
            {"task": "classification", "data.text": ["premise", "hypothesis"]}
            | {"data.label": "gold_label"},
            id="a-pair",
        ),
        pytest.param(
            ["id", "review", "minutes", "score"],
            [range(ROWS), TEXTS, [n / 8 for n in range(ROWS)], [n / 7 for n in range(ROWS)]],
            {"task": "regression", "data.text": "review", "data.label": "score"},
            id="real-values",
        ),
        pytest.param(
            ["url", "text", "stars"],
            [LINKS, TEXTS, [1, 2, 3, 4] * 10],
            {"task": "classification", "data.text": "text", "data.label": "stars"},
            id="a-few-numbers-are-classes",
        ),
        pytest.param(
            ["text", "label"],
            [TEXTS, ["spam", "Spam", "ham", "ham"] * 10],
            {"data.alike_labels": "merge"},
            id="spellings-of-one-class",
        ),
        pytest.param(
            ["text", "vip", "Category"],
            [TEXTS, ["yes", "no"] * 20, [f"intent {n % 20}" for n in range(ROWS)]],
            {"data.label": "Category", "data.dev_share": 0.5},  # 20 rows, one of each class
            id="twenty-classes-by-name",
        ),
    ],
)
def test_what_is_drafted_is_what_the_file_shows(tmp_path, header, columns, expected):
    cell = settings(drafted(tmp_path, header, *columns))
    assert {name: cell[name] for name in expected} == expected


@pytest.mark.parametrize(("rare", "metric"), [(4, "macro_f1"), (20, None)])
def test_where_nearly_all_rows_are_of_one_class_accuracy_is_not_searched_for(
    tmp_path, rare, metric
):
    labels = ["rare"] * rare + ["usual"] * (ROWS - rare)
    assert drafted(tmp_path, ["text", "label"], TEXTS, labels).search.metric == metric


def test_a_script_without_spaces_is_not_cut_as_if_it_were_one_word(tmp_path):
    texts = ["\u4eca\u5929\u5929\u6c14\u5f88\u597d" * 20] * ROWS  # 120 letters
    space = drafted(tmp_path, ["text", "label"], texts, ["a", "b"] * 20)
    assert settings(space)["data.max_length"] == 128


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (["text"], [["one", "two"]], "no column looks like labels: .* are 'text'"),
        (["text", "label"], [["one", "two"], ["a", "a"]], "needs two labels or more, found 'a'"),
        (["text", "label"], [["one", "two"], ["a", ""]], "line 3: the label is empty"),
        (
            ["text", "label"],
            [["one", "two", "three"], ["a", "a", "b"]],
            "a.csv has only one row of the label 'b'",
        ),
        (
            ["a good film", "pos"],
            [["one", "two", "three", "four"], ["pos", "neg"] * 2],
            "line 1 looks like a row and not like names, as its 'pos' is a value of other rows",
        ),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_told(tmp_path, header, columns, message):
    with pytest.raises(ft.FreeLBTuneError, match=message):
        drafted(tmp_path, header, *columns)
