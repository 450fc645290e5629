"""Ray itself: starting it here, or joining a cluster, and what its machines have.

Room: search. Ray's files are scratch: they live in a folder of their own that goes when the
search ends, and what a killed search left of it goes when the next one starts.
"""

import hashlib
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.machines.address import check_address
from freelb_tune.search.ray_tune.machines.lifeline import Lifeline, watched_ray
from freelb_tune.search.ray_tune.machines.quiet import ray_kept_quiet
from freelb_tune.search.ray_tune.machines.token import secure_token

__all__ = [
    "OFFLINE",
    "TRIAL_ENVIRONMENT",
    "Running",
    "machines",
    "running_ray",
    "using_ready_workers",
]

_DRIVER_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",  # else pages that were held back are printed at the end
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints boxes even with verbose=0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # Ray's files repeat or lose lines
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # we end at once: everything known is on disk
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Ray's snapshots are never read
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none
}
"""For the driver while Ray runs."""

_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has a new Ray call this machine 127.0.0.1, as it does on a Mac: then all of its processes listen
there alone. Ray reads it when it is imported."""

TRIAL_ENVIRONMENT = {
    # How long a stopped trial may take to unwind; after Ray's own 2 s the NEXT trial on that
    # worker fails without having run (ray issue 29268).
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "120",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # On a CPU torch keeps something small for each of the last 1,024 shapes of product. Between
    # batches of ever new lengths that cuts the memory up, and a worker's peak grew with each trial.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16",
}
"""For every worker; the threads come on top."""

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""For every trial, as the driver has fetched everything; the driver itself stays online."""


@dataclass(frozen=True)
class Running:
    """A Ray that runs.

    Attributes:
        scratch: folder for what Ray Tune writes; no other user may look into it.
        dashboard: the dashboard's address, and where its token is; None where there is none.
        has_ready_workers: trials run in processes that Ray has ready; else each starts one.
        is_open: this new Ray listens on all interfaces, as it was imported before it was started.
        lifeline: knows when it has died.
    """

    scratch: Path
    dashboard: str | None
    has_ready_workers: bool
    is_open: bool
    lifeline: Lifeline


_FOR_LIGHTNING = "PL_DISABLE_FORK"
_LOCK = "lock"
_LATE = ("timed out", "dashboard.err")  # in what Ray says of a process that is not there yet
_OBJECT_STORE_BYTES = 128 * 1024**2  # what the trials share is a few kilobytes per cell


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def running_ray(
    address: str | None,
    *,
    with_dashboard: bool,
    metrics_port: int | None,
    results: Path,
    trial_environment: Mapping[str, str],
    say: Callable[[str], None],
    preload: str | None = None,
) -> Iterator[Running]:
    """Have Ray running: the session that this process has, the cluster at an address, or a new one.

    Args:
        address: of a cluster to join; None starts Ray in this machine, on 127.0.0.1.
        with_dashboard: whether a new Ray gets its dashboard.
        metrics_port: where a new Ray answers Prometheus; None for any free port.
        results: the results folder, which names the scratch folder.
        trial_environment: environment variables of the workers.
        say: takes what the user is told meanwhile.
        preload: module that a new Ray's workers, one per core, load as they start.

    Yields:
        Its scratch folder, gone afterwards, and its dashboard.

    Raises:
        FreeLBTuneError: there is no cluster at the address.
    """
    own = _LOOPBACK if address is None else {}
    with _scratch_folder(results) as scratch, _environment(_DRIVER_ENVIRONMENT), ray_kept_quiet():
        with _environment(own):
            import ray

        is_ours, dashboard = not ray.is_initialized(), None
        if is_ours:
            logging.getLogger("ray").setLevel(logging.ERROR)
            early = {"RAY_preload_python_modules": preload} if preload else {}
            with _environment({**trial_environment, **early, **own}):  # a new Ray's inherit it
                dashboard = _init(
                    address, with_dashboard, metrics_port, scratch, trial_environment, say
                )
        tune_log = logging.getLogger("ray.tune")
        before = tune_log.level
        tune_log.setLevel(logging.CRITICAL)  # the ledger says it all
        is_open = is_ours and address is None and ray.util.get_node_ip_address() != "127.0.0.1"
        with watched_ray(results, is_own=is_ours and address is None) as lifeline:
            try:
                with using_ready_workers() as ready:
                    yield Running(scratch, dashboard, ready, is_open, lifeline)
            finally:
                tune_log.setLevel(before)  # a notebook may run a Tuner of its own next
                lifeline.rest()
                if is_ours:
                    ray.shutdown()


