"""What a space spans: its cells, and where more are proposed.

Room: space.
"""

from dataclasses import dataclass, field, replace

from freelb_tune.space.cell import Cell
from freelb_tune.space.studies import Studies

__all__ = ["Plan"]


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
    """

    cells: tuple[Cell, ...]
    merged: int
    excluded: int
    studies: Studies | None = field(default=None, compare=False, repr=False)

    @property
    def compared(self) -> int:
        """How many configurations are compared: clean ones only where there are no others."""
        tried = {cell.config_id for cell in self.cells if cell.arm == "adversarial"}
        return len(tried or {cell.config_id for cell in self.cells})

    @property
    def clean(self) -> int:
        """How many clean arms those are compared with."""
        arms = [cell for cell in self.cells if cell.arm == "adversarial"]
        return len({cell.clean_id for cell in arms if cell.clean_id is not None})

    def as_if_drawn(self) -> "Plan":
        """The plan with random draws in place of what is to be proposed."""
        if self.studies is None:
            return self
        cells = {cell.id: cell for cell in (*self.cells, *self.studies.stand_ins())}
        return replace(self, cells=tuple(cells.values()), studies=None)
