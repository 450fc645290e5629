"""Every algorithm by name: settings joined with behaviour.

Room: search, without Ray. A plugin's `register` is this one.
"""

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.search.algorithms.asha import ASHA
from freelb_tune.search.algorithms.grid import Grid
from freelb_tune.search.algorithms.hyperband import Hyperband
from freelb_tune.search.algorithms.median import Median
from freelb_tune.search.algorithms.race import Race
from freelb_tune.search.algorithms.verdict import Verdict
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import ALGORITHMS, AlgorithmSettings, Space
from freelb_tune.space.registered import REGISTERED, REGISTRIES, Registered, check_new, name_of
from freelb_tune.store import CellState

__all__ = ["BEHAVIOURS", "open_algorithm", "register"]

BEHAVIOURS: dict[str, type[Algorithm]] = {
    "grid": Grid,
    "random": Algorithm,
    "asha": ASHA,
    "hyperband": Hyperband,
    "median": Median,
    "race": Race,
    "verdict": Verdict,
}
"""What each algorithm does; `space.ALGORITHMS` has their settings."""

REGISTRIES.append(BEHAVIOURS)


def register(settings: type[AlgorithmSettings], behaviour: type[Algorithm]) -> None:
    """Make an algorithm known under the name that its settings class gives to `algorithm`.

    Args:
        settings: a subclass of `AlgorithmSettings`, or of `Drawing` for one that may draw from
            ranges, with a default for every setting.
        behaviour: a subclass of `Algorithm`.

    Raises:
        FreeLBTuneError: the class has no name for its algorithm, or no default for a setting;
            another algorithm has that name; or the behaviour is no `Algorithm`.
    """
    name = name_of(settings, "algorithm")
    known = ALGORITHMS.get(name), BEHAVIOURS.get(name)
    check_new("algorithm", name, (settings, behaviour), known)
    if not (isinstance(behaviour, type) and issubclass(behaviour, Algorithm)):
        raise FreeLBTuneError(
            f"the algorithm {name!r}: {behaviour!r:.80} is no subclass of "
            "freelb_tune.search.algorithms.algorithm.Algorithm, as what it does has to be"
        )
    ALGORITHMS[name], BEHAVIOURS[name] = settings, behaviour
    REGISTERED.append(Registered())


def open_algorithm(space: Space, ledger: Ledger) -> Algorithm:
    """A search's algorithm as far as the journal knows it.

    Cells that another algorithm, or this one with other settings, had left out are to run again.
    """
    algorithm = BEHAVIOURS[space.search.algorithm](space, ledger)
    for cell_id, row in ledger.board.rows.items():
        if row.state in (CellState.DROPPED, CellState.SPARED) and cell_id not in algorithm.left_out:
            ledger.retried(cell_id)
    return algorithm
