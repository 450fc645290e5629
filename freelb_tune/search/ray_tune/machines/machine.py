"""What this machine lacks for sure, told before Ray is started.

Room: search. Does not load Ray.
"""

import os
import sys

from freelb_tune.search.ray_tune.machines.share import find_share, may_have_accelerators
from freelb_tune.space import ResourcesConfig

__all__ = ["check_this_machine"]


def check_this_machine(resources: ResourcesConfig) -> None:
    """Refuse what a Ray started here could not give to any trial; where in doubt, say nothing.

    Ray never counts more cores than Python does, and finds no GPU where there is no device file.
    What is asked for is compared once more with what Ray says that it has.

    Raises:
        FreeLBTuneError: a trial asks for more than this machine has.
    """
    if not (resources.gpu or resources.cpu):
        return  # then a trial takes what there is
    ray = sys.modules.get("ray")  # importing it is for `running_ray` to do
    if ray is not None and ray.is_initialized():
        return  # that one will be used, and it may be a cluster
    if may_have_accelerators() or sys.platform != "linux":  # how many, Ray will say
        resources = resources.model_copy(update={"gpu": 0.0})
    find_share(resources, [{"CPU": float(os.cpu_count() or 1), "GPU": 0.0}])
