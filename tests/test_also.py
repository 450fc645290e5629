"""`data.also`: further labelled sets beside the dev set, and noise upon it."""

import json

import numpy as np
import pytest
from space_fixtures import HEAD, cells_of, opened
from tasks_fixtures import (
    check_data,
    data_fingerprint,
    files,
    glue,
    inputs,
    load_examples,
    write_layout,
)

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.jobs import _carry_data
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.also import TEST, Characters
from freelb_tune.store.cells.predictions import kept_test_file, read_predictions
from freelb_tune.tasks import compute_metrics, get_task
from freelb_tune.tasks.sources.characters import noisy
from freelb_tune.tasks.sources.further import as_the_set_has_them
from freelb_tune.tasks.sources.settings import data_settings
from freelb_tune.training import prepare, run_cell

ROWS = "text,label\nA fine long text to read,pos\nAnother text that is dull,neg\n"
TEXT = "the quick brown fox jumps over the lazy dog " * 50


def own(folder, also, **more):
    (folder / "a.csv").write_text(ROWS, "utf-8")
    settings = files("classification", folder, "a.csv", "a.csv", text="text")
    return settings | {"data.also": also} | {f"data.{name}": v for name, v in more.items()}


def characters(**settings):
    return Characters(builtin="characters", **settings)


def test_a_file_and_noise_are_further_sets_with_the_training_labels(tmp_path):
    (tmp_path / "hard.csv").write_text("text,label\nHard one,neg\nHarder,pos\nx,neg\n", "utf-8")
    also = {"hard": str(tmp_path / "hard.csv"), "typos": {"builtin": "characters", "rate": 0.5}}
    sets = load_examples(own(tmp_path, also)).evaluation
    assert list(sets) == ["dev", "hard", "typos"]
    assert sets["hard"].to_dict() == {"text_a": ["Hard one", "Harder", "x"], "label": [0, 1, 0]}
    assert sets["typos"]["label"][:] == sets["dev"]["label"][:]
    assert all(a != b for a, b in zip(sets["typos"]["text_a"], sets["dev"]["text_a"], strict=True))


def test_a_limit_keeps_the_same_rows_of_dev_and_of_its_noise(tmp_path):
    rows = "".join(f"Row number {n},{'pos' if n % 2 else 'neg'}\n" for n in range(40))
    settings = own(tmp_path, {"same": {"builtin": "characters", "rate": 1e-9}}, max_eval_examples=5)
    (tmp_path / "a.csv").write_text(f"text,label\n{rows}", "utf-8")
    sets = load_examples(settings).evaluation
    assert sets["same"].to_dict() == sets["dev"].to_dict()
    assert len(sets["dev"]) == 5


def test_a_glue_folders_task_reads_a_further_file_in_either_form(tmp_path):
    write_layout(tmp_path)
    (tmp_path / "hans.tsv").write_text(
        "index\tsentence1\tsentence2\tlabel\n0\tUp.\tDown.\tnot_entailment\n", "utf-8"
    )
    (tmp_path / "own.jsonl").write_text(
        json.dumps({"question": "Who?", "sentence": "Me.", "label": 0}), "utf-8"
    )
    also = {"hans": str(tmp_path / "hans.tsv")}
    assert load_examples(glue("rte", tmp_path, also=also)).evaluation["hans"]["label"][:] == [1]
    for task in ("stsb", "qqp"):  # whose own label columns are score and is_duplicate
        folder = {"stsb": "STS-B", "qqp": "QQP"}[task]
        sets = load_examples(
            glue(task, tmp_path, also={"again": str(tmp_path / folder / "dev.tsv")})
        ).evaluation
        assert sets["again"].to_dict() == sets["dev"].to_dict()
    also = {"own": str(tmp_path / "own.jsonl")}
    assert load_examples(glue("qnli", tmp_path, also=also)).evaluation["own"]["label"][:] == [0]


def test_advglue_lacks_a_task_where_it_was_asked_for(tmp_path):
    also = {"a": {"builtin": "advglue", "file": "dev_ann.json"}}
    with pytest.raises(FreeLBTuneError, match=r"^data\.also\.a: AdvGLUE has no task 'classific"):
        check_data(own(tmp_path, also))


