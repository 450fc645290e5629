"""Own files: CSV, TSV, JSON Lines and Parquet; and every way in which they can be wrong."""

import csv
import gzip
import hashlib
import json

import pytest
from tasks_fixtures import check_data, data_fingerprint, files, load_examples, load_test

from freelb_tune.errors import FreeLBTuneError

ROWS = [('good, "really" good', "pos"), ("bad", "neg"), ("so so", "neutral"), ("fine", "pos")]


def write(folder, name, rows, columns=("review", "grade")):
    """One file of rows in the form that its ending names."""
    import pandas as pd

    frame, path = pd.DataFrame(rows, columns=list(columns)), folder / name
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".tsv":
        lines = ["\t".join(columns), *("\t".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    elif path.suffix == ".json":
        path.write_text(frame.to_json(orient="records"), "utf-8")
    else:
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines), "utf-8")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_same_examples(tmp_path, ending):
    write(tmp_path, f"a.{ending}", ROWS)
    write(tmp_path, f"b.{ending}", ROWS[:2])
    examples = load_examples(
        files(
            "classification", tmp_path, f"a.{ending}", f"b.{ending}", text="review", label="grade"
        )
    )
    assert examples.labels == ("neg", "neutral", "pos")
    assert examples.train["text_a"][:] == [text for text, _ in ROWS]
    assert examples.train["label"][:] == [2, 0, 1, 2]
    assert examples.evaluation["dev"]["label"][:] == [2, 0]
    assert examples.text == ("text_a",)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_labels_may_be_numbers_and_sort_as_numbers(tmp_path, ending):
    write(tmp_path, f"a.{ending}", [("x", 10), ("y", 2), ("z", 1)])
    settings = files("classification", tmp_path, f"a.{ending}", f"a.{ending}")
    examples = load_examples(settings | {"data.text": ["review"], "data.label": "grade"})
    assert examples.labels == ("1", "2", "10")
    assert examples.train["label"][:] == [2, 1, 0]


def test_a_number_is_a_label_not_a_place(tmp_path):
    write(tmp_path, "a.csv", [("x", 1), ("y", 2)])
    write(tmp_path, "b.csv", [("x", 0)])
    settings = files("classification", tmp_path, "a.csv", "b.csv", text="review", label="grade")
    with pytest.raises(FreeLBTuneError, match=r"b.csv.*\n  line 2: label '0' is not.* known: 1, 2"):
        check_data(settings)


def test_regression_reads_a_pair_and_real_targets(tmp_path):
    write(tmp_path, "a.csv", [("x", "y", 0.5), ("z", "w", -3)], ("one", "two", "grade"))
    settings = files("regression", tmp_path, "a.csv", "a.csv", text=["one", "two"], label="grade")
    examples = load_examples(settings)
    assert examples.kind == "regression"
    assert examples.labels is None
    assert examples.text == ("text_a", "text_b")
    assert examples.train["label"][:] == [0.5, -3.0]


@pytest.mark.parametrize("grade", ["much", "nan", "inf", ""])
def test_a_target_that_is_no_number_is_named(tmp_path, grade):
    write(tmp_path, "a.tsv", [("x", 1.5), ("y", grade)])
    settings = files("regression", tmp_path, "a.tsv", "a.tsv", text="review", label="grade")
    with pytest.raises(FreeLBTuneError, match=rf"a.tsv.*\n  line 3: target '{grade}' is not a num"):
        check_data(settings)


@pytest.mark.parametrize("label", ["entailment", 0, "0"])
def test_a_glue_task_on_own_files_takes_names_and_the_hubs_numbers(tmp_path, label):
    columns = ("sentence1", "sentence2", "label")
    write(tmp_path, "a.jsonl", [("x", "y", label), ("x", "z", "not_entailment")], columns)
    examples = load_examples(files("rte", tmp_path, "a.jsonl", "a.jsonl"))
    assert examples.train["label"][:] == [0, 1]


def test_mnli_on_own_files_says_that_it_has_one_dev_set(tmp_path):
    columns = ("premise", "hypothesis", "label")
    write(tmp_path, "a.tsv", [("x", "y", "neutral"), ("x", "z", "contradiction")], columns)
    assert check_data(files("mnli", tmp_path, "a.tsv", "a.tsv")) == (
        "mnli: own files have no mismatched set",
    )


