"""A cell: one fully resolved configuration and one seed, the unit of work and of the store."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

__all__ = ["Cell", "Value", "digest"]

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

Value = bool | int | float | str | None | list[Any] | dict[str, Any]


def digest(content: Mapping[str, Any]) -> str:
    """Name a mapping by its content: 12 hex digits over its sorted JSON."""
    return hashlib.sha256(_CANONICAL.encode(content).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Cell:
    """One configuration and one seed.

    Attributes:
        id: 12 hex digits over everything that can change the cell's numbers.
        config_id: the same without the seed; cells that share it are replicates.
        clean_id: `config_id` of the matched clean arm; its own `config_id` in the clean arm, and
            None where the clean arm is switched off.
        arm: "clean" is the same settings without perturbation.
        seed: seed of the weights' head, the data order, dropout and the noise.
        settings: every setting by its dotted name, e.g. `trainer.learning_rate`,
            `adversary.adv_lr`, `data.max_train_examples`, `task`, `model`.
        data: fingerprint of the data.
        weights: fingerprint of the model's files.
        plugin: fingerprint of the plugin that the adversary comes from; empty for our methods.
    """

    id: str
    config_id: str
    clean_id: str | None
    arm: Literal["adversarial", "clean"]
    seed: int
    settings: dict[str, Value]
    data: str
    weights: str
    plugin: str = ""

    def section(self, name: str) -> dict[str, Value]:
        """The settings under one section, without its prefix: `section("trainer")`."""
        start = f"{name}."
        return {k.removeprefix(start): v for k, v in self.settings.items() if k.startswith(start)}

    def to_json(self) -> dict[str, Any]:
        """A plain mapping, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The cell that `to_json` wrote."""
        return cls(**content)
