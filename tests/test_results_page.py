"""The page of a search: what it says, and what it may never say."""

import json
import re
from html import unescape

import numpy as np
import pytest
from page_fixtures import Made
from store_fixtures import SPACE, Search, cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.results.page import cells as page_cells
from freelb_tune.results.page import logs as page_logs
from freelb_tune.results.page.predictions import _flips, _told
from freelb_tune.results.page.texts import dev_texts
from freelb_tune.results.page.times import spans, spent
from freelb_tune.store import Journal, load_store

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def page(folder, judge=None, **how):
    write_outputs(folder, judge, **how)
    return (folder / "report.html").read_text("utf-8")


def data(text):
    """The page's block of data."""
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def words(text):
    """What the page shows before its script runs."""
    return re.sub(r"(<[^>]+>| )+", " ", text.split("<dialog")[0].split("</head>")[1])


def test_the_page_is_as_fresh_as_the_table_while_a_search_runs(tmp_path):
    made = Made(ends={6: None, 7: "waiting"}, closed=False)
    with Journal(made.write(tmp_path)):  # the run that holds the folder
        text = page(tmp_path)
    assert "2 to come" in (tmp_path / "table.md").read_text()
    said = words(text)
    assert "Verdict after 2 more cells." in said
    assert re.search(r"running\s+6 of 8 cells done, 2 to come. 1 cell running now.", said)
    states = [row["state"] for row in data(text)["cells"]["rows"]]
    assert states[5:8] == ["done", "running", "waiting"]
    assert "interrupted" in words(page(tmp_path))  # nobody holds it any more


def test_before_the_planned_end_nothing_is_said_of_a_difference(tmp_path):
    made = Made(examples=40, ends={7: "waiting"})
    text = page(made.write(tmp_path), judge)
    assert data(text)["predictions"] is None
    for word in ("95 % interval of the", "adjusted p", "<strong>", "error_x"):
        assert word not in text.split('id="plotly"')[0]
    text = page(Made(examples=40).write(tmp_path / "done"), judge)
    assert "95 % interval of the difference" in text
    assert "error_x" in text.split('id="plotly"')[0]
    assert "adjusted p" in words(text)


def test_the_clean_arm_is_the_first_row_and_numbers_are_those_of_the_table(tmp_path):
    text = page(Made().write(tmp_path), judge)
    rows = re.findall(r"<tr class=\"(.*?)\".*?>(.*?)</tr>", text, re.DOTALL)
    first, second = (re.findall(r">([^<>]+)</", row) for _, row in rows[:2])
    assert (rows[0][0].split()[0], first[0], second[0]) == ("clean", "clean", "1")
    best = json.loads((tmp_path / "table.json").read_text())
    assert best["verdict"]["sentence"] in text.replace("&#39;", "'")
    assert second[-1] in (tmp_path / "table.md").read_text()


def test_the_page_says_how_to_repeat_it(tmp_path):
    said = words(page(Made().write(tmp_path)))
    assert "freelb-tune --space rte_grid.yaml --results out" in said
    best = next(row for row in data(page(tmp_path))["cells"]["rows"] if row["state"] == "done")
    assert re.search(r"freelb-tune rerun out/rte_grid [0-9a-f]{12}", said)
    assert len(best["id"]) == 12


def test_who_has_the_page_alone_knows_what_was_tried_and_can_run_it_elsewhere(tmp_path):
    text = page(Made(rates=2, space=f"{SPACE}# {EVIL}\n").write(tmp_path))
    said = words(text)
    assert "2 configurations and 1 clean arm; method freelb; adv_lr 0.01, 0.02" in said
    assert "learning_rate 2e-05, batch size 16" in said
    assert "adv_lr: alpha, length of one ascent step" in said  # the words that it uses
    assert "Clean arm: the same settings" in said
    space = re.search(r'id="space">.*?<pre.*?>(.*?)</pre>', text, re.DOTALL)[1]
    assert unescape(space) == (tmp_path / "space.yaml").read_text().strip()
    assert EVIL in unescape(space)
    assert EVIL not in text


def test_a_row_says_which_of_its_seeds_are_missing_and_why(tmp_path):
    made = Made(rates=3, seeds=3, ends={5: "failed", 6: "diverged", 8: "failed"})
    text = page(made.write(tmp_path), judge)
    for said in (words(text), (tmp_path / "table.md").read_text()):
        assert "2/3 (seed 3 failed)" in said
        assert "1/3 (seed 3 failed; seed 1 diverged)" in said
        assert "one seed" in said  # a difference without an interval says why
    rows = data(text)["figures"]["seeds"]
    assert len(rows["data"][2]["y"]) == 2  # one seed has no bar


