"""What the file says of the searched sections, read into one `Layer` per branch.

Room: space.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.checking.checks import read_value, wrong_key
from freelb_tune.space.checking.meant import section_value
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.reading.layers import Layer, Reference, Setting, Tie
from freelb_tune.space.reading.references import referred
from freelb_tune.space.settings.adapters import ADAPTER, ADAPTER_TYPE, adapter_types, spread_adapter
from freelb_tune.space.settings.adversaries import ADVERSARIES, DEFAULT_METHOD
from freelb_tune.space.settings.algorithms import AlgorithmSettings, Drawing
from freelb_tune.space.settings.domains import DOMAINS, Range, is_domain, parse_domain
from freelb_tune.space.settings.sections import SEARCHED, DataFields, RunFields
from freelb_tune.space.settings.trainer_fields import DEFAULTS, EPOCHS
from freelb_tune.space.values import Value

__all__ = ["read_layers"]

_METHOD = "adversary.method"
_MAPPINGS = ("model.config", "trainer.lr_scheduler_kwargs")
_TIED = "{adversary.init_mag: [0.1, 0.2], adversary.max_norm: [0.1, 0.2]}"


def read_layers(
    content: Mapping[str, Any], search: AlgorithmSettings, problems: Problems
) -> tuple[Layer, ...]:
    """Read the searched sections, `tie` and `branches`.

    Args:
        content: the file, its shorthands spelt out and its plain references resolved.
        search: `epochs` is read, and whether it draws.
        problems: takes down what is wrong; the layers are of use only where nothing is.
    """
    base = _flat(content, "", problems)
    branches = [
        _flat(branch, f"branches.{i}.", problems) for i, branch in _branches(content, problems)
    ]
    ties = _ties(content, problems)
    for index, tie in ties:
        for key in tie:
            twice = key in base or any(key in tie for other, tie in ties if other < index)
            if twice:
                problems.add(key if key in base else f"tie.{index}.{key}",
                             "is set twice, once under tie; take one out")  # fmt: skip
    readers = [_LayerReader(base, branch, i, ties, problems) for i, branch in enumerate(branches)]
    readers = readers or [_LayerReader(base, {}, None, ties, problems)]
    everywhere = _Kinds(
        frozenset(method for reader in readers for method in reader.kinds.methods),
        frozenset(kind for reader in readers for kind in reader.kinds.adapters),
    )
    layers = tuple(reader.read(search, everywhere) for reader in readers)
    if search.proposes and not any(layer.drawn for layer in layers):
        problems.add(
            "search",
            "there is nothing to propose, as no setting has a range; write one, such as "
            "adversary.adv_lr: {loguniform: [0.01, 0.2]}, or take the sampler out",
        )
    for layer in layers:
        _check_references(layer, problems)
        if not isinstance(search, Drawing):
            for key in layer.drawn:
                problems.add(
                    key,
                    f"a {search.algorithm} cannot draw; write {{grid: [...]}} here, or search: "
                    "{algorithm: random}",
                )
    return layers


def _branches(content: Mapping[str, Any], problems: Problems) -> list[tuple[int, dict[str, Any]]]:
    branches = content.get("branches") or []
    if not isinstance(branches, list) or not all(isinstance(each, dict) for each in branches):
        problems.add("branches", f"expected a list of settings to lay over, got {shown(branches)}")
        return []
    return list(enumerate(branches))


def _flat(content: Mapping[str, Any], prefix: str, problems: Problems) -> dict[str, Any]:
    """The searched sections' settings by dotted name; a branch may write either form."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        section, dot, name = key.partition(".")
        found: dict[str, Any] = {}
        if section not in SEARCHED:
            if prefix:
                problems.add(f"{prefix}{key}", unknown_name(section, SEARCHED))
        elif dot:
            found = {key: value}
        elif isinstance(value, dict):
            found = {f"{section}.{name}": item for name, item in value.items()}
        elif prefix and section == "model" and isinstance(value, str):
            found = {"model.name": value}
        elif value is not None:
            wanted = f"expected a mapping, got {shown(value)}{section_value(key, value)}"
            problems.add(f"{prefix}{key}", wanted)
        if ADAPTER in found:
            given = found.pop(ADAPTER)
            found |= spread_adapter(given, f"{prefix}{ADAPTER}", problems)
        for name in flat.keys() & found.keys():
            problems.add(f"{prefix}{name}", "stands twice; take one out")
        flat |= found
    return flat


