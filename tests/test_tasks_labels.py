"""What is a label, and which labels are probably one class."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tasks_fixtures import check_data, data_fingerprint, files, load_examples

from freelb_tune.errors import FreeLBTuneError

NOT_ONE = [
    (["a"], "the label is a list"),
    ({"a": 1}, "the label is a mapping"),
    (b"a", "the label is bytes"),
    (float("nan"), "the label is nan, which stands for no value"),
    (None, "the label is (null|empty)"),
    ("a\ud83d", r"the label has half a character at 2, .ud83d"),
]


def write(path, rows):
    """Rows of a text and a label in the form that the file's ending names."""
    if path.suffix == ".parquet":
        texts, labels = zip(*rows, strict=True)
        pq.write_table(pa.table({"text": texts, "label": labels}), path)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    else:
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        path.write_text("\n".join(lines), "utf-8")


def settings(folder, train, dev=None, **more):
    return files("classification", folder, train, dev or train, text="text", **more)


@pytest.mark.parametrize(("cell", "message"), NOT_ONE)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_cell_that_is_no_label_is_an_error_with_its_line(tmp_path, ending, cell, message):
    if isinstance(cell, bytes) and ending == "jsonl":
        return  # JSON has none
    if isinstance(cell, str) and ending != "jsonl":
        return  # JSON alone has half characters
    if ending == "parquet":  # one column has one type: the cell is in every row
        write(tmp_path / "a.parquet", [("x", cell), ("y", cell)])
        place = "row 1"
    else:
        write(tmp_path / f"a.{ending}", [("x", "p"), ("y", cell), ("z", "q")])
        place = "line 3" if ending == "csv" else "line 2"
    if ending == "csv" and isinstance(cell, list | dict | bytes):
        message = message.replace("the label is", "the label .* is")
    with pytest.raises(FreeLBTuneError, match=rf"a.{ending}: . problems?\n  {place}: {message}"):
        check_data(settings(tmp_path, f"a.{ending}"))


@pytest.mark.parametrize("text", ["nan", "NaN", "<NA>"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_text_that_stands_for_no_value_is_an_error_with_its_line(tmp_path, ending, text):
    write(tmp_path / f"a.{ending}", [("x", "p"), (text, "q")])
    place = {"csv": "line 3", "jsonl": "line 2", "parquet": "row 2"}[ending]
    with pytest.raises(FreeLBTuneError, match=rf"{place}: text is {text}, which stands for no"):
        check_data(settings(tmp_path, f"a.{ending}"))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ("Yes", "yes", "case"),
        ("caf\u00e9", "cafe\u0301", "Unicode form"),
        ("\uff21", "A", "Unicode form"),
        ("no", "n\u200bo", "invisible characters"),
        ("not  good", "not good", "spaces"),
        ("1", "1.0", "the way a number is written"),
        ("1", "True", "the way a number is written"),
        ("0.0", "false", "the way a number is written"),
        ("True", "true", "case"),
        (
            "Caf\u00e9 \u200b",
            "cafe\u0301",
            "invisible characters and case and Unicode form and spaces",
        ),
    ],
)
def test_labels_that_are_probably_one_class_are_named_until_the_user_says(
    tmp_path, one, other, difference
):
    # three rows of one spelling, one of the other, two of another class
    write(
        tmp_path / "a.csv",
        [("x", one), ("y", one), ("z", one), ("v", other), ("w", "zz"), ("u", "zz")],
    )
    refusal = (
        r"a.csv: these labels are probably one class, .*\n  .*3 rows, first in line 2\), .*1 row, "
        rf"first in line 5\): they differ by {difference} alone\n  data.alike_labels: merge makes"
    )
    with pytest.raises(FreeLBTuneError, match=refusal):
        check_data(settings(tmp_path, "a.csv"))
    merged = load_examples(settings(tmp_path, "a.csv", alike_labels="merge"))
    kept = load_examples(settings(tmp_path, "a.csv", alike_labels="keep"))
    assert set(merged.labels) == {one.strip(), "zz"}  # as most rows have it
    assert [merged.labels[i] for i in merged.train["label"]] == [one.strip()] * 4 + ["zz"] * 2
    assert set(kept.labels) == {one.strip(), other, "zz"}


def test_of_spellings_that_are_as_frequent_the_plain_one_names_the_class(tmp_path):
    write(tmp_path / "a.csv", [("x", "no\u200b"), ("y", "no"), ("z", "Stra\u00dfe")])
    merged = load_examples(settings(tmp_path, "a.csv", alike_labels="merge"))
    assert merged.labels == ("Stra\u00dfe", "no")


def test_a_dev_label_in_another_spelling_is_told_with_what_differs(tmp_path):
    write(tmp_path / "a.csv", [("x", "caf\u00e9"), ("y", "tea")])
    write(tmp_path / "b.csv", [("x", "cafe\u0301"), ("y", "tea")])
    with pytest.raises(
        FreeLBTuneError,
        match=r"b.csv: 1 problem\n  line 2: label .*'cafe\\u0301'\).*; it differs from "
        r".*'caf\\xe9'\) by Unicode form alone, and data.alike_labels: merge reads it so",
    ):
        check_data(settings(tmp_path, "a.csv", "b.csv"))
    merged = load_examples(settings(tmp_path, "a.csv", "b.csv", alike_labels="merge"))
    assert merged.evaluation["dev"]["label"][:] == [0, 1]
    with pytest.raises(FreeLBTuneError, match="is not one of the task's; known: caf., tea$"):
        check_data(settings(tmp_path, "a.csv", "b.csv", alike_labels="keep"))


def test_all_groups_are_told_at_once_and_different_labels_are_left_alone(tmp_path):
    write(tmp_path / "a.csv", [(str(i), label) for i, label in enumerate("AaBbCcDdEeFf")])
    with pytest.raises(
        FreeLBTuneError, match=r"each of these groups of labels.*(\n.*){5}\n  and 1 more"
    ):
        check_data(settings(tmp_path, "a.csv"))
    write(tmp_path / "b.csv", [(str(i), label) for i, label in enumerate(["1", "2", "1.5", "01"])])
    assert check_data(settings(tmp_path, "b.csv")) == ()


def test_only_merged_labels_change_the_data_and_so_its_name(tmp_path):
    write(tmp_path / "a.csv", [("x", "A"), ("y", "a")])
    plain = data_fingerprint(settings(tmp_path, "a.csv"))
    assert data_fingerprint(settings(tmp_path, "a.csv", alike_labels="keep")) == plain
    assert data_fingerprint(settings(tmp_path, "a.csv", alike_labels="merge")) != plain


@pytest.mark.parametrize(
    "spellings",
    [("1", "1e0"), ("10", "1E1"), ("1", "+1"), ("0", "-0")],
)
def test_one_number_written_in_two_ways_is_probably_one_class(tmp_path, spellings):
    write(tmp_path / "a.csv", [(f"t{n}", label) for n, label in enumerate([*spellings, "x"] * 2)])
    data = files("classification", tmp_path, "a.csv", "a.csv", text="text", label="label")
    with pytest.raises(FreeLBTuneError, match="they differ by .*the way a number is written alone"):
        check_data(data)


def test_a_control_character_in_a_label_is_invisible(tmp_path):
    write(tmp_path / "a.jsonl", [("t", "a"), ("u", "a\x00"), ("v", "b")])
    with pytest.raises(FreeLBTuneError, match="they differ by invisible characters alone"):
        check_data(
            files("classification", tmp_path, "a.jsonl", "a.jsonl", text="text", label="label")
        )