def test_a_csv_field_may_span_lines_and_the_line_is_still_right(tmp_path):
    (tmp_path / "a.csv").write_text('review,grade\n"one\ntwo",a\nthree,b\n"",a\n', "utf-8")
    settings = files("classification", tmp_path, "a.csv", "a.csv", text="review", label="grade")
    with pytest.raises(FreeLBTuneError, match=r"1 problem\n  line 5: review is empty"):
        check_data(settings)


def test_a_file_to_predict_needs_no_labels(tmp_path):
    write(tmp_path, "a.csv", ROWS)
    write(tmp_path, "t.csv", [("new",), ("newer",)], ("review",))
    settings = files("classification", tmp_path, "a.csv", "a.csv", text="review", label="grade")
    (rows,) = load_test(settings | {"data.test": str(tmp_path / "t.csv")}).values()
    assert rows["text_a"][:] == ["new", "newer"]
    assert rows["index"][:] == [0, 1]
    with pytest.raises(
        FreeLBTuneError, match=r"task 'classification' has no test set; .*data\.test"
    ):
        load_test(settings)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", 'review,grade\n"open,a\nx,b\n', r"a.csv: line 2: unexpected end of data.*\.tsv"),
        ("a.jsonl", '{"review": "x", "grade": "a"}\n{"review": \n', r"a.jsonl: line 2: not JSON"),
        ("a.json", '["x", "a"]\n', r"row 1: expected one JSON object a row, got a text"),
        ("a.jsonl", "3\n", r"line 1: expected one JSON object a line, got a number"),
        ("a.json", '[{"review": "x", "grade": "a"},\n {"review": \n', r"a.json: line 3: not JSON"),
        ("a.json", "[]", "a.json: the file is empty; expected one JSON object a row"),
        ("a.csv.gz", "review,grade\n", r"a.csv.gz: not a gzip file that can be unpacked"),
        ("a.parquet.gz", "x", r"unknown ending '.parquet.gz'; files end in"),
        ("a.gz", "x", r"unknown ending '.gz'; files end in .csv, .*, or .gz after one"),
        ("a.jsonl", "\n", "a.jsonl: the file is empty"),
        ("a.parquet", "no", "a.parquet: not a Parquet file"),
        ("a.xlsx", "no", r"unknown ending '.xlsx'; files end in .csv, .tsv"),
        ("a.tsv", "text\tgrade\nx\ta\n", r"no column 'review'; the columns are 'text', 'grade'\n"),
        ("a.tsv", "review\tgrade\nx\ta\ny\ta\n", r"two labels or more, found 'a'; is data.label"),
        ("a.csv", "", "a.csv: the file is empty"),
        (
            "a.csv",
            "review,grade\nx,a\ny, well,b\n",
            "line 3: 3 fields, and the header names 2; a t",
        ),
        ("a.tsv", "review\tgrade\nx\ta\ny\tb\tc\n", "line 3: 3 fields.* a text can hold no tab"),
        ("a.csv", "review,grade,review\nx,a,z\ny,b,z\n", "the header names 'review' twice"),
        (
            "a.jsonl",
            '{"review": ["x"], "grade": "a"}\n{"review": "y", "grade": "b"}\n',
            "line 1: review is a list; expected text",
        ),
        (
            "a.jsonl",
            '{"review": "x", "grade": "a"}\n{"review": "ok \\ud83d", "grade": "b"}\n',
            r"line 2: review has half a character at 4, \\ud83d \(a lone surrogate",
        ),
        (
            "a.jsonl",
            '{"grade": "a"}\n{"review": "y", "grade": "b"}\n',
            "line 1: no review: the row has fewer columns than it needs, or null there",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, "utf-8")
    settings = files("classification", tmp_path, name, name, text="review", label="grade")
    with pytest.raises(FreeLBTuneError, match=message):
        check_data(settings)


def test_trailing_commas_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeffreview,grade\r\n"x, y",a,\r\nz,b,,\r\n'.encode())
    settings = files("classification", tmp_path, "a.csv", "a.csv", text="review", label="grade")
    assert load_examples(settings).train["text_a"][:] == ["x, y", "z"]