def test_the_best_so_far_stands_among_all_finished_cells(tmp_path):
    made = Made(ends={3: "failed", 7: "waiting"})
    dots = data(page(made.write(tmp_path)))["figures"]["progress"]["data"]
    assert [len(trace["x"]) for trace in dots if trace["mode"] == "markers"] == [2, 4]
    best = max(y for trace in dots for y in trace["y"])
    assert best in [y for trace in dots if trace["mode"] == "lines" for y in trace["y"]]


def test_a_pause_between_two_runs_takes_no_room(tmp_path):
    folder = Made(seeds=1, rates=3).write(tmp_path)
    axis = data(page(folder))["figures"]["timeline"]["layout"]["xaxis"]
    assert "rangebreaks" not in axis
    path = folder / "journal.jsonl"
    later = r"2026-11-26T00:0\1Z"  # the last two cells ran six hours after the first two
    path.write_text(re.sub(r"2026-11-25T18:0(0:40|1:..)Z", later, path.read_text()))
    figures = data(page(folder))["figures"]
    for name in ("timeline", "progress"):
        (pause,) = figures[name]["layout"]["xaxis"]["rangebreaks"]
        assert pause["bounds"] == ["2026-11-25 18:00:55", "2026-11-26 00:00:40"]


def test_a_setting_a_name_and_a_message_cannot_write_into_the_page(tmp_path):
    search = Search(
        [cell(adv_lr=lr, init_mag=EVIL if lr > 0.2 else "b") for lr in (0.1, 0.2, 0.3, 0.4)]
    )
    for at, each in enumerate(search.cells):
        search.end(each, 0.5 + at / 100)
    folder = search.write(tmp_path, space=SPACE.replace("name: rte_grid", f"name: {EVIL!r}"))
    with Journal(folder) as journal:
        journal.append("failed", cell_id=search.cells[0].id, state="failed", message=EVIL)
    text = page(folder, judge)
    assert EVIL not in text
    assert "<img" not in text.split('id="plotly"')[0]
    assert text.count("<script") == 4 - 1  # data, plotly, our own
    assert EVIL in str(data(text)["cells"]["rows"][0]["why"])


