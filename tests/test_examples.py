"""The example notebook runs as it stands. (The script runs in test_wheel.)"""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # it is kept without
    for cell in notebook.cells:  # fewer steps; all else stands as it is shown
        cell.source = cell.source.replace("max_train_examples=640", "max_train_examples=64")
    pages = []

    class Watched(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            if msg["msg_type"] == "update_display_data":
                pages.append(msg["content"]["data"]["text/html"])
            return super().process_message(msg, cell, cell_index)

    Watched(notebook, resources={"metadata": {"path": tmp_path}}).execute()
    assert any("running" in page for page in pages)  # the live table
    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    (progress,) = outputs['results = ft.search(space, results="results")']
    assert progress.output_type == "display_data"  # one area, redrawn in place
    assert "6 cells: 6 done; best" in progress.data["text/html"]
    (shown,) = outputs["results"]
    assert "Under normal training (the clean arm), the accuracy on toy" in shown.data["text/html"]
    (ranking,) = next(value for text, value in outputs.items() if text.startswith("results.rank"))
    assert ranking.data["text/html"].count("<tr") == 1 + 3
    assert (tmp_path / "results" / "notebook" / "best" / "model.safetensors").is_file()
