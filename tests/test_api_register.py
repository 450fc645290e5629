"""Adversaries, algorithms and tasks of the user's own, from a plugin, a script or a notebook."""

from dataclasses import replace
from typing import Literal

import pytest
from search_drive import drive, starts
from search_fixtures import make_plan
from test_readme import HOME

import freelb_tune as ft
from freelb_tune.adversary import load_plugins, loaded_plugins, make_adversary
from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.space.settings.adversaries import PLUGINS
from freelb_tune.tasks import DEFINITIONS, TASKS
from freelb_tune.tasks.definitions.metrics import ACCURACY

pytestmark = pytest.mark.usefixtures("forgetful")


class TiltSettings(ft.Perturbing):
    method: Literal["tilt"] = "tilt"
    adv_lr: float = 0.1


class Tilt:
    def __init__(self, settings):
        self.settings = settings

    def __call__(self, passes): ...


class TurnsSettings(ft.AlgorithmSettings):
    algorithm: Literal["turns"] = "turns"


class Turns(Algorithm):
    pass


POLITE = ft.Task(
    name="polite",
    title="politeness",
    columns=(),
    labels=("rude", "polite"),
    kind="classification",
    metrics=(ACCURACY,),
)


def test_each_kind_is_known_once_it_is_registered():
    ft.register(TiltSettings, Tilt)
    ft.register(TurnsSettings, Turns)
    ft.register(POLITE)
    space = ft.Space.of(
        {
            "task": "polite",
            "model": "some/encoder",
            "adversary": {"method": "tilt", "adv_lr": 0.2},
            "search": {"algorithm": "turns"},
        }
    )
    assert (space.task, type(space.search)) == ("polite", TurnsSettings)
    assert isinstance(make_adversary(TiltSettings()), Tilt)


def test_a_name_that_is_taken_is_refused_and_the_first_one_stays():
    class Freelb(ft.FreeLBSettings):
        pass

    class Grid(ft.GridSettings):
        pass

    with pytest.raises(ft.FreeLBTuneError, match=r"Freelb: the method 'freelb' is .*FreeLBSett"):
        ft.register(Freelb, Tilt)
    with pytest.raises(ft.FreeLBTuneError, match=r"Grid: the algorithm 'grid' is .*GridSettings"):
        ft.register(Grid, Turns)
    with pytest.raises(ft.FreeLBTuneError, match="the algorithm 'grid' .* with another behaviour"):
        ft.register(ft.GridSettings, Turns)
    with pytest.raises(ft.FreeLBTuneError, match="'turns': <class 'int'> is no subclass of freelb"):
        ft.register(TurnsSettings, int)
    ft.register(TiltSettings, Tilt)
    ft.register(TiltSettings, Tilt)
    with pytest.raises(ft.FreeLBTuneError, match="the method 'tilt' .* with another behaviour"):
        ft.register(TiltSettings, lambda settings: Tilt(settings))
    ft.register(POLITE)
    ft.register(POLITE)  # the same one twice is no second one
    with pytest.raises(ft.FreeLBTuneError, match="the task 'polite' is there already; choose ano"):
        ft.register(replace(POLITE, labels=("polite", "rude")))
    with pytest.raises(ft.FreeLBTuneError, match="the task 'rte' is there already"):
        ft.register(replace(POLITE, name="rte"))


@pytest.mark.parametrize(
    "parts", [(TiltSettings,), (Tilt, TiltSettings), ("tilt",), (POLITE, Tilt)]
)
def test_what_is_none_of_these_is_refused(parts):
    with pytest.raises(ft.FreeLBTuneError, match="register: expected .settings class, adversary"):
        ft.register(*parts)


def test_a_plugin_may_bring_a_task_or_an_algorithm_alone(tmp_path):
    for name, call in (("a_task", "POLITE"), ("an_algorithm", "TurnsSettings, Turns")):
        path = tmp_path / f"{name}.py"
        path.write_text(
            f"import freelb_tune as ft; from test_api_register import *; ft.register({call})\n"
        )
        load_plugins([str(path)])
        assert loaded_plugins()[-1] == str(path)  # and nothing that the workers get by value
    ft.Space.of({"task": "polite", "model": "a/b", "search": {"algorithm": "turns"}})


