"""What does the file mean, and which cells does it span? No torch, no Ray, no training."""

from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.space.cells.listing import list_plan
from freelb_tune.space.cells.plan import Plan
from freelb_tune.space.cells.planning import plan_cells
from freelb_tune.space.json_schema import json_schema
from freelb_tune.space.reading.space import Space, load_space
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.space.settings.algorithms import ALGORITHMS, AlgorithmSettings
from freelb_tune.space.settings.sections import Inputs, ResourcesConfig

__all__ = [
    "ADVERSARIES",
    "ALGORITHMS",
    "AlgorithmSettings",
    "Cell",
    "Inputs",
    "Plan",
    "ResourcesConfig",
    "Space",
    "digest",
    "json_schema",
    "list_plan",
    "load_space",
    "plan_cells",
]