def _ties(content: Mapping[str, Any], problems: Problems) -> list[tuple[int, Tie]]:
    groups = content.get("tie") or []
    ties: list[tuple[int, Tie]] = []
    for index, group in enumerate(groups if isinstance(groups, list) else [groups]):
        place = f"tie.{index}" if isinstance(groups, list) else "tie"
        good = isinstance(group, dict) and all(isinstance(v, list) and v for v in group.values())
        if not good or not group:
            problems.add(
                place,
                f"expected lists that advance together, such as {_TIED}, got {shown(group)}",
            )
            continue
        sizes = {key: len(values) for key, values in group.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{key} has {size}" for key, size in sizes.items())
            problems.add(place, f"tied lists are equally long; {told}")
            continue
        ties.append((index, {key: tuple(values) for key, values in group.items()}))
    return ties


class _Kinds(NamedTuple):
    """What a layer's settings may be for: its adversaries' methods and its adapters' types."""

    methods: frozenset[str]
    adapters: frozenset[str]


class _LayerReader:
    """Reads one branch over the rest."""

    def __init__(
        self,
        base: Mapping[str, Any],
        branch: Mapping[str, Any],
        index: int | None,
        ties: Iterable[tuple[int, Tie]],
        problems: Problems,
    ) -> None:
        self._raw = {**base, **branch}
        self._own = branch.keys()
        self._prefix = "" if index is None else f"branches.{index}."
        self._ties = [(i, {k: v for k, v in tie.items() if k not in branch}) for i, tie in ties]
        self._problems = problems
        self.kinds = _Kinds(self._named(_METHOD, DEFAULT_METHOD), self._named(ADAPTER_TYPE, None))

    def read(self, search: AlgorithmSettings, everywhere: _Kinds) -> Layer:
        """The layer.

        Args:
            search: `epochs` is read.
            everywhere: of all layers; what only another layer's method or adapter reads is left
                out of this one, and what none reads is a problem.
        """
        settings: dict[str, Setting] = {}
        for key, value in self._raw.items():
            place = f"{self._prefix}{key}" if key in self._own else key
            if self._is_read(key, place, self.kinds if key in self._own else everywhere):
                settings[key] = self._setting(key, value, place)
        ties: list[Tie] = []
        for index, tie in self._ties:
            places = {key: f"tie.{index}.{key}" for key in tie}
            kept = {k: v for k, v in tie.items() if self._is_read(k, places[k], everywhere)}
            read = {k: tuple(self._value(k, v, places[k]) for v in kept[k]) for k in kept}
            if read:
                ties.append(read)
        given = {*settings, *(key for tie in ties for key in tie)}
        return Layer(settings, tuple(ties), self._defaults(given, search), self.kinds.methods)

    def _named(self, key: str, default: str | None) -> frozenset[str]:
        """Every value that a setting may have here which decides what others are read."""
        value = self._raw.get(key)
        named = [v for _, tie in self._ties for v in tie.get(key, ())]
        if isinstance(value, dict) and is_domain(value):
            body = next(iter(value.values()))
            named += body if isinstance(body, list) else []
        elif value is not None or not named:
            named.append(default if value is None else value)
        return frozenset(each for each in named if isinstance(each, str))

    def _is_read(self, key: str, place: str, kinds: _Kinds) -> bool:
        """Whether this layer reads a setting; that none of the kinds does is a problem."""
        section, dot, name = key.partition(".")
        if not dot or section not in SEARCHED:
            self._problems.add(place, f"write the section too, such as adversary.{name or section}")
            return False
        try:
            wrong = wrong_key(section, name, *kinds)
        except FreeLBTuneError as err:
            wrong = str(err)  # peft is not here
        if not wrong and key.startswith(f"{ADAPTER}.") and not kinds.adapters:
            wrong = f"there is no {ADAPTER_TYPE}; known: {', '.join(sorted(adapter_types()))}"
        if wrong:
            self._problems.add(place, wrong)
            return False
        methods = [m for m in self.kinds.methods if m in ADVERSARIES]
        if section == "adversary":
            return not methods or wrong_key(section, name, methods) is None
        own = self.kinds.adapters
        return not key.startswith(f"{ADAPTER}.") or wrong_key(section, name, (), own) is None

    def _setting(self, key: str, value: Any, place: str) -> Setting:
        target = referred(value)
        if target is not None:
            return Reference(target)
        if not is_domain(value):
            return self._plain_or_misspelt(key, value, place)
        domain = parse_domain(value)
        if isinstance(domain, str):
            self._problems.add(place, domain)
            return None
        if isinstance(domain, Range):
            for end in domain.ends:
                self._value(key, end, place)
            return domain
        values = tuple(self._value(key, each, place) for each in domain.values)
        return type(domain)(values)

    def _plain_or_misspelt(self, key: str, value: Any, place: str) -> Value:
        if isinstance(value, dict) and len(value) == 1 and key not in _MAPPINGS:
            name, body = next(iter(value.items()))
            if isinstance(body, list):
                self._problems.add(place, f"{name}: {unknown_name(name, DOMAINS)}")
                return None
        return self._value(key, value, place, several=self._problems.several)

    def _value(self, key: str, value: Any, place: str, several: str = "") -> Value:
        if referred(value) is not None:
            self._problems.add(place, f"{value} stands in a list; a reference stands alone")
            return None
        try:
            return read_value(key, value, self.kinds.methods)
        except Refusal as refusal:
            advice = f"; {several.format(refusal.grid)}" if several and refusal.grid else ""
            self._problems.add(place, f"{refusal}{advice}")
            return None

    def _defaults(self, given: Collection[str], search: AlgorithmSettings) -> dict[str, Value]:
        sections: dict[str, Mapping[str, Value]] = {
            "data": DataFields().model_dump(exclude_none=True),
            "trainer": DEFAULTS,
            "adversary": {"method": DEFAULT_METHOD},
            "run": RunFields().model_dump(),
        }
        defaults: dict[str, Value] = {
            f"{section}.{name}": value
            for section, values in sections.items()
            for name, value in values.items()
        }
        if not {"trainer.num_train_epochs", "trainer.max_steps"} & set(given):
            defaults["trainer.num_train_epochs"] = float(search.epochs or EPOCHS)
        return defaults


def _check_references(layer: Layer, problems: Problems) -> None:
    """A reference leads to a setting that its configuration has, and not back to itself."""
    methods = [ADVERSARIES[name] for name in layer.methods if name in ADVERSARIES]
    fields = {f"adversary.{name}" for method in methods for name in method.model_fields}
    known = {*layer.keys, *fields}
    for key, value in layer.settings.items():
        trail = [key]
        while isinstance(value, Reference):
            if value.target not in known:
                problems.add(key, f"refers to an {unknown_name(value.target, known)}")
                break
            if value.target in trail:
                problems.add(key, f"refers to itself: {' to '.join([*trail, value.target])}")
                break
            trail.append(value.target)
            value = layer.settings.get(value.target)
