"""Search-space files written, read and planned in one line each."""

from pathlib import Path

from freelb_tune.space import load_space, plan_cells

TASKS = {"rte": ["accuracy"], "mrpc": ["accuracy", "f1"], "entailment_toy": ["accuracy"]}
SHIPPED = sorted((Path(__file__).parents[1] / "search_spaces").rglob("*.yaml"))

HEAD = "task: rte\nmodel: some/encoder\n"


def opened(folder, text, *overrides, data_dir=None):
    """The space that a file of this text means."""
    path = folder / "space.yaml"
    path.write_text(text, "utf-8")
    return load_space(path, overrides, data_dir, tasks=TASKS)


def planned(space, limit=100_000):
    """A space's plan with fingerprints that stand for the files named in the settings."""
    return plan_cells(
        space,
        data_fingerprint=lambda inputs: f"data:{inputs.data.path}",
        model_fingerprint=lambda inputs: f"weights:{inputs.model.name}",
        limit=limit,
    )


def cells_of(folder, text, *overrides):
    """The cells that a file of this text spans."""
    return planned(opened(folder, text, *overrides)).cells


def column(cells, *names, arm="adversarial"):
    """One row of values per cell of an arm."""
    return [tuple(cell.settings[name] for name in names) for cell in cells if cell.arm == arm]
