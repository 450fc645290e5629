"""`freelb-tune plan`: what a search would run, could show, and costs.

Room: cli.
"""

import json
import sys
from pathlib import Path

from freelb_tune.cli.options import Data, Json, Overrides, Plugins, Results, Shard, SpaceFile, Yes
from freelb_tune.cli.terminal import tell

__all__ = ["plan"]


def plan(
    space: SpaceFile,
    overrides: Overrides = None,
    results: Results = Path("results"),
    data: Data = None,
    shard: Shard = None,
    plugin: Plugins = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """List every cell of a space, what it could show, and what it costs. Runs nothing."""
    from freelb_tune.api.plans import MOST_CELLS, plan
    from freelb_tune.api.spaces import load_space
    from freelb_tune.progress import waiting

    asked = load_space(space, overrides or (), data=data, plugins=plugin or ())
    with waiting("reading the data and looking at the models", tell):
        planned = plan(asked, results, most_cells=None if yes else MOST_CELLS, shard=shard)
    if as_json:
        print(json.dumps(planned.to_json(), indent=2))
        return
    print(*planned.notes, sep="\n", end="\n" * bool(planned.notes), file=sys.stderr)
    print(planned.listing, flush=True)
    with waiting("looking at lengths, power and cost", tell):
        sentences = planned.sentences  # which the list need not wait for
    print(*sentences, sep="\n")
