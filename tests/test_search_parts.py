"""The parts of a search that need no Ray: shares, labels, the leader, tables, displays."""

import io
import os
import stat
import threading
import time
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search import Silent, make_display
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.ledger import Outputs
from freelb_tune.search.driver.listener import Guard
from freelb_tune.search.driver.showing.live import LiveDisplay
from freelb_tune.search.driver.showing.plain import PlainDisplay
from freelb_tune.search.ray_tune.machines.share import Share, find_share
from freelb_tune.search.ray_tune.machines.token import secure_token
from freelb_tune.space import Cell, ResourcesConfig
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.store import CellState


def make_cell(name: str, *, seed: int = 1, arm: str = "adversarial", **settings: object) -> Cell:
    content = {"task": "rte", **{key.replace("__", "."): v for key, v in settings.items()}}
    return Cell(
        id=name,
        config_id=name,
        clean_id=None,
        arm=arm,  # type: ignore[arg-type]
        seed=seed,
        settings=content,  # type: ignore[arg-type]
        data_fingerprint="d",
        weights="w",
    )


def make_board(*names: str, better: str = "higher") -> Board:
    cells = [make_cell(name) for name in names]
    measure = Measure("accuracy", better, "RTE")  # type: ignore[arg-type]
    return Board(cells, measure, {name: f"cell {name}" for name in names})


TWO_CORES = [{"CPU": 2.0}]
GPU_BOX = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}]


@pytest.mark.parametrize(
    ("asked", "machines", "share"),
    [
        pytest.param({}, TWO_CORES, Share(1, 0.0, 2), id="cpu-where-there-is-no-gpu"),
        pytest.param({}, GPU_BOX, Share(1, 1.0, 2), id="one-gpu-where-there-are-gpus"),
        pytest.param({"gpu": 0.0}, GPU_BOX, Share(1, 0.0, 12), id="no-gpu-on-request"),
        pytest.param({"gpu": 0.5}, GPU_BOX, Share(1, 0.5, 4), id="two-share-a-gpu"),
        pytest.param({"gpu": 2.0, "cpu": 4}, GPU_BOX, Share(4, 2.0, 1), id="two-gpus-each"),
        pytest.param({"cpu": 2}, TWO_CORES, Share(2, 0.0, 1), id="both-cores"),
        pytest.param({"max_concurrent": 1}, TWO_CORES, Share(1, 0.0, 1), id="one-at-a-time"),
    ],
)
def test_a_trial_gets_one_gpu_where_there_are_gpus_unless_told_otherwise(asked, machines, share):
    assert find_share(ResourcesConfig(**asked), machines) == share


@pytest.mark.parametrize(
    ("asked", "machines", "message"),
    [
        ({"gpu": 1.0}, TWO_CORES, r"resources.gpu: .* 1 GPU, .* 2 CPU cores and 0 GPUs; leave"),
        ({"gpu": 3.0}, GPU_BOX, r"asks for 3 GPUs, and the largest .* ask for at most 2"),
        ({"gpu": 1.5}, GPU_BOX, r"1.5 GPUs per trial cannot be had"),
        ({"cpu": 3}, TWO_CORES, r"resources.cpu: .* 3 CPU cores, .* ask for at most 2"),
    ],
)
def test_more_than_there_is_is_an_error_that_says_what_there_is(asked, machines, message):
    with pytest.raises(FreeLBTuneError, match=message):
        find_share(ResourcesConfig(**asked), machines)


def test_the_share_is_said_in_one_line():
    assert Share(1, 1.0, 2).text == "1 GPU and 1 CPU core per trial; 2 trials at a time"
    assert Share(4, 0.0, 1).text == "4 CPU cores per trial, no GPU; 1 trial at a time"