def defined_in_a_notebook(scale, place=1):
    """The fingerprint of an adversary of a module without a file."""
    code = "\n" * place + (
        "class WaneSettings(ft.Perturbing):\n"
        "    method: Literal['wane'] = 'wane'\n"
        "class Wane:\n"
        "    def __init__(self, settings):\n"
        f"        self.scale = {scale}\n"
        "    def __call__(self, passes): ...\n"
        "ft.register(WaneSettings, Wane)\n"
    )
    exec(code, {"ft": ft, "Literal": Literal, "__name__": "a_notebook"})
    return PLUGINS["wane"]


def test_a_notebooks_adversary_counts_by_what_it_says_and_may_be_defined_again():
    first = defined_in_a_notebook(0.5)
    assert defined_in_a_notebook(0.5, place=9) == first
    assert defined_in_a_notebook(0.25) != first


PLUGIN = """
import freelb_tune as ft


def share(predictions, labels):
    return float((predictions == labels).mean())


ft.register(
    ft.Task(
        name="{name}",
        title="politeness",
        columns=(),
        labels={labels},
        kind="classification",
        metrics=(ft.Metric("share", share),),
    )
)
"""


def test_a_plugins_task_plans_and_its_code_is_a_part_of_its_cells_ids(tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.csv").write_text("text,label\na,rude\nb,polite\nc,rude\nd,polite\n")
    content = {"model": "some/encoder", "data": {"text": "text", "label": "label"}}
    content["data"] |= {part: str(tmp_path / f"{part}.csv") for part in ("train", "dev")}

    def definition(folder, labels='("rude", "polite")', more=""):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "polite_plugin.py"
        path.write_text(PLUGIN.format(name="civil", labels=labels) + more)
        TASKS.pop("civil", None)  # as in a process of its own
        load_plugins([str(path)])
        space = ft.Space.of({**content, "task": "civil", "search": {"metric": "share"}})
        return ft.plan(space, tmp_path).cells["cell_id"][0]

    first = definition("first")
    assert definition("same") == first
    assert definition("edited", more="# edited\n") != first
    assert definition("other", labels='("polite", "rude")') != first


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "my task"}, "'my task': a name is a word"),
        ({"metrics": ()}, r"metrics are one or more, each with a name of its own, got \[\]"),
        ({"metrics": (ACCURACY, ACCURACY)}, "each with a name of its own, got .'accuracy', 'acc"),
        ({"kind": "regression"}, "regression has no labels"),
        ({"labels": ("a", "a")}, r"labels are two or more, each once, got \['a', 'a'\]"),
        ({"columns": ("a", "b", "c")}, "one text column or a pair, not 3"),
        ({"dev_sets": {"test": "test"}}, "one of dev_sets is called dev"),
        ({"is_made_up": True}, "are for the tasks that come with freelb_tune"),
    ],
)
def test_a_task_that_nothing_could_read_or_score_is_refused(changed, message):
    with pytest.raises(ft.FreeLBTuneError, match=message):
        ft.register(replace(POLITE, **changed))


def test_a_task_with_our_metrics_alone_counts_by_what_it_says():
    ft.register(POLITE)
    first = DEFINITIONS["polite"]
    ft.register(replace(POLITE, title="courtesy"))  # which changes no number
    assert DEFINITIONS["polite"] == first


def test_the_example_algorithm_gives_every_configuration_its_first_seed_first(tmp_path):
    load_plugins([str(HOME / "examples" / "own_algorithm.py")])
    space, plan = make_plan(
        tmp_path,
        search="{algorithm: turns}",
        resources="{max_concurrent: 1}",
        adv_lr=(0.01, 0.03),
        seeds=(1, 2),
        clean_arm=True,
    )
    drive(tmp_path, space, plan, lambda cell, epoch: 0.5)
    seeds = {cell.id: cell.seed for cell in plan.cells}
    assert [seeds[cell_id] for cell_id in starts(tmp_path)] == [1, 1, 1, 2, 2, 2]
