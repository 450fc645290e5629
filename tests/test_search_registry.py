"""Algorithms by name: what a registration gives, and what it refuses."""

from typing import Literal

import pytest
from search_fixtures import make_plan
from store_fixtures import Search, cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import build_table
from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.search.algorithms.registry import BEHAVIOURS, register
from freelb_tune.space import ALGORITHMS, AlgorithmSettings
from freelb_tune.space.settings.algorithms import GridSettings, VerdictSettings, settings_class
from freelb_tune.store import load_store


class BackwardsSettings(AlgorithmSettings):
    """Every combination, the last of the file first."""

    algorithm: Literal["backwards"] = "backwards"
    step: int = 1


class Backwards(Algorithm):
    """Runs a plan from its end."""

    def wanted(self) -> list[str]:
        return super().wanted()[::-1]


@pytest.fixture
def registry(monkeypatch):
    """Both dictionaries as they were, afterwards."""
    for names in (ALGORITHMS, BEHAVIOURS):
        for name, value in names.items():
            monkeypatch.setitem(names, name, value)
    yield
    for names in (ALGORITHMS, BEHAVIOURS):
        names.pop("backwards", None)  # type: ignore[attr-defined]


def test_a_registered_algorithm_may_be_written_with_its_own_settings(tmp_path, registry):
    register(BackwardsSettings, Backwards)
    register(BackwardsSettings, Backwards)  # a notebook's cell may run twice
    space, _ = make_plan(tmp_path, search="{algorithm: backwards, step: 3}")
    assert space.search == BackwardsSettings(step=3)
    with pytest.raises(FreeLBTuneError, match="backwards does not read it; take it out"):
        make_plan(tmp_path, search="{algorithm: backwards, budget: 3}")


def test_a_name_stands_for_one_algorithm(registry):
    class Other(AlgorithmSettings):
        algorithm: Literal["grid"] = "grid"

    with pytest.raises(FreeLBTuneError, match="the algorithm 'grid' is .*GridSettings already"):
        register(Other, Algorithm)
    assert ALGORITHMS["grid"] is GridSettings


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        ({"search": {"algorithm": "grid", "order": "shuffled"}}, GridSettings),
        ({"search": {"algorithm": "gone", "step": 3}}, AlgorithmSettings),  # a plugin's, not here
        ({"search": {"algorithm": ["grid"]}}, AlgorithmSettings),
        ({"search": None}, AlgorithmSettings),
        ({}, AlgorithmSettings),
    ],
)
def test_a_stored_search_is_asked_for_traits_and_not_for_its_name(space, kind):
    assert settings_class(space) is kind


def test_an_algorithm_of_ones_own_may_answer_the_verdicts_question_by_rounds(tmp_path, registry):
    class BackwardsRounds(VerdictSettings):
        algorithm: Literal["backwards"] = "backwards"

    register(BackwardsRounds, BEHAVIOURS["verdict"])
    for name, by_rounds in (("verdict", True), ("backwards", True), ("race", False)):
        Search([cell()]).end(cell(), 0.7).write(tmp_path / name)
        (tmp_path / name / "space.yaml").write_text(f"search: {{algorithm: {name}}}\n")
        assert build_table(load_store(tmp_path / name)).by_rounds is by_rounds


def test_settings_without_a_name_are_refused():
    class Nameless(AlgorithmSettings):
        pass

    with pytest.raises(FreeLBTuneError, match="does not name its algorithm; write"):
        register(Nameless, Algorithm)


def test_every_algorithm_has_settings_and_behaviour():
    assert list(ALGORITHMS) == list(BEHAVIOURS)
