"""Adversaries that are not ours: registered by Python code that the user names or has installed.

Room: adversary. Loads no torch by itself.

A plugin is a module that calls `register` when it is imported:

    class TwiceSettings(Perturbing):
        method: Literal["twice"] = "twice"
        adv_lr: float = 0.1

    class Twice:
        def __init__(self, settings: TwiceSettings) -> None: ...
        def __call__(self, passes: Passes) -> Outcome: ...

    register(TwiceSettings, Twice)

It is found by name (`--plugin MODULE` or `--plugin FILE.py`) or, once installed, through an entry
point of the group `freelb_tune.adversaries` whose value is the module. A search-space file can
name a registered method but cannot make anything load. `training.contract.check` puts an
adversary through the suite that ours pass.

The bytes of the files that define the settings and the adversary are a part of its cells' ids:
after an edit they run again. What those files import from elsewhere is not looked at.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.adversary_settings import ADVERSARIES, PLUGINS, AdversarySettings

if TYPE_CHECKING:
    from freelb_tune.adversary.passes import Adversary

__all__ = ["GROUP", "Factory", "load_entry_points", "load_plugins", "loaded_plugins", "register"]

GROUP = "freelb_tune.adversaries"
"""Entry point group of installed plugins."""

Factory = Callable[[Any], "Adversary"]
"""From a method's settings to its adversary."""

FACTORIES: dict[str, Factory] = {}
"""Every plugin's, by method."""

_LOADED: list[str] = []


def register(settings: type[AdversarySettings], factory: Factory) -> None:
    """Make an adversary known under the name that its settings class gives to `method`.

    Args:
        settings: a subclass of `AdversarySettings`, or of `Perturbing` for one that perturbs
            (it then has `adv_begin_step`, `adv_warmup_steps` and `relative` without further
            work), with a default for every setting.
        factory: from an instance of it to an `Adversary`; the adversary's class, usually.

    Raises:
        FreeLBTuneError: the class has no name for its method, or another one has that name.
    """
    where = f"{settings.__module__}.{settings.__qualname__}"
    name = settings.model_fields["method"].default
    if not isinstance(name, str) or not name:
        raise FreeLBTuneError(
            f"{where} does not name its method; write  method: Literal['mine'] = 'mine'"
        )
    known = ADVERSARIES.get(name)
    if known is not None and known is not settings:
        raise FreeLBTuneError(
            f"{where}: the method {name!r} is {known.__module__}.{known.__qualname__} already; "
            "choose another name"
        )
    ADVERSARIES[name] = settings
    PLUGINS[name] = _fingerprint(settings, factory)
    FACTORIES[name] = factory


def load_plugins(modules: Sequence[str]) -> None:
    """Import plugins, each once; a worker process needs `load_plugins(loaded_plugins())`.

    Args:
        modules: names of Python modules, or paths of `.py` files.

    Raises:
        FreeLBTuneError: there is no such module or file, or it registers no adversary.
    """
    for module in modules:
        place = str(Path(module).resolve()) if module.endswith(".py") else module
        if place in _LOADED:
            continue
        before, imported = set(FACTORIES), module in sys.modules
        _run_file(Path(place)) if module.endswith(".py") else _import(module)
        if set(FACTORIES) == before and not imported:
            raise FreeLBTuneError(
                f"plugin {module!r} registered no adversary; it must call "
                "freelb_tune.adversary.register(SettingsClass, factory) when it is imported"
            )
        _LOADED.append(place)


def load_entry_points() -> None:
    """Load the plugins of installed packages; cheap where there are none.

    Raises:
        FreeLBTuneError: as `load_plugins`.
    """
    load_plugins([point.module for point in entry_points(group=GROUP)])


def loaded_plugins() -> tuple[str, ...]:
    """What was loaded in this process: module names and absolute paths of files, in order."""
    return tuple(_LOADED)


def _fingerprint(*parts: object) -> str:
    """Hash the files that define these; those of a notebook or a prompt have none."""
    modules = [sys.modules.get(str(getattr(part, "__module__", ""))) for part in parts]
    files = dict.fromkeys(getattr(module, "__file__", None) for module in modules)
    whole = hashlib.sha256()
    for file in filter(None, files):
        whole.update(Path(file).read_bytes())
    return f"code:{whole.hexdigest()[:16]}"


def _import(module: str) -> None:
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ModuleNotFoundError(name=module)
        import_module(module)
    except ModuleNotFoundError as err:
        if err.name is None or not f"{module}.".startswith(f"{err.name}."):
            raise  # the plugin is there, and something that it imports is not
        raise FreeLBTuneError(
            f"plugin {module!r}: Python finds no such module; install it, put its folder on "
            "PYTHONPATH, or give the path of a .py file"
        ) from err


def _run_file(path: Path) -> None:
    if not path.is_file():
        raise FreeLBTuneError(f"plugin {str(path)!r}: there is no such file")
    name = f"freelb_tune_plugin_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec is not None  # its name ends in .py
    module = module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks a class's module up
    try:
        code = compile(path.read_bytes(), path, "exec")  # no bytecode kept from before an edit
    except (SyntaxError, ValueError) as err:
        raise FreeLBTuneError(f"plugin {str(path)!r}: is no Python code: {err}") from err
    exec(code, module.__dict__)