def test_advglue_is_a_set_of_any_name(tmp_path):
    row = {"premise": "A.", "hypothesis": "B.", "label": 2}
    path = tmp_path / "dev_ann.json"
    path.write_text(json.dumps({"mnli": [row], "mnli-mm": [row]}), "utf-8")
    also = {"attacked": {"builtin": "advglue", "file": str(path)}}
    settings = glue("mnli", write_layout(tmp_path), also=also)
    sets = load_examples(settings).evaluation
    assert list(sets) == ["dev", "mismatched", "attacked", "attacked_mismatched"]
    with pytest.raises(FreeLBTuneError, match=r"data\.also: advglue is what data\.advglue names"):
        load_examples(
            settings | {"data.advglue": str(path), "data.also": {"advglue": also["attacked"]}}
        )


def test_regression_and_several_labels_have_further_sets(tmp_path):
    (tmp_path / "r.csv").write_text("text,label\nsome,1.5\nmore,2\n", "utf-8")
    (tmp_path / "m.csv").write_text("text,a,b\nsome,1,0\nmore,0,1\n", "utf-8")
    also = {"again": str(tmp_path / "r.csv"), "case": {"builtin": "characters", "rate": 1}}
    found = load_examples(files("regression", tmp_path, "r.csv", "r.csv", text="text", also=also))
    assert found.evaluation["again"]["label"][:] == found.evaluation["case"]["label"][:] == [1.5, 2]
    several = files("multi_label_classification", tmp_path, "m.csv", "m.csv", text="text")
    several |= {"data.label": ["a", "b"], "data.also": {"again": str(tmp_path / "m.csv")}}
    assert load_examples(several).evaluation["again"]["label"][:] == [[1, 0], [0, 1]]


HANS = {"non-entailment": ["neutral", "contradiction"]}


def write_hans(folder):
    """Two rows as HANS' file has them."""
    (folder / "hans.tsv").write_text(
        "gold_label\tsentence1\tsentence2\tpairID\n"
        "non-entailment\tThe cat saw the dog.\tThe dog saw the cat.\tex0\n"
        "entailment\tThe cat saw the dog.\tThe dog was seen.\tex1\n",
        "utf-8",
    )
    return str(folder / "hans.tsv")


def test_hans_is_read_as_it_comes(tmp_path):
    said = {"file": write_hans(tmp_path), "label": "gold_label"}
    write_layout(tmp_path)
    two = said | {"labels": {"non-entailment": "not_entailment"}}
    read = load_examples(glue("rte", tmp_path, also={"hans": two})).evaluation["hans"]
    assert read["label"][:] == [1, 0]
    assert read["text_b"][0] == "The dog saw the cat."
    three = said | {"labels": HANS}
    read = load_examples(glue("mnli", tmp_path, also={"hans": three})).evaluation["hans"]
    assert read["label"][:] == [1, 0]  # of entailment, neutral, contradiction
    with pytest.raises(FreeLBTuneError, match="label 'non-entailment' is not one of the task's"):
        check_data(glue("rte", tmp_path, also={"hans": said}))


def test_a_pairs_columns_may_be_called_otherwise_in_a_further_file(tmp_path):
    (tmp_path / "own.csv").write_text("a,b,label\nUp.,Down.,0\n", "utf-8")
    also = {"own": {"file": str(tmp_path / "own.csv"), "text": ["b", "a"]}}
    read = load_examples(glue("rte", write_layout(tmp_path), also=also)).evaluation["own"]
    assert read.to_dict() == {"text_a": ["Down."], "text_b": ["Up."], "label": [0]}


def test_classes_that_are_one_in_a_set_are_scored_as_one(tmp_path):
    also = {"hans": {"file": write_hans(tmp_path), "label": "gold_label", "labels": HANS}}
    settings = glue("mnli", write_layout(tmp_path), also=also)
    data = data_settings("mnli", inputs(settings).data)
    logits = np.array([[1.0, 0.5, 2.0], [3.0, 0.0, 2.0]], np.float32)
    labels = ("entailment", "neutral", "contradiction")
    told = as_the_set_has_them(logits, data, "hans", labels)
    assert told.argmax(axis=1).tolist() == [1, 0]
    assert told[:, 1].tolist() == [2.0, 2.0]
    assert compute_metrics(get_task("mnli"), told, np.array([1, 0]))["accuracy"] == 1
    assert as_the_set_has_them(logits, data, "dev", labels) is logits


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        pytest.param({"no": "neutrall"}, "unknown name 'neutrall'; did you mean 'neutral'", id="x"),
        pytest.param(
            {"no": ["neutral", "contradiction"], "odd": "neutral"},
            "'neutral' is what two of its labels stand for",
            id="twice",
        ),
    ],
)
def test_a_label_that_cannot_be_translated_is_named(labels, said, tmp_path):
    each = {"file": write_hans(tmp_path), "label": "gold_label", "labels": labels}
    with pytest.raises(FreeLBTuneError, match=rf"data\.also: labels of .*hans\.tsv: {said}"):
        check_data(glue("mnli", write_layout(tmp_path), also={"hans": each}))


