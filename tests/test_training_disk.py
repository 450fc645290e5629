"""A disk that does not take a file while a cell trains: the machine's fault, and no epoch lost."""

import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_training_cell import numbers, toy_cell

from freelb_tune.api.rerunning import rerun
from freelb_tune.errors import DiskError, DivergedError
from freelb_tune.store import load_store, read_epochs
from freelb_tune.store.disk.faults import machine_fault
from freelb_tune.training import prepare, run_cell

CELL = toy_cell(**{"trainer.num_train_epochs": 2})


@contextmanager
def no_larger_file(size):
    """Have the system refuse every file of this process beyond so many bytes, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare([CELL], tmp_path_factory.mktemp("cache"))["c1"]


@pytest.fixture(scope="module")
def straight(tmp_path_factory, prepared):
    folder, reports = tmp_path_factory.mktemp("straight") / "cell", []
    run_cell(CELL, prepared, folder, reports.append)
    return numbers(reports)


@pytest.mark.parametrize(
    ("size", "refused"),
    [
        pytest.param(600, "the predictions", id="predictions"),
        pytest.param(4_000, "safetensors' file", id="model"),
        pytest.param(30_000, "torch's file", id="optimizer"),
    ],
)
def test_a_file_that_the_disk_refuses_is_no_fault_of_the_cell(
    tmp_path, prepared, straight, size, refused
):
    folder, reports = tmp_path / "cell", []
    with no_larger_file(size), pytest.raises(Exception) as caught:  # noqa: PT011 - libraries' own
        run_cell(CELL, prepared, folder, reports.append)
    fault = machine_fault(caught.value, folder)
    assert isinstance(fault, DiskError), refused
    assert "make room and run the same command again" in str(fault)
    assert not reports
    assert not list(folder.rglob("*.tmp"))
    run_cell(CELL, prepared, folder, reports.append)
    assert numbers(reports) == straight
    assert numbers(read_epochs(folder / "epochs.jsonl")) == straight


@pytest.mark.parametrize(
    "err",
    [
        DivergedError("epoch 3: the loss is nan"),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        FileNotFoundError(2, "No such file or directory"),
        MemoryError(),
        RuntimeError("I/O error: Permission denied (os error 13)"),
    ],
)
def test_what_is_a_cells_own_fault_is_not_the_machines(tmp_path, err):
    assert machine_fault(err, tmp_path) is None


def test_what_a_full_disk_led_to_is_still_the_machines(tmp_path):
    err = ValueError("cannot save the plugin's statistics")
    err.__cause__ = OSError(28, "No space left on device")
    assert "No space left on device; make room" in str(machine_fault(err, tmp_path))


def test_a_cell_that_is_trained_again_on_a_full_disk_ends_in_one_message(tmp_path):
    folder = shutil.copytree(
        Path(__file__).parent / "folders" / "format_1", tmp_path / "quickstart"
    )
    cell_id = load_store(folder).cells[0].cell.id
    with no_larger_file(600), pytest.raises(DiskError, match="make room and run the same command"):
        rerun(folder, cell_id, lambda _: None)