@contextmanager
def using_ready_workers() -> Iterator[bool]:
    """Let trials run in the processes that Ray has ready, for as long as this is open.

    Ray Tune gives its actors an environment variable of their own, for PyTorch Lightning, so that
    none of those processes would do. There is no public way to leave it out, and another version
    of Ray may have it elsewhere.

    Yields:
        Whether they can. If not, each trial starts a process, and all else is the same.
    """
    try:
        from ray.tune.execution.class_cache import DEFAULT_ENV_VARS as own_variables

        value = own_variables.pop(_FOR_LIGHTNING)
    except (ImportError, KeyError):
        yield False
        return
    try:
        yield True
    finally:
        own_variables[_FOR_LIGHTNING] = value


def machines() -> list[dict[str, float]]:
    """What each machine of the running Ray has: `CPU`, `GPU` and what else Ray counts."""
    import ray

    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def _init(
    address: str | None,
    with_dashboard: bool,
    metrics_port: int | None,
    scratch: Path,
    variables: Mapping[str, str],
    say: Callable[[str], None],
) -> str | None:
    """Start or join Ray; returns its dashboard's address, if it has one, and how to get in."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is not None:
        check_address(address, say)
        try:
            joined = ray.init(address=address, runtime_env={"env_vars": dict(variables)}, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as err:
            first = next(iter(str(err).splitlines()), type(err).__name__)
            raise FreeLBTuneError(
                f"--address {address}: no Ray cluster can be joined there ({first}); start one "
                "with `ray start --head`, give its HOST:PORT, or leave --address out to run here"
            ) from err
        return _told(joined.dashboard_url, "its token: ray get-auth-token")
    _check_free(metrics_port)
    told = secure_token()
    start: Callable[[], Any] = partial(
        ray.init,
        address="local",
        include_dashboard=with_dashboard,
        dashboard_host="127.0.0.1",
        object_store_memory=_OBJECT_STORE_BYTES,
        _metrics_export_port=metrics_port,
        _temp_dir=str(scratch / "ray"),  # Ray opens it to all; what it lies in is closed
        **quiet,
    )
    with _environment({"RAY_ADDRESS": ""}):  # a cluster is joined when --address says so
        return _told(_started(start, say).dashboard_url, told)


def _started(start: Callable[[], Any], say: Callable[[str], None], more: int = 2) -> Any:
    """A Ray that has started: on a busy machine the seconds that Ray gives itself may not do."""
    import ray

    try:
        return start()
    except Exception as err:  # Ray raises bare ones, such as for a start that took too long
        ray.shutdown()
        first = next(iter(str(err).splitlines()), type(err).__name__)
        if not more or not any(sign in first for sign in _LATE):
            raise FreeLBTuneError(
                f"Ray could not be started here ({first}); nothing is lost: where the machine is "
                "busy or short of memory, run the same command again when it is not"
            ) from err
    say("Ray did not start in time, as on a busy machine: another try")
    return _started(start, say, more - 1)


def _check_free(metrics_port: int | None) -> None:
    """Refuse a port that is taken: Ray would start all the same, and answer nobody there."""
    try:
        socket.create_server(("127.0.0.1", metrics_port or 0)).close()
    except OSError as err:
        raise FreeLBTuneError(
            f"--metrics-port {metrics_port}: cannot listen there ({err.strerror or err}); choose "
            "another"
        ) from err


def _told(dashboard: str | None, token: str) -> str | None:
    return f"http://{dashboard} ({token})" if dashboard else None


@contextmanager
def _scratch_folder(results: Path) -> Iterator[Path]:
    """A new folder for this user alone, gone afterwards; what killed searches left goes first.

    Its path is short, as Ray's sockets allow 107 characters. A folder whose lock is held belongs to
    a search that runs, maybe in another container that has the same path to its results.
    """
    name = hashlib.sha256(str(results.resolve()).encode()).hexdigest()[:8]
    base = Path(tempfile.gettempdir())
    if len(str(base)) > 20 and sys.platform != "win32":
        base = Path("/tmp")
    for old in base.glob(f"flt-{name}-*"):
        if old.is_dir() and not old.is_symlink() and old.stat().st_uid == os.getuid():
            with suppress(Timeout), FileLock(old / _LOCK, timeout=0):
                shutil.rmtree(old, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"flt-{name}-", dir=base))  # mode 0700
    try:
        with FileLock(scratch / _LOCK):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
