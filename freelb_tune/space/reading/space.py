"""From a search-space file to a `Space`: everything is checked here, and said at once.

Room: space.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from freelb_tune.errors import unknown_name
from freelb_tune.space.checking.checks import read_section
from freelb_tune.space.checking.conditions import check_condition
from freelb_tune.space.checking.meant import model_advice, unknown_setting
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.reading.branches import read_layers
from freelb_tune.space.reading.document import Document, read_document, to_yaml
from freelb_tune.space.reading.layers import Layer
from freelb_tune.space.reading.points import Point, read_points
from freelb_tune.space.reading.references import resolve
from freelb_tune.space.reading.search_section import read_search
from freelb_tune.space.reading.shorthands import MOST_SEEDS, spelt_out
from freelb_tune.space.reading.table_section import read_table
from freelb_tune.space.reading.track_section import read_track
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.space.settings.algorithms import AlgorithmSettings, Drawing, VerdictSettings
from freelb_tune.space.settings.sections import (
    SEARCHED,
    ResourcesConfig,
    TableConfig,
    VerdictConfig,
)
from freelb_tune.space.values import folder_name

__all__ = ["Space", "load_space"]

TOP = ("name", "task", *SEARCHED, "tie", "branches", "where", "clean_arm", "seeds", "search",
       "resources", "table", "verdict", "track")  # fmt: skip
_FOLDS = "data.folds"


@dataclass(frozen=True)
class Space:
    """A search space, checked.

    Attributes:
        source: the file, as messages name it.
        name: of the search; its results go to a folder of this name.
        task: the task's name.
        layers: what is searched, one layer per branch; one where there are no branches.
        where: conditions that a configuration must meet.
        clean_arm: whether each setting is also run without perturbation.
        seeds: replicates of every configuration.
        search: the algorithm's settings, with its name.
        resources: what each trial gets.
        points: configurations that run before all others.
        table: how the table is laid out, by the settings' dotted names.
        verdict: what is asked of the verdict.
        track: the trackers that are fed while it runs. No part of a cell.
        content: the file as resolved, in plain values.
    """

    source: str
    name: str
    task: str
    layers: tuple[Layer, ...]
    where: tuple[str, ...]
    clean_arm: bool
    seeds: tuple[int, ...]
    search: AlgorithmSettings
    points: tuple[Point, ...]
    resources: ResourcesConfig
    table: TableConfig
    verdict: VerdictConfig
    track: tuple[str, ...]
    content: dict[str, Any]

    @classmethod
    def read(
        cls,
        document: Document,
        data_dir: Path | None = None,
        *,
        tasks: Mapping[str, Collection[str]] | None = None,
    ) -> Self:
        """Check what a document says; `load_space` has the arguments and errors."""
        problems = Problems(document.source, document.places, document.several)
        for key, message in document.traps:
            problems.add(key, message)
        content = resolve(spelt_out(document, data_dir), problems)
        reader = _Reader(content, problems)
        search = read_search(content, problems)
        layers = reader.layers(search)
        space = cls(
            source=document.source,
            name=reader.name(),
            task=reader.task(search, tasks),
            layers=layers,
            where=reader.where(layers),
            clean_arm=reader.flag("clean_arm"),
            seeds=reader.seeds(),
            search=search,
            points=read_points(search, layers, problems),
            resources=read_section(content, "resources", ResourcesConfig, problems),
            table=read_table(content, layers, problems),
            verdict=read_section(content, "verdict", VerdictConfig, problems),
            track=read_track(content, problems),
            content=content,
        )
        if isinstance(search, VerdictSettings) and space.verdict.margin is not None:
            problems.add("verdict.margin", "search.margin says what is asked; take one out")
        _check_folds(layers, search, problems)
        problems.raise_if_any()
        content["table"] = space.table.model_dump()
        return space

    @property
    def trainer_given(self) -> set[str]:
        """Fields of `TrainingArguments` that it sets, in a branch perhaps."""
        parts = (self.content, *(self.content.get("branches") or ()))
        whole = {name for part in parts for name in part.get("trainer") or ()}
        return whole | {key[8:] for part in parts for key in part if key.startswith("trainer.")}

    @property
    def size(self) -> int:
        """How many cells are spanned, before merging and `where`, without the clean arm."""
        samples = self.search.samples if isinstance(self.search, Drawing) else 1
        configurations = sum(layer.size(samples) for layer in self.layers)
        configurations += sum(p.layer.size(1) for p in self.points if p.layer.drawn)
        return configurations * self.replicates

    @property
    def folds(self) -> int | None:
        """Folds that each seed is run in; None where the data has a dev set."""
        found = self.layers[0].settings.get(_FOLDS)
        return found if isinstance(found, int) else None

    @property
    def replicates(self) -> int:
        """Cells of a configuration: seeds, times the folds."""
        return len(self.seeds) * (self.folds or 1)

    def to_yaml(self) -> str:
        """The file as resolved; it loads again to the same plan."""
        return to_yaml(self.content)


def _check_folds(layers: Sequence[Layer], search: AlgorithmSettings, problems: Problems) -> None:
    """All configurations are compared in the same folds, by one that knows what folds share."""
    said = [layer.settings.get(_FOLDS) for layer in layers]
    tied = any(_FOLDS in tie for layer in layers for tie in layer.ties)
    is_one = isinstance(said[0], int | None) and all(each == said[0] for each in said)
    if tied or not is_one:
        problems.add(
            _FOLDS,
            "expected one number for all configurations, as they are compared in the same folds",
        )
    elif said[0] is not None and search.LEAVES_OUT:
        problems.add(
            _FOLDS,
            f"a {search.algorithm} takes its cells for independent, and folds share most of their "
            "training rows; write search: {algorithm: grid}, random or asha, or cut one dev set "
            "with data.dev_share",
        )


def load_space(
    path: Path,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
    *,
    tasks: Mapping[str, Collection[str]] | None = None,
) -> Space:
    """Read a search-space file.

    Args:
        path: the YAML file.
        overrides: `key=value` settings that replace the file's.
        data_dir: a GLUE folder that replaces the file's `data` source.
        tasks: the known tasks with the names of their metrics; None leaves both unchecked.

    Raises:
        FreeLBTuneError: the file is not there or not right; the message lists every problem with
            its line, what was found and what to write instead.
    """
    return Space.read(read_document(path, overrides), data_dir, tasks=tasks)


class _Reader:
    """Reads the resolved content section by section."""

    def __init__(self, content: dict[str, Any], problems: Problems) -> None:
        self._content, self._problems = content, problems
        for key in content:
            if key not in TOP:
                problems.add(key, unknown_setting(key, TOP, value=content[key]))
        for key in ("task", "model"):
            if content.get(key) is None:
                problems.add(key, f"is missing; a search space names its {key}")

    def name(self) -> str:
        """The search's name, which is a folder's too."""
        name = self._content["name"]
        try:
            return folder_name(name if isinstance(name, str) else "")
        except ValueError as err:
            self._problems.add("name", f"expected {err}, got {shown(name):.60}")
            return ""

    def task(self, search: AlgorithmSettings, tasks: Mapping[str, Collection[str]] | None) -> str:
        """The task's name, known and with the metric that is asked for."""
        task = self._content.get("task")
        if not isinstance(task, str):
            if task is not None:
                self._problems.add("task", f"expected a task's name, got {shown(task)}")
            return ""
        if tasks is not None and task not in tasks:
            self._problems.add("task", unknown_name(task, tasks))
        elif tasks is not None and search.metric and search.metric not in tasks[task]:
            hint = unknown_name(search.metric, tasks[task])
            self._problems.add("search.metric", f"task {task!r} has no such metric: {hint}")
        return task

    def layers(self, search: AlgorithmSettings) -> tuple[Layer, ...]:
        """What is searched."""
        layers = read_layers(self._content, search, self._problems)
        for layer in layers:
            name, config = layer.settings.get("model.name"), layer.settings.get("model.config")
            model = self._content.get("model")
            if isinstance(model, dict) and "name" not in model and name is None:
                self._problems.add("model.name", "is missing; a search space names its model")
            if not isinstance(name, str):
                continue
            if advice := model_advice(name):
                self._problems.add("model.name", advice)
            if name.startswith("config:") and (config is None or "model_type" in _keys(config)):
                self._problems.add(
                    "model.config",
                    "a config: model takes its sizes from here, such as {hidden_size: 64}, and its "
                    "type from model.name",
                )
            if "model_type" in _keys(config) and not name.startswith("config:"):
                self._problems.add(
                    "model.config",
                    f"the type of model.name {name!r} is its own; take model_type out, or write "
                    "name: config:bert for random weights",
                )
        return layers

    def flag(self, key: str) -> bool:
        """A switch that is on unless the file says otherwise."""
        value = self._content.get(key, True)
        if not isinstance(value, bool):
            text = f"; {value} is text in YAML 1.2" if isinstance(value, str) else ""
            self._problems.add(key, f"expected true or false, got {shown(value)}{text}")
            return True
        return value

    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the file's order."""
        seeds = self._content.get("seeds", [1])
        good = isinstance(seeds, list) and bool(seeds)
        if not good or not all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds):
            self._problems.add(
                "seeds",
                "expected whole numbers from 0 to 4294967295, such as [1, 2, 3], or how many, "
                f"such as 3 and at most {MOST_SEEDS:,}, got {shown(seeds)}",
            )
            return (1,)
        for seed in sorted(seed for seed, count in Counter(seeds).items() if count > 1):
            self._problems.add("seeds", f"{seed} stands twice; a seed is one replicate")
        return tuple(seeds)

    def where(self, layers: Sequence[Layer]) -> tuple[str, ...]:
        """The conditions."""
        texts = self._content.get("where")
        texts = [] if texts is None else texts if isinstance(texts, list) else [texts]
        own = {f"adversary.{name}" for kind in ADVERSARIES.values() for name in kind.model_fields}
        known = {"task", *own, *(key for layer in layers for key in layer.keys)}
        good = []
        for index, text in enumerate(texts):
            wrong = check_condition(text, known)
            if wrong:
                self._problems.add(f"where.{index}", wrong)
            else:
                good.append(text)
        return tuple(good)


def _keys(value: Any) -> Collection[str]:
    return value.keys() if isinstance(value, Mapping) else ()
