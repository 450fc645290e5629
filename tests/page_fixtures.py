"""Searches of every kind written into folders, for the tests of the page and of what watches."""

import json
import random
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from store_fixtures import SPACE, cell, epoch

from freelb_tune.store import FORMAT, cell_folder, seal_of, take_results

START = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)


@dataclass
class Made:
    """A search to be made up.

    `ends` maps a cell's place to its end, where that is not "done"; None for one that runs.
    """

    rates: int = 3
    sizes: int = 1
    seeds: int = 2
    epochs: int = 3
    task: str = "rte"
    space: str = SPACE
    name: str = "rte_grid"
    examples: int = 0
    classes: int = 2
    ends: dict = field(default_factory=dict)
    decided: list = field(default_factory=list)
    closed: bool = True
    message: str = "ValueError: its loss is nan"

    def cells(self):
        seeds = range(1, self.seeds + 1)
        found = [cell(seed) for seed in seeds]
        for size in range(self.sizes):
            for rate in range(self.rates):
                settings = {
                    "adv_lr": round(0.01 * (rate + 1), 4),
                    "init_mag": round(0.1 * (size + 1), 4),
                    "max_norm": 0.5,
                }
                found += [cell(seed, **settings) for seed in seeds]
        return found

    def write(self, folder):
        cells = self.cells()
        with take_results(folder, space_yaml=self.space, name=self.name, task=self.task) as journal:
            journal.append_all(self._events(folder, cells))
        return folder

    def _events(self, folder, cells):
        opened = {
            "at": _at(0), "pid": 1, "version": "0", "name": self.name, "task": self.task,
            "command": ["freelb-tune", "--space", "rte_grid.yaml", "--results", "out"],
            "cells": [each.id for each in cells], "space": "0", "format": FORMAT,
            "seeds": sorted({each.seed for each in cells}),
        }  # fmt: skip
        events = [("opened", opened)]
        events += [("planned", {"cell": each.to_json()}) for each in cells]
        events += [("decided", entry) for entry in self.decided]
        for at, each in enumerate(cells):
            end = self.ends.get(at, "done")
            if end == "waiting":
                continue
            events.append(("started", {"cell_id": each.id, "at": _at(20 * at)}))
            seal = self._log(folder, each, end)
            when = {"cell_id": each.id, "at": _at(20 * at + 35)}
            if end in ("failed", "diverged"):
                events.append(("failed", {**when, "state": end, "message": self.message}))
                (cell_folder(folder, each.id) / "error.txt").write_text(
                    "Traceback\n" + self.message
                )
            elif end:
                events.append(("finished", {**when, "state": end, **asdict(seal)}))
        if self.closed:
            events.append(("closed", {"at": _at(20 * len(cells) + 40)}))
        return events

    def _log(self, folder, each, end):
        chance = random.Random(each.id)
        home = cell_folder(folder, each.id)
        home.mkdir(parents=True, exist_ok=True)
        count = {"done": self.epochs, "stopped": 1, None: 1}.get(end, 0)
        lines, base = [], 0.6 + 2 * each.settings.get("adversary.adv_lr", 0.01)
        for number in range(1, count + 1):
            score = round(min(base + 0.05 * number + chance.gauss(0, 0.02), 0.99), 4)
            health = {}
            if each.arm != "clean":
                health = dict.fromkeys(("delta_ratio", "delta_norm", "bound_share"), 0.31)
                health["adv_loss_gain"] = 0.05
            if self.examples:
                score = self._predict(home, number, chance, score)
            lines.append(epoch(each.id, number, score, **health).to_json())
        log = home / "epochs.jsonl"
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return seal_of(log)

    def _predict(self, home, number, chance, score):
        (home / "predictions").mkdir(exist_ok=True)
        rng = np.random.default_rng(chance.randrange(2**32))
        if self.classes == 1:
            labels = np.linspace(0, 5, self.examples).astype(np.float32)
            logits = (labels + rng.normal(0, 1, self.examples))[:, None].astype(np.float32)
        else:
            labels = np.arange(self.examples) % self.classes
            said = np.where(rng.random(self.examples) < score, labels, (labels + 1) % self.classes)
            logits = np.eye(self.classes, dtype=np.float32)[said]
            score = float((said == labels).mean())
        path = home / "predictions" / f"epoch_{number:04d}.npz"
        np.savez(path, **{"dev.logits": logits, "dev.labels": labels})
        return score


def _at(seconds):
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
