"""One selected model's folder: `best/` or `best_adversarial/`, complete or not at all.

Room: search, without Ray.
"""

import json
import os
import shlex
import shutil
from pathlib import Path

from freelb_tune.adversary import loaded_plugins
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.selected.leader import Leader
from freelb_tune.space import Cell
from freelb_tune.store import cell_folder, held_cell, write_whole
from freelb_tune.tasks import DEFINITIONS, get_task

__all__ = ["Shelf"]

_README = """\
# The {what}

Cell `{cell}` (seed {block}) of the search in `{folder}`: score {score!r} after epoch {epoch},
{rank}
{beside}{weights}
{loss}Its settings are in `cell.json`. The command that made it:

    {command}

Train this one cell again, with the same numbers on the same hardware:

    freelb-tune rerun {folder_argument} {cell}{plugins}
"""
_FIRST = """\
which is {seed}. Its configuration, {arm}, has the best mean of all{others}:
{value!r} is {what}. Of equals the first in the plan is taken."""
_NOT_RANKED = """\
the best of the cells that are done. No configuration{others} has all of its seeds trained to the
end, so none is the first in `table.md`, and this may be a lucky seed."""
_BESIDE = "{what} is in `{name}/`: cell `{cell}`.\n"
_LOST = """\
The clean arm (cell `{cell}`) has a better mean, but the version of freelb-tune that trained it
did not keep its weights. So this is the best model that was trained with perturbation.
"""
_LOADS = """
    from transformers import pipeline
    classify = pipeline("text-classification", {path!r}, truncation=True{more})
    classify({example})

    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    model = AutoModelForSequenceClassification.from_pretrained({path!r})
    tokenizer = AutoTokenizer.from_pretrained({path!r})

It was trained on {length} tokens of each text: truncation=True cuts longer ones to what the model
takes; max_length={length} beside it cuts them as in training. A whole file:

    freelb-tune predict {folder_argument} --input new.csv --output out.csv{adversarial}
"""
_LOADS_OVER = """
It is an adapter alone, for the model whose folder `adapter_config.json` names, which has to stay
there:

    import freelb_tune
    classify = freelb_tune.open_results({folder!r}).{attribute}.pipeline()
    classify({example})

A whole file:

    freelb-tune predict {folder_argument} --input new.csv --output out.csv{adversarial}
"""
_MORE = {"regression": ', function_to_apply="none"', "multi_label": ", top_k=None"}
_GONE = """
Its weights are not here: they were let go of when other cells were ahead of it.
"""


