"""Takes the README's picture of a page: `docs/images/report.png`.

    python docs/screenshot.py docs/results/stsb    a record, or a results folder

Needs a Chromium and, from the dev extra, Playwright and Pillow.
"""

import io
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import freelb_tune as ft

TARGET = Path(__file__).parent / "images" / "report.png"
WIDTH, HEIGHT = 1200, 900
MOST_BYTES = 200_000


def take(results: Path) -> bytes:
    """The top of a search's page as a reader sees it, in a palette that fits a README."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    if (results / "record.tar.xz").exists():
        record = runpy.run_path(str(Path(__file__).parent / "record.py"))
        folder = Path(tempfile.mkdtemp(), results.name)
        record["take_out"](results, folder)
        results = folder
    page = ft.open_results(results).report()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        opened.goto(page.resolve().as_uri())
        opened.wait_for_selector("#cell-table tbody tr")
        raw = opened.screenshot()
        browser.close()
    small = Image.open(io.BytesIO(raw)).convert("RGB").quantize(64)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    picture = take(Path(sys.argv[1]))
    if len(picture) > MOST_BYTES:
        sys.exit(f"{len(picture):,} bytes are too many for a README; {MOST_BYTES:,} at most")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(picture)
    sys.stdout.write(f"{TARGET}: {len(picture):,} bytes\n")
