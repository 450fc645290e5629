"""A search as a job of a Ray cluster: submitted, looked after and fetched through its dashboard.

Room: search. Whoever has the cluster's token can run any code on it: that is what a job is.
"""

import logging
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from ray.exceptions import AuthenticationError
from ray.job_submission import JobInfo, JobSubmissionClient

import freelb_tune
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.machines.token import find_token
from freelb_tune.space import Space
from freelb_tune.space.settings.also import with_files

__all__ = ["Jobs", "Told"]

_OURS = "freelb_tune"  # in a job's metadata: its results folder, there
_STOPPING = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
_DATA = ("file", "train", "dev", "test", "advglue", "path")
_MOST_DATA = 64 * 1024**2
_TALKATIVE = ("ray", "ray.dashboard.modules.dashboard_sdk")  # loggers that tell of each upload
_FETCH_SECONDS = 600.0
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Told:
    """What a cluster says of a job.

    Attributes:
        state: "PENDING", "RUNNING", "STOPPED", "SUCCEEDED" or "FAILED".
        message: the cluster's words.
        folder: the search's results folder, on the cluster.
    """

    state: str
    message: str
    folder: str

    @property
    def is_over(self) -> bool:
        """Whether it will not run any more."""
        return self.state in ("STOPPED", "SUCCEEDED", "FAILED")


class Jobs:
    """The searches that are jobs of a cluster.

    Args:
        address: of its dashboard, `http://HOST:8265`.

    Raises:
        FreeLBTuneError: no cluster answers there, or it asks for a token that is not here. So does
            every method.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        if not address.startswith(("http://", "https://")):
            raise FreeLBTuneError(
                f"--address {address}: expected the address of a Ray cluster's dashboard, such as "
                "http://HOST:8265"
            )
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        token, _ = find_token()
        told = {"Authorization": f"Bearer {token}"} if token else None
        with self._asking():
            self._client = JobSubmissionClient(address, headers=told)

    def submit(
        self,
        space: Space,
        results: str,
        *,
        plugins: Sequence[str] = (),
        options: Sequence[str] = (),
        folder: str,
    ) -> tuple[str, list[str]]:
        """Run a search on the cluster; it joins the cluster that it is a job of.

        Args:
            space: what to search.
            results: the folder of searches' folders, as the cluster's machines see it.
            plugins: files, which travel, and modules, which have to be there.
            options: of the search command, besides.
            folder: the name of the search's own folder.

        Returns:
            The job's id, and what else there is to say.
        """
        with _our_code() as home:
            said: list[str] = []
            carried = _carry_data(space, home, said)
            (home / "space.yaml").write_text(carried.to_yaml(), "utf-8")
            named = [_carry_plugin(each, home) for each in plugins]
            command = ["python", "-m", "freelb_tune.cli", "search", "--space", "space.yaml"]
            command += ["--address", "auto", "--results", results, *options]
            command += [word for name in named for word in ("--plugin", name)]
            with self._asking():
                job = self._submit(
                    entrypoint=shlex.join(command),
                    submission_id=f"{space.name}-{token_hex(4)}",
                    runtime_env={"working_dir": str(home), "env_vars": dict(_STOPPING)},
                    metadata={_OURS: f"{results}/{folder}"},
                )
        return job, said

    def _submit(self, **job: Any) -> str:
        """Submit a job; a cluster that has only just started is asked again for a while."""
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                return str(self._client.submit_job(**job))
            except RuntimeError as err:
                if "No available agent" not in str(err) or time.monotonic() > end:
                    raise
            time.sleep(1.0)

    def told(self, job: str) -> Told:
        """How a job stands."""
        with self._asking(job):
            info: JobInfo = self._client.get_job_info(job)
        folder: Mapping[str, str] = info.metadata or {}
        if _OURS not in folder:
            raise FreeLBTuneError(f"{job}: is a job of {self._address}, and no freelb-tune search")
        return Told(str(info.status.value), info.message or "", folder[_OURS])

    def log(self, job: str) -> str:
        """What a job has printed."""
        with self._asking(job):
            return str(self._client.get_job_logs(job))

    def stop(self, job: str) -> bool:
        """Have a job end as by Ctrl-C, and wait for it; whether it was running."""
        if self.told(job).is_over:
            return False
        with self._asking(job):
            self._client.stop_job(job)
        while not self.told(job).is_over:
            time.sleep(0.5)
        return True

    def archive(self, job: str) -> str:
        """Have the cluster print a job's results folder, as `store.folders.archive` does."""
        folder = self.told(job).folder
        command = ["python", "-m", "freelb_tune.store.folders.archive", folder]
        with self._asking(job), _our_code() as home:
            env = {"working_dir": str(home)}
            fetching = self._submit(entrypoint=shlex.join(command), runtime_env=env)
            end = time.monotonic() + _FETCH_SECONDS
            while not self._client.get_job_status(fetching).is_terminal():
                if time.monotonic() > end:
                    self._client.stop_job(fetching)
                    raise FreeLBTuneError(f"{job}: the cluster has not answered in 10 minutes")
                time.sleep(0.5)
            text = str(self._client.get_job_logs(fetching))
            self._client.delete_job(fetching)
        return text

    @contextmanager
    def _asking(self, job: str = "") -> Iterator[None]:
        """Say in one message what a cluster has refused."""
        at = f"--address {self._address}"
        try:
            yield
        except AuthenticationError as err:
            token, place = find_token()
            lacks = f"another token than the one in {place}" if token else f"a token; {place}"
            raise FreeLBTuneError(
                f"{at}: the cluster asks for {lacks}; `ray get-auth-token` on its head shows it, "
                "and RAY_AUTH_TOKEN takes it here"
            ) from err
        except (ConnectionError, OSError) as err:
            raise FreeLBTuneError(
                f"{at}: no Ray dashboard answers there ({_short(err)}); give the address that "
                "`ray start --head` printed, http://HOST:8265"
            ) from err
        except (RuntimeError, ValueError) as err:
            if job and ("404" in str(err) or "does not exist" in str(err)):
                raise FreeLBTuneError(f"{job}: {at} has no such job") from err
            raise FreeLBTuneError(f"{at}: refused ({_short(err)})") from err