def read(folder, name, dev=None, **more):
    """The training texts and labels' names of own files, and what the user is told."""
    data = {"text": "review", "label": "grade", **more}
    settings = files("classification", folder, name, dev or name, **data)
    train = load_examples(settings).train
    names = train.features["label"].names
    return train["text_a"][:], [names[i] for i in train["label"]], check_data(settings)


def test_a_field_may_be_longer_than_pythons_own_limit(tmp_path):
    write(tmp_path, "a.csv", [("word " * 40_000, "a"), ("y", "b")])
    texts, _, notes = read(tmp_path, "a.csv")
    assert (len(texts[0]), notes) == (200_000, ())


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_csvs_separator_is_read_from_its_header_and_said(tmp_path, separator):
    import pandas as pd

    frame = pd.DataFrame(ROWS, columns=["review", "grade"]).assign(id=range(4))
    frame.to_csv(tmp_path / "a.csv", sep=separator, index=False)
    texts, labels, notes = read(tmp_path, "a.csv")
    assert list(zip(texts, labels, strict=True)) == ROWS
    name = {";": "semicolon", "\t": "tab", "|": "bar"}[separator]
    assert notes == (
        f"{tmp_path}/a.csv: its header has 3 columns between {name}s, so a {name} separates its "
        "fields (data.separator says otherwise)",
    )


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_a_tsv_that_was_written_with_quotes_is_read_so_and_it_is_said(tmp_path, quoting):
    import pandas as pd

    rows = [('she said "no" to it', "neg"), ("two\nlines\tand a tab", "pos"), ("plain", "pos")]
    frame = pd.DataFrame(rows, columns=["review", "grade"])
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False, quoting=quoting)
    texts, labels, notes = read(tmp_path, "a.tsv")
    assert list(zip(texts, labels, strict=True)) == rows
    assert len(notes) == 1
    assert "a.tsv: every field that begins with a quote ends with one, so these" in notes[0]


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (['"open\tpos', "x\tneg"], None),  # as in GLUE's files: a quote that nothing closes
        (['"so" he said\tpos', "x\tneg"], None),
        (['"a\tb"', "x\tneg"], None),  # with quotes this would be a row of one field
        (['"All good!"\tpos', "x\tneg"], "1 field in quotes that it does not need"),
    ],
)
def test_any_other_tsv_keeps_its_quotes(tmp_path, rows, note):
    (tmp_path / "a.tsv").write_text("\n".join(["review\tgrade", *rows]) + "\n", "utf-8")
    texts, _, notes = read(tmp_path, "a.tsv")
    assert texts == [row.split("\t")[0] for row in rows]
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


def test_what_the_user_says_of_a_file_is_not_guessed(tmp_path):
    (tmp_path / "a.csv").write_text("review;x;y,grade\n1;2,a\n3;4,b\n", "utf-8")
    with pytest.raises(FreeLBTuneError, match="no column 'review;x;y', .* are 'review', 'x', 'y"):
        read(tmp_path, "a.csv", text="review;x;y")
    said = read(tmp_path, "a.csv", text="review;x;y", separator=",")
    assert said == (["1;2", "3;4"], ["a", "b"], ())
    (tmp_path / "a.tsv").write_text('review\tgrade\n"x ""y"""\ta\n"z"\tb\n', "utf-8")
    assert read(tmp_path, "a.tsv", quotes=False)[0] == ['"x ""y"""', '"z"']
    assert read(tmp_path, "a.tsv", quotes=True) == (['x "y"', "z"], ["a", "b"], ())
    (tmp_path / "b.csv").write_bytes("review;grade\nschön;ja\nnö;nein\n".encode("cp1252"))
    with pytest.raises(FreeLBTuneError, match=r"b.csv: line 2: byte 0xf6 is not UTF-8.*: cp1252"):
        read(tmp_path, "b.csv")
    texts, labels, _ = read(tmp_path, "b.csv", encoding="cp1252")
    assert (texts, labels) == (["schön", "nö"], ["ja", "nein"])
    (tmp_path / "c.csv").write_bytes("review;grade\nschön;ja\nnö;nein\n".encode("utf-16"))
    with pytest.raises(FreeLBTuneError, match=r"is in UTF-16; name it, such as .*: utf-16"):
        read(tmp_path, "c.csv")
    assert read(tmp_path, "c.csv", encoding="utf-16")[0] == ["schön", "nö"]


