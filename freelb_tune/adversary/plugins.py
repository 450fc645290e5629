"""What is not ours: adversaries, algorithms and tasks of Python code that the user names.

Room: adversary. Loads no torch by itself.

A plugin is a module that registers something when it is imported:

    import freelb_tune as ft

    class TwiceSettings(ft.Perturbing):
        method: Literal["twice"] = "twice"
        adv_lr: float = 0.1

    class Twice:
        def __init__(self, settings: TwiceSettings) -> None: ...
        def __call__(self, passes: ft.Passes) -> ft.Outcome: ...

    ft.register(TwiceSettings, Twice)

It is found by name (`--plugin MODULE` or `--plugin FILE.py`, `plugins=` in Python) or, once
installed, through an entry point of the group `freelb_tune.adversaries` whose value is the module.
A search-space file can name a registered method but cannot make anything load.
`training.contract.check` puts an adversary through the suite that ours pass.

The bytes of the files that define the settings and the adversary are a part of its cells' ids:
after an edit they run again. What those files import from elsewhere is not looked at. A notebook or
a script that starts a search may call `ft.register` itself; its classes travel to the workers.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.registered import (
    REGISTERED,
    REGISTRIES,
    Registered,
    check_new,
    code_of,
    name_of,
    or_undone,
)
from freelb_tune.space.settings.adversaries import ADVERSARIES, PLUGINS, AdversarySettings

if TYPE_CHECKING:
    from freelb_tune.adversary.passes import Adversary

__all__ = ["GROUP", "Factory", "load_entry_points", "load_plugins", "loaded_plugins", "register"]

GROUP = "freelb_tune.adversaries"
"""Entry point group of installed plugins."""

Factory = Callable[[Any], "Adversary"]
"""From a method's settings to its adversary."""

FACTORIES: dict[str, Factory] = {}
"""Every plugin's, by method."""

REGISTRIES.append(FACTORIES)

_LOADED: list[str] = []


def register(settings: type[AdversarySettings], factory: Factory) -> None:
    """Make an adversary known under the name that its settings class gives to `method`.

    Args:
        settings: a subclass of `AdversarySettings`, or of `Perturbing` for one that perturbs
            (it then has `adv_begin_step`, `adv_warmup_steps` and `relative` without further
            work), with a default for every setting.
        factory: from an instance of it to an `Adversary`; the adversary's class, usually.

    Raises:
        FreeLBTuneError: the class has no name for its method, or no default for a setting;
            another method has that name; or the factory makes no adversary.
    """
    name = name_of(settings, "method")
    check_new("method", name, (settings, factory), (ADVERSARIES.get(name), FACTORIES.get(name)))
    if isinstance(factory, type) and not any("__call__" in vars(b) for b in factory.__mro__):
        raise FreeLBTuneError(
            f"the method {name!r}: {factory!r:.80} makes no adversary: it has no method "
            "__call__(self, passes)"
        )
    parts = (settings, factory, code_of(settings, factory))
    _take(*parts)
    REGISTERED.append(Registered(_take, parts))


def _take(settings: type[AdversarySettings], factory: Factory, code: str) -> None:
    name = name_of(settings, "method")
    ADVERSARIES[name], PLUGINS[name], FACTORIES[name] = settings, code, factory


def load_plugins(modules: Sequence[str | Registered]) -> None:
    """Import plugins, each once; a worker process needs `load_plugins(loaded_plugins())`.

    Args:
        modules: names of Python modules, or paths of `.py` files; and what another process's
            program had registered itself.

    Raises:
        FreeLBTuneError: there is no such module or file, it registers nothing, or it fails; then
            nothing of it stays, and once it is mended it loads.
    """
    for module in [modules] if isinstance(modules, str) else modules:
        if isinstance(module, Registered):
            if module.again is not None:
                module.again(*module.parts)
            continue
        place = str(Path(module).resolve()) if module.endswith(".py") else module
        if place in _LOADED:
            continue
        before, imported = len(REGISTERED), module in sys.modules
        with or_undone(), _told(module):
            _run_file(Path(place)) if module.endswith(".py") else _import(module)
            if len(REGISTERED) == before and not imported:
                raise FreeLBTuneError(
                    f"plugin {module!r} registered nothing; it must call freelb_tune.register, as "
                    "with (SettingsClass, Adversary), when it is imported"
                )
        del REGISTERED[before:]
        _LOADED.append(place)


def load_entry_points() -> None:
    """Load the plugins of installed packages; cheap where there are none.

    Raises:
        FreeLBTuneError: as `load_plugins`.
    """
    load_plugins([point.module for point in entry_points(group=GROUP)])


def loaded_plugins() -> tuple[str | Registered, ...]:
    """What was loaded in this process: module names and absolute paths of files, in order.

    And what its program registered without a plugin, which workers get by value.
    """
    return (*_LOADED, *(each for each in REGISTERED if each.again is not None))


@contextmanager
def _told(module: str) -> Iterator[None]:
    """Say in one message how a plugin fails, and where; the next try imports it anew."""
    before = dict(sys.modules)
    top = _module_name(Path(module)) if module.endswith(".py") else module.partition(".")[0]
    try:
        yield
    except BaseException as err:
        for name in [each for each in sys.modules if f"{each}.".startswith(f"{top}.")]:
            del sys.modules[name]
        sys.modules.update({k: v for k, v in before.items() if k not in sys.modules})
        if isinstance(err, FreeLBTuneError) or not isinstance(err, Exception | SystemExit):
            raise
        said = f"{_line_of(err)}{type(err).__name__}: {err}"
        raise FreeLBTuneError(f"plugin {module!r} fails when it is imported: {said}") from err


def _line_of(err: BaseException) -> str:
    """The line at fault, the last one of the plugin's own folder; empty where none has run."""
    frames = traceback.extract_tb(err.__traceback__)
    ours = (__file__, importlib.__file__)
    files = [f for f in frames if f.filename not in ours and not f.filename.startswith("<frozen")]
    own = [f for f in files if Path(f.filename).parent == Path(files[0].filename).parent]
    return f"{own[-1].filename}, line {own[-1].lineno}: " if own else ""


def _import(module: str) -> None:
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ModuleNotFoundError(name=module)
        importlib.import_module(module)
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
    name = _module_name(path)
    spec = spec_from_file_location(name, path)
    assert spec is not None  # its name ends in .py
    module = module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks a class's module up
    try:
        code = compile(path.read_bytes(), path, "exec")  # no bytecode kept from before an edit
    except (SyntaxError, ValueError) as err:
        raise FreeLBTuneError(f"plugin {str(path)!r}: is no Python code: {err}") from err
    exec(code, module.__dict__)


def _module_name(path: Path) -> str:
    return f"freelb_tune_plugin_{path.stem}"
