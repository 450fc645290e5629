"""Which rows a cell gets: limits, the toy task, AdvGLUE, and the fingerprint that tells them."""

import json
from collections import Counter

import pytest
from tasks_fixtures import data_fingerprint, files, glue, load_examples, write_layout

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.definitions.toy import _TREES as TREES
from freelb_tune.tasks.definitions.toy import toy_pairs
from freelb_tune.tasks.examples import sample

TOY = {"task": "entailment_toy", "data.source": "synthetic"}


def test_a_limit_keeps_random_rows_in_order_and_grows_by_adding():
    few, more = sample("train", 1000, 50), sample("train", 1000, 80)
    assert list(few) == sorted(set(few))
    assert len(few) == 50
    assert set(few) < set(more)
    assert max(few) > 900  # not the head of the file
    assert sample("dev", 1000, 50) != few
    assert list(sample("train", 3, 9)) == [0, 1, 2]


def test_a_limit_holds_for_its_sets():
    examples = load_examples(TOY | {"data.max_train_examples": 30, "data.max_eval_examples": 7})
    assert (len(examples.train), len(examples.evaluation["dev"])) == (30, 7)


def test_toy_splits_are_balanced_and_share_no_pair():
    splits = toy_pairs()
    pairs = {name: {row[:2] for row in rows} for name, rows in splits.items()}
    assert {name: len(each) for name, each in pairs.items()} == {"dev": 400, "train": 2000}
    assert not pairs["dev"] & pairs["train"]
    for rows in splits.values():
        assert Counter(row[2] for row in rows) == {0: len(rows) / 2, 1: len(rows) / 2}


def test_toy_pairs_are_always_the_same():
    # The first pair of the grammar's version 1: a change here needs another TOY_VERSION.
    assert toy_pairs()["train"][0] == (
        "no child finds any pastry upstairs",
        "no person sees any pastry inside",
        1,
    )


def parse(sentence):
    """A sentence's quantifier, and its words by slot."""
    quantifier, agent, action, _, thing, *place = sentence.split()
    words = {"agent": agent, "action": action, "thing": thing, "place": " ".join(place)}
    return quantifier, words


def is_within(slot, narrow, broad):
    """Whether one word of a slot's tree is another or lies below it."""
    for top, middles in TREES[slot].items():
        for middle, leaves in middles.items():
            for leaf in leaves:
                line = [leaf, middle, top]
                if narrow in line and broad in line:
                    return line.index(narrow) <= line.index(broad)
    return False


def test_toy_labels_are_what_monotonicity_says():
    for premise, hypothesis, label in toy_pairs()["train"]:
        (said, before), (other, after) = parse(premise), parse(hypothesis)
        follows = said == other
        for slot, word in before.items():
            down = said == "no" or (said == "every" and slot == "agent")
            low, high = (after[slot], word) if down else (word, after[slot])
            follows = follows and is_within(slot, low, high)
        assert follows == (label == 0), (premise, hypothesis)


def toy_words():
    return {w for rows in toy_pairs().values() for row in rows for s in row[:2] for w in s.split()}


def test_the_toy_task_has_words_enough_and_not_too_many():
    assert 60 <= len(toy_words()) <= 100


@pytest.mark.parametrize("part", [0, 1])
def test_no_single_word_of_the_toy_task_tells_the_label(part):
    # The best guess from one word of one sentence stays well below what pairs allow.
    rows = toy_pairs()["train"]
    seen = Counter((word, row[2]) for row in rows for word in set(row[part].split()))
    for word in toy_words():
        both = seen[word, 0] + seen[word, 1]
        if both >= 100:
            assert max(seen[word, 0], seen[word, 1]) / both < 0.75, word


def test_advglue_is_a_further_evaluation_set(tmp_path):
    row = {"premise": "A.", "hypothesis": "B.", "label": 2, "idx": 0, "method": "word"}
    content = {"mnli": [row], "mnli-mm": [row | {"label": 1}], "rte": []}
    (tmp_path / "dev_ann.json").write_text(json.dumps(content), "utf-8")
    more = {"advglue": str(tmp_path / "dev_ann.json")}
    examples = load_examples(glue("mnli", write_layout(tmp_path), **more))
    assert list(examples.evaluation) == ["dev", "mismatched", "advglue", "advglue_mismatched"]
    assert examples.evaluation["advglue"].to_dict() == {
        "text_a": ["A."],
        "text_b": ["B."],
        "label": [2],
    }
    with pytest.raises(FreeLBTuneError, match="AdvGLUE has no task 'cola'; it has sst2, qqp, mnli"):
        load_examples(glue("cola", tmp_path, **more))
    with pytest.raises(FreeLBTuneError, match=r"dev_ann.json: no list of rows under 'rte'"):
        load_examples(glue("rte", tmp_path, **more))


def test_a_fingerprint_follows_the_content_and_not_the_place(tmp_path):
    here, there = write_layout(tmp_path / "here"), write_layout(tmp_path / "there")
    first = data_fingerprint(glue("rte", here))
    assert data_fingerprint(glue("rte", there)) == first
    text = (there / "RTE/dev.tsv").read_text("utf-8")
    (there / "RTE/dev.tsv").write_text(text.replace("Yes", "Yea"), "utf-8")
    assert data_fingerprint(glue("rte", there)) != first


def test_a_fingerprint_follows_every_setting_that_changes_the_rows(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"x,y,label,other\n{name},2,0,1\n3,4,1,0\n", "utf-8")
    base = files("classification", tmp_path, "a.csv", "b.csv", text="x")
    changes = [
        {},
        {"data.text": "y"},
        {"data.text": ["x", "y"]},
        {"data.label": "other"},
        {"data.max_train_examples": 1},
        {"data.max_eval_examples": 1},
        {"data.dev": str(tmp_path / "a.csv")},
    ]
    assert len({data_fingerprint(base | change) for change in changes}) == len(changes)
    assert data_fingerprint(base | {"trainer.learning_rate": 1.0}) == data_fingerprint(base)
    assert data_fingerprint(TOY) != data_fingerprint(TOY | {"data.max_train_examples": 5})
