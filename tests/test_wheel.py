"""Installed from its wheel alone, without a checkout, the tool is whole."""

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words, **options):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs `freelb-tune` of a wheel in an environment that has this one's other packages."""
    pytest.importorskip("hatchling")
    base = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", base, cwd=ROOT)
    (wheel,) = base.glob("freelb_tune-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", base / "venv")
    here = base / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", here, "install", "--no-deps", "--no-index", wheel)
    (packages,) = (base / "venv" / "lib").glob("python*/site-packages")
    # paths that a .pth file adds are searched, and their own .pth files (our checkout) are not
    (packages / "others.pth").write_text("\n".join(site.getsitepackages()))
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def tune(*words):
        return run(here.with_name("freelb-tune"), *words, cwd=elsewhere, env=environment)

    tune.python, tune.folder, tune.environment = here, elsewhere, environment
    return tune


def test_the_wheel_brings_the_package_and_its_spaces_and_nothing_of_the_checkout(installed):
    code = "import freelb_tune; print(freelb_tune.__file__, freelb_tune.__version__)"
    place, version = run(
        installed.python, "-c", code, cwd=installed.folder, env=installed.environment
    ).split()
    assert "venv" in place
    assert installed("--version") == f"freelb-tune {version}\n"
    listed = dict(line.split(None, 1) for line in installed("spaces").splitlines())
    files = {
        path.relative_to(ROOT / "search_spaces").with_suffix("").as_posix(): path
        for path in (ROOT / "search_spaces").rglob("*.yaml")
    }
    assert listed.keys() == files.keys()
    assert (
        listed["rte_grid"] == "RTE: does FreeLB help roberta-base? The table of ParaGen's README."
    )
    for name in ("rte_grid", "glue/roberta_base_rte"):
        assert installed("spaces", name) == files[name].read_text("utf-8")


def test_a_shipped_space_is_planned_by_its_name_and_a_file_of_that_name_comes_first(installed):
    text = installed("spaces", "quickstart").replace("seeds: [1, 2]", "seeds: [1, 2, 3]")
    (installed.folder / "quickstart").write_text(text, "utf-8")
    assert "9 cells: " in installed("plan", "--space", "quickstart")
    (installed.folder / "quickstart").unlink()
    assert "6 cells: " in installed("plan", "--space", "quickstart")


@pytest.mark.slow
def test_the_example_script_searches_from_the_wheel_with_an_adversary_of_its_own(installed):
    small = [
        "trainer.num_train_epochs=1",
        "data.max_train_examples=64",
        "data.max_eval_examples=40",
    ]
    script = ROOT / "examples" / "own_adversary.py"
    done = subprocess.run(
        [installed.python, script, "seeds=[1]", *small],
        cwd=installed.folder, env=installed.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 cells: 3 done; best" in done.stderr  # the workers know its class
    assert re.search(r"^\d +[12] +sign +1 +0\.\d+ ", done.stdout, re.MULTILINE), done.stdout
    best = installed.folder / "results" / "own_adversary" / "best"
    assert (best / "model.safetensors").is_file()