def test_what_a_file_does_not_have_is_not_said_of_it(tmp_path):
    for name, more in [("a.jsonl", {"separator": ";"}), ("a.parquet", {"encoding": "cp1252"})]:
        write(tmp_path, name, ROWS)
        with pytest.raises(FreeLBTuneError, match=rf"data.{next(iter(more))}: .*{name} is not re"):
            read(tmp_path, name, **more)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json"])
def test_a_packed_file_is_read_like_what_is_in_it(tmp_path, ending):
    write(tmp_path, f"a.{ending}", ROWS)
    packed = gzip.compress((tmp_path / f"a.{ending}").read_bytes())
    (tmp_path / f"b.{ending}.gz").write_bytes(packed)
    assert read(tmp_path, f"b.{ending}.gz") == read(tmp_path, f"a.{ending}")


def test_a_json_list_is_read_like_json_lines_and_any_row_may_lack_a_key(tmp_path):
    rows = [
        {"grade": "a", "review": "x"},
        {"id": 7, "review": "y", "grade": "b"},
        {"review": "z", "grade": "a"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=2), "utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert read(tmp_path, "a.json")[:2] == (["x", "y", "z"], ["a", "b", "a"])
    assert read(tmp_path, "b.jsonl") == read(tmp_path, "a.json")
    # a first line without a column that only later rows have: the column is there all the same
    extra = [{"review": "x"}, {"review": "y", "grade": "b"}]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, extra)), "utf-8")
    with pytest.raises(FreeLBTuneError, match="1 problem\n  line 1: the label is null"):
        read(tmp_path, "c.jsonl")


def test_a_file_that_is_read_another_way_than_its_ending_says_has_a_name_of_its_own(tmp_path):
    plain, quoted = "review\tgrade\nx\ta\ny\tb\n", 'review\tgrade\n"x ""y"""\ta\ny\tb\n'
    for name, text in (("a.tsv", plain), ("b.tsv", quoted)):
        (tmp_path / name).write_text(text, "utf-8")
    prints = {}
    for name in ("a.tsv", "b.tsv"):
        settings = files("classification", tmp_path, name, name, text="review", label="grade")
        facts = {
            "version": 1,
            "task": "classification",
            "text": ["review"],
            "label": "grade",
            "max_train_examples": None,
            "max_eval_examples": None,
            "files": dict.fromkeys(
                ("train", "dev"), hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            ),
        }
        old = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        prints[name] = data_fingerprint(settings) == f"files:{old}"
    assert prints == {"a.tsv": True, "b.tsv": False}  # the name that version 0.1.0 gave


def test_a_file_to_predict_is_looked_at_before_anything_is_trained(tmp_path):
    write(tmp_path, "a.csv", ROWS)
    settings = files("classification", tmp_path, "a.csv", "a.csv", text="review", label="grade")
    (tmp_path / "t.csv").write_text("comment\nx\n")
    for name, message in [
        ("no.csv", "no.csv: no such file"),
        ("t.csv", "t.csv: no column 'review'"),
    ]:
        with pytest.raises(FreeLBTuneError, match=message):
            check_data(settings | {"data.test": str(tmp_path / name)})
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(FreeLBTuneError, match="d.csv: is a folder; name a file"):
        check_data(settings | {"data.test": str(tmp_path / "d.csv")})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"task": "rte", "data.text": "sentence"},
            "'rte' reads two different columns, got sentence",
        ),
        ({"task": "sst2", "data.text": ["a", "b"]}, "data.text: task 'sst2' reads one column"),
        ({"task": "classification", "data.text": []}, "reads one or two different columns"),
        ({"task": "rtr"}, r"task: unknown name 'rtr'; did you mean 'rte'\?"),
        (
            {"task": "rte", "data.source": "synthetic"},
            "only entailment_toy is synthetic.*: leave data.source out, or write files, hub or ",
        ),
        ({"task": "entailment_toy", "data.source": "hub"}, "has no source 'hub'"),
        ({"task": "regression", "data.source": "glue"}, "GLUE's layout has no task 'regression'"),
        ({"task": "rte", "data.source": "glue"}, "data.path: source glue needs the folder"),
        ({"task": "rte", "data.source": "files"}, "data.train: source files needs"),
        ({"task": "rte", "data.train": "x.csv"}, "data.dev: source files needs"),
        ({"task": "classification"}, "task 'classification' needs its rows named"),
        (
            {"task": "classification", "data.train": "a.csv", "data.dev": "b.csv"},
            r"needs the text column, or two for a pair; write text: NAME or text: \[FIRST",
        ),
        (
            {"task": "entailment_toy", "data.label": "x"},
            "data.label: source 'synthetic' does not read it; take it out",
        ),
        (
            {"task": "rte", "data.train": "a", "data.dev": "b", "data.path": "c"},
            "data.path: source",
        ),
        (
            {"task": "rte", "data.source": "glue", "data.path": "c", "data.revision": "v"},
            "revision:",
        ),
        (
            {"task": "classification", "data.train": "a", "data.dev": "b", "data.text": "label"},
            "data.label: column 'label' stands under data.text too",
        ),
        ({"task": "entailment_toy", "data.quotes": True}, "data.quotes: source 'synthetic'"),
        ({"task": "cola", "data.train": "no.csv", "data.dev": "no.csv"}, "no.csv: no such file"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, message):
    with pytest.raises(FreeLBTuneError, match=message):
        check_data(settings)


