"""From a `Space` to its cells, in order, each with its name.

Room: space. No torch and no Ray: ten thousand cells take a fraction of a second.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from freelb_tune import TRAINING_VERSION
from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.plan import Plan
from freelb_tune.space.cells.studies import Configured, Studies, Study
from freelb_tune.space.cells.twins import Examples, find_twins
from freelb_tune.space.checking.checks import read_trainer, read_whole, section_of
from freelb_tune.space.checking.conditions import Conditions
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.reading.layers import Layer, Reference
from freelb_tune.space.reading.space import Space
from freelb_tune.space.settings.adapters import ADAPTER_TYPE, FULL, kept_adapter
from freelb_tune.space.settings.adversaries import ADVERSARIES, PLUGINS
from freelb_tune.space.settings.algorithms import Drawing
from freelb_tune.space.settings.sections import DataFields, Inputs, ModelFields
from freelb_tune.space.values import Value, digest

__all__ = ["Fingerprint", "plan_cells"]

Fingerprint = Callable[[Inputs], str]
"""What stands in a cell's id for the files that its settings point at."""

NAMED_BY_FINGERPRINT = frozenset(
    f"data.{n}"
    for n in (
        *("source", "path", "train", "dev", "test", "revision", "advglue", "also", "separator"),
        *("file", "dev_share", "folds", "split_seed", "quotes", "encoding", "alike_labels"),
    )
) | {"model.name", "model.revision", "model.trust_remote_code"}
"""Settings that say where something is; the id has the fingerprint of what is there."""

_CHANGES_NO_NUMBER = frozenset({"run.keep_adapter"})
_WEIGHTS = "loss.class_weights"
MENDED = {"trainer.neftune_noise_alpha": 1, "trainer.dataloader_drop_last": 1}
"""Settings that did something else before, and how often that changed: a part of the ids of the
cells that switch them on, so that their old numbers stay theirs."""


def plan_cells(
    space: Space,
    *,
    data_fingerprint: Fingerprint,
    model_fingerprint: Fingerprint,
    limit: int | None = 100_000,
    examples: Examples = lambda _: None,
) -> Plan:
    """Span a space.

    Args:
        space: what to span.
        data_fingerprint: called once per distinct `data` settings.
        model_fingerprint: called once per distinct `data` and `model` settings.
        limit: most cells, counted without building them; None for no limit.
        examples: of a cell's training set, where they decide whether it perturbs at all.

    Raises:
        FreeLBTuneError: there are more cells than that, none at all, a configuration's adversary
            settings do not go together, or a condition cannot be evaluated.
    """
    if limit is not None and space.size > limit:
        raise FreeLBTuneError(
            f"{space.source}: this space spans {space.size:,} cells, more than {limit:,}; "
            "shorten a grid, draw samples with search: {algorithm: random}, or add --yes (in "
            "Python: most_cells=None)"
        )
    try:
        plan = _Planner(space, data_fingerprint, model_fingerprint).plan()
        return plan if plan.studies else replace(plan, twins=find_twins(plan.cells, examples))
    except Refusal as refusal:
        raise FreeLBTuneError(f"{space.source}: {refusal}") from refusal


