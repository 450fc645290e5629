"""The trackers by name, and what each needs.

Room: watching. A tracker's packages load when a search asks for it.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from freelb_tune.store.disk.inside import refuse_link, refuse_links
from freelb_tune.watching.tracking.tracker import Tracker

__all__ = ["TRACKERS", "FOLDER", "open_tracker", "present"]

FOLDER = "tracking"
"""Inside `results/NAME`; each tracker has a folder of its name in it."""

TRACKERS: dict[str, tuple[str, ...]] = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
"""By the name that a space's `track` has: the packages that it imports."""


def present(names: Iterable[str], say: Callable[[str], None]) -> list[str]:
    """The trackers whose packages are installed; of the others it is said what is to be done."""
    found = []
    for name in names:
        lacking = [package for package in TRACKERS[name] if find_spec(package) is None]
        if lacking:
            say(
                f"{name} needs {' and '.join(lacking)}, which is not installed: pip install "
                "'freelb_tune[track]'"
            )
        else:
            found.append(name)
    return found


def open_tracker(name: str, folder: Path) -> Tracker:
    """A tracker for a results folder.

    Args:
        name: one of `TRACKERS`; its packages are installed.
        folder: `results/NAME`.

    Raises:
        FreeLBTuneError: a link lies in the tracker's folder.
    """
    home = folder / FOLDER / name
    refuse_link(home.parent)
    refuse_links(home)
    make: Callable[[Path], Tracker] = import_module(f"freelb_tune.watching.tracking.{name}").track
    return make(home)