@contextmanager
def _our_code() -> Iterator[Path]:
    """A folder with this package in it, for a job to work in."""
    with tempfile.TemporaryDirectory(prefix="flt-job-") as place:
        package = Path(freelb_tune.__file__).parent
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, Path(place) / package.name, ignore=ignored)
        yield Path(place)


def _short(err: Exception) -> str:
    return " ".join(str(err).split())[:300]


def _carry_data(space: Space, home: Path, said: list[str]) -> Space:
    """The space with its own small files of data in the folder that travels."""
    data = space.content.get("data")
    carried: dict[str, Any] = dict(data) if isinstance(data, dict) else {}
    for name in _DATA:
        if isinstance(value := carried.get(name), str):
            carried[name] = _carry(value, name, home, said)
    if "also" in carried:
        carried["also"] = with_files(
            carried["also"], lambda value: _carry(value, "also", home, said)
        )
    model = space.content.get("model")
    local = model.get("name") if isinstance(model, dict) else None
    if isinstance(local, str) and Path(local).is_absolute():
        said.append(f"model: {local} does not travel; it has to be on the cluster as it is here")
    if not carried:
        return space
    return replace(space, content={**space.content, "data": carried})


def _carry(value: str, name: str, home: Path, said: list[str]) -> str:
    """A file or folder of data copied into the folder that travels; gives its place there."""
    path = Path(value)
    if not path.is_absolute() or not path.exists():
        return value
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    if sum(file.stat().st_size for file in files) > _MOST_DATA:
        said.append(f"data.{name}: {path} is too large to travel; it has to be there as here")
        return value
    target = home / f"data_{name}_{len(list(home.iterdir()))}" / path.name
    target.parent.mkdir()
    if path.is_file():
        shutil.copyfile(path, target)
    else:
        shutil.copytree(path, target)
    return str(target.relative_to(home))


def _carry_plugin(plugin: str, home: Path) -> str:
    """A plugin's file, copied; a module's name as it is."""
    path = Path(plugin)
    if path.suffix != ".py":
        return plugin
    shutil.copyfile(path, home / path.name)
    return path.name
