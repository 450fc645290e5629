"""Registering what is not ours: an adversary, an algorithm, a task.

Room: api.
"""

from typing import Any, overload

from freelb_tune import adversary, tasks
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import AlgorithmSettings
from freelb_tune.space.settings.adversaries import AdversarySettings
from freelb_tune.tasks import Task

__all__ = ["register"]


@overload
def register(what: type[AdversarySettings], behaviour: adversary.plugins.Factory, /) -> None: ...
@overload
def register(what: type[AlgorithmSettings], behaviour: type[Any], /) -> None: ...
@overload
def register(what: Task, /) -> None: ...
def register(what: Any, behaviour: Any = None, /) -> None:
    """Make an adversary, an algorithm or a task of your own known, for every search from here on.

        register(MySettings, MyAdversary)    # settings: a subclass of AdversarySettings
        register(MySettings, MyAlgorithm)    # settings: a subclass of AlgorithmSettings
        register(Task(name="mine", ...))

    A settings class names itself by the default of its field `method` (or `algorithm`), which is
    what a search space writes. The code of an adversary or of a task's metrics is a part of its
    cells' ids: after an edit they run again.

    Args:
        what: the settings class, or the task.
        behaviour: from an instance of the settings to an adversary, its class usually; or a
            subclass of `freelb_tune.search.algorithms.algorithm.Algorithm`. None for a task.

    Raises:
        FreeLBTuneError: it is none of these, it names nothing, or another one has its name.
    """
    if isinstance(what, Task) and behaviour is None:
        tasks.register(what)
    elif isinstance(what, type) and issubclass(what, AdversarySettings) and callable(behaviour):
        adversary.register(what, behaviour)
    elif isinstance(what, type) and issubclass(what, AlgorithmSettings) and callable(behaviour):
        from freelb_tune.search.algorithms import registry

        registry.register(what, behaviour)
    else:
        raise FreeLBTuneError(
            "register: expected (settings class, adversary), (settings class, algorithm) or a "
            f"Task, got {what!r:.80} and {behaviour!r:.80}"
        )