def test_nothing_is_fetched_and_the_page_forbids_itself_to(tmp_path):
    text = page(Made(seeds=1).write(tmp_path))
    own = text.replace(text.split('id="plotly">')[1].split("</script>")[0], "")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=|url\(|@import", own)
    assert "default-src &#39;none&#39;" in own or "default-src 'none'" in own


def test_examples_are_named_by_number_where_the_arms_disagree(tmp_path):
    folder = Made(examples=30).write(tmp_path)
    found = data(page(folder, judge))["predictions"]
    store = load_store(folder)
    (mine, clean) = (store.cells[2], store.cells[0])
    said = [each.predictions(each.best("higher").epoch) for each in (mine, clean)]
    right = [logits.argmax(1) == labels for logits, labels in said]
    told = found[mine.cell.id]
    assert told["against"] == clean.cell.id
    assert told["gained"] == [int(n) + 1 for n in (right[0] & ~right[1]).nonzero()[0]]
    assert told["lostCount"] == int((right[1] & ~right[0]).sum())
    assert sum(map(sum, told["confusion"])) == told["n"] == 30
    assert "gained" not in found[clean.cell.id]


def test_values_have_an_error_in_place_of_a_confusion(tmp_path):
    space = SPACE.replace("task: rte", "task: stsb").replace("accuracy", "spearman")
    folder = Made(examples=20, classes=1, task="stsb", space=space).write(tmp_path)
    store = load_store(folder)
    content = data(page(folder, judge))
    told = content["predictions"][store.cells[2].cell.id]
    assert content["lossUnit"] == "squared units of the values"
    assert content["errors"] == []
    assert "confusion" not in told
    assert told["closer"] + told["farther"] == 20


def test_several_labels_of_an_example_have_f1_each_and_count_as_one_answer():
    logits = np.array([[1, -1], [1, 1], [-1, -1]], dtype=np.float32)
    labels = np.array([[1, 0], [1, 0], [1, 1]])
    told = _told(logits, labels)
    # label 1: 2 right, said twice, true three times; label 2: none right, said and true once
    assert told == {"n": 3, "f1": [0.8, 0], "support": [3, 1]}
    flips = _flips((logits, labels), (-logits, labels))
    assert (flips["gained"], flips["lost"]) == ([1], [3])


def test_no_text_of_the_data_is_in_the_page_unless_it_was_asked_for(tmp_path):
    from freelb_tune.tasks import data_fingerprint, load_examples

    made = Made(examples=400, rates=1, sizes=1)
    toy = {"task": "entailment_toy", "data.source": "synthetic", "data.max_length": 32}
    plain = made.cells()
    fingerprint = data_fingerprint(_with(plain[0], toy, "d").inputs)
    made.cells = lambda: [_with(each, toy, fingerprint) for each in plain]
    folder = made.write(tmp_path)
    text = page(folder, judge)
    known = load_examples("entailment_toy", load_store(folder).cells[0].cell.data)
    dev = known.evaluation["dev"]
    number = data(text)["predictions"][plain[2].id]["lost"][0]
    sentence = dev["text_a"][number - 1]
    assert sentence not in text
    assert "holds texts" not in text
    text = page(folder, judge, with_text=True)
    assert data(text)["texts"][str(number)] == [sentence, dev["text_b"][number - 1]]
    assert "This page holds texts of the data" in text


def _with(each, settings, fingerprint):
    from dataclasses import replace

    return replace(each, settings={**each.settings, **settings}, data_fingerprint=fingerprint)


def test_texts_of_data_that_has_changed_are_refused(tmp_path):
    toy = {"task": "entailment_toy", "data.source": "synthetic", "data.max_length": 32}
    made = Made(rates=1, sizes=1)
    plain = made.cells()
    made.cells = lambda: [_with(each, toy, "synthetic:gone") for each in plain]
    with pytest.raises(FreeLBTuneError, match="the data has changed since these cells"):
        dev_texts(load_store(made.write(tmp_path)))


def test_texts_of_several_data_sets_are_refused(tmp_path):
    made = Made(rates=2, sizes=1)
    plain = made.cells()
    made.cells = lambda: [_with(each, {}, f"data {each.arm}") for each in plain]
    with pytest.raises(FreeLBTuneError, match="--with-text: the cells of .* have 2 data sets, and"):
        dev_texts(load_store(made.write(tmp_path)))


def test_a_large_search_keeps_the_clean_arm_and_the_best_and_says_what_it_dropped(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(page_cells, "MOST_NUMBERS", 4 * 3 * 16)
    rows = data(page(Made(rates=9).write(tmp_path)))["cells"]["rows"]
    kept = [row["id"] for row in rows if row["epochs"] is not None]
    assert kept[:2] == [row["id"] for row in rows[:2]]
    rest = sorted(rows[2:], key=lambda row: -row["best"])
    assert set(kept[2:]) == {row["id"] for row in rest[:2]}
    assert 9 * 350_000 + 4_900_000 < 10_000_000  # at nine letters a number


def test_a_failed_cell_shows_why_and_the_end_of_its_log(tmp_path):
    text = page(Made(ends=dict.fromkeys(range(8), "failed")).write(tmp_path), judge)
    row = data(text)["cells"]["rows"][3]
    assert row["why"] == "ValueError: its loss is nan"
    assert row["log"].splitlines() == [
        "18:01:00 begun",
        "18:01:35 failed: ValueError: its loss is nan",
        "Traceback",
        "ValueError: its loss is nan",
    ]
    assert "nothing to compare" in words(text)
    assert "the accuracy on RTE is not known: 2 of 2 seeds failed." in words(text)


def test_every_cell_tells_what_happened_to_it_and_a_large_search_that_of_the_best(
    tmp_path, monkeypatch
):
    rows = data(page(Made(seeds=1, epochs=2).write(tmp_path)))["cells"]["rows"]
    begun, first, second, done = rows[1]["log"].splitlines()
    assert re.fullmatch(
        r"epoch 1: accuracy [\d.]+, training loss [\d.]+, dev loss [\d.]+, 2.0 s", first
    )
    assert (begun, second[:8], done) == ("18:00:20 begun", "epoch 2:", "18:00:55 done")
    assert all(row["log"] for row in rows)
    monkeypatch.setattr(page_logs, "MOST_LOGS", 2)
    kept = [row["id"] for row in data(page(tmp_path))["cells"]["rows"] if "log" in row]
    assert kept == [rows[0]["id"], max(rows[1:], key=lambda row: row["best"])["id"]]


def test_a_cell_that_waits_at_its_rung_does_not_run(tmp_path):
    made = Made(seeds=1, rates=2, epochs=3, ends={1: None, 2: None}, closed=False)
    cell = made.cells()[1]
    with Journal(made.write(tmp_path)) as journal:
        at, config = "2026-11-25T18:00:40Z", {"config_id": cell.config_id, "missing": []}
        journal.append("waits", cell_id=cell.id, epoch=1, at=at)
        journal.append("decided", **config, epoch=1, score=0.7, decision="continue")
        text = page(tmp_path)
    assert "1 of 3 cells done, 2 to come. 1 cell running now, 1 waiting to go on." in words(text)
    row = data(text)["cells"]["rows"][1]
    assert (row["state"], row["why"]) == ("waiting", "waits to go on after epoch 1")
    begun, first, *rest = row["log"].splitlines()
    assert (begun, first[:8]) == ("18:00:20 begun", "epoch 1:")
    assert rest == [
        "18:00:40 waits for its turn to go on",
        "after epoch 1 its configuration goes on with 70.00",
    ]
    (span,) = [each for each in spans(load_store(tmp_path)) if each.cell_id == cell.id]
    assert (span.end - span.start).seconds == 20


def test_rungs_and_rounds_are_drawn_where_there_are_any(tmp_path):
    made = Made(sizes=2, ends={4: "stopped", 5: "stopped"})
    configs = [each.config_id for each in made.cells()[2::2]]
    made.decided = [
        {"config_id": name, "epoch": 1, "score": 0.6 + at / 100, "missing": [],
         "decision": "stop" if at == 1 else "continue"}
        for at, name in enumerate(configs)
    ]  # fmt: skip
    made.decided.append(
        {"race": "r", "round": 2, "contenders": configs[1:], "failed": [], "over": True,
         "dropped": {made.cells()[2].id: "worse"}, "spared": {}}
    )  # fmt: skip
    text = page(made.write(tmp_path))
    figures = data(text)["figures"]
    assert [len(trace["x"]) for trace in figures["rungs"]["data"]] == [5, 1]
    assert figures["rounds"]["data"][0]["y"] == [5]
    assert figures["rounds"]["layout"]["yaxis"]["dtick"] == 1
    row = data(text)["cells"]["rows"][4]
    assert row["why"] == "stopped early, at its rung after epoch 1"
    assert re.search(r">1</td><td[^>]*>6</td><td[^>]*>5</td><td[^>]*>1</td>", text)  # in words
    assert not {"rungs", "rounds"} & set(data(page(Made().write(tmp_path / "x")))["figures"])


def test_every_figure_has_its_numbers_as_a_table(tmp_path):
    text = page(Made(sizes=2, examples=30).write(tmp_path), judge)
    names = set(data(text)["figures"])
    assert names == {"curves", "seeds", "progress", "parallel", "importance", "bestof", "timeline"}
    for name in names:
        figure = text.split(f'id="fig-{name}"')[1].split("</figure>")[0]
        assert figure.count("<tr>") > 1, name
        assert '<td class="num">' in figure or name == "timeline", name


def test_when_cells_ran_is_told_by_the_journal_and_for_older_ones_by_their_epochs(tmp_path):
    folder = Made(seeds=1, rates=1, sizes=1).write(tmp_path)
    first, second = spans(load_store(folder))
    assert (second.start - first.start).seconds == 20
    assert (first.end - first.start).seconds == 35
    path = folder / "journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["event"] == "finished":
            del line["at"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert (spans(load_store(folder))[0].end - first.start).seconds == 6  # three epochs of 2 s


def test_a_journal_with_odd_times_has_a_page_all_the_same(tmp_path):
    folder = Made(seeds=1, rates=1, sizes=1).write(tmp_path)
    path = folder / "journal.jsonl"
    first, second, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(first.replace("00Z", "00") + second.replace("00Z", "no time") + "".join(rest))
    assert "2 of 2 cells done" in words(page(folder))


def test_hours_left_are_those_of_finished_cells_of_the_same_arm(tmp_path):
    made = Made(ends=dict.fromkeys(range(5, 8), "waiting"))
    cost = spent(load_store(made.write(tmp_path)))
    assert cost.hours == pytest.approx(5 * 6 / 3600)
    assert cost.left == pytest.approx(3 * 6 / 3600)