def test_labels_that_no_row_has_are_not_passed_over(tmp_path):
    (tmp_path / "hard.csv").write_text("text,label\nx,pos\ny,neg\n", "utf-8")
    each = {"file": str(tmp_path / "hard.csv"), "labels": {"positive": "pos"}}
    with pytest.raises(
        FreeLBTuneError, match="no row has the label 'positive'; they have neg, pos"
    ):
        check_data(own(tmp_path, {"hard": each}))


def test_real_values_have_no_labels_to_translate(tmp_path):
    each = {"file": str(tmp_path / "STS-B" / "dev.tsv"), "labels": {"good": "better"}}
    with pytest.raises(FreeLBTuneError, match="which is for classes; task 'stsb' has none"):
        check_data(glue("stsb", write_layout(tmp_path), also={"again": each}))


@pytest.mark.parametrize(
    ("also", "said"),
    [
        pytest.param({}, "expected one set or more by their names", id="no-set"),
        pytest.param({"dev": "x.csv"}, "expected a word for its set.* of dev, which is", id="dev"),
        pytest.param({"a-b": "x.csv"}, "of letters, digits and _, in place of 'a-b'", id="a-b"),
        pytest.param({"x": 3}, r"expected under x a file's name, \{file: FILE", id="number"),
        pytest.param({"x": {"builtin": "words"}}, "expected under x a file's", id="unknown-set"),
        pytest.param(
            {"x": {"builtin": "characters", "rate": 1.5}},
            r"expected under x\.rate a number above 0, at most 1 .*, got 1\.5$",
            id="rate",
        ),
        pytest.param(
            {"x": {"builtin": "characters", "rate": 0}}, "0 would be the dev set", id="no-change"
        ),
        pytest.param({"x": {"builtin": "characters"}}, r"x\.rate .*, got nothing$", id="no-rate"),
        pytest.param(
            {"x": {"builtin": "characters", "rate": 0.1, "kinds": ["emoji"]}},
            r"under x\.kinds a list of insert, delete, swap, case, keyboard, ocr",
            id="kinds",
        ),
        pytest.param({"x": {"file": ""}}, r"under x\.file a file's name", id="no-name"),
        pytest.param({"x": {"file": "a", "text": []}}, r"x\.text a column's name, or", id="text"),
        pytest.param(
            {"x": {"file": "a", "labels": {"no": 0}}},
            r"x\.labels the task's label for each",
            id="translated",
        ),
        pytest.param(
            {"x": {"file": "a", "lable": "b"}},
            "under x nothing but file, text, label, labels",
            id="unknown-of-file",
        ),
        pytest.param(
            {"x": {"builtin": "characters", "rate": 0.1, "share": 1}},
            "under x nothing but builtin, rate, kinds, seed",
            id="unknown-setting",
        ),
    ],
)
def test_a_set_that_cannot_be_is_said_in_one_message(also, said, tmp_path):
    with pytest.raises(ValueError, match=rf"data\.also: .*{said}"):
        check_data(own(tmp_path, also))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "no such file", id="no-file"),
        pytest.param("text,label\n", "holds no example; a set needs one", id="empty"),
        pytest.param(
            "text,grade\nx,pos\n", "no column 'label'.*\n.*{file: hard.csv, text: ", id="column"
        ),
        pytest.param("text,label\nx,meh\n", r"line 2: label 'meh' is not .*neg, pos", id="label"),
        pytest.param("text,label\nx,pos\ny,\n", "line 3: the label is", id="unlabelled"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_is_wrong(content, said, tmp_path):
    if content is not None:
        (tmp_path / "hard.csv").write_text(content, "utf-8")
    with pytest.raises(FreeLBTuneError, match=rf"(?s)hard.csv.*{said}"):
        check_data(own(tmp_path, {"hard": str(tmp_path / "hard.csv")}))


def test_a_set_of_a_name_that_the_task_has_is_refused(tmp_path):
    also = {"mismatched": {"builtin": "characters", "rate": 0.1}}
    with pytest.raises(FreeLBTuneError, match="task 'mnli' has a set 'mismatched' already"):
        check_data(glue("mnli", write_layout(tmp_path), also=also))


def test_a_cells_data_follows_what_its_further_sets_hold_and_not_their_place(tmp_path):
    hard, moved = tmp_path / "hard.csv", tmp_path / "moved.csv"
    hard.write_text(ROWS, "utf-8")
    moved.write_text(ROWS, "utf-8")
    noise = {"builtin": "characters", "rate": 0.1}
    without = own(tmp_path, None)
    del without["data.also"]
    first = data_fingerprint(own(tmp_path, {"hard": str(hard), "typos": noise}))
    assert data_fingerprint(own(tmp_path, {"typos": noise, "hard": str(moved)})) == first
    others = [
        without,
        own(tmp_path, {"hard": str(hard)}),
        own(tmp_path, {"other": str(hard), "typos": noise}),
        own(tmp_path, {"hard": str(hard), "typos": noise | {"seed": 1}}),
    ]
    moved.write_text(ROWS + "more,pos\n", "utf-8")
    others.append(own(tmp_path, {"hard": str(moved), "typos": noise}))
    assert len({first, *map(data_fingerprint, others)}) == 6


def test_noise_is_the_same_for_a_seed_and_another_for_another():
    texts = [TEXT, TEXT]
    first = noisy(texts, characters(rate=0.1))
    assert noisy(texts[:1], characters(rate=0.1)) == first[:1]
    assert first[0] != first[1]
    assert noisy(texts, characters(rate=0.1, seed=1)) != first
    assert noisy(texts, characters(rate=0.1), 1) != first
    assert noisy(["qi"], characters(rate=1.0, kinds=["delete"])) == ["qi"]  # nothing would be left


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 1.0])
def test_the_rate_is_the_share_of_letters_that_change(rate):
    # Case alone keeps each place, so that changed letters can be counted; sd of 0.5 is 0.012.
    (found,) = noisy([TEXT], characters(rate=rate, kinds=["case"]))
    changed = [a != b for a, b in zip(found, TEXT, strict=True) if b != " "]
    assert found.lower() == TEXT
    assert sum(changed) / len(changed) == pytest.approx(rate, abs=0.04)


