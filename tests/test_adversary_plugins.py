"""A user's own adversary: found by name or entry point, never by a file of settings."""

import hashlib
import pickle
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Literal

import pytest
from pydantic.errors import PydanticSchemaGenerationError
from space_fixtures import cells_of
from store_fixtures import cell

from freelb_tune.adversary import (
    load_entry_points,
    load_plugins,
    loaded_plugins,
    make_adversary,
    plugins,
    register,
)
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.selected.best import BestModel
from freelb_tune.space.settings.adversaries import (
    ADVERSARIES,
    PLUGINS,
    AdversarySettings,
    FreeLBSettings,
    Perturbing,
)
from freelb_tune.store import CellState
from freelb_tune.tasks import DEFINITIONS, TASKS

PLUGIN = """
from typing import Literal

from freelb_tune.adversary import Outcome, register
from freelb_tune.space.settings.adversaries import Perturbing


class {title}Settings(Perturbing):
    method: Literal["{name}"] = "{name}"
    adv_lr: float = 0.1


class {title}:
    def __init__(self, settings):
        self.settings = settings

    def __call__(self, passes):
        losses = passes.run(None).losses
        return Outcome(losses, losses, delta=None, passes=1)


register({title}Settings, {title})
"""


pytestmark = pytest.mark.usefixtures("forgetful")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a module of one adversary into a folder that Python searches."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, source=PLUGIN):
        path = tmp_path / f"{name}_plugin.py"
        path.write_text(source.format(name=name, title=name.title()))
        return path

    return write


def test_a_module_by_name_adds_its_adversary_once(plugin):
    plugin("tilt")
    load_plugins(["tilt_plugin"])
    load_plugins(["tilt_plugin"])
    assert loaded_plugins().count("tilt_plugin") == 1
    settings = ADVERSARIES["tilt"].model_validate({"method": "tilt", "adv_lr": 0.3})
    assert type(make_adversary(settings)).__name__ == "Tilt"


def test_a_file_adds_its_adversary_and_is_remembered_by_its_place(plugin, monkeypatch):
    path = plugin("lean")
    monkeypatch.chdir(path.parent)
    load_plugins(["lean_plugin.py"])
    load_plugins([str(path)])
    assert loaded_plugins().count(str(path)) == 1
    assert ADVERSARIES["lean"]().method == "lean"


