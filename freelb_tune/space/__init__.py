"""What does the file mean, and which cells does it span? No torch, no Ray, no training."""

from freelb_tune.space.adversary_settings import ADVERSARIES, AdversarySettings
from freelb_tune.space.algorithms import ALGORITHMS, AlgorithmSettings
from freelb_tune.space.cell import Cell, Value, digest
from freelb_tune.space.json_schema import json_schema
from freelb_tune.space.listing import list_plan
from freelb_tune.space.plan import Plan
from freelb_tune.space.planning import plan_cells
from freelb_tune.space.reading import Space, load_space
from freelb_tune.space.sections import Inputs, ResourcesConfig, TableConfig, VerdictConfig

__all__ = [
    "ADVERSARIES",
    "ALGORITHMS",
    "AdversarySettings",
    "AlgorithmSettings",
    "Cell",
    "Inputs",
    "Plan",
    "ResourcesConfig",
    "Space",
    "TableConfig",
    "Value",
    "VerdictConfig",
    "digest",
    "json_schema",
    "list_plan",
    "load_space",
    "plan_cells",
]
