"""The columns of the review workbook: its writer and its reader agree on them here."""

from atmr_pipeline.sources.workbooks.headers import Column

COURSE_HEADERS = {
    Column.PATIENT: "Nom/Prénom - Name",
    Column.WHEN: "Date et Heure prévues - Scheduled date and time",
    Column.COURSE: "Course - Trip",
    Column.PICKUP: "Adresse de départ - Pickup address",
    Column.DROPOFF: "Adresse d'arrivée - Drop-off address",
    Column.INITIALS: "CFT - Driver",
}
FILE_HEADER, SHEET_HEADER, ROW_HEADER = "Fichier - File", "Feuille - Sheet", "Ligne - Row"
CHECK_HEADER = "Contrôle - Check"
"""When the review was written and fingerprints of what it lists: they tell a corrected row from one left as it was."""
ORIGIN_HEADERS = ("Motif", "Reason", FILE_HEADER, SHEET_HEADER, ROW_HEADER, CHECK_HEADER)
ADDRESS_HEADER, CORRECTED_ADDRESS_HEADER = "Adresse - Address", "Adresse corrigée - Corrected address"
ADDRESS_HEADERS = (
    ADDRESS_HEADER,
    CORRECTED_ADDRESS_HEADER,
    "Courses en attente - Waiting legs",
    "Motif",
    "Reason",
    CHECK_HEADER,
)
