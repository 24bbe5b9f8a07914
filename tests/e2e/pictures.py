"""Headless Chromium looks at what a person would: the loop's graph, a gate that failed, a report on drift."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
WIDTH, HEIGHT = 1600, 1000
SEEN_MS = 60_000
DRAWN_MS = 4_000
"""After which what has come is also in its place."""
LOOP = 'group:"delay_model"' + "".join(
    f' or key:"{name}"'
    for name in (
        "bookings", "assignments", "delay_training_set", "promoted_delay_model", "delay_predictions",
        "prediction_actuals", "challenger_comparison", "delay_performance", "feature_drift", "label_drift",
        "residual_drift",
    )
)  # fmt: skip
"""The assets of the loop; all of them do not fit into one picture."""


@contextmanager
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        # Debian's Chromium where there is one, else the one that `playwright install chromium` brings.
        executable = str(CHROMIUM) if CHROMIUM.exists() else None
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(SEEN_MS)
        yield page
        browser.close()


def photograph_graph(page: Page, ui: str, path: Path) -> None:
    """The loop: from bookings to the promoted model, what it predicts, and what watches it."""
    page.goto(f"{ui}/asset-groups~{quote(LOOP, safe='')}/", wait_until="domcontentloaded")
    page.get_by_text("Hide navigation").click()
    page.get_by_text("delay_model").first.wait_for()
    page.keyboard.press("Alt+e")
    page.get_by_text("residual_drift").first.wait_for()
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=path)


def photograph_failed_gate(page: Page, ui: str, gate: str, path: Path) -> None:
    """The gate's history: each verdict with its figure, its limit and the days it is drawn from."""
    page.goto(f"{ui}/assets/delay_evaluation?view=checks&checkDetail={gate}", wait_until="domcontentloaded")
    page.get_by_text("Execution history").click()
    page.get_by_text("Evaluation result").wait_for()
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=path)


def photograph_report(page: Page, reports: str, path: Path) -> None:
    """One line a day: the verdict, its alarms, and the way to that day's full report, which must open."""
    address = f"{reports}drift/index.html"
    page.goto(address, wait_until="domcontentloaded")
    page.locator("a[href$='.html']").first.click()
    page.get_by_text("Stat Test").first.wait_for()
    page.goto(address, wait_until="domcontentloaded")
    page.get_by_text("retraining requested").first.wait_for()
    page.screenshot(path=path)