class Shelf:
    """Keeps one cell's model in one folder of the results folder.

    A new model's folder is written beside the old one and then takes its place. Its files are hard
    links to those in the cell's folder. A run that is killed at any moment leaves one of the two
    whole, and the next run puts the rest right.

    Args:
        folder: the results folder.
        name: of the folder in it.
        command: the command line that asked for the search.
    """

    def __init__(self, folder: Path, name: str, command: str) -> None:
        self._folder, self._command = folder, command
        self._home = folder / name
        self._draft, self._old = folder / f".{name}.new", folder / f".{name}.old"

    @property
    def holds(self) -> str | None:
        """Id of the cell whose model this is; None where there is none."""
        return held_cell(self._home)

    @property
    def is_whole(self) -> bool:
        """Whether the model itself is there."""
        return (self._home / "config.json").exists()

    def publish(
        self,
        leader: Leader,
        board: Board,
        *,
        beside: Leader | None = None,
        lost: Leader | None = None,
    ) -> None:
        """Make the folder the leader's, complete or not at all.

        Args:
            leader: whose model.
            board: states and scores.
            beside: whose model is on the other shelf.
            lost: who leads all and has no weights any more.
        """
        cell = leader.row.cell
        model = cell_folder(self._folder, cell.id) / "model"
        if self.holds == cell.id and (self.is_whole or not model.is_dir()):
            readme = self._readme(leader, board, beside, lost, has_weights=self.is_whole)
            if not _says(self._home / "README.md", readme):
                write_whole(self._home / "README.md", readme)
            return
        self._clean_up()
        if model.is_dir():
            shutil.copytree(model, self._draft, copy_function=_link)
        else:
            self._draft.mkdir()
        readme = self._readme(leader, board, beside, lost, has_weights=model.is_dir())
        write_whole(self._draft / "README.md", readme)
        write_whole(self._draft / "cell.json", json.dumps(cell.to_json(), indent=2) + "\n")
        if self._home.exists():
            self._home.rename(self._old)
        self._draft.rename(self._home)
        self._clean_up()

    def clear(self) -> None:
        """Have no such folder."""
        if self._home.exists():
            self._clean_up()
            self._home.rename(self._old)
        self._clean_up()

    def _clean_up(self) -> None:
        for rest in (self._draft, self._old):
            shutil.rmtree(rest, ignore_errors=True)

    def _readme(
        self,
        leader: Leader,
        board: Board,
        beside: Leader | None,
        lost: Leader | None,
        *,
        has_weights: bool,
    ) -> str:
        cell, best = leader.row.cell, leader.row.best_epoch(board.sign)
        assert best is not None  # a leader has scores
        is_all = self._home.name == "best" and lost is None
        plugins = loaded_plugins() if cell.plugin or cell.task in DEFINITIONS else ()
        return _README.format(
            what="best model" if is_all else "best adversarial model",
            cell=cell.id,
            block=cell.block,
            folder=self._folder,
            score=best[1],
            epoch=best[0],
            rank=_rank(leader, board, "" if is_all else " that perturb"),
            beside=_beside(beside, lost),
            weights=self._loads(leader) if has_weights else _GONE,
            loss=_folds(cell) + _loss(cell),
            command=self._command,
            folder_argument=shlex.quote(str(self._folder)),
            plugins="".join(
                f" --plugin {shlex.quote(name)}" for name in plugins if isinstance(name, str)
            ),
        )

    def _loads(self, leader: Leader) -> str:
        """How to use the model."""
        cell, length = leader.row.cell, leader.row.cell.data.max_length
        task = get_task(cell.task)
        named = [cell.data.text] if isinstance(cell.data.text, str) else cell.data.text
        is_pair = len(named or task.columns) > 1
        pair = '{"text": "First text.", "text_pair": "Second text."}'
        is_best = self._home.name == "best"
        alone = cell.model.adapted is not None and cell.run.keep_adapter == "alone"
        return (_LOADS_OVER if alone else _LOADS).format(
            path=str(self._home),
            folder=str(self._folder),
            attribute="best" if is_best else "best_adversarial",
            length=length,
            example=pair if is_pair else '"A text of any length."',
            more=_MORE.get(task.kind, ""),
            folder_argument=shlex.quote(str(self._folder)),
            adversarial="" if is_best else " --adversarial",
        )


def _rank(leader: Leader, board: Board, others: str) -> str:
    """Why this cell."""
    if leader.mean is None:
        return _NOT_RANKED.format(others=others)
    which = "best" if board.select == "best_epoch" else "last"
    what = f"its score at the {which} epoch"
    if leader.seeds > 1:
        many = "seeds" if leader.row.cell.fold is None else "cells (folds and seeds)"
        what = f"the mean over its {leader.seeds} {many}, each at its {which} epoch"
    arm = "the clean arm" if leader.is_clean else "an adversarial one"
    seed = f"the best of its {'seeds' if leader.row.cell.fold is None else 'cells'}"
    if leader.passed is not None:
        seed += (
            f" whose weights are there (seed {leader.passed.cell.block}, "
            f"cell `{leader.passed.cell.id}`, is better, and its weights were let go of)"
        )
    return _FIRST.format(seed=seed, arm=arm, value=round(leader.mean, 6), what=what, others=others)


def _beside(beside: Leader | None, lost: Leader | None) -> str:
    """What is in the other folder, or was."""
    if lost is not None:
        return _LOST.format(cell=lost.row.cell.id)
    if beside is None:
        return ""
    what, name = "The best adversarial model", "best_adversarial"
    if beside.is_clean:
        what, name = "The best model of all, without perturbation,", "best"
    return _BESIDE.format(what=what, name=name, cell=beside.row.cell.id)


def _loss(cell: Cell) -> str:
    """What its loss was, where that is not the usual one."""
    weights = cell.loss.class_weights
    if weights is None:
        return ""
    said = weights if isinstance(weights, str) else json.dumps(weights, ensure_ascii=False)
    return f"Its loss weights the classes (`class_weights`: {said}).\n"


def _folds(cell: Cell) -> str:
    """Which rows it was not trained on, where these are a fold."""
    if cell.fold is None:
        return ""
    return (
        f"Of {cell.data.folds} folds it was trained on all but fold {cell.fold}, and scored on "
        "that one. Folds are of other rows, some of them easier, so the mean above says more of "
        "these settings than this score. To train them on more rows, name data.train and "
        "data.dev.\n"
    )


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _link(source: str, target: str) -> str:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
