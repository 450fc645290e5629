"""A cell under a launcher: what torchrun, accelerate and the like tell it changes nothing."""

import os

import pytest
from test_training_cell import numbers, run, toy_cell  # noqa: F401 - a fixture

from freelb_tune.training.inputs.launcher import no_launcher

TOLD = {
    "torchrun": {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "ROLE_NAME": "default",
        "MASTER_ADDR": "no-such-host.invalid",
        "MASTER_PORT": "29500",
        "TORCHELASTIC_RUN_ID": "7",
    },
    "accelerate launch": {
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
        "ACCELERATE_TORCH_DEVICE": "meta",
        "ACCELERATE_DYNAMO_BACKEND": "EAGER",
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "PARALLELISM_CONFIG_TP_SIZE": "2",
        "ACCELERATE_USE_PARALLELISM_CONFIG": "true",
    },
    "deepspeed": {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"},
    "srun or mpirun": {
        "SLURM_PROCID": "3",
        "SLURM_NTASKS": "4",
        "OMPI_COMM_WORLD_SIZE": "4",
        "OMPI_COMM_WORLD_RANK": "3",
        "PMI_SIZE": "4",
        "PMI_RANK": "3",
        "MPI_LOCALNRANKS": "4",
    },
}


@pytest.fixture(scope="module")
def alone():
    return toy_cell(**{"trainer.num_train_epochs": 1})


@pytest.mark.parametrize("launcher", TOLD)
def test_a_cell_has_the_same_numbers_under_a_launcher(run, monkeypatch, alone, launcher):  # noqa: F811
    expected = numbers(run(alone, "alone"))
    for name, value in TOLD[launcher].items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    assert numbers(run(alone, "launched")) == expected
    assert dict(os.environ) == before  # the caller's trainers are the caller's


def test_what_training_arguments_tell_a_later_trainer_does_not_outlive_the_cell(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("RANKING_MODEL", "mine")
    monkeypatch.delenv("ACCELERATE_DYNAMO_BACKEND", raising=False)
    with no_launcher():
        assert "RANK" not in os.environ
        assert os.environ["RANKING_MODEL"] == "mine"
        os.environ["ACCELERATE_DYNAMO_BACKEND"] = "INDUCTOR"  # as with torch_compile
    assert os.environ["RANK"] == "3"
    assert "ACCELERATE_DYNAMO_BACKEND" not in os.environ
