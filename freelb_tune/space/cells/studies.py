"""Where configurations are proposed as results arrive, and the cells that a proposal has.

Room: space. What to propose is a sampler's to say, in the search room.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.reading.layers import Layer
from freelb_tune.space.reading.points import Point
from freelb_tune.space.settings.domains import Choice, Range
from freelb_tune.space.values import Value

__all__ = ["Configured", "Studies", "Study"]


@dataclass(frozen=True)
class Configured:
    """A configuration as it was planned.

    Attributes:
        config_id: its name.
        cells: its own and those of its clean arm, clean ones first, seeds innermost.
    """

    config_id: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Study:
    """One branch beside one combination of its grids.

    Attributes:
        layer: the branch.
        beside: what its grids are here, by dotted name.
    """

    layer: Layer
    beside: Mapping[str, Value]

    @property
    def domains(self) -> Mapping[str, Choice | Range]:
        """What is proposed, by dotted name."""
        return self.layer.drawn

    def takes(self, values: Mapping[str, Value]) -> bool:
        """Whether these are its grids' values, and one inside each of its domains."""
        return (
            values.keys() == {*self.beside, *self.domains}
            and all(values[name] == value for name, value in self.beside.items())
            and all(domain.holds(values[name]) for name, domain in self.domains.items())
        )

    def chosen(self, proposed: Mapping[str, Value]) -> dict[str, Value]:
        """A proposal with the grids' values.

        Raises:
            FreeLBTuneError: a value is missing or outside its domain.
        """
        for name, domain in self.domains.items():
            if not domain.holds(proposed.get(name)):
                raise FreeLBTuneError(
                    f"{name}: expected a proposal {domain}, got {proposed.get(name, 'none')}; "
                    "the sampler is wrong: choose another one under search.sampler"
                )
        return {**{name: proposed[name] for name in self.domains}, **self.beside}

    def highest(self) -> dict[str, Value]:
        """A proposal with the highest of every range, so that no other trains for more epochs."""
        ends = {k: d.ends[1] if isinstance(d, Range) else _most(d) for k, d in self.domains.items()}
        return self.chosen(ends)

    def drawn(self, draw_seed: int, index: int) -> dict[str, Value]:
        """What random search would have drawn."""
        chances = {k: random.Random(f"{draw_seed}/{index}/{k}") for k in self.domains}
        return self.chosen({k: d.draw(chances[k]) for k, d in self.domains.items()})


@dataclass(frozen=True)
class Studies:
    """Every study of a space.

    Attributes:
        each: in the order of branches and grids.
        samples: proposals for each.
        draw_seed: decides their chances.
        points: configurations that the user knows, each as its study's place and its values.
    """

    each: tuple[Study, ...]
    samples: int
    draw_seed: int
    points: tuple[tuple[int, Mapping[str, Value]], ...]
    _configure: Callable[[Layer, Mapping[str, Value]], Configured | None] = field(repr=False)

    @classmethod
    def of(
        cls,
        layers: Sequence[Layer],
        points: Sequence[Point],
        samples: int,
        draw_seed: int,
        configure: Callable[[Layer, Mapping[str, Value]], Configured | None],
    ) -> "Studies":
        """The studies of these branches; one that draws nothing has none."""
        each = tuple(
            Study(layer, beside)
            for layer in layers
            if layer.drawn
            for beside in layer.combinations()
        )
        studies = cls(each, samples, draw_seed, (), configure)
        known = [
            (place, values)
            for point in points
            for values in point.chosen()
            if (place := studies.place(values)) is not None
        ]
        return cls(each, samples, draw_seed, tuple(known), configure)

    def place(self, values: Mapping[str, Value]) -> int | None:
        """The study that these values belong to; None where they belong to none."""
        return next((at for at, study in enumerate(self.each) if study.takes(values)), None)

    def configured(self, place: int, values: Mapping[str, Value]) -> Configured | None:
        """The cells of a study's configuration; None where `where` leaves it out.

        Raises:
            FreeLBTuneError: its values do not go together.
        """
        layer = self.each[place].layer
        try:
            return self._configure(layer, layer.configuration(values))
        except Refusal as refusal:
            raise FreeLBTuneError(f"search.sampler: {refusal}") from refusal

    def stand_ins(self) -> tuple[Cell, ...]:
        """The cells that random search would run in place of those to be proposed."""
        found: dict[str, Cell] = {}
        for index in range(self.samples):
            for place, study in enumerate(self.each):
                drawn = self.configured(place, study.drawn(self.draw_seed, index))
                found |= {cell.id: cell for cell in (drawn.cells if drawn else ())}
        return tuple(found.values())

    def longest(self) -> tuple[Cell, ...]:
        """A cell of each study that trains as long as any, unless `where` leaves that one out."""
        found = []
        for place, study in enumerate(self.each):
            draws = (study.drawn(self.draw_seed, index) for index in range(self.samples))
            tried = (self.configured(place, values) for values in (study.highest(), *draws))
            found += [next((each.cells[-1] for each in tried if each), None)]
        return tuple(filter(None, found))


def _most(choice: Choice) -> Value:
    numbers = [v for v in choice.values if isinstance(v, int | float) and not isinstance(v, bool)]
    return max(numbers) if len(numbers) == len(choice.values) else choice.values[0]
