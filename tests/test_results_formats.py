import csv
import io
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from store_fixtures import Search, cell, epoch, grid, table_text

from freelb_tune.results import build_table, write_outputs
from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
from freelb_tune.results.tables.contents.building import with_verdict
from freelb_tune.results.tables.formats.csv_text import to_csv
from freelb_tune.results.tables.formats.latex import to_latex
from freelb_tune.results.tables.formats.markdown import to_markdown
from freelb_tune.results.tables.formats.table_csv_json import to_json, to_table_csv
from freelb_tune.store import EpochLog, cell_folder, load_store


@pytest.fixture
def search(tmp_path):
    """Ten cells: nine done and one failed."""
    cells = grid()
    search = Search(cells)
    for place, each in enumerate(cells):
        search.end(each, 0.5, 0.6 + place / 100, state="failed" if place == 3 else "done")
    return search


@pytest.fixture
def table(search, tmp_path):
    return build_table(load_store(search.write(tmp_path)))


def test_markdown_has_the_readmes_form(table):
    lines = to_markdown(table).splitlines()
    assert lines[0] == "# rte_grid: accuracy on RTE"
    assert lines[2] == (
        "Under normal training (the clean arm), "
        "the accuracy on RTE is 60.00 (batch size=16) and 65.00 "
        "(batch size=32)."
    )
    assert lines[4:10] == [
        "| adv_lr | init_mag | max_norm "
        "| Best accuracy (batch size=16) | Best accuracy (batch size=32) |",
        "| :--- | :--- | :--- | ---: | ---: |",
        "| 0.05 | 0.1 | 0.1 | **61.00** | **66.00** |",
        "| 0.1 | 0.1 | 0.1 | **62.00** | **67.00** |",
        "| 0.05 | 0.2 | 0.2 | failed | **68.00** |",
        "| 0.1 | 0.2 | 0.2 | **64.00** | **69.00** |",
    ]
    assert "- 9 of 10 cells done, 1 failed; trials.csv says why cells failed." in lines
    assert "## Ranking" in lines


def test_the_verdict_stands_under_the_table_and_in_the_ranking(search, tmp_path):
    store = load_store(search.write(tmp_path))
    tried = store.cells[1].cell
    compared = Comparison(tried.config_id, tried.clean_id, 1, 0.01, -0.025, 0.045, 0.5, 0.75, False)
    verdict = Verdict("No setting stands out.", (compared,))
    text = to_markdown(with_verdict(build_table(store), verdict))
    assert "|\n\nNo setting stands out.\n\n- 9 of 10" in text
    assert "| +1.00 | -2.50 to +4.50 | 0.750 |" in text


def test_every_row_of_a_markdown_table_has_as_many_places_as_its_header(search, tmp_path):
    odd = cell(method="a|b *c* <d> `e`\n[f]", adv_lr=0.5)
    search.cells.append(odd)
    text = table_text(search.end(odd, 0.5).write(tmp_path))
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 2  # the table and the ranking
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}) == 1
    assert r"a\|b \*c\* \<d\> \`e\` \[f\]" in text


def test_latex_escapes_what_latex_reads(search, tmp_path):
    odd = cell(method=r"50%_of {$x^2$} & \input~#<|>", adv_lr=0.5)
    search.cells.append(odd)
    text = to_latex(build_table(load_store(search.end(odd, 0.5).write(tmp_path))))
    assert text.splitlines()[4] == r"\caption{rte\_grid: accuracy on RTE}"  # one line, and no more
    notes = text.partition(r"\begin{tablenotes}")[2]
    assert r"\item 10 of 11 cells done, 1 failed" in notes
    assert r"clean arm & - & - & - & 60.00 & 65.00 \\" in text  # the first row under the rule
    assert text.index("clean arm &") < text.index("0.1 & 0.1")
    assert (
        r"50\%\_of \{\$x\textasciicircum{}2\$\} \& \textbackslash{}input\textasciitilde{}\#"
        r"\textless{}\textbar{}\textgreater{}" in text
    )
    assert r"\begin{tabular}{llllrr}" in text
    assert r"0.1 & 0.1 & 0.1 & freelb & \textbf{62.00} & \textbf{67.00} \\" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("kpsewhich")),
    reason="no pdflatex here (Debian: texlive-latex-recommended, texlive-latex-extra)",
)
def test_latex_compiles_whatever_stands_in_it(search, tmp_path):
    if not subprocess.run(["kpsewhich", "threeparttable.sty"], capture_output=True).stdout:
        pytest.skip("no threeparttable.sty here (Debian: texlive-latex-extra)")
    odd = cell(method='50%_of {$x^2$} & \\input~#<|>"`[1] --no é 中 😀 ≥', adv_lr=0.5)
    search.cells.append(odd)
    text = to_latex(build_table(load_store(search.end(odd, 0.5).write(tmp_path / "a"))))
    (tmp_path / "table.tex").write_text(text.replace("0.1 & 0.1", "{[}0.9, 1{]} & 0.1"), "utf-8")
    packages = r"\usepackage[ngerman]{babel}" if _has("ngerman.ldf") else ""
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}{packages}\usepackage{{booktabs,threeparttable}}"
        r"\begin{document}\input{table}\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, encoding="latin-1",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 5_000


