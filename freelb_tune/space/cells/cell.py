"""A cell: one fully resolved configuration and one seed, the unit of work and of the store.

Room: space. Files, the journal and ids have its settings by dotted name; code asks for its
sections, typed objects that are read from those once, when they are first asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from math import ceil
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.checking.checks import (
    read_shape,
    read_trainer,
    read_whole,
    section_of,
)
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.settings.adversaries import (
    ADVERSARIES,
    DEFAULT_METHOD,
    PLUGINS,
    AdversarySettings,
)
from freelb_tune.space.settings.sections import (
    DataFields,
    FoldFields,
    Inputs,
    LossFields,
    ModelFields,
    RunFields,
)
from freelb_tune.space.settings.trainer_section import TrainerFields
from freelb_tune.space.values import Value, digest

__all__ = ["Block", "Cell", "Value", "digest"]

_Section = TypeVar("_Section")


_Name = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
"""An id names a folder: one with a path in it would lead elsewhere."""


class _Stored(BaseModel):
    """A cell as the journal has it; `data` and `weights` are fingerprints there."""

    model_config = ConfigDict(strict=True, defer_build=True)

    id: _Name
    config_id: _Name
    clean_id: _Name | None
    arm: Literal["adversarial", "clean"]
    seed: int
    settings: dict[str, Any]
    data: str
    weights: str
    plugin: str = ""
    fold: int | None = None


class Block(NamedTuple):
    """What a configuration's cells differ in, and all configurations share: those are compared.

    Attributes:
        seed: the seed.
        fold: the fold, 1 for the first; 0 where all cells have one dev set.
    """

    seed: int
    fold: int = 0

    def __str__(self) -> str:
        return f"{self.seed}, fold {self.fold}" if self.fold else str(self.seed)


@dataclass(frozen=True)
class Cell:
    """One configuration and one seed; with `data.folds`, also one fold.

    A section raises `FreeLBTuneError` where the settings, which may come from a file that somebody
    has edited, are not what a search space could have said.

    Attributes:
        id: 12 hex digits over everything that can change the cell's numbers.
        config_id: the same without the seed; cells that share it are replicates.
        clean_id: `config_id` of the matched clean arm; its own `config_id` in the clean arm, and
            None where the clean arm is switched off.
        arm: "clean" is the same settings without perturbation.
        seed: seed of the weights' head, the data order, dropout and the noise.
        settings: every setting by its dotted name, e.g. `trainer.learning_rate`,
            `adversary.adv_lr`, `data.max_train_examples`, `task`: the form that is stored.
        data_fingerprint: of the data.
        weights: fingerprint of the model's files.
        plugin: fingerprint of the plugin that the adversary comes from; empty for our methods.
        fold: the fold that is its dev set, 1 for the first; None where the data has a dev set.
    """

    id: str
    config_id: str
    clean_id: str | None
    arm: Literal["adversarial", "clean"]
    seed: int
    settings: dict[str, Value]
    data_fingerprint: str
    weights: str
    plugin: str = ""
    fold: int | None = None

    @property
    def block(self) -> Block:
        """What cells that are compared have in common: seed and fold."""
        return Block(self.seed, self.fold or 0)

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.settings["task"])

    @property
    def metric(self) -> str | None:
        """The metric that the space ranks by; None for the task's first."""
        metric = self.settings.get("search.metric")
        return None if metric is None else str(metric)

    @cached_property
    def adversary(self) -> AdversarySettings:
        """How batches are perturbed: the settings class of the cell's method.

        Raises:
            FreeLBTuneError: as for every section; also where the method is a plugin's that is not
                loaded, or whose code is not what the cell was planned with.
        """
        content = {"method": DEFAULT_METHOD, **self._section("adversary")}
        method = str(content["method"])
        if method not in ADVERSARIES:
            hint = f"{method!r} was a plugin's; name it with --plugin: " if self.plugin else ""
            raise FreeLBTuneError(f"adversary.method: {hint}{unknown_name(method, ADVERSARIES)}")
        if self.plugin and self.plugin != PLUGINS.get(method):
            raise FreeLBTuneError(
                f"adversary.method: the plugin of {method!r} has changed since cell {self.id} was "
                "planned; put it back as it was, or start the search again, which runs it as it "
                "is now"
            )
        return self._read(lambda: read_whole("adversary", ADVERSARIES[method], content))

    @cached_property
    def data(self) -> DataFields:
        """Where the rows come from, and how many tokens and examples are taken."""
        found = self._read(lambda: read_whole("data", DataFields, self._section("data")))
        if self.fold is None:
            return found
        return FoldFields(**dict(found), fold=self.fold)

    @cached_property
    def model(self) -> ModelFields:
        """What is fine-tuned."""
        return self._read(lambda: read_whole("model", ModelFields, self._section("model")))

    @property
    def inputs(self) -> Inputs:
        """What the cell learns, from which rows, and from which model on."""
        return Inputs(self.task, self.data, self.model)

    @cached_property
    def trainer(self) -> TrainerFields:
        """The fields of `TrainingArguments` that are set."""
        return self._read(lambda: read_trainer(self._section("trainer")))

    @cached_property
    def loss(self) -> LossFields:
        """What is minimised."""
        return self._read(lambda: read_whole("loss", LossFields, self._section("loss")))

    @cached_property
    def run(self) -> RunFields:
        """How the cell is computed."""
        return self._read(lambda: read_whole("run", RunFields, self._section("run")))

    @property
    def whole_epochs(self) -> int | None:
        """Epochs that it is trained for; None where `trainer.max_steps` says how long instead."""
        steps = self.settings.get("trainer.max_steps")
        epochs = self.settings.get("trainer.num_train_epochs")
        is_told = isinstance(epochs, int | float) and not (isinstance(steps, int) and steps > 0)
        return ceil(cast(float, epochs)) if is_told else None

    def to_json(self) -> dict[str, Any]:
        """A plain mapping, ready for JSON."""
        content = self.__getstate__()
        if self.fold is None:
            del content["fold"]
        return {"data" if k == "data_fingerprint" else k: v for k, v in content.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The cell that `to_json` wrote.

        Raises:
            ValueError: something is missing or of another type; says what.
        """
        stored = vars(read_shape(_Stored, content))
        return cls(data_fingerprint=stored.pop("data"), **stored)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: a section may be of a plugin's class, unknown where this travels to."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def _section(self, name: str) -> dict[str, Value]:
        return section_of(self.settings, name)

    def _read(self, read: Callable[[], _Section]) -> _Section:
        try:
            return read()
        except Refusal as refusal:
            raise FreeLBTuneError(f"cell {self.id}: {refusal}") from refusal
