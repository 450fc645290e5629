"""Searches on any task, with any metrics, written through the store's own door."""

from store_fixtures import epoch

from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.store import EpochLog, cell_folder, take_results, utc_now


def glue_cell(task, seed=1, *, model="roberta-base", weights="w1", bsz=16, **adversary):
    """A cell; without settings for the adversary it belongs to the clean arm."""
    base = {
        "task": task,
        "model.name": model,
        "trainer.per_device_train_batch_size": bsz,
    }
    clean = {**base, "adversary.method": "none"}
    settings = clean
    if adversary:
        known = {"method": "freelb", **adversary}
        settings = {**base, **{f"adversary.{name}": value for name, value in known.items()}}
    return Cell(
        id=digest({**settings, "seed": seed, "weights": weights}),
        config_id=digest({**settings, "weights": weights}),
        clean_id=digest({**clean, "weights": weights}),
        arm="adversarial" if adversary else "clean",
        seed=seed,
        settings=settings,
        data_fingerprint="d",
        weights=weights,
    )


def write_search(folder, task, runs, *, space="", **facts):
    """Write a search.

    Args:
        folder: the results folder.
        task: its task.
        runs: cells with their metrics epoch by epoch, the first metric being the score, and
            their end: "done", "failed", "dropped" or "spared" by a race, or None for one that
            was never started.
        space: further lines of space.yaml.
        facts: further fields of every epoch's record.
    """
    text = f"name: {folder.name}\ntask: {task}\n{space}"
    cells = [cell for cell, *_ in runs]
    seeds = sorted({cell.seed for cell in cells})
    with take_results(folder, space_yaml=text, name=folder.name, task=task) as journal:
        opened = {"pid": 1, "version": "0", "command": "", "space": "0", "seeds": seeds}
        ids = [cell.id for cell in cells]
        opened |= {"name": folder.name, "task": task, "cells": ids}
        journal.append("opened", at=utc_now(), **opened)
        journal.append_all(("planned", {"cell": cell.to_json()}) for cell in cells)
        for cell, epochs, state in runs:
            if state is None:
                continue
            if state in ("dropped", "spared"):
                left = {"dropped": {}, "spared": {}, state: {cell.id: "the race went on"}}
                round_ = {"round": 2, "contenders": [], "failed": [], "over": True}
                journal.append("decided", race="r", **round_, **left)
                continue
            journal.append("started", cell_id=cell.id, at=utc_now())
            log = EpochLog(cell_folder(folder, cell.id) / "epochs.jsonl")
            for number, metrics in enumerate(epochs, start=1):
                score = next(iter(metrics.values()))
                log.append(epoch(cell.id, number, score, metrics=metrics, **facts))
            if state == "failed":
                journal.append("failed", cell_id=cell.id, state=state, message="it failed")
            else:
                journal.append("finished", cell_id=cell.id, state=state)
        journal.append("closed", at=utc_now())
    return folder
