"""A search's results as a Python user has them.

Room: api. Frames load pandas, the verdict loads scipy, the model loads torch: each on use.
"""

import os
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from freelb_tune.api.remote import looked_in, show, with_best
from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.results.outputs import write_outputs
from freelb_tune.results.tables.contents.metric import measure_of
from freelb_tune.results.tables.formats.html import html_grid
from freelb_tune.results.tables.formats.sentences import clean_sentence, title
from freelb_tune.space.problems import shown
from freelb_tune.store import Store, load_store

if TYPE_CHECKING:
    import pandas as pd

    from freelb_tune.api.best import Best
    from freelb_tune.results.statistics.comparing.comparison import Verdict
    from freelb_tune.results.tables.contents.table import Table

__all__ = ["Results", "open_results", "write_report"]


class Results:
    """What a search has shown, as it stood when the folder was opened.

    Of a search that is still running, open the folder again for later news.

    Attributes:
        folder: `results/NAME`; of one at a URI, where it was brought to.
        name: the search's name.
        task: its task.
    """

    def __init__(self, store: Store, place: str | Path | None = None) -> None:
        self.folder, self.name, self.task = store.folder, store.name, store.task
        self._place = place or store.folder
        self._store = store

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cells of the latest plan are in each state: `{"done": 5, "failed": 1}`."""
        return Counter(str(each.state) for each in self._store.cells)

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """One row per cell in plan order: its state, best and last epoch, metrics and settings.

        docs/columns.md says what each column means, and its unit.
        """
        from freelb_tune.results.tables.frames import trials_frame

        return trials_frame(self._store.cells, measure_of(self._store).better)

    @cached_property
    def epochs(self) -> "pd.DataFrame":
        """One row per cell and epoch in plan order: metrics, losses, norms, passes, seconds.

        docs/columns.md says what each column means, and its unit.
        """
        from freelb_tune.results.tables.frames import epochs_frame

        return epochs_frame(self._store.cells)

    @cached_property
    def table(self) -> "pd.DataFrame":
        """The rows and columns of `table.md`, a row for each of its rows.

        The settings that make a row by their short names; then for each column of results its mean
        over the finished seeds at the epoch that counts, as a fraction, under the printed heading,
        and beside it the sample deviation (`sd`), the number of seeds (`n`), the mean of its clean
        arm (`clean`) and whether it is printed in bold (`bold`).
        """
        from freelb_tune.api.frames import table_frame

        return table_frame(self._table)

    @cached_property
    def ranking(self) -> "pd.DataFrame":
        """One row per configuration: complete ones by their mean, then the others, then clean arms.

        Means and deviations over seeds, and the difference from the clean arm with its interval.
        docs/columns.md says what each column means, and its unit.
        """
        from freelb_tune.results.tables.frames import configurations_frame

        return configurations_frame(self._table)

    @cached_property
    def robustness(self) -> "pd.DataFrame":
        """One row per evaluation set: the best adversarial configuration and its clean arm.

        Empty where cells have no further set and no labelled `data.test`. docs/columns.md says
        what each column means.
        """
        from freelb_tune.results.robustness import robustness
        from freelb_tune.results.tables.frames import robustness_frame

        return robustness_frame(robustness(self._store, self._table))

    @property
    def verdict(self) -> "Verdict":
        """What it has shown: `sentence`, `comparisons`, `better`, `footnotes`.

        Raises:
            FreeLBTuneError: a file of predictions is damaged.
        """
        assert self._table.verdict is not None  # it was asked for
        return self._table.verdict

    @property
    def best(self) -> "Best":
        """The model with the best mean of all, the clean arm included: its best seed's.

        Raises:
            FreeLBTuneError: there is none yet.
        """
        return self._selected(adversarial=False)

    @property
    def best_adversarial(self) -> "Best":
        """The best model that was trained with perturbation; `best` itself where it is that one.

        Raises:
            FreeLBTuneError: there is none yet.
        """
        return self._selected(adversarial=True)

    def evaluate(self, file: str | Path, *, trust_remote_code: bool = False) -> "pd.DataFrame":
        """The kept models' scores on a file with labels: what `freelb-tune evaluate` prints.

        Args:
            file: with the text and label columns that the training file has.
            trust_remote_code: let Python inside the models' folders run.

        Returns:
            A row for each model and metric: `model` (best, best_adversarial), `cell_id`, `arm`,
            `seed`, `examples`, `metric`, `value`, and its 95 % interval over other rows like these,
            `low` and `high`; after the planned end a row for the difference of the two models.

        Raises:
            FreeLBTuneError: there is no model yet, or the file is not as it reads it.
        """
        import pandas as pd

        from freelb_tune.api.evaluating import evaluate_file

        found = evaluate_file(self.folder, Path(file), trust_remote_code=trust_remote_code)
        return pd.DataFrame(found.records)

    def report(self, *, with_text: bool = False) -> Path:
        """Write every table and the page again, from what is stored.

        Args:
            with_text: show the dev examples that arms judge differently in words; the page says so.

        Returns:
            The page, `report.html`.

        Raises:
            FreeLBTuneError: nothing was planned yet, a file is damaged, or none can be written.
        """
        store, _ = write_report(self._place, with_text=with_text)
        return store.folder / "report.html"

    def _selected(self, *, adversarial: bool) -> "Best":
        from freelb_tune.api.best import Best
        from freelb_tune.training.predicting.selected import best_cell, best_folder

        folder = looked_in(self._place, with_best)
        cell = best_cell(folder, adversarial=adversarial)
        return Best(best_folder(folder, adversarial=adversarial), cell)

    @cached_property
    def _table(self) -> "Table":
        from freelb_tune.results.analysis import analyse

        return analyse(self._store)

    @property
    def _states(self) -> str:
        """`6 cells: 5 done, 1 failed`."""
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        return f"{counted(len(self._store.cells), 'cell')}: {states or 'none planned'}"

    def __repr__(self) -> str:
        return f"<Results in {self.folder}: {self._states}>\n{self.verdict.sentence}"

    def _repr_html_(self) -> str:
        from freelb_tune.results.tables.formats.grid import print_table

        return "\n".join(
            [
                f"<h4>{escape(title(self._table))}</h4>",
                f"<p>{escape(clean_sentence(self._table))}</p>",
                html_grid(print_table(self._table)),
                f"<p><b>{escape(self.verdict.sentence)}</b></p>",
                f"<p>{escape(self._states)}, in {escape(str(self.folder))}</p>",
            ]
        )


def open_results(folder: str | Path) -> Results:
    """Open a search's results, finished or running.

    Args:
        folder: `results/NAME`, or its URI: then what is there now is brought here.

    Raises:
        FreeLBTuneError: it is no results folder, a file in it is damaged, or the URI cannot be
            read.
    """
    if not isinstance(folder, str | os.PathLike):
        raise FreeLBTuneError(
            f"expected a results folder, got {shown(folder)}; write ft.open_results('results/NAME')"
        )
    return Results(load_store(looked_in(folder)), folder)


def write_report(place: str | Path, *, with_text: bool = False) -> "tuple[Store, Table]":
    """Write every table and the page again, as `Results.report` does; at a URI also there.

    Returns:
        What was read, and the table with its verdict.

    Raises:
        FreeLBTuneError: as `Results.report`; also where it is no results folder.
    """
    from freelb_tune.results.analysis import judge

    folder = looked_in(place)
    store = load_store(folder)
    if not store.cells:
        raise FreeLBTuneError(f"{folder}: its search ended before it had planned a cell; run it")
    table = write_outputs(store, judge, with_text=with_text)
    show(place, folder)
    return store, table