def _name(*digests: str) -> str:
    """Name what is made of parts that have names: as `digest`, several times faster."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Part:
    """A configuration's adversary, or all the rest of it, with a digest of what it says.

    Attributes:
        settings: by dotted name.
        digest: of them, and of what they point at.
        sections: those that have been read, which a first cell need not read again.
    """

    settings: dict[str, Value]
    digest: str
    sections: dict[str, Any]
    data: str = ""
    weights: str = ""
    plugin: str = ""


class _Planner:
    """Builds configurations in order and names their cells; equal parts are read once."""

    def __init__(self, space: Space, data: Fingerprint, model: Fingerprint) -> None:
        self._space = space
        self._fingerprints = data, model
        self._prints: dict[str, str] = {}
        self._parts: dict[str, _Part] = {}
        self._cells: dict[str, list[Cell]] = {}
        self._clean_ids: dict[str, str] = {}
        self._clean = self._adversary({"adversary.method": "none"})
        folds = range(1, space.folds + 1) if space.folds else (None,)
        self._blocks = [(seed, fold) for seed in space.seeds for fold in folds]
        self._conditions, self._has_conditions = Conditions(space.where), bool(space.where)

    def plan(self) -> Plan:
        search = self._space.search
        draws = (search.samples, search.draw_seed) if isinstance(search, Drawing) else (1, 0)
        pointed = self._points()
        spanned: set[str] = set()
        merged = excluded = 0
        for layer in self._space.layers:
            self._parts.clear()  # other settings have other places there
            if search.proposes and layer.drawn:
                self._clean_arms(layer)
                continue
            for settings in layer.configurations(*draws):
                config_id = self._configuration(layer, settings)
                if config_id is None:
                    excluded += 1
                    continue
                merged += config_id in spanned
                spanned.add(config_id)
        studies = None
        if search.proposes and isinstance(search, Drawing):
            layers, points = self._space.layers, self._space.points
            studies = Studies.of(layers, points, *draws, self._configured)
        if not spanned and not pointed and studies is None:
            raise FreeLBTuneError(
                f"{self._space.source}: where leaves none of "
                f"{counted(excluded, 'configuration')}; relax it"
            )
        cells = tuple(cell for cells in self._cells.values() for cell in cells)
        return Plan(cells, merged, excluded, studies)

    def _clean_arms(self, layer: Layer) -> None:
        """Add the clean arms of what is proposed, where they are the same for all proposals."""
        varies = any(
            key in layer.drawn or isinstance(layer.settings.get(key), Reference)
            for key in layer.other_keys
        )
        if self._space.clean_arm and not varies and not self._has_conditions:
            for beside in layer.combinations():
                settings = layer.configuration(Study(layer, beside).highest())
                self._clean_arm(self._part("rest", layer.other_keys, settings))

    def _configured(self, layer: Layer, settings: Mapping[str, Value]) -> Configured | None:
        """The cells of a configuration that is proposed, planned as any other."""
        self._parts.clear()
        config_id = self._configuration(layer, settings)
        if config_id is None:
            return None
        own = self._cells[config_id]
        clean = self._cells.get(own[0].clean_id or "", [])
        return Configured(config_id, (*(c for c in clean if clean is not own), *own))

    def _points(self) -> set[str]:
        """Add the configurations that run first."""
        found: set[str] = set()
        for point in self._space.points:
            self._parts.clear()
            layer = point.layer
            ids = [self._configuration(layer, layer.configuration(c)) for c in point.chosen()]
            if not any(ids):
                raise FreeLBTuneError(
                    f"{self._space.source}: search.points.{point.place}: where leaves it out; "
                    "change one of the two"
                )
            found.update(filter(None, ids))
        return found

    def _configuration(self, layer: Layer, settings: Mapping[str, Value]) -> str | None:
        """Add one configuration and its clean arm; gives its name, None where it is left out."""
        adversary = self._part("adversary", layer.adversary_keys, settings)
        rest = self._part("rest", layer.other_keys, settings)
        if self._has_conditions and not self._conditions.hold(rest.settings | adversary.settings):
            return None
        return self._take(rest, adversary)

    def _part(self, kind: str, keys: Sequence[str], settings: Mapping[str, Value]) -> _Part:
        found = f"{kind} {[settings[key] for key in keys]}"
        if found not in self._parts:
            own = {key: settings[key] for key in keys}
            self._parts[found] = self._adversary(own) if kind == "adversary" else self._rest(own)
        return self._parts[found]

    def _adversary(self, own: Mapping[str, Value]) -> _Part:
        """The method's settings with its defaults; those that it does not read are left out."""
        kind = ADVERSARIES[str(own["adversary.method"])]
        content = section_of(own, "adversary")
        content = {name: value for name, value in content.items() if name in kind.model_fields}
        whole = read_whole("adversary", kind, content)
        settings = {f"adversary.{name}": value for name, value in whole.model_dump().items()}
        plugin = PLUGINS.get(whole.method, "")
        content = {**settings, "plugin": plugin} if plugin else settings
        return _Part(settings, digest(content), {"adversary": whole}, plugin=plugin)

    def _rest(self, own: dict[str, Value]) -> _Part:
        settings: dict[str, Value] = {"task": self._space.task, **kept_adapter(own)}
        if self._space.search.metric:
            settings["search.metric"] = self._space.search.metric
        data, weights = self._print(settings)
        unnamed = NAMED_BY_FINGERPRINT | _CHANGES_NO_NUMBER
        content = {k: v for k, v in settings.items() if k not in unnamed}
        if content.get(ADAPTER_TYPE) == FULL:
            del content[ADAPTER_TYPE]  # as a file that says nothing of adapters
        if content.get(_WEIGHTS, "") is None:
            del content[_WEIGHTS]  # no weights are what a file has that says nothing of them
        content |= {"data": data, "weights": weights, "version": TRAINING_VERSION}
        content |= {f"{key} mended": n for key, n in MENDED.items() if settings.get(key)}
        sections = {"trainer": read_trainer(section_of(settings, "trainer"))}
        return _Part(settings, digest(content), sections, data, weights)

    def _print(self, settings: Mapping[str, Value]) -> tuple[str, str]:
        """What stands for the data and for the model, whose own head goes by the data's labels."""
        own = {name: section_of(settings, name) for name in ("data", "model")}
        own["model"].pop("adapter", None)  # whatever is put into it, the files are the same
        rows, whole = (f"{name} {sorted(own[name].items())}" for name in own)
        whole += rows
        if whole not in self._prints:
            data, model = self._fingerprints
            inputs = Inputs(
                self._space.task,
                read_whole("data", DataFields, own["data"]),
                read_whole("model", ModelFields, own["model"]),
            )
            if rows not in self._prints:
                self._prints[rows] = data(inputs)
            self._prints[whole] = model(inputs)
        return self._prints[rows], self._prints[whole]

    def _take(self, rest: _Part, adversary: _Part) -> str:
        """Add one configuration, after the clean one that it is matched with."""
        if adversary.settings["adversary.method"] == "none":
            return self._add(rest, adversary, "clean", None)
        if self._space.clean_arm:
            self._clean_arm(rest)
        return self._add(rest, adversary, "adversarial", self._clean_ids.get(rest.digest))

    def _clean_arm(self, rest: _Part) -> None:
        """Add the clean configuration that goes with these settings, once."""
        if rest.digest not in self._clean_ids:
            self._clean_ids[rest.digest] = self._add(rest, self._clean, "clean", None)

    def _add(
        self,
        rest: _Part,
        adversary: _Part,
        arm: Literal["adversarial", "clean"],
        clean_id: str | None,
    ) -> str:
        """Add a configuration's cells, unless they are there; gives its name."""
        config_id = _name(rest.digest, adversary.digest)
        if config_id not in self._cells:
            settings = {**rest.settings, **adversary.settings}
            self._cells[config_id] = [
                Cell(
                    id=_name(config_id, str(seed), *([f"fold {fold}"] if fold else [])),
                    config_id=config_id,
                    clean_id=config_id if arm == "clean" else clean_id,
                    arm=arm,
                    seed=seed,
                    settings=settings,
                    data_fingerprint=rest.data,
                    weights=rest.weights,
                    plugin=adversary.plugin,
                    fold=fold,
                )
                for seed, fold in self._blocks
            ]
            vars(self._cells[config_id][0]).update(rest.sections | adversary.sections)
        return config_id
