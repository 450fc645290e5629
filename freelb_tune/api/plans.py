"""A plan as a Python user has it: the cells, what they could show and what they cost.

Room: api.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.api.remote import looked_at
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import Inputs, Space, list_plan, plan_cells
from freelb_tune.space import Plan as Cells
from freelb_tune.space.cells.parts import part_folder, take_part
from freelb_tune.space.cells.planning import Fingerprint
from freelb_tune.space.checking.unread import check_read
from freelb_tune.space.problems import shown
from freelb_tune.space.settings.trainer_fields import defaults_sentence
from freelb_tune.store import Store, load_store, match_sentence
from freelb_tune.tasks import (
    Look,
    data_fingerprint,
    data_sizes,
    is_local,
    label_names,
    look_at_data,
)
from freelb_tune.tasks.class_weights import LOSS_SETTINGS, check_loss
from freelb_tune.training import find_model, model_fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from freelb_tune.results.forecast import Forecast
    from freelb_tune.results.statistics.numbers.power import Power
    from freelb_tune.results.workload import Cost

__all__ = ["MOST_CELLS", "Plan", "plan", "span"]

MOST_CELLS = 100_000
"""A larger search is likelier a mistake than meant."""

_MOST_TEXTS = 2_000  # of a set, for how long texts are: as many take a second or less


@dataclass(frozen=True, repr=False)
class Plan:
    """What a search would run, could show, and costs. Nothing has run.

    Attributes:
        space: what was planned.
        known: the state of the cells that the results folder has, by id.
        notes: what a user should know of the data and the models, as far as they are here.
    """

    space: Space
    known: Mapping[str, str]
    notes: tuple[str, ...]
    _cells: Cells
    _results: Path
    _store: Store | None
    _looks: Mapping[str, Look]
    _whole: Cells

    def __len__(self) -> int:
        return len(self._cells.cells)

    @cached_property
    def cells(self) -> "pd.DataFrame":
        """One row per cell in the order of running.

        `cell_id`, `config_id` (the same for all seeds), `clean_id` (of its clean arm), `arm`,
        `seed`, `fold` where there are folds, `state` ("new", "as another" of one that trains the
        same as another, or what the results folder knows), then every setting by its dotted name.
        """
        from freelb_tune.api.frames import plan_frame

        return plan_frame(self._cells.cells, self._states)

    @property
    def _states(self) -> dict[str, str]:
        """What is told of cells that are not simply new, by id."""
        twins = {c.id: "as another" for c in self._cells.cells if c.config_id in self._cells.twins}
        return {**twins, **self.known}

    @cached_property
    def forecast(self) -> "Forecast":
        """Power and cost, from the plan and from finished cells like it; scipy loads for it.

        Of a part of a plan: the power of the whole, and the cost of the part.
        """
        from freelb_tune.results.forecast import forecast, stores_in

        stores = stores_in(self._results, self._store)
        told = forecast(self.space, self._whole, stores)
        if self._cells is self._whole:
            return told
        return replace(told, cost=forecast(self.space, self._cells, stores).cost)

    @property
    def power(self) -> "Power | None":
        """What differences it would show; None where that is not known.

        `smallest` and `seeds_for_a_point` are each a pair: for training that is as steady as may be
        expected, and for training that is not.
        """
        return self.forecast.power

    @property
    def cost(self) -> "Cost":
        """What it takes: `updates`, `passes`, `device_hours`, `device_hours_left`."""
        return self.forecast.cost

    @cached_property
    def cut(self) -> tuple[str, ...]:
        """How many texts `data.max_length` cuts, a sentence for each data, model and length.

        As far as data and tokenizer are here; of a large set, as a random part of it shows.
        """
        from freelb_tune.training.inputs.lengths import cut_sentences

        return cut_sentences(self._cells.cells, self._looks, _MOST_TEXTS)

    @property
    def defaults(self) -> str:
        """Which defaults of `trainer` hold here and are not `TrainingArguments`'; may be empty."""
        return defaults_sentence(self.space.trainer_given)

    @property
    def listing(self) -> str:
        """Every cell as a line of text, then the counts."""
        return list_plan(self.space, self._cells, self.known)

    @property
    def sentences(self) -> list[str]:
        """What else there is to say, once the list is shown."""
        said = filter(None, [_unread(self.space, self._cells), self.defaults])
        return [*said, *self.cut, *self.forecast.sentences]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        states = self._states
        return {
            "name": self.space.name,
            "task": self.space.task,
            "cells": [
                {
                    "id": cell.id,
                    "config_id": cell.config_id,
                    "clean_id": cell.clean_id,
                    "arm": cell.arm,
                    "seed": cell.seed,
                    **({} if cell.fold is None else {"fold": cell.fold}),
                    "state": states.get(cell.id, "new"),
                    "settings": dict(cell.settings),
                }
                for cell in self._cells.cells
            ],
            "notes": list(self.notes),
            "sentences": self.sentences,
            "power": None if self.power is None else asdict(self.power),
            "cost": asdict(self.cost),
        }

    def __repr__(self) -> str:
        return "\n".join([self.listing, *self.sentences])

    def _repr_html_(self) -> str:
        sentences = [*self.notes, *self.sentences]
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
        return f"{self.cells.to_html(max_rows=20, index=False)}{said}"


