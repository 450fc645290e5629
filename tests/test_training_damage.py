"""A checkpoint that is not whole: a cell does not go on from it, and its numbers are the same."""

import json
import shutil

import pytest
from test_training_cell import numbers, toy_cell

from freelb_tune.store import damage_of, find_checkpoint, read_again, read_epochs
from freelb_tune.training import prepare, run_cell


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare([toy_cell()], tmp_path_factory.mktemp("cache"))["c1"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, prepared):
    """A cell's folder after two of its four epochs."""
    folder = tmp_path_factory.mktemp("stopped") / "cell"

    def report(record):
        if record.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_cell(toy_cell(), prepared, folder, report)
    return folder


@pytest.fixture(scope="module")
def straight(tmp_path_factory, prepared):
    """The reports of the same cell, undisturbed."""
    reports = []
    run_cell(toy_cell(), prepared, tmp_path_factory.mktemp("straight"), reports.append)
    return numbers(reports)


@pytest.fixture
def folder(tmp_path, stopped):
    """A copy of it, to be damaged."""
    return shutil.copytree(stopped, tmp_path / "cell")


def change(path, old=None, new=None):
    """Put other bytes into a file: those of `new` for `old`, or one in the middle."""
    raw = bytearray(path.read_bytes())
    if old is None:
        raw[len(raw) // 2] ^= 0xFF
    assert old is None or old in raw
    path.write_bytes(bytes(raw) if old is None else bytes(raw).replace(old, new, 1))


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def of_another_epoch(path):
    """A record that its seal knows, as where a checkpoint and a log are of two copies."""
    path.with_name("seal.json").unlink()
    path.write_text(json.dumps({**json.loads(path.read_text()), "epoch": 4}))


def of_other_numbers(path):
    path.with_name("seal.json").unlink()
    path.write_text(json.dumps({**json.loads(path.read_text()), "score": 0.99}))


RECORD = "checkpoint/record.json"
DAMAGE = [
    *[
        pytest.param(f"checkpoint/{name}", "unlink", f"{name} is missing", id=f"no-{name}")
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
    ],
    *[
        pytest.param(f"checkpoint/{name}", how, f"checkpoint/{name} is not as it was written",
                     id=f"{how.__name__}-{name}")
        for name in ("optimizer.pt", "model.safetensors", "record.json") for how in (cut, change)
    ],
    pytest.param("checkpoint/seal.json", cut, "seal.json is not as we write it", id="cut-seal"),
    pytest.param(RECORD, of_another_epoch, "is of epoch 4, and epochs.jsonl has 2",
                 id="record-of-another-epoch"),
    pytest.param(RECORD, of_other_numbers, "says of epoch 2 what epochs.jsonl",
                 id="record-of-other-numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "how", "message"), DAMAGE)
def test_a_damaged_checkpoint_is_named_and_not_gone_on_from(folder, name, how, message):
    known = read_epochs(folder / "epochs.jsonl")
    assert damage_of(folder, known) is None
    assert find_checkpoint(folder, known)[1] == known[-1]
    (folder / name).unlink() if how == "unlink" else how(folder / name)
    assert message in damage_of(folder, known)
    assert find_checkpoint(folder, known) is None


def test_an_earlier_epochs_line_that_was_changed_is_found(folder):
    log = folder / "epochs.jsonl"
    change(log, b'"epoch":1', b'"epoch":1,"score":0.99')
    known = read_epochs(log)
    assert damage_of(folder, known) == "epochs.jsonl is not as it was when checkpoint was written"
    change(log, b'"epoch":1,"score":0.99', b'"epoch":1')
    assert damage_of(folder, known) is None


def test_a_checkpoint_of_version_0_1_0_is_looked_at_for_its_files(folder):
    known = read_epochs(folder / "epochs.jsonl")
    (folder / "checkpoint" / "seal.json").unlink()
    assert damage_of(folder, known) is None
    (folder / "checkpoint" / "model.safetensors").unlink()
    assert damage_of(folder, known) == "checkpoint/model.safetensors is missing"


def lose_rng(folder):
    (folder / "checkpoint" / "rng_state.pth").unlink()


def lose_checkpoint(folder):
    shutil.rmtree(folder / "checkpoint")


def lose_model(folder):
    shutil.rmtree(folder / "model")


def change_epoch(folder):
    change(folder / "epochs.jsonl", b'"epoch":1', b'"epoch":1,"score":0.99')


def nothing(folder):
    pass


def leave_as_a_kill_may(folder):
    (folder / "checkpoint").rename(folder / "checkpoint.old")
    (folder / "model").rename(folder / "model.old")


@pytest.mark.parametrize(
    ("damage", "trained", "told"),
    [
        (nothing, 2, None),
        (leave_as_a_kill_may, 2, None),
        (lose_rng, 4, "checkpoint/rng_state.pth is missing"),
        (lose_checkpoint, 4, "the checkpoint is gone"),
        (lose_model, 4, "the best model is gone"),
        (change_epoch, 4, "epochs.jsonl is not as it was when checkpoint was written"),
    ],
)
def test_whatever_was_damaged_the_numbers_are_those_of_an_undisturbed_cell(
    prepared, folder, straight, damage, trained, told
):
    after = []
    damage(folder)
    before = {path: path.stat().st_mtime_ns for path in (folder / "predictions").iterdir()}
    run_cell(toy_cell(), prepared, folder, after.append)
    assert read_again(folder) == told
    assert numbers(after) == straight
    assert numbers(read_epochs(folder / "epochs.jsonl")) == straight
    written = [
        p for p in (folder / "predictions").iterdir() if before.get(p) != p.stat().st_mtime_ns
    ]
    assert len(written) == trained
    assert (folder / "model" / "model.safetensors").exists()
