"""Every algorithm by name: settings joined with behaviour.

Room: search, without Ray. A plugin's `register` is this one.
"""

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.search.algorithms.asha import ASHA
from freelb_tune.search.algorithms.hyperband import Hyperband
from freelb_tune.search.algorithms.median import Median
from freelb_tune.search.algorithms.race import Race
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import ALGORITHMS, AlgorithmSettings, Space
from freelb_tune.store import CellState

__all__ = ["BEHAVIOURS", "open_algorithm", "register"]

BEHAVIOURS: dict[str, type[Algorithm]] = {
    "grid": Algorithm,
    "random": Algorithm,
    "asha": ASHA,
    "hyperband": Hyperband,
    "median": Median,
    "race": Race,
}
"""What each algorithm does; `space.ALGORITHMS` has their settings."""


def register(settings: type[AlgorithmSettings], behaviour: type[Algorithm]) -> None:
    """Make an algorithm known under the name that its settings class gives to `algorithm`.

    Args:
        settings: a subclass of `AlgorithmSettings`, or of `Drawing` for one that may draw from
            ranges, with a default for every setting.
        behaviour: a subclass of `Algorithm`.

    Raises:
        FreeLBTuneError: the class has no name for its algorithm, or another one has that name.
    """
    where = f"{settings.__module__}.{settings.__qualname__}"
    name = settings.model_fields["algorithm"].default
    if not isinstance(name, str) or not name:
        raise FreeLBTuneError(
            f"{where} does not name its algorithm; write  algorithm: Literal['mine'] = 'mine'"
        )
    known = ALGORITHMS.get(name)
    if known is not None and known is not settings:
        raise FreeLBTuneError(
            f"{where}: the algorithm {name!r} is {known.__module__}.{known.__qualname__} already; "
            "choose another name"
        )
    ALGORITHMS[name], BEHAVIOURS[name] = settings, behaviour


def open_algorithm(space: Space, ledger: Ledger) -> Algorithm:
    """A search's algorithm as far as the journal knows it.

    Cells that another algorithm, or this one with other settings, had left out are to run again.
    """
    algorithm = BEHAVIOURS[space.search.algorithm](space, ledger)
    for cell_id, row in ledger.board.rows.items():
        if row.state in (CellState.DROPPED, CellState.SPARED) and cell_id not in algorithm.left_out:
            ledger.retried(cell_id)
    return algorithm