def _has(file):
    return bool(subprocess.run(["kpsewhich", file], capture_output=True).stdout)


def test_the_tables_csv_holds_numbers_in_the_tables_own_form(table):
    frame = pd.read_csv(io.StringIO(to_table_csv(table)))
    assert frame["adv_lr"].tolist() == [0.05, 0.1, 0.05, 0.1]
    assert frame["Best accuracy, fraction (batch size=16)"].tolist()[:2] == [0.61, 0.62]
    assert frame["clean arm (batch size=32)"].tolist() == [0.65] * 4
    assert frame["bold (batch size=32)"].tolist() == [True] * 4
    assert frame["n (batch size=16)"].tolist() == [1, 1, 0, 1]
    assert frame["notes (batch size=16)"].tolist()[2] == "failed"


def test_the_tables_json_holds_everything(table):
    content = json.loads(to_json(table))
    assert content["states"] == {"done": 9, "failed": 1}
    first = content["rows"][0]
    assert first["settings"]["adversary.adv_lr"] == 0.05
    assert first["entries"][0]["best_epoch"] == {"n": 1, "mean": 0.61, "sd": None, "median": 0.61}
    assert content["rows"][2]["entries"][0]["seeds"][0]["state"] == "failed"
    assert content["ranking"][0]["place"] == 1
    assert content["verdict"] is None


def test_trials_load_in_pandas_with_the_right_types(search, tmp_path):
    write_outputs(search.write(tmp_path))
    frame = pd.read_csv(tmp_path / "trials.csv")
    assert len(frame) == 10
    assert frame["seed"].tolist() == [42] * 10
    assert frame["best_accuracy"].dtype == frame["trainer.learning_rate"].dtype == float
    assert frame["steps"].dtype == frame["best_epoch"].dtype == int
    assert frame["adversary.adv_lr"].isna().sum() == 2  # the clean arms have none
    assert frame["state"].value_counts().to_dict() == {"done": 9, "failed": 1}
    assert frame["message"].dropna().tolist() == ["'=its loss is nan"]


def test_epochs_load_in_pandas_with_a_column_for_every_field(search, tmp_path):
    write_outputs(search.write(tmp_path))
    frame = pd.read_csv(tmp_path / "epochs.csv")
    assert frame.groupby("cell_id")["epoch"].agg(list).tolist() == [[1, 2]] * 10
    expected = set(epoch("", 1, 0.5).to_json()) - {"metrics"} | {"accuracy"}
    assert expected <= set(frame.columns)
    assert frame["accuracy"].tolist() == frame["score"].tolist()
    assert frame["train_seconds"].tolist() == [1.5] * 20


def test_cells_with_different_metrics_share_one_header(tmp_path):
    search = Search([cell(1), cell(2)]).end(cell(1), 0.5)
    search.write(tmp_path)
    record = epoch(cell(2).id, 1, 0.4, metrics={"accuracy": 0.4, "mismatched.accuracy": 0.3})
    EpochLog(cell_folder(tmp_path, cell(2).id) / "epochs.jsonl").append(record)
    Search([cell(1), cell(2)]).end(cell(2), state="done").write(tmp_path)
    write_outputs(tmp_path)
    frame = pd.read_csv(tmp_path / "trials.csv")
    assert frame["best_mismatched.accuracy"].tolist()[1] == 0.3
    assert frame["best_accuracy"].tolist() == [0.5, 0.4]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start):
    ((name,), (value,)) = csv.reader(
        io.StringIO(to_csv([f"{start}A"], [[f"{start}1"]]), newline="")
    )
    start = start.replace("\r", "\n")
    assert (name, value) == (f"'{start}A", f"'{start}1")


def test_a_carriage_return_ends_no_row():
    assert to_csv(["a"], [["x\r\ny\rz"]]) == 'a\n"x\ny\nz"\n'


def test_numbers_stay_numbers():
    text = to_csv(["a", "b", "c", "d", "e"], [[-0.5, -3, None, True, [0.9, -1]]])
    assert text == 'a,b,c,d,e\n-0.5,-3,,True,"[0.9, -1]"\n'
