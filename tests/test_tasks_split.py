"""One file cut into train and dev."""

from collections import Counter

import pytest
from tasks_fixtures import check_data, data_fingerprint, data_sizes, load_examples

from freelb_tune.errors import FreeLBTuneError


def own(folder, task="classification", **more):
    data = {"file": str(folder / "a.csv"), "dev_share": 0.2, "text": "text", **more}
    return {"task": task, **{f"data.{name}": value for name, value in data.items()}}


@pytest.fixture
def file(tmp_path):
    rows = [f"text {n},{'ab'[n % 10 < 3]}" for n in range(100)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    return tmp_path


def test_each_label_keeps_its_share_and_no_row_is_lost_or_twice(file):
    examples = load_examples(own(file))
    train, dev = examples.train, examples.evaluation["dev"]
    assert (len(train), len(dev)) == (80, 20)
    assert Counter(dev["label"]) == {0: 14, 1: 6}  # 70 and 30 of 100
    both = [*train["text_a"], *dev["text_a"]]
    assert sorted(both) == sorted(f"text {n}" for n in range(100))
    assert dev["text_a"][:] == sorted(dev["text_a"], key=lambda text: int(text[5:]))
    sizes = data_sizes(own(file))
    assert (sizes.train, sizes.dev) == (80, 20)
    note = "cut into 80 rows to train on and 20 for dev (data.dev_share 0.2, seed 0)"
    assert [note in each for each in check_data(own(file))] == [True]


def test_the_split_is_always_the_same_and_another_has_another_name(file):
    def dev(**more):
        return load_examples(own(file, **more)).evaluation["dev"]["text_a"][:]

    assert dev() == dev(split_seed=0) != dev(split_seed=1)
    names = [data_fingerprint(own(file, **more)) for more in ({}, {"split_seed": 1})]
    names += [data_fingerprint(own(file, dev_share=0.3))]
    assert len({*names}) == 3
    assert data_fingerprint(own(file, split_seed=0)) == names[0]


def test_real_values_are_cut_without_regard_to_them(tmp_path):
    rows = [f"text {n},{n / 7}" for n in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    examples = load_examples(own(tmp_path, "regression"))
    assert (len(examples.train), len(examples.evaluation["dev"])) == (8, 2)


def test_a_label_with_one_row_alone_is_named(tmp_path):
    rows = [f"text {n},{'ab'[n == 7]}" for n in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    with pytest.raises(
        FreeLBTuneError, match="a.csv has only one row of the label 'b'; a label needs two"
    ):
        check_data(own(tmp_path))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"dev_share": None}, "data.dev_share: is missing; .* such as dev_share: 0.2"),
        ({"file": None}, "data.dev_share: cuts data.file, which is not set"),
        ({"train": "b.csv"}, "data.file: stands in place of data.train and data.dev"),
        ({"source": "hub"}, "data.file: source 'hub' does not read it"),
        ({"dev_share": 0.01}, "a.csv cannot be cut so that each label is in both parts"),
    ],
)
def test_half_a_split_is_told(file, more, message):
    with pytest.raises(FreeLBTuneError, match=message):
        check_data(own(file, **more))
