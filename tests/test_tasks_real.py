"""The real GLUE files, where they lie beside the repository: counts, columns, labels."""

from collections import Counter

import pytest
from tasks_fixtures import glue, load_examples, load_test

pytestmark = pytest.mark.glue


@pytest.mark.parametrize(
    ("task", "train", "dev", "test"),
    [
        ("cola", 8551, 1043, 1063),
        ("stsb", 5749, 1500, 1379),
        ("rte", 2490, 277, 3000),
        ("wnli", 635, 71, 146),
    ],
)
def test_real_files_have_the_official_counts(glue_folder, task, train, dev, test):
    examples = load_examples(glue(task, glue_folder))
    assert (len(examples.train), len(examples.evaluation["dev"])) == (train, dev)
    assert examples.notes == ()
    (rows,) = load_test(glue(task, glue_folder)).values()
    assert rows["index"][:] == list(range(test))


def test_real_labels_are_numbered_as_on_the_hub(glue_folder):
    # SOURCES.md of the data counts the labels as written
    rte = load_examples(glue("rte", glue_folder))
    assert Counter(rte.train["label"]) == {0: 1249, 1: 1241}
    assert Counter(rte.evaluation["dev"]["label"]) == {0: 146, 1: 131}
    assert Counter(load_examples(glue("cola", glue_folder)).train["label"]) == {1: 6023, 0: 2528}
    assert Counter(load_examples(glue("wnli", glue_folder)).train["label"]) == {0: 323, 1: 312}
    scores = load_examples(glue("stsb", glue_folder)).train["label"][:]
    assert sum(scores) / len(scores) == pytest.approx(2.701, abs=5e-4)


@pytest.fixture
def samples(glue_folder):
    if not (glue_folder / "subset").is_dir():
        pytest.skip("the GLUE folder has no subset/ with samples of MNLI, QQP and QNLI")
    return glue_folder / "subset"


@pytest.mark.parametrize(
    ("task", "advglue"),
    [("mnli", {"advglue": 121, "advglue_mismatched": 162}), ("qqp", {"advglue": 78})],
)
def test_real_samples_and_advglue_stand_side_by_side(glue_folder, samples, task, advglue):
    more = {"advglue": str(glue_folder / "AdvGLUE" / "dev_ann.json")}
    examples = load_examples(glue(task, samples, **more))
    classes = len(examples.labels)
    assert Counter(examples.train["label"]) == dict.fromkeys(range(classes), 80)
    assert {
        name: len(rows) for name, rows in examples.evaluation.items() if name != "dev"
    } == advglue


def test_a_dev_file_of_another_name_is_read_from_the_layout(samples):
    settings = glue("qnli", samples, dev="dev_from_train.tsv")
    assert len(load_examples(settings).evaluation["dev"]) == 160
