"""What Ray's workers load as they start, while the driver still reads the data.

Room: search. Ray imports this file by its name in each new worker; a trial then finds torch and the
trainer in memory, and nothing there asks the network.
"""

import gc
import os

from freelb_tune.search.ray_tune.machines.cluster import OFFLINE

os.environ.update(OFFLINE)

from freelb_tune.search.ray_tune.workers.trial import run_trial  # noqa: E402 (libraries read OFFLINE on import)
from freelb_tune.training.cells.run_cell import run_cell  # noqa: E402

gc.freeze()  # else each trial's collections walk through all of torch: half a second of a trial

__all__ = ["run_cell", "run_trial"]
