"""What this machine has, as Ray will count it, without starting Ray.

Room: search. Loads Ray, which takes a second, where starting it takes many.
"""

from freelb_tune.search.ray_tune.share import find_share
from freelb_tune.space import ResourcesConfig

__all__ = ["check_this_machine"]


def check_this_machine(resources: ResourcesConfig) -> None:
    """Refuse what a Ray started here could not give to any trial; where in doubt, say nothing.

    What is asked for is compared once more with what Ray says that it has.

    Raises:
        FreeLBTuneError: a trial asks for more than this machine has.
    """
    if not (resources.gpu or resources.cpu):
        return  # then a trial takes what there is
    import ray

    if ray.is_initialized():
        return  # that one will be used, and it may be a cluster
    try:
        from ray._private.resource_and_label_spec import ResourceAndLabelSpec

        spec = ResourceAndLabelSpec().resolve(is_head=True)
        machine = {"CPU": float(spec.num_cpus or 0), "GPU": float(spec.num_gpus or 0)}
    except Exception:  # no public interface of Ray's: another version may have it elsewhere
        return
    find_share(resources, [machine])
