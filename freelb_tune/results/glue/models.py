"""Which models a set of searches has fine-tuned, told apart by their weights.

Room: results.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.glue.published import short_model
from freelb_tune.store import Store

__all__ = ["given_names", "model_names", "models_of", "refuse_twice", "whose"]


def given_names(store: Store, weights: str) -> list[str]:
    """What a search's space calls the model of these weights; usually one name."""
    cells = (each.cell for each in store.cells if each.cell.weights == weights)
    return list(dict.fromkeys(str(cell.settings.get("model.name")) for cell in cells))


def model_names(stores: Sequence[Store]) -> dict[str, str]:
    """Every model's name as printed, by the fingerprint of its weights.

    The same weights under two names, as from a folder and from the Hub, are one model.
    """
    names: dict[str, str] = {}
    for each in (result.cell for store in stores for result in store.cells):
        names.setdefault(each.weights, short_model(str(each.settings.get("model.name"))))
    printed = list(names.values())
    return {
        weights: name if printed.count(name) == 1 else f"{name} ({weights})"
        for weights, name in names.items()
    }


def models_of(store: Store, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The models of one search: fingerprints with names."""
    inside = dict.fromkeys(each.cell.weights for each in store.cells)
    return [(weights, names[weights]) for weights in inside]


def whose(stores: Sequence[Store], names: Mapping[str, str]) -> str:
    """Which model is whose: `roberta-base (results/A), roberta-large (results/B)`."""
    said = []
    for weights, name in names.items():
        own = [str(s.folder) for s in stores if any(r.cell.weights == weights for r in s.cells)]
        said.append(f"{name} ({', '.join(own)})")
    return ", ".join(said)


def refuse_twice(stores: Sequence[Store], names: Mapping[str, str]) -> None:
    """Raise where a task of one model stands in two folders."""
    seen: dict[tuple[str, str], Path] = {}
    for store in stores:
        for weights, name in models_of(store, names):
            key = store.task, weights
            if key in seen:
                raise FreeLBTuneError(
                    f"task {store.task!r} of {name} stands twice, in {seen[key]} and "
                    f"{store.folder}; name one of them"
                )
            seen[key] = store.folder