@pytest.mark.parametrize(
    ("kind", "text", "allowed"),
    [
        ("delete", "ab.", {"a.", "b.", "."}),
        ("swap", "ab", {"ba"}),
        ("swap", "aa b", {"aa b"}),  # a swap that shows nothing is none
        ("case", "aB1", {"Ab1"}),
        ("keyboard", "Q", {"1", "2", "W", "A"}),
        ("ocr", "m", {"rn"}),
        ("ocr", "k ö", {"k ö"}),  # nothing looks like these
        ("insert", "é", {f"é{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"}),
    ],
)
def test_each_kind_makes_its_own_mistake(kind, text, allowed):
    found = {noisy([text], characters(rate=1.0, kinds=[kind], seed=seed))[0] for seed in range(200)}
    assert found <= allowed
    assert len(found) == len(allowed) or kind == "delete"


def test_a_labelled_test_file_is_kept_whole_and_one_without_labels_as_before(tmp_path):
    rows = "".join(f"Row {n},{'pos' if n % 2 else 'neg'}\n" for n in range(9))
    (tmp_path / "test.csv").write_text(f"text,label\n{rows}", "utf-8")
    settings = own(tmp_path, None, test=str(tmp_path / "test.csv"), max_eval_examples=2)
    del settings["data.also"]
    first = data_fingerprint(settings)
    sets = load_examples(settings).evaluation
    assert {name: len(found) for name, found in sets.items()} == {"dev": 2, TEST: 9}
    (tmp_path / "test.csv").write_text("text\nSome row\n", "utf-8")
    assert list(load_examples(settings).evaluation) == ["dev"]
    assert check_data(settings) == ()
    (tmp_path / "test.csv").write_text("text,label\nSome row,?\n", "utf-8")
    assert list(load_examples(settings).evaluation) == ["dev"]
    (note,) = check_data(settings)
    assert "data.test is not scored, as its labels do not fit" in note
    assert "line 2: label '?' is not one of the task's" in note
    assert data_fingerprint(settings) == first  # it decides nothing, and is no part of an id


