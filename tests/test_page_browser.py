"""The page in a real Chromium: what a reader does with it."""

import shutil
import subprocess
import sys

import pytest
from page_fixtures import Made
from store_fixtures import SPACE, epoch
from test_watching_server import serving

from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.store import EpochLog, Journal, cell_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPEN = "#cell-table td.pin button"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search with a failed and a stopped cell, predictions, and twenty classes."""
    made = Made(
        rates=2, sizes=2, seeds=2, examples=60, classes=20, ends={5: "failed", 7: "stopped"}
    )
    made.message = "</script><script>alert(1)</script> & its loss is nan"
    folder = made.write(tmp_path_factory.mktemp("page"))
    write_outputs(folder, judge)
    return folder / "report.html"


class Watched:
    """A page that notes what it should not do."""

    def __init__(self, browser, path, **how):
        self.page = browser.new_context(viewport={"width": 1200, "height": 900}, **how).new_page()
        self.wrong = []
        self.page.on("pageerror", lambda err: self.wrong.append(str(err)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.on(
            "console",
            lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else 0,
        )
        self.page.on("request", lambda asked: self._asked(asked.url))
        self.page.goto(f"file://{path}")
        self.page.wait_for_selector("#cell-table tbody tr")

    def _asked(self, url):
        if not url.endswith("/report.html") and not url.startswith(("data:", "blob:")):
            self.wrong.append(url)

    def column(self, name):
        heads = self.page.locator("#cell-table thead th").all_inner_texts()
        at = next(i for i, text in enumerate(heads) if text.startswith(name)) + 1
        return self.page.locator(f"#cell-table tbody td:nth-child({at})").all_inner_texts()


def test_a_reader_sorts_filters_groups_and_opens_a_cell(browser, searched):
    seen = Watched(browser, searched)
    page = seen.page
    page.get_by_role("button", name="best accuracy").click()
    scores = [float(text) for text in seen.column("best accuracy") if text != "-"]
    assert scores == sorted(scores, reverse=True)
    assert seen.column("best accuracy")[-1] == "-"  # what failed stands last
    page.get_by_role("button", name="best accuracy").click()
    assert [float(t) for t in seen.column("best accuracy") if t != "-"] == scores[::-1]
    page.fill("#find", "adv_lr 0.02, seed 2")
    assert page.inner_text("#count") == "2 of 10 cells"
    page.fill("#find", "")
    page.select_option("#state", "failed")
    assert "its loss is nan" in page.inner_text("#cell-table tbody")
    page.select_option("#state", "")
    page.select_option("#group", label="adv_lr")
    groups = page.locator("#cell-table tr.group").all_inner_texts()
    assert groups[0].startswith("▾ 0.01: 4 cells, mean best accuracy")
    assert "done cells)" in groups[0]
    page.select_option("#group", label="all but the seed")
    assert len(page.locator("#cell-table tr.group").all_inner_texts()) == 5  # the clean arm, four
    page.select_option("#group", "")
    page.fill("#find", "adv_lr 0.02, init_mag 0.2, seed 2")
    page.locator(OPEN).first.click()
    sheet = page.locator("#cell .sheet")
    for text in ("Is the adversary healthy?", "Right here, wrong there", "What happened to it"):
        assert text in sheet.inner_text()
    assert page.locator("#cell .confusion tbody tr").count() == 20
    matrix = page.get_by_label("Confusion matrix")
    assert matrix.evaluate("e => e.scrollWidth - e.clientWidth") == 0  # all classes are in sight
    assert page.locator("#cell .js-plotly-plot").count() == 4
    rate = page.locator("#cell .js-plotly-plot").nth(3)
    low, high = rate.evaluate("plot => plot._fullLayout.yaxis.range")
    assert low >= 0  # 1e-05 in all epochs is no line at 0 between -1 and 1
    assert high == pytest.approx(1e-5, rel=0.5)
    page.keyboard.press("Escape")
    assert not sheet.is_visible()
    assert seen.wrong == []


def test_figures_are_drawn_when_they_come_into_sight(browser, searched):
    seen = Watched(browser, searched, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert seen.page.evaluate(ground) == "rgb(18, 23, 30)"
    figures = seen.page.locator("[data-figure]")
    for at in range(figures.count()):
        figures.nth(at).scroll_into_view_if_needed()
        seen.page.wait_for_function(
            "e => e.classList.contains('js-plotly-plot')", arg=figures.nth(at).element_handle()
        )
    assert seen.page.locator("#fig-heat .js-plotly-plot").count() == 1
    assert seen.page.locator("#fig-slice .js-plotly-plot").count() == 1
    seen.page.select_option("#slice-setting", label="adv_lr")
    slice_ = seen.page.locator("#fig-slice details tbody tr").first
    assert slice_.text_content().startswith("0.01")  # its configurations, one mark each
    heat = seen.page.locator("#fig-heat details").text_content()
    assert heat.count("(n=2)") == 2  # the seeds of a complete configuration, as the table has them
    seen.page.click("#theme")
    seen.page.click("#theme")
    assert seen.page.evaluate(ground) == "rgb(255, 255, 255)"
    space = seen.page.locator("#space pre")
    for event, unfolded in (("beforeprint", True), ("afterprint", False)):  # paper has no clicks
        seen.page.evaluate(f"dispatchEvent(new Event('{event}'))")
        assert space.is_visible() == unfolded
    head = seen.page.locator("#cell-table thead tr")
    on_screen = head.inner_text()
    seen.page.emulate_media(media="print")  # where Chromium repeats no button on the next sheet
    assert not head.locator("button").first.is_visible()
    assert head.inner_text().split() == on_screen.replace("▲", "").split()
    assert seen.wrong == []


def test_a_telephone_shows_it_without_scrolling_sideways(browser, searched):
    seen = Watched(browser, searched)
    seen.page.set_viewport_size({"width": 360, "height": 740})
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 360
    swept = seen.page.locator("#cell-table tbody tr td:nth-child(2)").first
    place = "e => [getComputedStyle(e).position, Math.round(e.getBoundingClientRect().left)]"
    before = swept.evaluate(place)
    seen.page.locator("#cell-table").evaluate("e => { e.parentElement.scrollLeft = 300; }")
    assert swept.evaluate(place) == before  # what tells cells apart stays in sight
    assert before[0] == "sticky"
    seen.page.locator(OPEN).first.click()
    wide = "e => e.scrollWidth - e.clientWidth"
    assert seen.page.locator("#cell").evaluate(wide) == 0
    assert seen.wrong == []


def test_axe_finds_nothing_serious(browser, searched):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install '.[dev]'"
    )
    colours = {"runOnly": ["color-contrast"]}
    for scheme, options in (("light", None), ("dark", colours)):
        page = Watched(browser, searched, color_scheme=scheme).page
        inside = {"exclude": [[".plot"]]}  # an image with a label, and thousands of elements
        assert _serious(axe.Axe().run(page, context=inside, options=options)) == []
        page.locator(OPEN).last.click()
        assert (
            _serious(
                axe.Axe().run(page, context=inside | {"include": [["#cell"]]}, options=options)
            )
            == []
        )


def _serious(found):
    return [
        (each["id"], each["nodes"][0]["html"][:200])
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_a_search_that_has_not_begun_and_one_of_values_open_without_an_error(browser, tmp_path):
    for name, made in {
        "waiting": Made(ends=dict.fromkeys(range(8), "waiting")),
        "regression": Made(examples=8, classes=1, seeds=1, space=SPACE.replace("rte", "stsb"),
                           task="stsb"),
    }.items():  # fmt: skip
        folder = made.write(tmp_path / name)
        write_outputs(folder)
        seen = Watched(browser, folder / "report.html")
        seen.page.locator(OPEN).first.click()
        assert seen.wrong == []


def test_a_served_page_has_the_news_as_epochs_arrive_and_keeps_what_the_reader_chose(
    browser, tmp_path
):
    made = Made(ends={6: None, 7: None}, closed=False)
    with Journal(made.write(tmp_path / "busy")) as journal, serving(tmp_path) as port:
        page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
        wrong, asked = [], []
        page.on("pageerror", lambda err: wrong.append(str(err)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else 0)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_role("link", name="busy").click()
        page.wait_for_selector("#cell-table tbody tr")
        assert "Verdict after 2 more cells." in page.inner_text(".verdict")
        page.select_option("#group", "state")
        page.evaluate("document.activeElement.blur()")
        cell = made.cells()[7]
        last = page.locator("#cell-table tr", has=page.get_by_text(cell.id[:7]))
        last.locator("button").click()
        log = EpochLog(cell_folder(tmp_path / "busy", cell.id) / "epochs.jsonl")
        log.append(epoch(cell.id, 2, 0.987))
        sheet = page.locator("#cell .sheet")
        sheet.get_by_text("98.70").first.wait_for()
        page.keyboard.press("Escape")
        for each in made.cells()[6:]:
            journal.append("finished", cell_id=each.id, state="done", at="2026-11-25T18:05:00Z")
        journal.append("closed", at="2026-11-25T18:05:00Z")
        page.locator(".chip-finished").wait_for()
        assert page.input_value("#group") == "state"
        assert "Verdict after" not in page.inner_text(".verdict")
        assert page.locator("#cell-table tr.group").all_inner_texts()[0].startswith("▾ done: 8")
        page.goto(f"http://127.0.0.1:{port}/")
        page.select_option("#left", "busy")
        page.select_option("#right", "busy")
        for at in range(2):
            frame = page.frame_locator("iframe").nth(at)
            frame.locator("#cell-table tbody tr").first.wait_for()
        assert wrong == []
        assert {url.split("/")[2] for url in asked} == {f"127.0.0.1:{port}"}


@pytest.mark.slow
def test_a_real_search_is_watched_from_its_first_cell_to_its_verdict(browser, tmp_path):
    command = [
        sys.executable, "-m", "freelb_tune.cli", "--space", "quickstart", "--results", tmp_path,
        "--no-dashboard", "seeds=[1]", "trainer.num_train_epochs=2",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        try:
            page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
            with serving(tmp_path) as port:
                page.goto(f"http://127.0.0.1:{port}/")
                page.get_by_role("link", name="quickstart").click(timeout=120_000)
                page.locator("#cell-table .chip-running").first.wait_for(timeout=120_000)
                assert "Verdict after" in page.inner_text(".verdict")
                page.locator("#result .chip-finished").wait_for(timeout=200_000)
                assert "3 of 3 cells done" in page.inner_text(".state")
                assert "One seed" in page.inner_text(".verdict")
            assert driver.wait(100) == 0
        finally:
            driver.kill()
