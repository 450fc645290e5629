"""GLUE's original folder layout, with its quirks, and what is said when a file is not in it."""

import pytest
from tasks_fixtures import (
    LAYOUT_FILES,
    check_data,
    data_fingerprint,
    glue,
    load_examples,
    load_test,
    write_layout,
)

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks import GLUE


def rows(dataset):
    return [tuple(row.values()) for row in dataset]


def test_every_task_reads_from_its_layout(tmp_path):
    write_layout(tmp_path)
    for task in GLUE:
        examples = load_examples(glue(task.name, tmp_path))
        assert list(examples.evaluation) == list(task.dev_sets)
        assert examples.labels == task.labels
        assert examples.kind == task.kind


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("sst2", [('a "bold film ', 1), ("not 'much' of one ", 0)]),
        ("mrpc", [('He said " yes .', "He agreed .", 1), ("Shares fell .", "Rain fell .", 0)]),
        ("cola", [("It is.", 1), ('Is "it the.', 0)]),
        ("rte", [('"It rained.', "It was wet.", 0), ("It rained.", "It was dry.", 1)]),
        ("qnli", [("Who?", "Me.", 0), ("When?", "There.", 1)]),
        ("wnli", [("He, it.", "It.", 1), ("A.", "B.", 0)]),
    ],
)
def test_quotes_marks_and_labels_come_out_as_on_the_hub(tmp_path, task, expected):
    assert rows(load_examples(glue(task, write_layout(tmp_path))).train) == expected


def test_mnli_columns_go_by_name_and_both_dev_sets_are_there(tmp_path):
    examples = load_examples(glue("mnli", write_layout(tmp_path)))
    assert examples.train["label"][:] == [0, 1, 2]
    assert rows(examples.evaluation["dev"]) == [("A dog.", "A pup.", 1)]
    assert rows(examples.evaluation["mismatched"]) == [("A cat.", "No cat.", 2)]


def test_mnli_without_the_mismatched_file_says_so_and_goes_on(tmp_path):
    write_layout(tmp_path, **{"MNLI/dev_mismatched.tsv": ""})
    notes = check_data(glue("mnli", tmp_path))
    assert notes == ("mnli: no dev_mismatched.tsv, so the mismatched set is not evaluated",)


def test_qqp_skips_broken_lines_keeps_wordless_questions_and_counts_both(tmp_path):
    examples = load_examples(glue("qqp", write_layout(tmp_path)))
    assert rows(examples.train) == [("Who is it?", "Who's it?", 1), ("What now?", "", 0)]
    assert examples.notes == (
        "qqp, train: 3 broken rows skipped",  # two halves of a line, one without a label
        "qqp, train: 1 row with an empty text kept",
    )


def test_scores_of_stsb_are_real_numbers(tmp_path):
    examples = load_examples(glue("stsb", write_layout(tmp_path)))
    assert examples.train["label"][:] == pytest.approx([3.8, 0.0])


def test_test_sets_carry_their_own_numbers_and_no_label(tmp_path):
    write_layout(tmp_path)
    sets = load_test(glue("mnli", tmp_path))
    assert rows(sets["MNLI-m"]) == [("A.", "B.", 0)]
    assert rows(sets["MNLI-mm"]) == [("C.", "D.", 7)]
    assert rows(load_test(glue("cola", tmp_path))["CoLA"]) == [("He is.", 0)]
    assert rows(load_test(glue("qqp", tmp_path))["QQP"]) == [("A?", "B?", 0)]
    sst2 = load_test(glue("sst2", tmp_path))["SST-2"]
    assert sst2["text_a"][0] == "plain work "  # a space at a line's end is text


NUMBERED = 'index\tsentence1\tsentence2\n4\tNo dog ran.\tA "dog ran.\n9\tA.\tB.\n'
FULL = (
    "Lexical Semantics\tPredicate-Argument Structure\tLogic\tKnowledge\tDomain\tPremise\t"
    "Hypothesis\tLabel\n\t\tNegation\t\tNews\tNo dog ran.\tA dog ran.\tcontradiction\n"
)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "diagnostic/diagnostic.tsv",
            NUMBERED,
            [("No dog ran.", 'A "dog ran.', 4), ("A.", "B.", 9)],
        ),
        ("AX/AX.tsv", NUMBERED, [("No dog ran.", 'A "dog ran.', 4), ("A.", "B.", 9)]),
        ("MNLI/diagnostic-full.tsv", FULL, [("No dog ran.", "A dog ran.", 0)]),
    ],
)
def test_mnlis_test_sets_have_the_diagnostic_set_where_it_lies(tmp_path, file, text, expected):
    write_layout(tmp_path, **{file: text})
    sets = load_test(glue("mnli", tmp_path))
    assert list(sets) == ["MNLI-m", "MNLI-mm", "AX"]
    assert rows(sets["AX"]) == expected
    assert list(load_test(glue("mnli", tmp_path / "MNLI"))) == ["MNLI-m", "MNLI-mm", "AX"]
    assert list(load_test(glue("rte", tmp_path))) == ["RTE"]


