"""One year's worth of oddities, row by row, the same in every format: what each row must come to."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from workbook_files import (
    HEADER,
    PALEXPO,
    UNI_MAIL,
    course,
    rewrite_part,
    write_csv,
    write_ods,
    write_xlsb,
    write_xlsx,
)

from atmr_pipeline.sources.workbooks import ParsedWorkbook, RowCounts, parse_workbook

KEY = b"a company's secret"
TODAY = date(2025, 11, 15)
REORDERED = ["CFT", "Adresse d’arrivée", "Adresse de départ", "Course", "Date/Heure", "Patient"]
WRITERS: dict[str, Callable[..., Path]] = {
    "xlsx": write_xlsx,
    "xlsm": write_xlsx,
    "ods": write_ods,
    "xlsb": write_xlsb,
    "csv": write_csv,
}
COUNT = iter(range(10_000))


def row(when: Any, kind: Any = "A/R", **changed: Any) -> list[Any]:
    """A course of a patient of its own, so that no two rows are duplicates."""
    return course(when, kind, patient=f"Patient Fictif {next(COUNT)}", **changed)


def both(first: str = "01.10 09:15", second: str = "01.10 16:00") -> str:
    return f"outbound {first} AB; return {second} AB"


OUTWARD, BACK = "outbound 01.10 09:15 AB", "return 01.10 09:15 AB"
WAITS = f"{OUTWARD}; return ? AB return_time_missing"
TABLE: list[tuple[list[Any], str]] = [
    (["Transports fictifs - octobre 2025"], "ignored"),
    ([None, "Imprimé le 31.10.2025"], "ignored"),
    (HEADER, "ignored"),
    # Dates and times
    (row("01.10.2025  09:15  16:00"), both()),
    (row("01.10.2025\u00a009:15\u202f16:00"), both()),
    (row("01.10.2025\u2009·\u200909:15\u2009·\u200916:00"), both()),
    (row("01.10.2025\n9h15\n16h00"), both()),
    (row("1/10/25 9.15 16.00"), both()),
    (row("2025-10-01 09:15:00 16:00:00"), both()),
    (row("mercredi 1er octobre 2025 à 9 h 15, retour 16H"), both()),
    (row("01.10.2025 retour 16h aller 9h15"), both()),
    (row("October 1, 2025 9:15 am 4:00 pm"), both()),
    (row("29.02.2024 09:15 16:00"), both("29.02 09:15", "29.02 16:00")),
    (row("29.02.2025 09:15 16:00"), "bad_date"),
    (row("31.04.2025 09:15 16:00"), "bad_date"),
    (row("01.13.2025 09:15"), "bad_date"),
    (row("??"), "bad_date"),
    (row("à confirmer"), "bad_date"),
    (row("#REF!"), "bad_date"),
    (row(None), "missing_date"),
    (row(" \u00a0\u200b"), "missing_date"),
    (row("mardi 01.10.2025 09:15"), "weekday_contradicts_date"),
    (row("01.10.2025 09:15 03.10.2025 16:00"), "several_dates"),
    (row("01.10.2052 09:15"), "date_far_off"),
    (row("01.10.1925 09:15"), "date_far_off"),
    (row("01.10.85 09:15"), "date_far_off"),
    (row("01.10.2025 25:00"), "bad_time"),
    (row("01.10.2025 09:60"), "bad_time"),
    (row("01.10.2025 vers 9h"), "bad_time"),
    (row("01.10.2025 8h 9h15 16h"), "too_many_times"),
    # Kinds of course
    (row("01.10.2025 09:15 16:00", "A / R"), both()),
    (row("01.10.2025 09:15 16:00", "ar"), both()),
    (row("01.10.2025 09:15 16:00", "A-R"), both()),
    (row("01.10.2025 09:15 16:00", "aller-retour"), both()),
    (row("01.10.2025 09:15 16:00", "Aller/Retour"), both()),
    (row("01.10.2025 09:15"), WAITS),
    (row("01.10.2025 09:15 ??"), WAITS),
    (row("01.10.2025 09:15 retour sur appel"), WAITS),
    (row("01.10.2025 ? 16:00"), "missing_time"),
    (row("01.10.2025"), "missing_time"),
    (row("01.10.2025 09:15 09:15"), f"{OUTWARD}; return 01.10 09:15 AB return_before_outbound"),
    (row("01.10.2025 09:15", None), OUTWARD),
    (row("01.10.2025 09:15", "Aller simple"), OUTWARD),
    (row("01.10.2025 09:15", " retour "), BACK),
    (row("01.10.2025 09:15 16:00", "A"), "times_contradict_course"),
    (row("01.10.2025 09:15 16:00", None), "times_contradict_course"),
    (row("01.10.2025 09:15", "annulé"), "unknown_course"),
    (row("01.10.2025 09:15", "?"), "unknown_course"),
    (row("01.10.2025 09:15", "#N/A"), "unknown_course"),
    # Clock changes
    (row("30.03.2025 02:30 16:00"), "outbound 30.03 02:30 AB nonexistent_time; return 30.03 16:00 AB"),
    (row("26.10.2025 02:30", "A"), "outbound 26.10 02:30 AB"),
    # Drivers
    (row("01.10.2025 09:15 16:00", initials="A.B/C.D"), "outbound 01.10 09:15 AB; return 01.10 16:00 CD"),
    (row("01.10.2025 09:15 16:00", initials="ab cd"), "outbound 01.10 09:15 AB; return 01.10 16:00 CD"),
    (row("01.10.2025 09:15", "A", initials=" a. b. "), OUTWARD),
    (row("01.10.2025 09:15", "A", initials=None), "outbound 01.10 09:15 -"),
    (row("01.10.2025 09:15", "A", initials="??"), "outbound 01.10 09:15 -"),
    (row("01.10.2025 09:15", "A", initials="#N/A"), "outbound 01.10 09:15 -"),
    (row("01.10.2025 09:15", "A", initials="Monsieur Fictif"), "outbound 01.10 09:15 ?"),
    # Addresses
    (row("01.10.2025 09:15", "A", pickup=None), "empty_address"),
    (row("01.10.2025 09:15", "A", dropoff=" \u00a0- "), "empty_address"),
    (row("01.10.2025 09:15", "A", dropoff="#REF!"), "empty_address"),
    (row("01.10.2025 09:15", "A", pickup='=HYPERLINK("http://example.invalid")'), OUTWARD),
    # Repetitions
    (course("02.10.2025 9h15", "A"), "outbound 02.10 09:15 AB"),
    (course("2025-10-02  09:15", "aller", pickup="  PALEXPO. "), "duplicate"),
    # What is no course
    (["NOVEMBRE 2025"], "ignored"),
    ([None, "Semaine du 06.10.2025"], "ignored"),
    ([*HEADER, "Remarques"], "ignored"),
    ([*row("01.10.2025 09:15", "A"), "2 courses, appeler avant 9h"], OUTWARD),
    (["TOTAL", None, None, None, None, "211"], "ignored"),
    (["Total octobre", "45 courses", "30 A/R"], "ignored"),
    ([None, None, "Sous-total", "12"], "ignored"),
    (["Nb de courses", "211"], "ignored"),
    (["Remarque", "Clinique fermée"], "ignored"),
    (["Le chauffeur appelle la clinique avant 9h15"], "ignored"),
    ([None, "31.02.2025 9h15"], "bad_date"),
    (course("01.10.2025 09:15", "A", patient="Somme Fictive", pickup=None), "empty_address"),
    # Another order of columns from here on
    (REORDERED, "ignored"),
    (["C.D", UNI_MAIL, PALEXPO, "R", "03.10.2025 9h15", "Patient Fictif"], "return 03.10 09:15 CD"),
]


def outcomes(parsed: ParsedWorkbook) -> dict[int, str]:
    """What each row came to; rows that gave nothing are missing."""
    found = dict(zip(parsed.quarantined["row"], parsed.quarantined["reason"], strict=True))
    for number, legs in parsed.courses.groupby("row", sort=False):
        texts = []
        for leg in legs.to_dict("records"):
            at = leg["scheduled_local"]
            words = [leg["leg"], "?" if pd.isna(at) else f"{at:%d.%m %H:%M}"]
            words += [value for value in (leg["driver_initials"],) if not pd.isna(value)] or ["-"]
            texts.append(" ".join([*words, *([] if pd.isna(leg["set_aside_reason"]) else [leg["set_aside_reason"]])]))
        found[int(str(number))] = "; ".join(texts)
    return found


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_every_row_of_every_format(tmp_path: Path, suffix: str) -> None:
    path = WRITERS[suffix](tmp_path / f"a.{suffix}", [cells for cells, _ in TABLE])
    parsed = parse_workbook(path, hash_key=KEY, driver_ids={}, today=TODAY)
    found = outcomes(parsed)
    silent = {"ignored", "duplicate"}
    expected = {number: outcome for number, (_, outcome) in enumerate(TABLE, start=1) if outcome not in silent}
    assert found == expected
    assert parsed.counts == RowCounts(
        read=len(TABLE),
        accepted=sum(outcome.startswith(("outbound", "return")) for outcome in expected.values()),
        quarantined=sum(not outcome.startswith(("outbound", "return")) for outcome in expected.values()),
        duplicate=1,
        ignored=sum(outcome == "ignored" for _, outcome in TABLE),
    )


@pytest.mark.parametrize(
    ("when", "first", "second"),
    [
        (datetime(2025, 10, 1, 9, 15), None, time(16)),
        (datetime(2025, 10, 1), time(9, 15), datetime(2025, 10, 1, 16)),
        (datetime(2025, 10, 1, 9, 15), time(9, 15), "16h"),
        (date(2025, 10, 1), 9.15, 16),
        (45931, 0.385416667, 2 / 3),
        (45931.385416667, None, "16.00"),
        ("01.10.2025", "9h15 16h00", None),
        ("mercredi 1 oct. 2025", timedelta(hours=9, minutes=15), timedelta(hours=16)),
        ("01.10.2025", "0.385416667", "0,666666667"),
    ],
)
@pytest.mark.parametrize("header", [["Date", "Heure", "Heure retour"], ["Jour", "Heure aller", "Retour"]])
def test_typed_cells_and_separate_columns(
    tmp_path: Path, when: Any, first: Any, second: Any, header: list[str]
) -> None:
    rows = [["Nom", *header, "A/R", "Départ", "Arrivée"], ["P", when, first, second, "A/R", PALEXPO, UNI_MAIL]]
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", rows), hash_key=KEY, driver_ids={}, today=TODAY)
    assert outcomes(parsed) == {2: "outbound 01.10 09:15 -; return 01.10 16:00 -"}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (time(9, 30), time(16), "too_many_times"),
        (None, datetime(2025, 10, 2, 16), "several_dates"),
        (None, 16.5, "bad_time"),
        (None, "midi", "bad_time"),
    ],
)
def test_columns_that_contradict_each_other(tmp_path: Path, first: Any, second: Any, reason: str) -> None:
    rows = [
        ["Nom", "Date", "Heure", "Heure retour", "Course", "Départ", "Arrivée"],
        ["P", datetime(2025, 10, 1, 9, 15), first, second, "A/R", PALEXPO, UNI_MAIL],
    ]
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", rows), hash_key=KEY, driver_ids={}, today=TODAY)
    assert outcomes(parsed) == {2: reason}


def test_a_column_for_the_return_time_in_place_of_the_course(tmp_path: Path) -> None:
    rows = [
        ["Nom", "Date", "Heure aller", "Heure retour", "Départ", "Arrivée"],
        ["P", "01.10.2025", "9h15", "16h", PALEXPO, UNI_MAIL],
        ["P", "02.10.2025", "9h15", None, PALEXPO, UNI_MAIL],
        ["P", "03.10.2025", None, "16h", PALEXPO, UNI_MAIL],
    ]
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", rows), hash_key=KEY, driver_ids={}, today=TODAY)
    assert outcomes(parsed) == {
        2: "outbound 01.10 09:15 -; return 01.10 16:00 -",
        3: "outbound 02.10 09:15 -",
        4: "return 03.10 16:00 -",
    }


@pytest.mark.parametrize(
    ("headers", "blank"),
    [(("Chauffeur aller", "Chauffeur retour"), "-"), (("CFT", "CFT retour"), "-"), (("Driver 1", "Driver 2"), "AB")],
)
def test_a_driver_column_for_each_leg(tmp_path: Path, headers: tuple[str, str], blank: str) -> None:
    rows = [
        ["Nom", "Date et heure", "Course", "Départ", "Arrivée", *headers],
        ["P", "01.10.2025 9h15 16h", "A/R", PALEXPO, UNI_MAIL, "A.B", "C.D"],
        ["P", "02.10.2025 9h15 16h", "A/R", PALEXPO, UNI_MAIL, "A.B", None],
        ["P", "03.10.2025 9h15", "R", PALEXPO, UNI_MAIL, None, "C.D"],
    ]
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", rows), hash_key=KEY, driver_ids={}, today=TODAY)
    assert list(parsed.courses["driver_initials"].fillna("-")) == ["AB", "CD", "AB", blank, "CD"]


def test_the_date_system_of_an_old_mac(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, course(datetime(2025, 10, 1, 9, 15), "A")])
    workbook = openpyxl.load_workbook(path)
    workbook.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    workbook["Feuil1"]["B2"] = datetime(2025, 10, 1, 9, 15)
    workbook.save(path)
    parsed = parse_workbook(path, hash_key=KEY, driver_ids={}, today=TODAY)
    assert outcomes(parsed) == {2: "outbound 01.10 09:15 AB"}


def test_a_failed_formula_is_no_empty_cell(tmp_path: Path) -> None:
    rows = [HEADER, row("01.10.2025 09:15", "x"), row("02.10.2025 09:15", "A")]
    error = '<table:table-cell calcext:value-type="error" office:value-type="string" office:string-value=""/>'
    paths = [
        write_xlsx(tmp_path / "a.xlsx", rows),
        write_ods(tmp_path / "a.ods", rows, cells={"C2": error}),
        write_xlsb(tmp_path / "a.xlsb", rows, errors="C2"),
    ]
    workbook = openpyxl.load_workbook(paths[0])
    workbook["Feuil1"]["C2"] = "#N/A"
    workbook["Feuil1"]["C2"].data_type = "e"
    workbook.save(paths[0])
    for path in paths:
        parsed = parse_workbook(path, hash_key=KEY, driver_ids={}, today=TODAY)
        assert outcomes(parsed) == {2: "unknown_course", 3: "outbound 02.10 09:15 AB"}


def test_line_breaks_of_an_open_document(tmp_path: Path) -> None:
    cell = (
        '<table:table-cell office:value-type="string"><text:p>Uni Mail<text:line-break/>Boulevard du Pont-d\'Arve 40'
        "<text:tab/>1205<text:s text:c='2'/>Genève</text:p></table:table-cell>"
    )
    path = write_ods(tmp_path / "a.ods", [HEADER, course()], cells={"E2": cell})
    parsed = parse_workbook(path, hash_key=KEY, driver_ids={}, today=TODAY)
    assert "Uni Mail\nBoulevard du Pont-d'Arve 40\n1205  Genève" in set(parsed.addresses["address_text"])


def test_rows_above_the_header_and_on_sheets_without_one(tmp_path: Path) -> None:
    sheets = {
        "Octobre": [
            ["Planning", None, "Octobre", "2025", "page", "1"],
            row("01.10.2025 9h", "A"),
            HEADER,
            row("02.10.2025 9h", "A"),
        ],
        "Novembre": [["Novembre"], row("03.11.2025 9h", "A"), ["TOTAL", "1"]],
        "Résumé": [["Mois", "Courses", "Km", "A/R"], ["Octobre", 211, 1800, 120], ["01.10.2025", 12, 8, 4]],
        "Chauffeurs": [["Initiales", "Nom", "Téléphone"], ["A.B", "Chauffeur Fictif", "000 00 00"]],
    }
    parsed = parse_workbook(write_xlsx(tmp_path / "a.xlsx", sheets), hash_key=KEY, driver_ids={}, today=TODAY)
    assert parsed.quarantined[["sheet", "row", "reason"]].to_numpy().tolist() == [
        ["Octobre", 2, "no_header"],
        ["Novembre", 2, "no_header"],
    ]
    assert parsed.counts == RowCounts(read=12, accepted=1, quarantined=2, ignored=9)
    assert list(parsed.raw_quarantined["when"]) == ["01.10.2025 9h", "03.11.2025 9h"]
    assert set(parsed.raw_quarantined["pickup"]) == {PALEXPO}


def test_the_delimiter_line_of_a_csv_is_no_row(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [HEADER, row("01.10.2025 9h", "A")], delimiter=",")
    path.write_bytes(b"sep=,\r\n" + path.read_bytes())
    parsed = parse_workbook(path, hash_key=KEY, driver_ids={}, today=TODAY)
    assert (parsed.counts.read, list(parsed.courses["row"])) == (2, [2])


def test_external_links_are_not_followed(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [HEADER, row("01.10.2025 9h", "A")])
    rewrite_part(
        path,
        "xl/_rels/workbook.xml.rels",
        lambda part: part.replace(
            b"</Relationships>",
            b'<Relationship Id="rId99" TargetMode="External" Target="http://example.invalid/other.xlsx" '
            b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLink"/></Relationships>',
        ),
    )
    assert parse_workbook(path, hash_key=KEY, driver_ids={}, today=TODAY).counts.accepted == 1
