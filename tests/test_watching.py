"""A search as a terminal and a program see it: `freelb-tune status`, and what a search ends in."""

import io
import json
import re

from page_fixtures import Made
from rich.console import Console
from typer.testing import CliRunner

from freelb_tune.api.watching import show_end, status_json, watch
from freelb_tune.cli.root import app
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.store import Journal
from freelb_tune.watching import terminal
from freelb_tune.watching.snapshot import change_mark, snapshot
from freelb_tune.watching.terminal import status_of


def drawn(folder, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(status_of(snapshot(folder), console))
    return console.file.getvalue()


def test_a_search_that_runs_elsewhere_is_told_with_what_runs_and_how_long(tmp_path):
    made = Made(ends={6: None, 7: "waiting"}, closed=False)
    with Journal(made.write(tmp_path)):
        text = drawn(tmp_path, 80)
        told = status_json(tmp_path)
    assert "running: 6 of 8 cells done, 2 to come." in text
    assert re.search(r"adv_lr 0.03, seed 1 +1 +\d\d\.\d\d", text)
    assert re.search(r"time: .*; about \d+ s left", text)
    assert "Verdict after 2 more cells." in text
    assert "interval" not in text
    assert (told["state"], told["running"][0]["epoch"]) == ("running", 1)
    assert told["table"]["verdict"]["comparisons"] == []
    assert json.loads(json.dumps(told)) == told


def test_at_80_columns_the_table_fits_and_no_setting_is_cut(tmp_path):
    write_outputs(Made().write(tmp_path), judge)
    text = drawn(tmp_path, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for rate in ("0.01", "0.02", "0.03"):
        assert re.search(rf"^ \d +{rate} ", text, re.MULTILINE)
    assert "last epoch" not in text  # the first to go
    assert "last" in drawn(tmp_path, 200)


def test_a_long_word_on_missing_seeds_takes_lines_and_no_column_from_the_rest(tmp_path):
    text = drawn(Made(seeds=3, ends={3: "failed", 4: "stopped"}).write(tmp_path), 70)
    assert re.search(r"^ - +0\.01 +[\d.]+ +1/3 \(seed 1", text, re.MULTILINE)
    assert re.search(r"^ +failed; seed 2\b", text, re.MULTILINE)


def test_where_no_table_fits_each_configuration_is_a_sentence(tmp_path):
    text = " ".join(drawn(Made().write(tmp_path), 30).split())
    assert "rank 1, adv_lr 0.03" in text


def test_a_search_ends_in_its_table_then_the_verdict_then_where_things_are(tmp_path, capsys):
    write_outputs(Made().write(tmp_path), judge)
    show_end(tmp_path)
    said = capsys.readouterr()
    order = [said.out.index(text) for text in ("the clean arm), the", "rank", "After 2 seeds")]
    assert order == sorted(order)
    assert "|" not in said.out  # no Markdown
    assert f"page: {tmp_path}/report.html" in said.err


def test_on_a_terminal_a_sentence_ends_its_lines_between_words(tmp_path):
    write_outputs(Made().write(tmp_path), judge)
    found = snapshot(tmp_path)
    out = Console(file=io.StringIO(), width=40, force_terminal=True, no_color=True)
    terminal.show_end(found, out, Console(file=io.StringIO()))
    words = set(" ".join(out.file.getvalue().split()).split())
    assert set(found.overview.clean.split()) <= words


def test_watching_ends_with_the_search(tmp_path, monkeypatch, capsys):
    made = Made(ends={7: None}, closed=False)
    looks = []

    def sleep(_):
        looks.append(change_mark(tmp_path))
        if len(looks) == 2:  # the driver writes its last word and goes
            cell = made.cells()[7]
            journal.append("failed", cell_id=cell.id, state="failed", message="no")
            journal.append("closed", at="2026-11-25T18:09:00Z")
            journal.close()

    monkeypatch.setattr("time.sleep", sleep)
    journal = Journal(made.write(tmp_path)).__enter__()
    watch(tmp_path, go_on=True)
    out = capsys.readouterr().out
    assert looks[0] == looks[1] != change_mark(tmp_path)
    assert "finished: 7 of 8 cells done, 1 failed" in out


def test_looking_writes_nothing(tmp_path):
    Made().write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    status_json(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_programs_get_json_of_a_plan_and_of_a_report(tmp_path):
    Made(rates=1, seeds=1).write(tmp_path / "rte_grid")
    run = CliRunner()
    told = json.loads(run.invoke(app, ["report", str(tmp_path / "rte_grid"), "--json"]).stdout)
    assert told["progress"] == "2 of 2 cells done."
    assert told["table"]["metric"] == "accuracy"
    options = ["plan", "--space", "quickstart", "--results", str(tmp_path), "--json"]
    plan = json.loads(run.invoke(app, options).stdout)
    assert [cell["arm"] for cell in plan["cells"]] == ["clean"] * 2 + ["adversarial"] * 4
    assert plan["cells"][0]["state"] == "new"
    assert plan["cost"]["passes"] == 3150
