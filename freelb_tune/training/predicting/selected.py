"""The selected model of a search: `results/NAME/best`, and loading it.

Room: training. Torch and transformers load when the model is asked for, not before.
"""

import json
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.store import CellState, load_store
from freelb_tune.store.disk.inside import refuse_link, refuse_links

__all__ = ["best_cell", "best_folder", "load_best_model"]


def best_folder(folder: Path, *, adversarial: bool = False) -> Path:
    """Where a search's selected model is: `best/`, or the best one that perturbs.

    Args:
        folder: `results/NAME`.
        adversarial: `best_adversarial/` where there is one; else `best/` holds it itself.
    """
    beside = folder / "best_adversarial"
    return beside if adversarial and beside.is_dir() else folder / "best"


def best_cell(folder: Path, *, adversarial: bool = False) -> Cell:
    """The cell whose model is selected; see `best_folder`.

    Raises:
        FreeLBTuneError: `folder` is no results folder, or there is no such model in it, or a link.
    """
    store = load_store(folder)
    best = best_folder(folder, adversarial=adversarial)
    refuse_link(best)
    refuse_links(best)
    if not (best / "cell.json").is_file():
        done = sum(each.state is CellState.DONE for each in store.cells)
        if done and all(each.state.is_over for each in store.cells):
            raise FreeLBTuneError(
                f"{best}: the models are not in this folder, whose search is over; to train them, "
                f"run {folder / 'space.yaml'} again with another --results"
            )
        raise FreeLBTuneError(
            f"{best}: there is no model, as {done} of {len(store.cells)} cells are done; run the "
            "search to its end, or restore the folder if it was deleted"
        )
    try:
        cell = Cell.from_json(json.loads((best / "cell.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as err:
        raise FreeLBTuneError(f"{best / 'cell.json'}: cannot be read: {err}") from err
    missing = [
        name
        for name, is_there in (
            ("config.json", (best / "config.json").is_file()),
            ("*.safetensors", any(best.glob("*.safetensors"))),
        )
        if not is_there
    ]
    if missing:
        raise FreeLBTuneError(
            f"{best}: no {' and no '.join(missing)}, so there is no model to predict with; "
            "README.md there says why, and a search of this one configuration makes it again"
        )
    return cell


def load_best_model(best: Path, *, trust_remote_code: bool = False) -> Any:
    """The model in `results/NAME/best`, in float32 and ready to be asked.

    Args:
        best: the folder.
        trust_remote_code: let Python inside it run.

    Raises:
        FreeLBTuneError: it cannot be loaded, or it lacks weights.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    from freelb_tune.training.inputs.adapter import load_adapted
    from freelb_tune.training.inputs.model_config import UNBUILT, short

    try:
        if (best / "adapter_config.json").is_file():
            return load_adapted(best, trust_remote_code=trust_remote_code)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            best,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except UNBUILT as err:
        raise FreeLBTuneError(f"{best}: the model cannot be loaded: {short(err)}") from err
    absent = sorted(str(name) for name in info["missing_keys"])
    if absent:
        raise FreeLBTuneError(
            f"{best}: the weights lack {', '.join(absent[:3])}{' ...' * (len(absent) > 3)}; random "
            "ones in their place would make the predictions worthless: restore the folder"
        )
    return model
