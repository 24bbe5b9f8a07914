"""The report is one file that anyone may open: nothing personal, no script, nothing loaded, all escaped."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from exploration_world import FEATURES, PLANTED, make_world

from atmr_pipeline.monitoring.exploration import explore_delays
from atmr_pipeline.monitoring.exploration.findings import findings, in_french
from atmr_pipeline.monitoring.exploration.pictures import exploration_pictures
from atmr_pipeline.monitoring.exploration.report import render_report, write_report

LARGEST_PICTURE_BYTES, LARGEST_REPORT_BYTES = 60_000, 2_000_000
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def explored():
    return explore_delays(*make_world(), {"cancelled": 30}, features=FEATURES)


@pytest.fixture(scope="module")
def pictures(explored):
    return exploration_pictures(explored)


@pytest.fixture(scope="module")
def page(explored, pictures) -> Page:
    return Page(render_report(explored, pictures))


def test_the_pictures_are_small_pngs_and_the_same_each_time(explored, pictures) -> None:
    assert {"histogram", "by_hour", "by_weekday", "by_leg", "by_driver", "by_month", "hour_weekday", "weeks", "missing",
            "features", "by_leg_and_hour"} <= set(pictures)  # fmt: skip
    for name, content in pictures.items():
        assert content.startswith(b"\x89PNG"), name
        assert 1_000 < len(content) < LARGEST_PICTURE_BYTES, name
    assert exploration_pictures(explored) == pictures


def test_the_page_is_well_formed_and_each_picture_is_told_in_words(page: Page, pictures) -> None:
    assert page.open == []
    images = page.named("img")
    assert len(images) == len(pictures)
    shown = {str(image["src"]).removeprefix("data:image/png;base64,") for image in images}
    assert {base64.b64decode(content) for content in shown} == set(pictures.values())
    assert all(len(image["alt"] or "") > 20 for image in images)
    assert page.named("html") == [{"lang": "fr"}]
    assert len(page.named("caption")) == len(page.named("table")) > 10
    assert all("scope" in header for header in page.named("th"))
    assert {attributes.get("lang") for attributes in page.named("span")} == {"fr", "en", None}


def test_nothing_is_run_and_nothing_is_loaded(page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "form", "base"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href"):
            if name in attributes:
                assert re.match(r"data:image/png;base64,|#", str(attributes[name])), tag
    policy = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    style = "".join(page.text)
    assert "url(" not in style
    assert "@import" not in style


def test_nothing_personal_is_in_the_report(explored, pictures) -> None:
    labels, bookings = make_world()
    assert PLANTED in set(labels["customer_name"]) & set(bookings["customer_name"])
    text = render_report(explored, pictures)
    for part in (PLANTED, *PLANTED.split()):
        assert part not in text
    tables = [value for value in vars(explored).values() if isinstance(value, pd.DataFrame)]
    assert len(tables) == 11
    assert not any(
        table.astype(str).apply(lambda column: column.str.contains("Mustermann")).any().any() for table in tables
    )


def test_what_the_data_says_is_escaped_and_what_nobody_knows_is_said() -> None:
    labels, bookings = make_world()
    bad = "<script>alert('x')</script>&\"$_{$slack"
    labels["pickup_area"] = bad
    labels[bad] = labels["slack_min"]
    found = explore_delays(labels.drop(columns="patient_area"), bookings, {bad: 4}, features=[*FEATURES, bad])
    drawn = exploration_pictures(found)
    assert "by_pickup_area" in drawn
    assert "by_patient_area" not in drawn
    text = render_report(found, drawn)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count("Not known of any pickup.") == 1
    page = Page(text)
    assert page.open == []
    assert bad in "".join(page.text)


def test_the_sentences_are_the_figures_in_two_languages(explored) -> None:
    said = findings(explored)
    late = f"{100 * explored.figure('late_share'):.1f}"
    assert f"{late} % are more than 5 min late" in said[2].en
    assert f"{in_french(late)} % ont plus de 5 min de retard" in said[2].fr
    assert "600 pickups measured" in said[0].en
    assert "30 assignments" in said[0].en
    areas = explored.groups[explored.groups["dimension"] == "patient_area"].set_index("kind")
    assert f"area of the patient {100 * areas.loc['unknown', 'share']:.1f} %" in said[-1].en
    assert in_french("1,234.5") == "1\N{NO-BREAK SPACE}234,5"


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_a_report_of_almost_nothing_says_so(rows: int, tmp_path: Path) -> None:
    labels, bookings = make_world(rows=40)
    found = explore_delays(labels.iloc[:rows], bookings, {}, features=FEATURES)
    write_report(found, exploration_pictures(found), tmp_path / "new" / "report.html")
    page = Page((tmp_path / "new" / "report.html").read_text(encoding="utf-8"))
    text = "".join(page.text)
    assert "nan" not in re.findall(r"\w+", text)
    assert ("No pickup has been measured yet." in text) == (rows == 0)
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "report.html"]


@pytest.mark.slow
def test_many_groups_years_and_features_stay_small() -> None:
    rng = np.random.default_rng(0)
    labels, bookings = make_world(rows=4_000, drivers=40, days=1_800)
    labels["patient_area"] = pd.Series(rng.integers(0, 60, 4_000)).map("Commune-Fictive-sur-le-Lac {}".format)
    bookings["scheduled_local"] += pd.to_timedelta(rng.integers(-7, 8, 4_000), unit="h")
    wide = pd.DataFrame({f"fictional_deadhead_{number}_km": rng.random(4_000) for number in range(30)})
    wide = wide.mask(rng.random(wide.shape) < 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atmr_pipeline.monitoring.exploration.figures.DRAWS", 20)
        found = explore_delays(labels.join(wide), bookings, {}, features=list(wide.columns))
    drawn = exploration_pictures(found)
    assert max(map(len, drawn.values())) < LARGEST_PICTURE_BYTES
    assert len(render_report(found, drawn).encode()) < LARGEST_REPORT_BYTES
