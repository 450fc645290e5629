"""What a space spans: its cells, and where more are proposed.

Room: space.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.studies import Studies
from freelb_tune.space.cells.twins import Twin

__all__ = ["Part", "Plan"]


@dataclass(frozen=True)
class Part:
    """Which part of a plan one is.

    Attributes:
        number: 1 for the first.
        of: how many there are.
        whole: ids of the whole plan's cells, in its order.
    """

    number: int
    of: int
    whole: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Plan:
    """The cells of a space.

    Attributes:
        cells: configurations in the file's order, seeds innermost; each clean configuration
            before the first adversarial one that it is matched with.
        merged: configurations that were the same as an earlier one.
        excluded: configurations that `where` left out.
        studies: where further configurations are proposed as results arrive; None for a search
            whose cells are all here.
        twins: configurations that train the same as an earlier one, by their names; none where
            further ones are proposed.
        part: which part of a plan it is; None for a whole one.
    """

    cells: tuple[Cell, ...]
    merged: int
    excluded: int
    studies: Studies | None = field(default=None, compare=False, repr=False)
    twins: Mapping[str, Twin] = field(default_factory=dict)
    part: Part | None = None

    @property
    def compared(self) -> int:
        """How many configurations are compared: clean ones only where there are no others."""
        cells = self.distinct().cells
        tried = {cell.config_id for cell in cells if cell.arm == "adversarial"}
        return len(tried or {cell.config_id for cell in cells})

    @property
    def clean(self) -> int:
        """How many clean arms those are compared with."""
        arms = [cell for cell in self.cells if cell.arm == "adversarial"]
        return len({cell.clean_id for cell in arms if cell.clean_id is not None})

    def distinct(self) -> "Plan":
        """The plan without configurations that train the same as an earlier one."""
        if not self.twins:
            return self
        cells = tuple(cell for cell in self.cells if cell.config_id not in self.twins)
        return replace(self, cells=cells, twins={})

    def as_if_drawn(self) -> "Plan":
        """The plan with random draws in place of what is to be proposed."""
        if self.studies is None:
            return self
        cells = {cell.id: cell for cell in (*self.cells, *self.studies.stand_ins())}
        return replace(self, cells=tuple(cells.values()), studies=None)