def own(folder, name, content, **more):
    (folder / name).write_bytes(content)
    task = more.pop("task", "classification")
    return files(task, folder, name, name, text="text", label="label", **more)


GOOD = "".join(f"t{n},{'ab'[n % 2]}\n" for n in range(6))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.jsonl",
            b'{"text": "t", "label": "a", "label": "b"}',
            "line 1: an object names 'label' tw",
        ),
        ("a.json", b'[{"text": "t", "text": "u", "label": "b"}]', "an object names 'text' twice"),
        ("a.jsonl", b'{"text": "t", "label": ' + b"9" * 5000 + b"}", "line 1: Exceeds the limit"),
        ("a.jsonl", b'{"text": ' + b"[" * 200_000, "line 1: nested too deeply"),
        ("a.jsonl", b'{"text": "t", "label": 1e400}\n' * 3, "label is inf, a number too large"),
        (
            "a.csv",
            gzip.compress(f"text,label\n{GOOD}".encode(), mtime=0),
            "is a gzip file, whatever its name",
        ),
        (
            "a.csv",
            b"PK\x03\x04" + b"x" * 90,
            "is a zip file or a workbook, .* save a workbook as CSV",
        ),
        ("a.csv", f"text,label\n{GOOD}".encode("utf-16-le"), "write data.encoding: utf-16-le"),
        ("a.csv", f"text,label\n{GOOD}".encode("utf-16-be"), "write data.encoding: utf-16-be"),
    ],
)
def test_what_another_reader_would_guess_at_is_an_error(tmp_path, name, content, said):
    with pytest.raises(FreeLBTuneError, match=said):
        check_data(own(tmp_path, name, content))


def test_utf_16_without_a_mark_is_read_when_it_is_named(tmp_path):
    content = f"text,label\n{GOOD}".encode("utf-16-le")
    examples = load_examples(own(tmp_path, "a.csv", content, encoding="utf-16-le"))
    assert examples.train["text_a"] == ["t0", "t1", "t2", "t3", "t4", "t5"]


def test_targets_that_do_not_differ_or_are_no_numbers_are_an_error(tmp_path):
    with pytest.raises(FreeLBTuneError, match="every target is 3.0, so that there is nothing"):
        check_data(own(tmp_path, "a.csv", b"text,label\nt,3\nu,3.0\n", task="regression"))
    large = b'{"text": "t", "label": 1' + b"0" * 400 + b"}\n"
    with pytest.raises(FreeLBTuneError, match="line 1: target '1000.*' is not a number"):
        check_data(own(tmp_path, "a.jsonl", large, task="regression"))


def test_a_label_of_its_own_for_most_rows_is_said(tmp_path):
    rows = "".join(f"t{n},id{n}\n" for n in range(24))
    (said,) = check_data(own(tmp_path, "a.csv", f"text,label\n{rows}".encode()))
    assert said.startswith(
        "classification: 24 labels for 24 training rows; is data.label the right"
    )
    assert check_data(own(tmp_path, "a.csv", f"text,label\n{GOOD * 4}".encode())) == ()
