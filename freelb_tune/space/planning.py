"""From a `Space` to its cells, in order, each with its name.

Room: space. No torch and no Ray: ten thousand cells take well under a second.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from freelb_tune import TRAINING_VERSION
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.adversary import ADVERSARIES
from freelb_tune.space.cell import Cell, Value, digest
from freelb_tune.space.checks import say
from freelb_tune.space.domains import Domain, Grid
from freelb_tune.space.reading import Reference, Setting, Space
from freelb_tune.space.sections import DataFields, RunFields
from freelb_tune.space.trainer_fields import DEFAULTS
from freelb_tune.space.where import Conditions

__all__ = ["Fingerprint", "Plan", "plan_cells"]

Fingerprint = Callable[[Mapping[str, Value]], str]
NAMED_BY_FINGERPRINT = frozenset(
    f"data.{n}" for n in ("source", "path", "train", "dev", "test", "revision", "advglue")
) | {"model.name", "model.revision", "model.trust_remote_code"}
"""Settings that say where something is; the id has the fingerprint of what is there."""


@dataclass(frozen=True)
class Plan:
    """The cells of a space.

    Attributes:
        cells: configurations in the file's order, seeds innermost; each clean configuration
            before the adversarial ones that it is matched with.
        merged: configurations that were the same as an earlier one.
        excluded: configurations that `where` left out.
    """

    cells: tuple[Cell, ...]
    merged: int
    excluded: int


def plan_cells(
    space: Space,
    *,
    data_fingerprint: Fingerprint,
    model_fingerprint: Fingerprint,
    limit: int | None = 100_000,
) -> Plan:
    """Span a space.

    Args:
        space: what to span.
        data_fingerprint: called once per distinct task and `data` settings of a cell.
        model_fingerprint: called once per distinct `model` settings.
        limit: most cells; None for no limit.

    Raises:
        FreeLBTuneError: there are more cells than that, none at all, or a configuration's
            adversary settings do not go together.
    """
    count = sum(_size(space, _layer(space, branch)) for branch in space.branches)
    count *= len(space.seeds)
    if limit is not None and count > limit:
        raise FreeLBTuneError(
            f"{space.path}: this space has {count:,} cells, more than {limit:,}; "
            "shorten a grid, draw samples with search: {algorithm: random}, or add --yes"
        )
    return _Planner(space, data_fingerprint, model_fingerprint).plan()


def _layer(space: Space, branch: Mapping[str, Setting]) -> dict[str, Setting]:
    """What one branch says of every setting, over the defaults."""
    given = {**space.settings, **branch}
    defaults: dict[str, Setting] = {"task": space.task}
    fields = (("data", DataFields), ("run", RunFields))
    for section, kind in fields:
        values = kind().model_dump(exclude_none=True)
        defaults |= {f"{section}.{name}": value for name, value in values.items()}
    defaults |= {f"trainer.{name}": value for name, value in DEFAULTS.items()}
    if space.search.metric:
        defaults["search.metric"] = space.search.metric
    tied = {key for tie in space.ties for key in tie}
    if space.search.epochs and "trainer.max_steps" not in {*given, *tied}:
        given["trainer.num_train_epochs"] = space.search.epochs
    elif not {"trainer.max_steps", "trainer.num_train_epochs"} & {*given, *tied}:
        defaults["trainer.num_train_epochs"] = 3
    return {**defaults, "adversary.method": "freelb", **given}


def _axes(space: Space, layer: Mapping[str, Setting]) -> list[list[dict[str, Value]]]:
    """What is spanned: one axis per grid and per tie, each a list of partial settings."""
    axes: list[list[dict[str, Value]]] = [
        [{key: value} for value in setting.values]
        for key, setting in layer.items()
        if isinstance(setting, Grid)
    ]
    for tie in space.ties:
        free = {key: values for key, values in tie.items() if key not in space.branches[0]}
        axes.append(
            [dict(zip(free, row, strict=True)) for row in zip(*free.values(), strict=True)] or [{}]
        )
    return axes


def _draws(space: Space, layer: Mapping[str, Setting]) -> Iterator[dict[str, Value]]:
    """The drawn settings, each from a stream of its own: more samples keep the first ones."""
    drawn = {k: v for k, v in layer.items() if isinstance(v, Domain) and not isinstance(v, Grid)}
    for index in range(space.search.samples if drawn else 1):
        yield {
            key: domain.draw(random.Random(f"{space.search.draw_seed}/{index}/{key}"))
            for key, domain in drawn.items()
            if not isinstance(domain, Grid)
        }


def _size(space: Space, layer: Mapping[str, Setting]) -> int:
    count = 1
    for axis in _axes(space, layer):
        count *= len(axis)
    drawn = any(isinstance(v, Domain) and not isinstance(v, Grid) for v in layer.values())
    return count * (space.search.samples if drawn else 1)


class _Planner:
    """Builds configurations in order and names their cells."""

    def __init__(self, space: Space, data: Fingerprint, model: Fingerprint) -> None:
        self.space = space
        self._fingerprints = {"data": data, "model": model}
        self._seen: dict[str, str] = {}
        self._adversaries: dict[str, dict[str, Value]] = {}
        self._configs: dict[str, list[Cell]] = {}
        self._bases: dict[str, _Base] = {}
        self.merged = 0

    def plan(self) -> Plan:
        conditions, excluded = Conditions(self.space.where), 0
        for settings in self._configurations():
            if not conditions.hold(settings):
                excluded += 1
                continue
            self._take(settings)
        if not self._configs:
            raise FreeLBTuneError(
                f"{self.space.path}: where leaves none of {excluded} configurations; relax it"
            )
        cells = tuple(cell for config in self._configs.values() for cell in config)
        return Plan(cells, self.merged, excluded)

    def _configurations(self) -> Iterator[dict[str, Value]]:
        for branch in self.space.branches:
            layer = _layer(self.space, branch)
            axes = _axes(self.space, layer)
            fixed = {k: v for k, v in layer.items() if not isinstance(v, Domain | Reference)}
            references = {k: v.target for k, v in layer.items() if isinstance(v, Reference)}
            for drawn in _draws(self.space, layer):
                for combination in itertools.product(*axes):
                    settings = {**fixed, **drawn}
                    for part in combination:
                        settings.update(part)
                    yield self._complete(settings, references)

    def _complete(self, settings: dict[str, Any], references: dict[str, str]) -> dict[str, Value]:
        """Follow the references and fill the adversary's defaults in."""
        waiting = dict(references)
        while waiting:
            ready = [k for k, target in waiting.items() if target not in waiting]
            for key in ready:
                settings[key] = settings.get(waiting.pop(key))
        own = {k: v for k, v in settings.items() if k.startswith("adversary.")}
        key = repr(sorted(own.items()))
        if key not in self._adversaries:
            self._adversaries[key] = self._adversary(own)
        for name in own:
            del settings[name]
        settings.update(self._adversaries[key])
        return settings

    def _adversary(self, own: Mapping[str, Any]) -> dict[str, Value]:
        content = {k.partition(".")[2]: v for k, v in own.items()}
        kind = ADVERSARIES[content["method"]]
        unread = sorted(set(content) - set(kind.model_fields))
        if unread and len(self.space.branches) == 1:
            raise FreeLBTuneError(
                f"{self.space.path}: adversary.{unread[0]}: {content['method']} does not read it; "
                "take it out, or give each method its own settings under branches:"
            )
        content = {k: v for k, v in content.items() if k in kind.model_fields}
        try:
            whole = kind.model_validate(content)
        except ValidationError as err:
            told = "; ".join(say([error], content) for error in err.errors())
            raise FreeLBTuneError(f"{self.space.path}: adversary {content}: {told}") from err
        return {f"adversary.{name}": value for name, value in whole.model_dump().items()}

    def _take(self, settings: dict[str, Value]) -> None:
        """Name one configuration, after the clean one that it is matched with."""
        base = {k: v for k, v in settings.items() if not k.startswith("adversary.")}
        own = {k: v for k, v in settings.items() if k.startswith("adversary.")}
        clean = {"adversary.method": "none"}
        known = self._base(base)
        clean_id = known.name(clean)
        if own["adversary.method"] == "none":
            self.merged += not self._add(clean_id, {**base, **clean}, known, clean_id)
            return
        if self.space.clean_arm:
            self._add(clean_id, {**base, **clean}, known, clean_id)
        matched = clean_id if self.space.clean_arm else None
        self.merged += not self._add(known.name(own), settings, known, matched)

    def _add(
        self, config_id: str, settings: dict[str, Value], base: "_Base", clean_id: str | None
    ) -> bool:
        """Add a configuration's cells; False if they are there already."""
        if config_id in self._configs:
            return False
        self._configs[config_id] = [
            Cell(
                id=digest({"config": config_id, "seed": seed}),
                config_id=config_id,
                clean_id=clean_id,
                arm="clean" if settings["adversary.method"] == "none" else "adversarial",
                seed=seed,
                settings=settings,
                data=base.data,
                weights=base.weights,
            )
            for seed in self.space.seeds
        ]
        return True

    def _base(self, settings: Mapping[str, Value]) -> "_Base":
        """A configuration without its adversary, named once for all adversaries."""
        key = repr(settings)
        if key not in self._bases:
            data, weights = self._prints(settings)
            content = {k: v for k, v in settings.items() if k not in NAMED_BY_FINGERPRINT}
            content |= {"data": data, "weights": weights, "version": TRAINING_VERSION}
            self._bases[key] = _Base(digest(content), data, weights)
        return self._bases[key]

    def _prints(self, settings: Mapping[str, Value]) -> tuple[str, str]:
        """Fingerprints of a configuration's data and model, asked once for each."""
        found = []
        for section in ("data", "model"):
            own = {k: v for k, v in settings.items() if k.startswith(f"{section}.") or k == "task"}
            key = repr((section, own))
            if key not in self._seen:
                self._seen[key] = self._fingerprints[section](settings)
            found.append(self._seen[key])
        return found[0], found[1]


@dataclass(frozen=True)
class _Base:
    """Everything of a configuration but its adversary.

    Attributes:
        digest: of the settings and fingerprints.
        data: fingerprint of the data.
        weights: fingerprint of the model.
    """

    digest: str
    data: str
    weights: str

    def name(self, adversary: Mapping[str, Value]) -> str:
        """The id of the configuration that this makes with an adversary."""
        return digest({"base": self.digest, **adversary})
