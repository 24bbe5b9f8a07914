"""A row becomes legs, or says why not."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbook_files import HEADER, PALEXPO, UNI_MAIL, course

from atmr_pipeline.domain.vocabulary import Leg
from atmr_pipeline.sources.workbooks.headers import Column, read_header
from atmr_pipeline.sources.workbooks.initials import driver_mapping, read_initials
from atmr_pipeline.sources.workbooks.rows import CourseRow, read_row, split_course
from atmr_pipeline.sources.workbooks.times import Moment

times = st.one_of(st.none(), st.times().map(lambda clock: clock.replace(second=0, microsecond=0)))
words = st.text(alphabet="ABCDEFG abcdefg", min_size=1, max_size=12)


def read(cells: list[object]) -> CourseRow:
    header = read_header(tuple(HEADER))
    assert header
    return read_row(cells, header)  # type: ignore[arg-type]


@given(times, times, words, words, st.tuples(words, words))
def test_round_trip_splits_into_two_legs_that_mirror_each_other(
    first: time | None, second: time | None, pickup: str, dropoff: str, initials: tuple[str, str]
) -> None:
    legs, problem = split_course("round_trip", Moment(date(2025, 10, 1), first, second), pickup, dropoff, initials)
    if first is None:
        assert (legs, problem) == ((), "missing_time")
        return
    out, back = legs
    assert problem is None
    assert (out.leg, back.leg) == (Leg.OUTBOUND, Leg.RETURN)
    assert (out.at, back.at) == (first, second)
    assert (out.pickup, out.dropoff) == (back.dropoff, back.pickup) == (pickup, dropoff)
    assert (out.initials, back.initials) == initials
    assert out.set_aside_reason is None
    if second is None:
        assert back.set_aside_reason == "return_time_missing"
    else:
        assert back.set_aside_reason == ("return_before_outbound" if second <= first else None)


@given(st.sampled_from(["outbound", "return"]), times, times)
def test_a_single_leg_never_drops_a_time(kind: str, first: time | None, second: time | None) -> None:
    legs, problem = split_course(kind, Moment(date(2025, 10, 1), first, second), "x", "y", (None, None))
    written = [clock for clock in (first, second) if clock is not None]
    assert [leg.at for leg in legs] == (written if len(written) == 1 else [])
    assert problem == {0: "missing_time", 1: None, 2: "times_contradict_course"}[len(written)]


@pytest.mark.parametrize("kind", ["A/R", "a/r", "AR", "A-R", " A / R ", "Aller/Retour", "Aller-retour", "round trip"])
def test_spellings_of_a_round_trip(kind: str) -> None:
    assert [leg.leg for leg in read(course(kind=kind)).legs] == ["outbound", "return"]


@pytest.mark.parametrize(
    ("kind", "leg"),
    [
        (None, "outbound"),
        ("", "outbound"),
        ("A", "outbound"),
        ("Aller", "outbound"),
        ("R", "return"),
        ("RETOUR ", "return"),
    ],
)
def test_single_courses(kind: str | None, leg: str) -> None:
    row = read(course("01.10.2025 09:15", kind))
    assert [(draft.leg, draft.pickup, draft.dropoff) for draft in row.legs] == [(leg, PALEXPO, UNI_MAIL)]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (course(kind="X"), "unknown_course"),
        (course(pickup=None), "empty_address"),
        (course(dropoff=" \u00a0"), "empty_address"),
        (course(dropoff=" - "), "empty_address"),
        (course(None), "missing_date"),
        (course("31.02.2025 09:15"), "bad_date"),
        (course("01.10.2025"), "missing_time"),
        (course(kind="A"), "times_contradict_course"),
    ],
)
def test_problems(cells: list[object], problem: str) -> None:
    row = read(cells)
    assert (row.problem, row.legs, row.is_ignored) == (problem, (), False)


@pytest.mark.parametrize(
    "cells",
    [
        ["TOTAL 45"],
        ["Total", None, None, 211],
        ["Total", None, None, "211", "12"],
        [None, None, None, "Sous-total : 12"],
        ["Nombre de courses", 12],
        ["Appeler la clinique avant le départ"],
        [None, "Remarques"],
        [None, 45],
        ["Patient Fictif 3", None, None, None, None, None, "une remarque hors des colonnes"],
    ],
)
def test_totals_and_notes_are_ignored(cells: list[object]) -> None:
    assert read(cells).is_ignored


@pytest.mark.parametrize(
    "cells",
    [
        [None, "01.10.2025 09:15"],
        [None, "31.02.2025"],
        course("à voir"),
        course(None, pickup="Total Energies, Route de Meyrin 1"),
        [None, None, None, PALEXPO, UNI_MAIL],
    ],
)
def test_a_row_that_may_be_a_course_is_never_ignored(cells: list[object]) -> None:
    assert read(cells).problem


@pytest.mark.parametrize(
    ("cell", "initials"),
    [
        ("A.B", ("AB", "AB")),
        (" a. b. ", ("AB", "AB")),
        ("A.-B.", ("AB", "AB")),
        ("É.B", ("EB", "EB")),
        ("A.B/C.D", ("AB", "CD")),
        ("AB + CD", ("AB", "CD")),
        ("AB - CD", ("AB", "CD")),
        ("AB et CD", ("AB", "CD")),
        ("A.B C.D", ("AB", "CD")),
        ("A.B\nC.D", ("AB", "CD")),
        ("ET", ("ET", "ET")),
        ("A.B/", ("AB", None)),
        ("A/B/C", ("A/B/C", "A/B/C")),
        (None, (None, None)),
        (" . ", (None, None)),
        (7.0, ("7", "7")),
    ],
)
def test_initials(cell: object, initials: tuple[str | None, str | None]) -> None:
    assert read_initials(cell) == initials  # type: ignore[arg-type]


def test_initials_shared_by_two_drivers_name_nobody() -> None:
    assert driver_mapping({"A.B": 1, "AB": 1, "c.d": 2, "CD": 3}) == {"AB": 1}


@pytest.mark.parametrize(
    "cells",
    [
        HEADER,
        ["NOM", "DATE ET HEURE PREVUES", "COURSE", "ADRESSE DE DEPART", "ADRESSE D\u2019ARRIVEE", "CFT"],
        ["Name", "Date and time", "Trip", "Pickup address", "Drop-off address", "Driver"],
        ["Patient", "Date", "Type de course", "Lieu de prise en charge", "Destination", "Initiales chauffeur"],
        ["Nom\u00a0/\u00a0Prénom", "Date\net heure", "Course", "Départ", "Arrivée", "Chauffeur"],
    ],
)
def test_header_aliases(cells: list[str]) -> None:
    header = read_header(tuple(cells))
    assert header == {
        Column.PATIENT: [0],
        Column.WHEN: [1],
        Column.COURSE: [2],
        Column.PICKUP: [3],
        Column.DROPOFF: [4],
        Column.INITIALS: [5],
    }


def test_header_with_separate_columns() -> None:
    cells = (
        "Jour",
        "Date de naissance",
        "Date",
        "Heure départ",
        "Heure retour",
        "Prénom",
        "Nom",
        "De",
        "Départ",
        "Arrivée",
    )
    header = read_header(cells)
    assert header
    assert header[Column.WHEN][0] == 2
    assert (header[Column.TIME], header[Column.RETURN_TIME], header[Column.PATIENT]) == ([3], [4], [5, 6])


@pytest.mark.parametrize(
    "cells",
    [
        course(),
        ["Titre"],
        ["Date", "Départ"],
        ["Date", "Départ", "Arrivée", date(2025, 10, 1)],
        ["Date", "Départ", "A"],
    ],
)
def test_what_is_not_a_header(cells: list[object]) -> None:
    assert read_header(tuple(cells)) is None  # type: ignore[arg-type]