def test_a_label_names_what_differs_and_nothing_else():
    batch = "trainer__per_device_train_batch_size"
    cells = [
        make_cell("a", **{batch: 16, "adversary__adv_lr": 0.05, "trainer__warmup_steps": 5}),
        make_cell("b", **{batch: 32, "adversary__adv_lr": 0.1, "trainer__warmup_steps": 5}),
        make_cell("c", seed=2, arm="clean", **{batch: 32, "trainer__warmup_steps": 5}),
    ]
    assert cell_labels(cells) == {
        "a": "adv_lr 0.05, batch size 16, seed 1",
        "b": "adv_lr 0.1, batch size 32, seed 1",
        "c": "clean, batch size 32, seed 2",
    }


def test_a_single_cell_is_called_by_its_id():
    assert cell_labels([make_cell("a")]) == {"a": "a"}


def test_tables_are_not_rewritten_all_the_time_but_always_in_the_end():
    calls: list[int] = []
    outputs = Outputs(lambda: calls.append(1))
    for _ in range(50):
        outputs.touch()
    assert len(calls) == 1
    outputs.flush(now=True)
    assert len(calls) == 2


def test_a_display_that_breaks_is_told_nothing_more_and_harms_nobody(caplog):
    class Broken(Silent):
        calls = 0

        def tick(self) -> None:
            self.calls += 1
            raise ZeroDivisionError

    broken = Broken()
    guard = Guard(broken)
    guard.tick()
    guard.tick()
    assert broken.calls == 1
    assert "the display broke" in caplog.text


def test_of_several_listeners_one_breaks_and_the_display_hears_what_the_others_say_last():
    heard: list[str] = []

    class Display(Silent):
        def said(self, text: str) -> None:
            heard.append(text)

        def closed(self) -> None:
            heard.append("closed")

    class Broken(Silent):
        def closed(self) -> None:
            raise ZeroDivisionError

    class Last(Silent):
        def closed(self) -> None:
            guard.said("one word more")

    guard = Guard(Display(), Broken())
    guard.add(Last())
    guard.closed()
    assert heard == ["one word more", "closed"]


def written(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def play(display: PlainDisplay | LiveDisplay) -> None:
    """Two cells: one does three epochs and is done, the other fails."""
    board = make_board("a", "b")
    display.opened(board)
    display.said("1 CPU core per trial, no GPU; 2 trials at a time")
    board["a"].epochs, board["a"].state = 3, CellState.RUNNING
    for epoch, score in ((1, 0.5), (2, 0.7), (3, 0.6)):
        board.add_epoch("a", epoch, score)
        display.changed("a")
    board["a"].state = CellState.DONE
    display.changed("a")
    board["b"].state, board["b"].message = CellState.FAILED, "ValueError: [x] no"
    display.changed("b")
    display.tick()
    display.closed()


def test_where_nobody_looks_the_display_is_a_few_plain_lines():
    console = Console(file=io.StringIO(), width=40)
    assert isinstance(make_display(console), PlainDisplay)
    seconds = iter(range(0, 1000, 1)).__next__
    play(PlainDisplay(console, clock=seconds, now=lambda: "18:04:32"))
    assert written(console).splitlines() == [
        "18:04:32 2 cells: 2 not begun",
        "18:04:32 1 CPU core per trial, no GPU; 2 trials at a time",
        "18:04:32 [1/2] cell a: done after epoch 3, best accuracy 70.00 (epoch 2)",
        "18:04:32 [2/2] cell b: failed: ValueError: [x] no",
        "18:04:32 2 cells: 1 done, 1 failed; best accuracy 70.00 (cell a)",
    ]


def test_on_a_terminal_the_display_is_a_table_that_is_gone_at_the_end():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, height=30)
    display = make_display(console)
    assert isinstance(display, LiveDisplay)
    play(display)
    text = written(console)
    assert "epoch" in text
    assert "cell b: failed: ValueError: [x] no" in text
    assert "2 cells: 1 done, 1 failed; best accuracy 70.00 (cell a)" in text


