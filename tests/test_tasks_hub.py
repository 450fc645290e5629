"""The `datasets` path, on a local copy with the Hub's own columns: no network."""

import pytest
from tasks_fixtures import (
    check_data,
    data_fingerprint,
    glue,
    load_examples,
    load_test,
    write_layout,
)

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks import GLUE, get_task
from freelb_tune.tasks.sources.hub_cache import cached_commit

HUB_SPLITS = {
    "dev": "validation",
    "mnli dev": "validation_matched",
    "mnli mismatched": "validation_mismatched",
}


def write_hub_copy(folder, task, sets):
    """Parquet files with the Hub's columns (texts, label, idx) and configuration, per split."""
    from datasets import ClassLabel, Dataset, Features, Value

    kind = ClassLabel(names=list(task.labels)) if task.labels else Value("float32")
    features = dict.fromkeys(task.columns, Value("string")) | {"label": kind, "idx": Value("int32")}
    files = []
    for split, rows in sets.items():
        columns = {name: rows[f"text_{'ab'[place]}"][:] for place, name in enumerate(task.columns)}
        columns |= {"label": rows["label"][:], "idx": list(range(len(rows)))}
        path = f"{task.hub}/{split}-00000-of-00001.parquet"
        (folder / task.hub).mkdir(parents=True, exist_ok=True)
        Dataset.from_dict(columns, features=Features(features)).to_parquet(str(folder / path))
        files.append(f"  - split: {split}\n    path: {path}")
    text = "\n".join(["---", "configs:", f"- config_name: {task.hub}", "  data_files:", *files])
    (folder / "README.md").write_text(f"{text}\n---\n", "utf-8")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.parametrize("name", [task.name for task in GLUE])
def test_the_layout_and_the_hub_give_the_same_texts_and_labels(tmp_path, own_cache, name):
    task = get_task(name)
    layout = load_examples(glue(name, write_layout(tmp_path / "glue")))
    splits = {
        HUB_SPLITS.get(f"{name} {part}", HUB_SPLITS.get(part)): rows
        for part, rows in layout.evaluation.items()
    }
    write_hub_copy(tmp_path / "copy", task, {"train": layout.train, **splits})
    settings = {"task": name, "data.source": "hub", "data.path": str(tmp_path / "copy")}
    hub = load_examples(settings)
    assert hub.labels == layout.labels
    assert hub.train.features == layout.train.features
    assert hub.train.to_dict() == layout.train.to_dict()
    assert hub.evaluation.keys() == layout.evaluation.keys()
    for part, rows in layout.evaluation.items():
        assert hub.evaluation[part].to_dict() == rows.to_dict()


def test_the_diagnostic_set_comes_from_the_same_dataset(tmp_path, own_cache):
    from datasets import Dataset

    pairs = {"premise": ["A dog."], "hypothesis": ["A pup."], "label": [-1], "idx": [0]}
    parts = ["mnli/test_matched", "mnli/test_mismatched", "ax/test"]
    for part in parts:
        (tmp_path / part).parent.mkdir(exist_ok=True)
        Dataset.from_dict(pairs).to_parquet(str(tmp_path / f"{part}.parquet"))
    said = ["---", "configs:"]
    for name in ("mnli", "ax"):
        said += [f"- config_name: {name}", "  data_files:"]
        for part in (part for part in parts if part.startswith(name)):
            split = part.partition("/")[2]
            said += [f"  - split: {split}", f"    path: {part}.parquet"]
    (tmp_path / "README.md").write_text("\n".join([*said, "---", ""]), "utf-8")
    settings = {"task": "mnli", "data.source": "hub", "data.path": str(tmp_path)}
    sets = load_test(settings)
    assert list(sets) == ["MNLI-m", "MNLI-mm", "AX"]
    assert sets["AX"].to_dict() == {"text_a": ["A dog."], "text_b": ["A pup."], "index": [0]}
    (tmp_path / "README.md").write_text("\n".join([*said[:8], "---", ""]), "utf-8")
    assert list(load_test(settings)) == ["MNLI-m", "MNLI-mm"]


def test_any_dataset_of_the_hub_gives_an_own_task(tmp_path, own_cache):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "train.csv").write_text("title,stars\ngood,five\nbad,one\n", "utf-8")
    (tmp_path / "own" / "test.csv").write_text("title,stars\nbad,one\n", "utf-8")
    settings = {
        "task": "classification",
        "data.source": "hub",
        "data.path": str(tmp_path / "own"),
        "data.text": "title",
        "data.label": "stars",
    }
    examples = load_examples(settings | {"data.dev": "test"})
    assert examples.labels == ("five", "one")
    assert examples.evaluation["dev"].to_dict() == {"text_a": ["bad"], "label": [1]}
    assert load_test(settings)["classification"].to_dict() == {"text_a": ["bad"], "index": [0]}
    with pytest.raises(FreeLBTuneError, match="has no split 'validation'; it has train, test"):
        check_data(settings)
    with pytest.raises(
        FreeLBTuneError, match="no column 'grade'; the columns are 'title', 'stars'"
    ):
        check_data(settings | {"data.label": "grade", "data.dev": "test"})


def test_a_dataset_of_the_hub_names_its_several_labels_itself(tmp_path, own_cache):
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    (tmp_path / "own").mkdir()
    kinds = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=["z", "a"]))})
    rows = {"text": ["x", "y", "w"], "labels": [[1], [], [0, 1]]}
    for split in ("train", "validation"):
        made = Dataset.from_dict(rows, features=kinds)
        made.to_parquet(str(tmp_path / "own" / f"{split}.parquet"))
    examples = load_examples({
        "task": "multi_label_classification",
        "data.source": "hub",
        "data.path": str(tmp_path / "own"),
        "data.text": "text",
        "data.label": "labels",
    })  # fmt: skip
    assert examples.labels == ("z", "a")
    assert examples.evaluation["dev"]["label"][:] == [[0, 1], [0, 0], [1, 1]]


def cache_in(folder, monkeypatch):
    """Have Hugging Face's cache in a folder."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)


def test_an_unreachable_hub_is_two_lines_with_the_way_out(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    cache_in(tmp_path, monkeypatch)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FreeLBTuneError) as caught:
        check_data({"task": "rte", "data.source": "hub"})
    said, advice = str(caught.value).splitlines()
    assert said.startswith(
        "data: could not reach the Hub for dataset nyu-mll/glue, configuration rte"
    )
    assert "--data DIR" in advice
    assert "RTE/train.tsv" in advice


def test_the_fingerprint_names_the_commit_in_the_cache(tmp_path, monkeypatch):
    cache_in(tmp_path, monkeypatch)
    settings = {"task": "rte", "data.source": "hub"}
    assert data_fingerprint(settings).startswith("hub:nyu-mll/glue/rte@unresolved:")
    prepared = tmp_path / "datasets" / "nyu-mll___glue" / "rte" / "0.0.0" / "abc123"
    prepared.mkdir(parents=True)
    (prepared / "dataset_info.json").write_text("{}", "utf-8")
    assert data_fingerprint(settings).startswith("hub:nyu-mll/glue/rte@abc123:")
    assert cached_commit("nyu-mll/glue", "qnli") is None
    reference = tmp_path / "hub" / "datasets--nyu-mll--glue" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("def456\n")
    assert data_fingerprint(settings).startswith("hub:nyu-mll/glue/rte@def456:")
    pinned = data_fingerprint(settings | {"data.revision": "f" * 40})
    assert pinned.startswith(f"hub:nyu-mll/glue/rte@{'f' * 40}:")
