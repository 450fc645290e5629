"""One branch of a space: what every setting is there, and the configurations that it spans.

Room: space.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from freelb_tune.space.checking.checks import read_value
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.space.settings.domains import Choice, Domain, Grid, Range
from freelb_tune.space.values import Value

__all__ = ["Layer", "Reference", "Setting", "Tie"]


@dataclass(frozen=True)
class Reference:
    """A setting that takes another's value, cell by cell."""

    target: str


Setting = Value | Domain | Reference
"""What a file says of one setting."""

Tie = Mapping[str, tuple[Value, ...]]
"""Settings whose equally long lists advance together."""


@dataclass(frozen=True)
class Layer:
    """One branch laid over the rest of the file; the whole file where it has no branches.

    Attributes:
        settings: what is said of each setting, by dotted name, in the file's order.
        ties: groups of settings that advance together.
        defaults: of settings that the file does not say; an adversary's own are not among them.
        methods: every adversary that some configuration may have.
    """

    settings: Mapping[str, Setting]
    ties: tuple[Tie, ...]
    defaults: Mapping[str, Value]
    methods: frozenset[str]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every setting that each configuration has, before the adversary's defaults."""
        tied = (key for tie in self.ties for key in tie)
        return tuple(dict.fromkeys([*self.defaults, *self.settings, *tied]))

    @cached_property
    def adversary_keys(self) -> tuple[str, ...]:
        """Those of the adversary."""
        return tuple(key for key in self.keys if key.startswith("adversary."))

    @cached_property
    def other_keys(self) -> tuple[str, ...]:
        """All the others."""
        return tuple(key for key in self.keys if not key.startswith("adversary."))

    @cached_property
    def drawn(self) -> dict[str, Choice | Range]:
        """The settings that are drawn at random."""
        return {k: v for k, v in self.settings.items() if isinstance(v, Choice | Range)}

    @cached_property
    def grid(self) -> tuple[str, ...]:
        """The settings that are spanned, those of grids first, in the file's order."""
        grids = [key for key, value in self.settings.items() if isinstance(value, Grid)]
        return tuple([*grids, *(key for tie in self.ties for key in tie)])

    def size(self, samples: int) -> int:
        """How many configurations there are, before merging and `where`.

        Args:
            samples: draws of the random settings, crossed with the grids.
        """
        return math.prod(map(len, self._axes), start=samples if self.drawn else 1)

    def configurations(self, samples: int, draw_seed: int) -> Iterator[dict[str, Value]]:
        """Every configuration's settings; the first settings of the file change last.

        Args:
            samples: draws of the random settings. Each comes from a stream of its own, so that
                asking for more keeps the first, and a setting more keeps the other settings.
            draw_seed: decides the draws.

        Raises:
            Refusal: a reference brings a value where it may not stand.
        """
        for index in range(samples if self.drawn else 1):
            drawn = {
                key: domain.draw(random.Random(f"{draw_seed}/{index}/{key}"))
                for key, domain in self.drawn.items()
            }
            for combination in self.combinations():
                yield self.configuration({**drawn, **combination})

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Every combination of what is spanned; the first settings of the file change last."""
        for parts in itertools.product(*self._axes):
            yield {key: value for part in parts for key, value in part.items()}

    def configuration(self, chosen: Mapping[str, Value]) -> dict[str, Value]:
        """One configuration's settings.

        Args:
            chosen: a value for everything that is drawn or spanned.

        Raises:
            Refusal: a reference brings a value where it may not stand.
        """
        settings = {**self._fixed, **chosen}
        if self._followed:
            self._follow(settings)
        return settings

    @cached_property
    def _fixed(self) -> dict[str, Value]:
        given = {**self.defaults, **self.settings}
        return {k: v for k, v in given.items() if not isinstance(v, Domain | Reference)}

    @cached_property
    def _axes(self) -> list[list[dict[str, Value]]]:
        """What is spanned: one axis per grid and per tie, each a list of partial settings."""
        grids = [
            [{key: value} for value in setting.values]
            for key, setting in self.settings.items()
            if isinstance(setting, Grid)
        ]
        ties = [
            [dict(zip(tie, row, strict=True)) for row in zip(*tie.values(), strict=True)]
            for tie in self.ties
        ]
        return grids + ties

    @cached_property
    def _followed(self) -> list[tuple[str, str]]:
        """References as (setting, target), each after what it follows."""
        waiting = {k: v.target for k, v in self.settings.items() if isinstance(v, Reference)}
        ordered = []
        while waiting:
            ready = [key for key, target in waiting.items() if target not in waiting]
            assert ready, "the reader refuses references that go round"
            ordered += [(key, waiting.pop(key)) for key in ready]
        return ordered

    @cached_property
    def _read(self) -> dict[str, Value]:
        """Values that references brought, as their settings keep them."""
        return {}

    def _follow(self, settings: dict[str, Value]) -> None:
        own = ADVERSARIES[str(settings["adversary.method"])].model_fields
        for key, target in self._followed:
            section, _, name = key.partition(".")
            if section == "adversary" and name not in own:
                settings[key] = None  # this configuration's method does not read it
                continue
            value = settings[target] if target in settings else _default(target, settings)
            known = f"{key} {value!r}"
            if known not in self._read:
                try:
                    self._read[known] = read_value(key, value, self.methods)
                except Refusal as refusal:
                    raise Refusal(f"{key}: {refusal}, by way of ${{{target}}}") from refusal
            settings[key] = self._read[known]


def _default(key: str, settings: Mapping[str, Value]) -> Value:
    """What an adversary's setting is where the file does not say."""
    fields = ADVERSARIES[str(settings["adversary.method"])].model_fields
    name = key.partition(".")[2]
    value: Value = fields[name].default if name in fields else None
    return value