def test_a_cells_predictions_on_data_test_are_kept_and_not_scored(tmp_path):
    rows = "".join(f"word{n % 5} rest,{'pos' if n % 2 else 'neg'}\n" for n in range(20))
    for name in ("a.csv", "test.csv"):
        (tmp_path / name).write_text(f"text,label\n{rows}", "utf-8")
    settings = files("classification", tmp_path, "a.csv", "a.csv", text="text")
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings |= {
        "data.test": str(tmp_path / "test.csv"),
        "data.max_length": 16,
        "model.name": "config:bert",
        "model.config": tiny | {"intermediate_size": 32},
        "trainer.num_train_epochs": 3,
        "trainer.learning_rate": 1e-9,  # so that no epoch is better than the first
        "adversary.method": "none",
    }
    cell = Cell("c1", "k1", "k1", "clean", 1, settings, "tested", "tiny")
    ready = prepare([cell], tmp_path / "cache")[cell.id]
    records = []

    def killed(record):
        records.append(record)
        if len(records) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_cell(cell, ready, tmp_path / "cell", killed)
    run_cell(cell, ready, tmp_path / "cell", records.append)  # goes on
    assert not [name for name in records[-1].metrics if "test" in name]
    kept = [read_predictions(tmp_path / "cell", each, TEST) is not None for each in (1, 2, 3)]
    assert kept == [True, False, True]  # the best so far, and the last
    logits, labels = read_predictions(tmp_path / "cell", 1, TEST)
    assert logits.shape == (20, 2)
    assert labels.tolist() == [0, 1] * 10
    first = kept_test_file(tmp_path / "cell", 1)
    assert first
    (tmp_path / "test.csv").write_text(f"text,label\n{rows}more,pos\n", "utf-8")
    again = prepare([cell], tmp_path / "cache")[cell.id].tokens  # no tokens of the older file
    assert again.sizes[TEST] == 21
    assert again.test not in ("", first)
    (tmp_path / "test.csv").unlink()
    assert TEST not in prepare([cell], tmp_path / "cache")[cell.id].tokens.sizes


def test_over_all_kinds_each_is_used():
    (found,) = noisy(["Quickly"], characters(rate=1.0))
    assert found != "Quickly"
    assert len(set(noisy(["Quickly"] * 50, characters(rate=0.3)))) > 25


def test_a_space_keeps_its_sets_by_absolute_paths_and_under_another_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hard.csv").write_text(ROWS, "utf-8")
    noise = "{builtin: characters, rate: 0.1}"
    text = f"{HEAD}data: {{also: {{hard: hard.csv, typos: {noise}}}}}\n"
    (cell, *_) = cells_of(tmp_path, text)
    assert cell.data.also["hard"] == str(tmp_path / "hard.csv")
    assert opened(tmp_path, text, data_dir=tmp_path).content["data"]["also"] == cell.data.also
    with pytest.raises(
        FreeLBTuneError, match=r"line 3, data\.also: .*under typos\.rate a .*got 2$"
    ):
        opened(tmp_path, text.replace("0.1", "2"))


def test_a_jobs_files_of_further_sets_travel_with_it(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hard.csv").write_text(f"{ROWS}{name},pos\n", "utf-8")
    also = ", ".join(f"{name}: {tmp_path / name / 'hard.csv'}" for name in ("one", "two"))
    text = f"{HEAD}data: {{also: {{{also}, typos: {{builtin: characters, rate: 0.1}}}}}}\n"
    (home := tmp_path / "home").mkdir()
    carried = _carry_data(opened(tmp_path, text), home, []).content["data"]["also"]
    assert carried["typos"] == {"builtin": "characters", "rate": 0.1}
    for name in ("one", "two"):
        assert (home / carried[name]).read_text("utf-8").endswith(f"{name},pos\n")


def test_a_cell_is_scored_on_each_set_after_each_epoch_and_trains_the_same(tmp_path):
    def trained(**also):
        tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        settings = {
            "task": "entailment_toy",
            "data.max_train_examples": 32,
            "data.max_eval_examples": 20,
            "model.name": "config:bert",
            "model.config": tiny | {"intermediate_size": 32},
            "trainer.num_train_epochs": 2,
            "adversary.method": "none",
            **also,
        }
        cell = Cell("c1", "k1", "k1", "clean", 1, settings, str(len(also)), "tiny")
        records = []
        ready = prepare([cell], tmp_path / "cache")[cell.id]
        run_cell(cell, ready, tmp_path / f"cell{len(also)}", records.append)
        return records

    noise = {"builtin": "characters", "rate": 1e-9}
    records = trained(**{"data.also": {"same": noise, "typos": noise | {"rate": 1}}})
    for record in records:
        assert record.metrics["same.accuracy"] == record.metrics["accuracy"]
    logits, labels = read_predictions(tmp_path / "cell1", 2, "typos")
    dev_logits, dev_labels = read_predictions(tmp_path / "cell1", 2, "dev")
    assert labels.tolist() == dev_labels.tolist()
    assert logits.shape == dev_logits.shape
    assert (logits != dev_logits).any()
    assert [r.train_loss for r in trained()] == [r.train_loss for r in records]
