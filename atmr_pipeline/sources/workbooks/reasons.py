"""Why a row or a file is set aside: one table, in French and English, for the clerk who corrects it."""

from typing import NamedTuple

from atmr_pipeline.domain.errors import SourceError


class Reason(NamedTuple):
    """A reason in the clerk's words."""

    french: str
    english: str


REASONS: dict[str, Reason] = {
    "missing_date": Reason(
        "La date manque : écrivez-la, par exemple 01.10.2025.",
        "The date is missing: write it, for instance 01.10.2025.",
    ),
    "bad_date": Reason(
        "La date n'existe pas ou n'est pas lisible : écrivez jour.mois.année, par exemple 01.10.2025.",
        "The date does not exist or cannot be read: write day.month.year, for instance 01.10.2025.",
    ),
    "date_far_off": Reason(
        "La date est trop loin d'aujourd'hui : vérifiez l'année.",
        "The date is too far from today: check the year.",
    ),
    "weekday_contradicts_date": Reason(
        "Le jour de la semaine ne correspond pas à la date : corrigez l'un des deux.",
        "The day of the week is not that of the date: correct one of them.",
    ),
    "several_dates": Reason(
        "La ligne porte deux dates différentes : faites une ligne par jour.",
        "The row holds two different dates: make one row a day.",
    ),
    "missing_time": Reason(
        "L'heure de départ manque : écrivez-la, par exemple 09:15.",
        "The departure time is missing: write it, for instance 09:15.",
    ),
    "bad_time": Reason(
        "Une heure n'existe pas ou n'est pas lisible : écrivez heures:minutes, par exemple 09:15.",
        "A time does not exist or cannot be read: write hours:minutes, for instance 09:15.",
    ),
    "too_many_times": Reason(
        "Plus de deux heures, ou deux colonnes qui se contredisent : gardez l'aller et le retour sur la ligne.",
        "More than two times, or two columns that contradict each other: keep the outbound and the return on the row.",
    ),
    "times_contradict_course": Reason(
        "Deux heures, mais la course n'est pas un aller-retour : écrivez A/R ou ne gardez qu'une heure.",
        "Two times, but the course is not a round trip: write A/R or keep one time.",
    ),
    "empty_address": Reason(
        "L'adresse de départ ou d'arrivée est vide : complétez-la.",
        "The pickup or drop-off address is empty: fill it in.",
    ),
    "unknown_course": Reason(
        "La colonne Course n'est pas comprise : écrivez A/R, A (aller) ou R (retour).",
        "The course column is not understood: write A/R, A (outbound) or R (return).",
    ),
    "merged_row": Reason(
        "Des cellules fusionnées couvrent presque toute la ligne : défusionnez-les et complétez chaque ligne.",
        "Merged cells cover nearly the whole row: unmerge them and fill in each row.",
    ),
    "return_time_missing": Reason(
        "L'heure du retour n'est pas connue : le retour attend qu'on l'écrive.",
        "The return time is not known: the return leg waits for it.",
    ),
    "return_before_outbound": Reason(
        "L'heure du retour ne suit pas celle de l'aller : vérifiez les deux heures.",
        "The return time is not after the outbound time: check both.",
    ),
    "nonexistent_time": Reason(
        "Cette heure n'existe pas le jour du passage à l'heure d'été : corrigez-la.",
        "This time does not exist on the day the clocks go forward: correct it.",
    ),
    "address_unresolved": Reason(
        "Une adresse n'a pas été trouvée, ou plusieurs lieux conviennent : précisez rue, numéro, NPA et localité.",
        "An address was not found, or several places match it: give street, number, postcode and town.",
    ),
    "original_changed": Reason(
        "La ligne d'origine a changé ou n'existe plus depuis cette révision : gardez la bonne, effacez l'autre.",
        "The original row has changed or gone since this review: keep the right one, delete the other.",
    ),
    "unreachable_file": Reason(
        "Le fichier ne peut pas être ouvert : vérifiez qu'il existe et que vous avez le droit de le lire.",
        "The file cannot be opened: check that it exists and that you may read it.",
    ),
    "empty_file": Reason(
        "Le fichier est vide : enregistrez-le de nouveau.",
        "The file is empty: save it again.",
    ),
    "unreadable_file": Reason(
        "Le fichier est abîmé ou incomplet : ouvrez-le dans Excel et enregistrez-le de nouveau.",
        "The file is damaged or cut short: open it in Excel and save it again.",
    ),
    "wrong_format": Reason(
        "Le contenu n'est pas celui que le nom du fichier annonce : enregistrez-le en .xlsx.",
        "The content is not what the file's name says: save it as .xlsx.",
    ),
    "password_protected": Reason(
        "Le fichier est protégé par un mot de passe : retirez la protection et enregistrez-le.",
        "The file is protected by a password: remove the protection and save it.",
    ),
    "too_large": Reason(
        "Le fichier dépasse les limites de lecture : supprimez les lignes et colonnes vides, ou découpez-le.",
        "The file exceeds the reading limits: delete empty rows and columns, or split it.",
    ),
    "no_header": Reason(
        "Aucune ligne d'en-têtes : il faut Date et Heure, Adresse de départ et Adresse d'arrivée.",
        "No header row: it needs date and time, pickup address and drop-off address.",
    ),
}


class WorkbookError(SourceError):
    """A whole workbook that cannot be read.

    Parameters
    ----------
    file_name : str
        The file, without its folder.
    reason : str
        A code of :data:`REASONS`.
    detail : str, optional
        What exactly, in English; never a cell's content.
    """

    def __init__(self, file_name: str, reason: str, detail: str = "") -> None:
        super().__init__(f"workbook {file_name}: {detail + '. ' if detail else ''}{REASONS[reason].english}")
        self.file_name, self.reason = file_name, reason