def plan(
    space: Space,
    results: str | Path = "results",
    *,
    most_cells: int | None = MOST_CELLS,
    shard: str | None = None,
) -> Plan:
    """List what a search would run, could show, and costs. Runs and fetches nothing.

    Data and models that are here are looked at as `search` does it.

    Args:
        space: of `load_space` or `Space.of`.
        results: the folder that searches' folders stand in, or its URI: what they know is told, and
            finished cells of this model and task say how long new ones take.
        most_cells: refuse a larger search; None plans any.
        shard: only this part of the plan, as for `search`.

    Raises:
        FreeLBTuneError: it has no cells, too many, cannot be run in parts, its data or model is not
            there, or a model cannot be trained so.
    """
    notes: dict[str, None] = {}
    looks: dict[str, Look] = {}

    def look(inputs: Inputs) -> str:
        if not is_local(inputs.task, inputs.data):
            return data_fingerprint(inputs)
        found = look_at_data(inputs.task, inputs.data, _MOST_TEXTS)
        notes.update(dict.fromkeys(found.notes))
        fingerprint = data_fingerprint(inputs)
        looks[fingerprint] = found
        return fingerprint

    whole = span(space, most_cells=most_cells, data=look)
    cells = whole if shard is None else take_part(whole, shard, space.search)
    home = looked_at(results, part_folder(space.name, shard))
    store = _stored(home / part_folder(space.name, shard))
    known = {name: str(each.state) for name, each in store.known.items()} if store else {}
    if store is not None and cells.studies is None:  # proposed cells are in no plan
        said = match_sentence(store, cells.cells)
        notes.update(dict.fromkeys([said] if said else []))
    notes.update(dict.fromkeys(_look_at_models(cells, space.resources.gpu)))
    return Plan(space, known, tuple(notes), cells, home, store, looks, whole)


def span(
    space: Space,
    *,
    most_cells: int | None,
    data: Fingerprint = data_fingerprint,
    fetch: bool = False,
) -> Cells:
    """The cells of a space.

    Args:
        space: the space.
        most_cells: refuse a larger one; None for any.
        data: gives the fingerprint of a cell's data, and may look at it.
        fetch: whether a model that is not here is fetched from the Hub.

    Raises:
        FreeLBTuneError: as `plan`; also where it is no space.
    """
    if not isinstance(space, Space):
        instead = "ft.load_space('quickstart'), or ft.Space.of({...})"
        if isinstance(space, str | Path):
            instead = f"ft.load_space({str(space)!r})"
        raise FreeLBTuneError(f"expected a Space, got {shown(space)}; write {instead}")
    cells = plan_cells(
        space,
        data_fingerprint=data,
        model_fingerprint=partial(model_fingerprint, fetch=fetch),
        limit=most_cells,
        examples=lambda cell: None if cell.fold else data_sizes(cell.task, cell.data).train,
    )
    drawn = cells.as_if_drawn()
    space.search.check_arms(drawn.compared, drawn.clean, len(space.seeds))
    _check_losses(cells)
    _unread(space, cells)
    return cells


def _check_losses(cells: Cells) -> None:
    """Refuse losses that the data has no labels for, as far as these are here."""
    kinds = {}
    for cell in {c.config_id: c for c in cells.as_if_drawn().cells}.values():
        said = [cell.settings.get(name) for name in LOSS_SETTINGS]
        if any(said):
            kinds[f"{cell.data_fingerprint} {said}"] = cell
    for cell in kinds.values():
        weighted = cell.loss.class_weights is not None
        check_loss(cell, (weighted and label_names(cell.task, cell.data)) or ())


def _unread(space: Space, cells: Cells) -> str:
    """Say which settings others leave without effect, or refuse them."""
    configurations = {cell.config_id: cell.settings for cell in cells.as_if_drawn().cells}
    return check_read(configurations.values(), space.trainer_given)


def _stored(folder: Path) -> Store | None:
    """What a results folder knows; None where it is none yet."""
    return load_store(folder) if (folder / "journal.jsonl").is_file() else None


def _look_at_models(cells: Cells, gpu: float | None) -> Sequence[str]:
    """As `search` does, as far as models are here; torch loads for it."""
    if not any(find_model(cell.model) for cell in {c.weights: c for c in cells.cells}.values()):
        return ()
    from freelb_tune.training.preparing.checks import check_cells
    from freelb_tune.training.preparing.sharing import sharing_note

    shared = sharing_note(cells.cells, gpu)
    return [*check_cells(cells.cells), *([shared] if shared else [])]