def test_a_diagnostic_file_of_another_form_is_told(tmp_path):
    write_layout(tmp_path, **{"diagnostic/diagnostic.tsv": "index\tpremise\thypothesis\n0\ta\tb\n"})
    with pytest.raises(
        FreeLBTuneError, match=r"diagnostic\.tsv: no column 'sentence1', 'sentence2'"
    ):
        load_test(glue("mnli", tmp_path))


@pytest.mark.parametrize("spelling", ["sst2", "SST2", "sst_2"])
def test_a_folder_may_be_spelt_otherwise_or_given_itself(tmp_path, spelling):
    write_layout(tmp_path)
    (tmp_path / "SST-2").rename(tmp_path / spelling)
    assert len(load_examples(glue("sst2", tmp_path)).train) == 2
    assert len(load_examples(glue("sst2", tmp_path / spelling)).train) == 2


HEADER = "index\tsentence1\tsentence2\tlabel\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(
            "RTE/train.tsv",
            f"{HEADER}0\tA.\tB.\tentailment\n1\tA.\tB.\tmaybe\n",
            r"RTE/train.tsv: 1 problem\n  line 3: label 'maybe' is not one of the task's; "
            r"known: entailment, not_entailment",
            id="unknown-label",
        ),
        pytest.param(
            "RTE/dev.tsv",
            "index\tpremise\tsentence2\tlabel\n0\tA.\tB.\tentailment\n",
            r"no column 'sentence1'; the columns are 'index', 'premise', 'sentence2', 'label'\n"
            r"  RTE/dev.tsv is not in GLUE's layout",
            id="header-not-glue's",
        ),
        pytest.param("RTE/dev.tsv", HEADER, "dev.tsv: the file holds no example", id="no-rows"),
        pytest.param("RTE/dev.tsv", "\n", "dev.tsv: the file is empty", id="empty-file"),
        pytest.param(
            "RTE/train.tsv",
            f"{HEADER}0\tA.\t  \tentailment\n1\t\tB.\tentailment\n2\tA.\tB.\tx\n",
            r"3 problems\n  line 2: sentence2 is empty\n  line 3: sentence1 is empty\n  line 4",
            id="empty-sentence-and-all-problems-at-once",
        ),
        pytest.param(
            "RTE/train.tsv",
            f"{HEADER}0\tA.\n",
            "line 2: no sentence2: the row has fewer columns",
            id="short-row",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path, name, content, message):
    write_layout(tmp_path, **{name: content})
    with pytest.raises(FreeLBTuneError, match=message):
        check_data(glue("rte", tmp_path))


def test_many_problems_are_counted_and_the_first_are_listed(tmp_path):
    write_layout(tmp_path, **{"RTE/dev.tsv": HEADER + "0\tA.\tB.\tx\n" * 9})
    with pytest.raises(FreeLBTuneError, match=r"9 problems\n(  line .*\n){5}  and 4 more$"):
        check_data(glue("rte", tmp_path))


def test_a_score_that_is_no_number_is_named(tmp_path):
    bad = LAYOUT_FILES["STS-B/dev.tsv"].replace("1.250", "high")
    write_layout(tmp_path, **{"STS-B/dev.tsv": bad})
    with pytest.raises(FreeLBTuneError, match=r"line 2: target 'high' is not a number"):
        check_data(glue("stsb", tmp_path))


def test_another_encoding_is_named_with_line_and_byte(tmp_path):
    write_layout(tmp_path)
    text = f"{HEADER}0\tA.\tB.\tentailment\n1\tCaf\xe9.\tB.\tentailment\n"
    (tmp_path / "RTE/train.tsv").write_bytes(text.encode("latin1"))
    with pytest.raises(FreeLBTuneError, match=r"train.tsv: line 3: byte 0xe9 is not UTF-8"):
        check_data(glue("rte", tmp_path))
    (tmp_path / "RTE/train.tsv").write_bytes(text.encode("utf-16"))
    with pytest.raises(FreeLBTuneError, match=r"line 1: byte 0xff is not UTF-8.*UTF-16"):
        check_data(glue("rte", tmp_path))


@pytest.mark.parametrize("read", [check_data, data_fingerprint, load_examples])
def test_a_missing_folder_or_file_is_named_with_what_is_there(tmp_path, read):
    with pytest.raises(FreeLBTuneError, match=r"data.path: no folder .*/nowhere$"):
        read(glue("rte", tmp_path / "nowhere"))
    write_layout(tmp_path, **{"RTE/dev.tsv": ""})
    with pytest.raises(
        FreeLBTuneError, match=r"no file .*RTE/dev.tsv; .* holds test.tsv, train.tsv"
    ):
        read(glue("rte", tmp_path))
    (tmp_path / "RTE").rename(tmp_path / "other")
    with pytest.raises(
        FreeLBTuneError, match=r"no folder RTE .* found CoLA.*other(.|\n)*RTE/dev.tsv"
    ):
        read(glue("rte", tmp_path))
