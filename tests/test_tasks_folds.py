"""One file cut into folds."""

from collections import Counter

import pytest
from tasks_fixtures import data_fingerprint

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.sections import DataFields, FoldFields
from freelb_tune.tasks import check_data, data_sizes, load_examples


def own(folder, rows, **more):
    (folder / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    return DataFields(**{"file": str(folder / "a.csv"), "folds": 5, "text": "text", **more})


def folds_of(data, task="classification"):
    cells = (FoldFields(**dict(data), fold=1 + at) for at in range(data.folds))
    return [load_examples(task, cell) for cell in cells]


def test_each_row_is_judged_once_and_each_label_keeps_its_share(tmp_path):
    data = own(tmp_path, [f"text {n},{'ab'[n % 10 < 3]}" for n in range(50)])
    found = folds_of(data)
    judged = [text for each in found for text in each.evaluation["dev"]["text_a"]]
    assert sorted(judged) == sorted(f"text {n}" for n in range(50))
    for each in found:
        dev = each.evaluation["dev"]
        assert Counter(dev["label"]) == {0: 7, 1: 3}
        assert not {*dev["text_a"]} & {*each.train["text_a"]}
        assert len(each.train) == 40
    sizes = data_sizes("classification", data)
    assert (sizes.train, sizes.dev) == (40, 10)


def test_the_rows_of_one_text_are_in_one_fold_and_that_is_said(tmp_path):
    rows = [f"text {n % 30},{'ab'[n % 30 % 2]}" for n in range(40)]  # ten texts stand twice
    data = own(tmp_path, rows)
    for each in folds_of(data):
        assert not {*each.evaluation["dev"]["text_a"]} & {*each.train["text_a"]}
    (note,) = check_data("classification", data)
    assert "its 40 rows are cut into 5 folds" in note
    assert note.endswith("10 have a text that stands before them, and are in its fold")


def test_real_values_and_sets_of_labels_are_cut_too(tmp_path):
    values = folds_of(own(tmp_path, [f"text {n},{n / 7}" for n in range(23)]), "regression")
    assert sorted(len(each.evaluation["dev"]) for each in values) == [4, 4, 5, 5, 5]
    rows = [f"text {n},\"['x'{', ' + repr('y') if n % 3 else ''}]\"" for n in range(30)]
    sets = folds_of(own(tmp_path, rows), "multi_label_classification")
    assert {sum(y for _, y in each.evaluation["dev"]["label"]) for each in sets} == {4.0}


def test_folds_are_always_the_same_and_others_have_another_name(tmp_path):
    rows = [f"text {n},{'ab'[n % 2]}" for n in range(20)]
    data = own(tmp_path, rows)

    def dev(data):
        return folds_of(data)[0].evaluation["dev"]["text_a"][:]

    other = own(tmp_path, rows, split_seed=1)
    assert dev(data) == dev(own(tmp_path, rows, split_seed=0)) != dev(other)
    said = {"task": "classification", "data.file": data.file, "data.text": "text"}
    names = [
        data_fingerprint({**said, **more})
        for more in (
            {"data.folds": 5},
            {"data.folds": 4},
            {"data.folds": 5, "data.split_seed": 1},
            {"data.dev_share": 0.2},
        )
    ]
    assert len({*names}) == 4


@pytest.mark.parametrize(
    ("rows", "task", "more", "message"),
    [
        pytest.param("ab" * 4, "classification", {}, "a.csv has 8 different texts, and 5 folds "
                     "need two or more each; write folds: 4 or fewer", id="too-few"),
        pytest.param("a" * 17 + "bbb", "classification", {}, "has 3 different texts of the label "
                     "'b', and each of 5 folds needs one of each label; write folds: 3, ",
                     id="rare-label"),
        pytest.param("a" * 19 + "b", "classification", {}, "has 1 different texts of the label "
                     "'b', and each of 5 folds needs one of each label; add rows", id="one-alone"),
        pytest.param("1" * 19 + "2", "regression", {"folds": 9}, r"every target of fold \d is 1.0",
                     id="one-target"),
        pytest.param("ab" * 9, "classification", {"dev_share": 0.2},
                     "data.folds: and data.dev_share both say", id="share"),
        pytest.param("ab" * 9, "classification", {"dev": "b.csv"},
                     "data.folds: data.dev names a dev set", id="dev"),
        pytest.param("ab" * 9, "classification", {"file": None, "source": "files", "train": "b"},
                     "data.folds: cuts one file; write data.file in", id="train"),
        pytest.param("ab" * 9, "rte", {"file": None, "text": None},
                     "data.folds: task 'rte' has a dev set of its own", id="glue"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_is_told(tmp_path, rows, task, more, message):
    data = own(tmp_path, [f"text {n},{label}" for n, label in enumerate(rows)], **more)
    with pytest.raises(FreeLBTuneError, match=message):
        check_data(task, data)
