"""Adversaries, algorithms and tasks of the user's own, from a plugin, a script or a notebook."""

from dataclasses import replace
from typing import Literal

import pytest

import freelb_tune as ft
from freelb_tune.adversary import load_plugins, loaded_plugins, make_adversary
from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.space.adversary_settings import PLUGINS
from freelb_tune.tasks.metrics import ACCURACY

pytestmark = pytest.mark.usefixtures("forgetful")


class TiltSettings(ft.Perturbing):
    method: Literal["tilt"] = "tilt"
    adv_lr: float = 0.1


class Tilt:
    def __init__(self, settings):
        self.settings = settings


class TurnsSettings(ft.AlgorithmSettings):
    algorithm: Literal["turns"] = "turns"


class Turns(Algorithm):
    pass


POLITE = ft.Task(
    name="polite",
    title="politeness",
    text=("text_a",),
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
        "ft.register(WaneSettings, Wane)\n"
    )
    exec(code, {"ft": ft, "Literal": Literal, "__name__": "a_notebook"})
    return PLUGINS["wane"]


def test_a_notebooks_adversary_counts_by_what_it_says_and_may_be_defined_again():
    first = defined_in_a_notebook(0.5)
    assert defined_in_a_notebook(0.5, place=9) == first
    assert defined_in_a_notebook(0.25) != first


def test_a_tasks_definition_is_a_part_of_its_cells_ids(tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.csv").write_text("text,label\na,rude\nb,polite\nc,rude\nd,polite\n")
    content = {"model": "some/encoder", "data": {"text": "text", "label": "label"}}
    content["data"] |= {part: str(tmp_path / f"{part}.csv") for part in ("train", "dev")}
    ids = []
    for name, labels in (("one", ("rude", "polite")), ("one_more", ("polite", "rude"))):
        ft.register(replace(POLITE, name=name, labels=labels))
        ids.append(ft.plan(ft.Space.of({**content, "task": name}), tmp_path).cells["cell_id"][0])
    assert len(set(ids)) == 2
