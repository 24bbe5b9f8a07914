"""The report's words in the two languages of its readers: dispatchers read French, analysts either."""

from typing import NamedTuple

from atmr_pipeline.monitoring.exploration.groups import GATHERED, UNKNOWN


class Text(NamedTuple):
    """One phrase in French and in English."""

    fr: str
    en: str

    def __str__(self) -> str:
        return self.fr if self.fr == self.en else f"{self.fr} / {self.en}"


DELAY = Text("retard (min)", "delay (min)")

DIMENSIONS = {
    "leg": Text("sens de la course", "leg"),
    "hour": Text("heure prévue", "scheduled hour"),
    "leg_and_hour": Text("sens et heure", "leg and hour"),
    "weekday": Text("jour de la semaine", "weekday"),
    "month": Text("mois", "month"),
    "driver": Text("chauffeur (numéro)", "driver (number)"),
    "patient_area": Text("zone du patient", "area of the patient"),
    "pickup_area": Text("zone de prise en charge", "area of the pickup"),
    "urgency": Text("urgence", "urgency"),
    "weather": Text("météo prévue lors de l'attribution", "forecast when the driver was chosen"),
    "company": Text("entreprise (numéro)", "company (number)"),
}

_WORDS = {
    "outbound": Text("aller", "outbound"),
    "return": Text("retour", "return"),
    "urgent": Text("urgent", "urgent"),
    "planned": Text("planifié", "planned"),
    "dry": Text("sec", "dry"),
    "rain": Text("pluie", "rain"),
    "snow": Text("neige", "snow"),
    "slowing": Text("pluie ou neige", "rain or snow"),
    "Mon": Text("lun", "Mon"),
    "Tue": Text("mar", "Tue"),
    "Wed": Text("mer", "Wed"),
    "Thu": Text("jeu", "Thu"),
    "Fri": Text("ven", "Fri"),
    "Sat": Text("sam", "Sat"),
    "Sun": Text("dim", "Sun"),
    "late": Text("en retard", "late"),
    "early": Text("en avance", "early"),
    "used": Text("utilisé", "used"),
    "left out": Text("écarté", "left out"),
}
_TRANSLATED = {"leg", "leg_and_hour", "weekday", "urgency", "weather"}
"""Dimensions whose groups are codes of ours; the names of other groups come from the data and stay as they are."""

UNKNOWN_GROUP = Text("inconnu", "unknown")

FIGURES = {
    "n": Text("prises en charge mesurées", "pickups measured"),
    "days": Text("jours de service", "service days"),
    "mean_min": Text("moyenne", "mean"),
    "mean_low_min": Text("moyenne, borne basse 95 %", "mean, lower 95 % bound"),
    "mean_high_min": Text("moyenne, borne haute 95 %", "mean, upper 95 % bound"),
    "sd_min": Text("écart type", "standard deviation"),
    "p05_min": Text("5 % sont en dessous de", "5 % are below"),
    "q1_min": Text("premier quartile", "first quartile"),
    "median_min": Text("médiane", "median"),
    "q3_min": Text("troisième quartile", "third quartile"),
    "p95_min": Text("5 % sont au-dessus de", "5 % are above"),
    "min_min": Text("minimum", "minimum"),
    "max_min": Text("maximum", "maximum"),
    "late_share": Text("plus de 5 min de retard", "more than 5 min late"),
    "over_15_min_share": Text("plus de 15 min de retard", "more than 15 min late"),
    "over_30_min_share": Text("plus de 30 min de retard", "more than 30 min late"),
    "early_share": Text("en avance", "early"),
    "skewness": Text("asymétrie (0 : symétrique)", "skewness (0: symmetric)"),
    "whisker_low_min": Text("moustache basse", "lower whisker"),
    "whisker_high_min": Text("moustache haute", "upper whisker"),
    "fence_low_min": Text("limite basse des valeurs aberrantes", "lower fence of outliers"),
    "fence_high_min": Text("limite haute des valeurs aberrantes", "upper fence of outliers"),
    "outliers_low": Text("valeurs sous la limite basse", "values below the lower fence"),
    "outliers_high": Text("valeurs au-dessus de la limite haute", "values above the upper fence"),
}


def word(code: str) -> Text:
    """A code of ours in both languages; anything else as it is."""
    return _WORDS.get(code, Text(code, code))


def group_name(dimension: str, group: object, kind: str, gathered: int) -> Text:
    """How a group is called in a picture or table."""
    if kind == UNKNOWN:
        return UNKNOWN_GROUP
    if kind == GATHERED:
        return Text(f"{gathered} petits groupes réunis", f"{gathered} small groups together")
    if dimension not in _TRANSLATED:
        return Text(str(group), str(group))
    words = [word(part) for part in str(group).split(" ")]
    return Text(" ".join(part.fr for part in words), " ".join(part.en for part in words))
