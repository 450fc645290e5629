"""Having the unfinished cells run: Ray first, then data, then trials until none is left.

Room: search. Loads Ray when it is called, not before.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from freelb_tune.adversary import loaded_plugins
from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.driver.guards.interruption import Interruption
from freelb_tune.search.driver.guards.silence import Silence
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.search.driver.work import Ready, SearchOptions, Work
from freelb_tune.search.ray_tune.machines.cluster import (
    OFFLINE,
    TRIAL_ENVIRONMENT,
    Running,
    machines,
    running_ray,
)
from freelb_tune.search.ray_tune.machines.lifeline import Lifeline
from freelb_tune.search.ray_tune.machines.share import (
    Share,
    check_this_machine,
    find_share,
    may_have_accelerators,
)
from freelb_tune.search.ray_tune.workers.default_work import default_work
from freelb_tune.space import Cell, Space
from freelb_tune.store import CellState, write_environment
from freelb_tune.store.disk.faults import machine_faults_told
from freelb_tune.store.disk.user_cache import user_cache
from freelb_tune.store.trial_places import TrialPlaces

if TYPE_CHECKING:
    from freelb_tune.search.ray_tune.watch import Watch

__all__ = ["run_trials"]

_ROUNDS = 3  # how often Ray is handed cells that it gave back without a word


def run_trials(
    space: Space,
    ledger: Ledger,
    options: SearchOptions,
    work: Work | None,
    interruption: Interruption,
    conductor: Conductor,
) -> None:
    """Run every cell that is not over.

    Args:
        space: what the user asked for.
        ledger: takes everything down; its board says what is left.
        options: where and how.
        work: how cells are prepared and trained; None for the training room.
        interruption: whether the user asks to end.
        conductor: decides which cells run, and how far.

    Raises:
        KeyboardInterrupt: the user asked to end.
        FreeLBTuneError: as `run_search`.
    """
    if options.address is None:
        check_this_machine(space.resources)
    work = work or default_work()
    asked = _asked(space, ledger, conductor.longest)
    for sentence in work.look(asked):
        ledger.say(sentence)
    Thread(target=work.load).start()  # Ray's start is mostly waiting
    environment = TRIAL_ENVIRONMENT | {"OMP_NUM_THREADS": str(space.resources.cpu or 1)}
    run = _Run(space, ledger, options, work, interruption, conductor)
    left: Sequence[str] = ()
    with _on_machines(space, ledger, options, environment, work.worker) as (share, running):
        ready = run.prepared(asked)  # while Ray's workers start
        if ledger.board.waiting() or conductor.longest:
            left = run.trials(ready, share, running, environment | OFFLINE)
    for cell_id in left:
        ledger.failed(cell_id, CellState.FAILED, "Ray did not run its trial", keep_checkpoint=True)


@dataclass(frozen=True)
class _Run:
    """What trials are run with; see `run_trials`."""

    space: Space
    ledger: Ledger
    options: SearchOptions
    work: Work
    interruption: Interruption
    conductor: Conductor

    def prepared(self, asked: Sequence[Cell]) -> dict[str, Ready]:
        """Have data read and tokenised, and the conductor know how to have more of it."""
        cache, places = _cache(self.options, self.ledger.folder), self.options.places
        found = _prepare(self.ledger, self.work, cache, asked)
        ready = _carried(found, self.work, places)

        def prepare(cells: Sequence[Cell]) -> Mapping[str, Ready]:
            more = _carried(self.work.prepare(cells, cache, lambda _: None), self.work, places)
            self.ledger.prepared(more)
            ready.update(more)
            return more

        self.conductor.prepared(ready, prepare)
        return ready

    def trials(
        self,
        ready: Mapping[str, Ready],
        share: Share,
        running: Running,
        variables: Mapping[str, str],
    ) -> list[str]:
        """Have Ray run trials until no cell is left; gives those that it never ran.

        Args:
            ready: what is prepared, by cell id; grows where cells are proposed.
            share: what each trial gets.
            running: the Ray that runs.
            variables: the environment that training sees.
        """
        from freelb_tune.search.ray_tune.configs import Configs
        from freelb_tune.search.ray_tune.fit import fit
        from freelb_tune.search.ray_tune.metrics import Metrics
        from freelb_tune.search.ray_tune.workers.trial import Job

        board, places = self.ledger.board, self.options.places
        job = Job(
            self.ledger.folder, {}, {}, self.work.train, share.cpu, variables, loaded_plugins()
        )
        if places is not None:
            job = replace(job, place=places.place.uri, carry=self.work.carry)
            places.hand_out()
            places.sweep(_over(self.ledger))
        watch = self._watch(running.lifeline)
        resources, ahead = self.space.resources, self.space.search.runs_all
        if not ahead and self.options.address is None:  # else Ray starts one trial at a time
            resources = resources.model_copy(update={"max_concurrent": share.at_once})
        metrics = Metrics(self.ledger.folder, self.space.name, ready)
        waiting = board.waiting()
        for _ in range(_ROUNDS):
            cells = {cell_id: board[cell_id].cell for cell_id in waiting}
            job = replace(job, cells=cells, prepared={cell_id: ready[cell_id] for cell_id in cells})
            with self.interruption.watched(), self.ledger.also_told(metrics):
                configs = Configs(job, board, ready)
                fit(configs, share, resources, self.conductor, watch, running.scratch, ahead=ahead)
            waiting = self.conductor.left()
            if places is not None:
                places.sweep(_over(self.ledger))
            if not waiting:
                break
        return waiting

    def _watch(self, lifeline: Lifeline) -> "Watch":
        from freelb_tune.search.ray_tune.watch import Watch

        places = self.options.places  # signs of life stay on their machines
        factor = self.space.resources.stall_factor if places is None else None
        silence = Silence(self.ledger.folder, factor)
        asked = self.interruption
        return Watch(self.ledger, self.conductor, lambda: asked.asked, silence, lifeline, places)


def _asked(space: Space, ledger: Ledger, longest: Sequence[Cell]) -> list[Cell]:
    """The cells that are left, and `longest`; where some end early all, as their budgets count."""
    rows = ledger.board.rows.values()
    left = (row.cell for row in rows if not row.state.is_over or space.search.STOPS_EARLY)
    return list({cell.id: cell for cell in (*left, *longest)}.values())


def _prepare(ledger: Ledger, work: Work, cache: Path, cells: Sequence[Cell]) -> dict[str, Ready]:
    """Prepare cells, and tell the board of those that are on it."""
    rows = ledger.board.rows
    with machine_faults_told(cache):
        ready = work.prepare(cells, cache, ledger.say)
    ledger.prepared({cell_id: each for cell_id, each in ready.items() if cell_id in rows})
    for cell_id, each in ready.items():
        if cell_id in rows and not rows[cell_id].state.is_over:
            rows[cell_id].epochs = each.epochs
    return dict(ready)


def _carried(
    ready: Mapping[str, Ready], work: Work, places: TrialPlaces | None
) -> dict[str, Ready]:
    """What was prepared, with its folders as trials elsewhere will find them."""
    if places is None:
        return dict(ready)
    return {cell_id: work.carry(each, places.carry) for cell_id, each in ready.items()}


def _over(ledger: Ledger) -> list[str]:
    """The cells that nothing goes on with; a failed one may be tried again."""
    rows = ledger.board.rows.values()
    return [r.cell.id for r in rows if r.state.is_over and r.state is not CellState.FAILED]


def _cache(options: SearchOptions, folder: Path) -> Path:
    """Where prepared data is kept."""
    if options.cache is not None:
        return options.cache.resolve()
    if options.address is not None:
        return folder.parent / ".freelb-tune-cache"
    return user_cache()


@contextmanager
def _on_machines(
    space: Space,
    ledger: Ledger,
    options: SearchOptions,
    environment: Mapping[str, str],
    worker: str | None,
) -> Iterator[tuple[Share, Running]]:
    """Have Ray running on machines that can take a trial; what was found is said and kept."""
    ledger.say("starting Ray" if options.address is None else f"joining Ray at {options.address}")
    with running_ray(
        options.address,
        with_dashboard=options.dashboard,
        metrics_port=options.metrics_port,
        results=ledger.folder,
        trial_environment=environment,
        say=ledger.say,
        preload=worker if _fills_the_cores(space, ledger) else None,
    ) as running:
        share = find_share(space.resources, machines())
        if options.address is not None:
            from freelb_tune.search.ray_tune.machines.preflight import check_machines

            check_machines(ledger.folder, None if options.places is None else options.places.place)
        ledger.say(share.text)
        if running.dashboard:
            ledger.say(f"Ray's dashboard: {running.dashboard}")
        if running.is_open:
            ledger.say(
                "Ray was imported before this search: it listens on all interfaces, by token"
            )
        if not running.has_ready_workers:
            ledger.say("this version of Ray starts a process per trial, a second more for each")
        cells = [row.cell for row in ledger.board.rows.values()]
        write_environment(
            ledger.folder,
            _devices(),
            {
                "data": sorted({cell.data_fingerprint for cell in cells}),
                "weights": sorted({cell.weights for cell in cells}),
            },
        )
        yield share, running


def _fills_the_cores(space: Space, ledger: Ledger) -> bool:
    """Whether each core's worker will train: then all may load torch while the data is read."""
    asked = space.resources
    limited = asked.gpu or asked.max_concurrent is not None or (asked.cpu or 1) > 1
    cores = os.cpu_count() or 1
    return not limited and not may_have_accelerators() and len(ledger.board.waiting()) >= cores


def _devices() -> list[str]:
    """The accelerators that Ray has found, by model."""
    prefix = "accelerator_type:"
    names = {name for machine in machines() for name in machine if name.startswith(prefix)}
    return sorted(name.removeprefix(prefix) for name in names)
