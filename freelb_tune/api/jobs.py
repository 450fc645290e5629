"""Searches that run as jobs of a Ray cluster.

Room: api. Loads Ray. `address` is that of the cluster's dashboard, http://HOST:8265.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.jobs import Jobs
from freelb_tune.space import Space
from freelb_tune.space.cells.parts import part_folder
from freelb_tune.store.folders.archive import read_printed, unpack
from freelb_tune.store.remote.place import uri_of

__all__ = ["fetch", "log_of", "state_of", "stop", "submit"]


def submit(
    space: Space,
    results: str,
    address: str,
    *,
    plugins: Sequence[str] = (),
    shard: str | None = None,
    retry_failed: bool = False,
    yes: bool = False,
) -> tuple[str, list[str]]:
    """Have a cluster run a search, or go on with it.

    Args:
        space: what to search.
        results: an absolute path that all of the cluster's machines see, or a URI.
        address: the cluster.
        plugins: files or modules.
        shard: as for `search`.
        retry_failed: run failed and diverged cells again.
        yes: run a search of any size.

    Returns:
        The job's id, and what else there is to say.

    Raises:
        FreeLBTuneError: the path is none, or the cluster does not answer or refuses.
    """
    if not PurePosixPath(results).is_absolute() and uri_of(results) is None:
        raise FreeLBTuneError(
            f"--results {results}: expected the absolute path of a folder that all machines of the "
            "cluster see, such as /mnt/shared/results, or a URI"
        )
    asked = {"--retry-failed": retry_failed, "--yes": yes}
    options = [name for name, is_on in asked.items() if is_on]
    options += [] if shard is None else ["--shard", shard]
    folder = part_folder(space.name, shard)
    return Jobs(address).submit(space, results, plugins=plugins, options=options, folder=folder)


def state_of(job: str, address: str) -> str:
    """How a job stands, in words.

    Raises:
        FreeLBTuneError: there is no such job, or the cluster does not answer.
    """
    jobs = Jobs(address)
    told = jobs.told(job)
    lines = [line for line in jobs.log(job).splitlines() if line.strip()]
    said = [f"{job}: {told.state.lower()}, results in {told.folder} on the cluster"]
    return "\n".join([*said, *([told.message] if told.is_over else []), *lines[-1:]])


def log_of(job: str, address: str) -> str:
    """What a job has printed.

    Raises:
        FreeLBTuneError: as `state_of`.
    """
    return Jobs(address).log(job)


def stop(job: str, address: str) -> bool:
    """End a job as Ctrl-C would, and wait for it; submitted again it goes on.

    Returns:
        Whether it was running.

    Raises:
        FreeLBTuneError: as `state_of`.
    """
    return Jobs(address).stop(job)


def fetch(job: str, address: str, into: Path | None = None) -> Path:
    """Bring a job's results here: journal, logs, predictions and tables, without weights.

    Args:
        job: its id.
        address: the cluster.
        into: the folder; None for `results/NAME`. An earlier state of the same is replaced.

    Returns:
        The folder.

    Raises:
        FreeLBTuneError: as `state_of`; the results are too many, or something else is in the way.
    """
    jobs = Jobs(address)
    told = jobs.told(job).folder
    if uri_of(told):
        raise FreeLBTuneError(
            f"{job}: its results are at {told} and need no fetching: `freelb-tune report {told}`"
        )
    name = PurePosixPath(told).name
    folder = Path("results") / name if into is None else into
    unpack(read_printed(jobs.archive(job)), folder)
    return folder