def test_at_80_columns_nothing_is_cut_that_tells_cells_apart():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, height=30)
    board = make_board("a", "b")
    long = "adv_lr 0.05, init_mag 0.125, max_norm none, batch size 16, learning_rate 2e-05, seed"
    board.label = {"a": f"{long} 1", "b": f"{long} 2"}
    for row in board.rows.values():
        row.state = CellState.RUNNING
    display = LiveDisplay(console)
    display.opened(board)
    text = " ".join(written(console).split())
    assert "seed 1" in text
    assert "seed 2" in text
    assert "…" not in text
    lines = [line.strip() for line in written(console).splitlines()]
    assert any(line.startswith("2 cells: 2 running") for line in lines)  # lines of their own
    assert any(line.startswith("0 s so far") for line in lines)


def test_the_live_table_is_drawn_again_on_news_alone():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, height=30)
    clock = iter(range(1000))
    board, display = make_board("a", "b"), LiveDisplay(console, lambda: next(clock) / 20)
    display.opened(board)
    drawn = len(written(console))
    for _ in range(12):
        display.tick()
    assert len(written(console)) == drawn
    board["a"].state = CellState.RUNNING
    for _ in range(6):
        display.changed("a")
    assert len(written(console)) > drawn


def test_the_seconds_pass_before_trials_run_and_then_are_drawn_on_news_alone():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, height=30)
    now, before = [0.0], set(threading.enumerate())
    display = LiveDisplay(console, lambda: now[0], pause=0.01)
    display.opened(make_board("a"))
    (clock,) = set(threading.enumerate()) - before
    now[0] = 20.0
    deadline = time.monotonic() + 10
    while "20 s so far" not in written(console):
        assert time.monotonic() < deadline
    display.tick()
    clock.join(10)
    assert not clock.is_alive()
    display.closed()


def test_a_cell_that_waits_at_a_rung_is_told_from_one_that_has_not_begun():
    console = Console(file=io.StringIO(), width=80)
    board, display = make_board("a", "b", "c"), PlainDisplay(console)
    board.add_epoch("a", 1, 0.5)
    display.opened(board)
    assert "3 cells: 2 not begun, 1 waiting to go on" in written(console)


def test_rays_token_is_for_this_user_alone(tmp_path, monkeypatch):
    path = tmp_path / "ray" / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    secure_token()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    path.chmod(0o644)
    secure_token()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == first
    assert len(first) == 64
    assert list(path.parent.iterdir()) == [path]


def test_searches_that_start_together_have_one_token(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "ray" / "token"))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    found = []

    def start():
        secure_token()
        found.append((tmp_path / "ray" / "token").read_text())

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("home", ["/dev/null", "/proc"])  # a file, and where nobody may write
def test_without_a_home_to_write_in_the_token_is_kept_in_memory(home, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", home)
    assert "set RAY_AUTH_TOKEN_PATH to have its token" in secure_token()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", f"{home}/token")
    with pytest.raises(FreeLBTuneError, match=f"{home}/token: cannot write Ray's token here"):
        secure_token()


def test_scratch_of_a_killed_search_goes_when_the_next_one_starts(tmp_path):
    from freelb_tune.search.ray_tune.machines.cluster import _scratch_folder

    with _scratch_folder(tmp_path) as name:
        pass
    left = Path(f"{name}x")  # as SIGKILL leaves one: nobody holds its lock
    left.mkdir()
    (left / "session").mkdir()
    with _scratch_folder(tmp_path) as new:
        assert not left.exists()
        assert stat.S_IMODE(new.stat().st_mode) == 0o700
        assert len(str(new)) <= 40  # Ray's sockets lie some 65 characters below, of 107
    assert not new.exists()


def test_scratch_of_a_search_that_runs_is_left_alone(tmp_path):
    from freelb_tune.search.ray_tune.machines.cluster import _scratch_folder

    with _scratch_folder(tmp_path) as first, _scratch_folder(tmp_path) as second:
        assert first.exists()
        assert first != second
