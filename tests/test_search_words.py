"""What a search says where it does not end as it began: in trials, on folders, at the terminal."""

import pytest
from filelock import Timeout

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.workers.trial import _one_line


@pytest.mark.parametrize(
    ("err", "said"),
    [
        (Timeout("cells/ab/lock"), "another process still trains this cell; wait for it and use "),
        (SystemExit(7), "SystemExit: 7: code that ran in training asked the process to end; have"),
        (MemoryError(), "MemoryError: it asked for more memory than there is"),
        (FreeLBTuneError("data.file: a.csv\nand more"), "data.file: a.csv"),
        (KeyError("text"), "KeyError: 'text'"),
        (
            RuntimeError("\n  CUDA error: device lost\nat 7"),
            "RuntimeError: CUDA error: device lost",
        ),
        (ValueError(), "ValueError"),
    ],
)
def test_a_failed_trial_says_why_in_one_line(err, said):
    told = _one_line(err)
    assert told.startswith(said)
    assert "\n" not in told


def test_a_fresh_start_is_not_made_unasked_and_keeps_what_is_there(typed, tmp_path):
    (tmp_path / "results" / "q").mkdir(parents=True)
    (tmp_path / "results" / "q" / "kept.txt").write_text("mine")
    status, told = typed("--space q.yaml --fresh")
    assert (status, told.out) == (2, "")
    assert (
        "Keep results/q under another name and start from nothing? There is no termin" in told.err
    )
    assert told.err.rstrip().endswith("add --yes")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["q"]
    assert (tmp_path / "results" / "q" / "kept.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--space q.yaml --shard 3", "--shard"),
        ("--space q.yaml --shard 4/3", "--shard"),
        ("plan --space q.yaml --plugin nowhere.py", "nowhere.py"),
        ("plan --space q.yaml --data nowhere", "only entailment_toy is synthetic"),
        ("report nowhere", "nowhere"),
        ("rerun nowhere 0123456789ab", "nowhere"),
        ("status nowhere", "nowhere"),
        ("merge nowhere elsewhere --into both", "nowhere"),
        ("glue nowhere", "nowhere"),
        ("predict nowhere", "nowhere"),
        ("import nowhere.json", "nowhere.json"),
        ("new --data nowhere.csv", "nowhere.csv"),
        ("spaces nowhere", "nowhere"),
    ],
)
def test_what_is_not_there_is_named_in_one_message_and_nothing_is_made(typed, tmp_path, line, said):
    status, told = typed(line)
    assert (status, told.out) == (2, "")
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.err.startswith("freelb-tune: ")
    assert [path.name for path in tmp_path.iterdir()] == ["q.yaml"]