def test_another_process_loads_what_this_one_did(plugin):
    path = plugin("sway")
    load_plugins([str(path)])
    code = (
        "import sys; from freelb_tune.adversary import load_plugins; "
        "from freelb_tune.space.settings.adversaries import ADVERSARIES; "
        "load_plugins(sys.argv[1:]); print(ADVERSARIES['sway']().method)"
    )
    command = [sys.executable, "-c", code, *loaded_plugins()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "sway\n"


def load_anew(path, method):
    """Load a plugin as a new process would."""
    plugins._LOADED.clear()
    for registry in (ADVERSARIES, plugins.FACTORIES):
        registry.pop(method, None)
    load_plugins([str(path)])


def test_an_edited_plugin_gives_its_cells_new_names_and_no_others(plugin, tmp_path):
    text = "task: rte\nmodel: some/encoder\nadversary: {adv_lr: 0.1, method: {grid: [sag, fgm]}}\n"

    def named(source):
        path = plugin("sag", source)
        load_anew(path, "sag")
        return {cell.settings["adversary.method"]: cell for cell in cells_of(tmp_path, text)}

    before, same, edited = named(PLUGIN), named(PLUGIN), named(PLUGIN + "# edited\n")
    assert same == before
    assert edited["sag"].id != before["sag"].id
    assert edited["sag"].config_id != before["sag"].config_id
    for own in ("fgm", "none"):
        assert edited[own] == before[own]
        assert edited[own].plugin == ""
    with pytest.raises(
        FreeLBTuneError, match=f"of 'sag' has changed since cell {before['sag'].id}"
    ):
        _ = pickle.loads(pickle.dumps(before["sag"])).adversary  # as a worker after the edit
    assert edited["sag"].adversary.method == "sag"


def test_a_file_that_registers_what_another_one_defines_counts_by_both(plugin, tmp_path):
    bending = PLUGIN.replace("register({title}Settings, {title})", "import steps\n") + (
        "register({title}Settings, steps.make)\n"
    )

    def loaded(steps):
        (tmp_path / "steps.py").write_text(steps)
        path = plugin("bend", bending)
        sys.modules.pop("steps", None)
        load_anew(path, "bend")
        return PLUGINS["bend"]

    first = loaded("def make(settings): ...\n")
    assert loaded("def make(settings): ...\n") == first
    assert loaded("def make(settings): return None\n") != first


def test_a_plugin_of_0_1_0_loads_as_it_is_with_a_word_on_what_to_write(plugin):
    source = PLUGIN.replace("space.settings.adversaries import", "space.adversary import")
    path = plugin("lull", source)
    sys.modules.pop("freelb_tune.space.adversary", None)
    with pytest.warns(
        DeprecationWarning, match=r"goes in 0\.3\.0: write `from freelb_tune import FreeLBSettings`"
    ):
        load_plugins([str(path)])
    assert issubclass(ADVERSARIES["lull"], Perturbing)
    assert PLUGINS["lull"] == f"code:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def test_what_0_1_0s_readme_and_docstrings_import_is_there():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "freelb_tune")
        from freelb_tune.adversary import Adversary, Outcome, Passes, absolute  # noqa: F401
        from freelb_tune.adversary.plugins import register  # noqa: F401
        from freelb_tune.training import AdversarialTrainer  # noqa: F401
        from freelb_tune.training.contract import CHECKS, check  # noqa: F401
    sys.modules.pop("freelb_tune.space.adversary", None)
    with pytest.warns(DeprecationWarning, match=r"goes in 0\.3\.0"):
        old = import_module("freelb_tune.space.adversary")
    assert (old.ADVERSARIES, old.FreeLBSettings) == (ADVERSARIES, FreeLBSettings)


def test_an_installed_package_is_found_by_its_entry_point(plugin, monkeypatch):
    plugin("drift")
    point = EntryPoint("drift", "drift_plugin", plugins.GROUP)
    asked = []
    monkeypatch.setattr(plugins, "entry_points", lambda **wanted: asked.append(wanted) or [point])
    load_entry_points()
    assert asked == [{"group": "freelb_tune.adversaries"}]
    assert "drift" in ADVERSARIES
    assert loaded_plugins()[-1:] == ("drift_plugin",)


def test_without_plugins_looking_for_them_loads_no_torch():
    code = (
        "import sys; from freelb_tune.adversary import load_entry_points; load_entry_points(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_module_that_is_not_there_is_told():
    with pytest.raises(FreeLBTuneError, match="'no_such_plugin': Python finds no such module"):
        load_plugins(["no_such_plugin"])
    with pytest.raises(FreeLBTuneError, match="no_such.py': there is no such file"):
        load_plugins(["no_such.py"])
    for name in ("", ".relative", "a/b", "a b"):
        with pytest.raises(FreeLBTuneError, match=f"'{name}': Python finds no such module"):
            load_plugins([name])


@pytest.mark.parametrize("text", ["a line of prose\n", "x = '\0'\n"])
def test_a_file_that_is_no_python_is_told_with_its_line(tmp_path, text):
    (tmp_path / "prose.py").write_text(text)
    with pytest.raises(FreeLBTuneError, match=r"prose\.py': is no Python code: .*(line 1|null)"):
        load_plugins([str(tmp_path / "prose.py")])


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_plugin_that_fails_is_told_with_its_line_and_loads_once_it_is_mended(
    plugin, fault, said, by_name
):
    tasks = "from freelb_tune import register as r, Task, Metric\nr(Task(name='oddity', title='', "
    tasks += "columns=(), labels=None, kind='classification', metrics=(Metric('m', max),)))\n"
    path = plugin("nine", f"{PLUGIN}\n{tasks}{fault}\n")
    module = "nine_plugin" if by_name else str(path)
    line = path.read_text().splitlines().index(fault) + 1
    before = loaded_plugins()
    with pytest.raises(FreeLBTuneError, match=rf"{module}'.*: {path}, line {line}: {said}"):
        load_plugins([module])
    assert not {"nine", "oddity"} & {*ADVERSARIES, *PLUGINS, *plugins.FACTORIES, *TASKS}
    assert loaded_plugins() == before  # nothing travels to workers
    assert not [name for name in sys.modules if "nine_plugin" in name]
    path.unlink()
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)  # two writes within a second
    plugin("nine")
    load_plugins([module])
    assert ADVERSARIES["nine"]().method == "nine"


def test_settings_that_pydantic_cannot_read_are_found_when_they_are_registered():
    class Odd(AdversarySettings):
        method: Literal["odd"] = "odd"
        rows: object() = None

    with pytest.raises(PydanticSchemaGenerationError, match="rows|object"):
        register(Odd, lambda settings: None)
    assert "odd" not in ADVERSARIES


def test_a_plugin_that_registers_nothing_is_told(plugin):
    plugin("idle", "value = 1\n")
    with pytest.raises(FreeLBTuneError, match="'idle_plugin' registered nothing; it must call"):
        load_plugins(["idle_plugin"])
    with pytest.raises(FreeLBTuneError, match="registered nothing"):  # neither the second time
        load_plugins(["idle_plugin"])


def test_a_name_that_is_taken_is_refused():
    class Mine(FreeLBSettings):
        pass

    with pytest.raises(FreeLBTuneError, match=r"Mine: the method 'freelb' is .*FreeLBSettings"):
        register(Mine, lambda settings: None)
    with pytest.raises(FreeLBTuneError, match=r"the method 'freelb' is .* with another behaviour"):
        register(FreeLBSettings, lambda settings: None)
    assert ADVERSARIES["freelb"] is FreeLBSettings
    assert "freelb" not in plugins.FACTORIES


def test_what_no_search_could_use_is_refused():
    class Strict(AdversarySettings):
        method: Literal["strict"] = "strict"
        strength: float

    class Plain(AdversarySettings):
        method: Literal["plain"] = "plain"

    with pytest.raises(FreeLBTuneError, match="Strict: the setting 'strength' has no default"):
        register(Strict, lambda settings: None)
    with pytest.raises(
        FreeLBTuneError,
        match="method 'plain': <class 'int'> makes no adversary: it has no",
    ):
        register(Plain, int)
    assert not {"strict", "plain"} & set(ADVERSARIES)


def test_settings_without_a_name_are_refused():
    class Nameless(AdversarySettings):
        pass

    with pytest.raises(FreeLBTuneError, match="Nameless does not name its method"):
        register(Nameless, lambda settings: None)


def test_best_names_the_plugin_that_its_cell_needs_and_no_other(tmp_path, monkeypatch):
    file = tmp_path / "sign_plugin.py"
    file.write_text(PLUGIN.format(title="Sign", name="sign"), "utf-8")
    load_plugins([str(file)])
    monkeypatch.setitem(DEFINITIONS, "own", "code:1")
    named, settings = f" --plugin {file}", cell(1).settings
    adversarys, tasks = {"plugin": "code:2"}, {"settings": {**settings, "task": "own"}}
    for place, (changed, said) in enumerate(((adversarys, named), (tasks, named), ({}, ""))):
        folder = tmp_path / str(place)
        one = replace(cell(1), **changed)
        folder.mkdir()
        board = Board([one], Measure("accuracy", "higher", "RTE"), {})
        board[one.id].scores, board[one.id].state = {1: 0.5}, CellState.DONE
        BestModel(folder, ()).settle(board)
        assert f"rerun {folder} {one.id}{said}\n" in (folder / "best" / "README.md").read_text()
