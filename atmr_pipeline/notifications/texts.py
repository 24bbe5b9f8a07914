"""The words of notifications, in French and English. Numbers and codes go into them; free text never does."""

import math
import re
from collections.abc import Mapping
from typing import Any

from atmr_pipeline.notifications.mail_text import Label
from atmr_pipeline.notifications.notification import Line

CODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+\-/\[\]]{0,127}")
"""What may be quoted of a text: names of columns, gates, versions and steps. A sentence does not match."""
DETAIL_CHARACTERS = 240

DRIFT_TITLES = {
    "residual_drift": Label("Les erreurs du modèle de retard dérivent", "The delay model's errors drift"),
    "label_drift": Label("Les retards observés dérivent", "The observed delays drift"),
    "feature_drift": Label("Les données d'entrée dérivent", "The input data drift"),
    "performance": Label("Le modèle de retard servi s'est dégradé", "The delay model that is served has degraded"),
}
MODELS = {
    "delay": Label("Modèle de retard", "Delay model"),
    "policy": Label("Politique de répartition", "Dispatch policy"),
}
ACTIONS = {
    "promoted": Label("promu", "promoted"),
    "refused": Label("refusé", "refused"),
    "waiting": Label("attend une personne pour être promu", "waits for a person to be promoted"),
    "rolled_back": Label("retour à la version précédente", "rolled back"),
    "fell_back": Label("fichiers endommagés, version précédente servie", "files damaged, previous version served"),
}
NAMES = {
    "actor": Label("par", "by"),
    "aspect": Label("aspect", "aspect"),
    "alarm_started_on": Label("depuis", "since"),
    "alarms": Label("tests en alarme", "tests that alarm"),
    "change_started_on": Label("changement depuis", "change since"),
    "champion": Label("version servie", "version served"),
    "company_id": Label("entreprise", "company"),
    "courses": Label("courses", "courses"),
    "detected_on": Label("vu le", "seen on"),
    "direction": Label("sens", "direction"),
    "distance": Label("distance", "distance"),
    "failed_steps": Label("étapes en échec", "failed steps"),
    "from_version": Label("ancienne version", "version before"),
    "gates_passed": Label("critères remplis", "gates passed"),
    "gates_not_judged": Label("critères non jugés", "gates not judged"),
    "gates_failed": Label("critères non remplis", "gates failed"),
    "job": Label("tâche", "job"),
    "limit": Label("limite (écarts-types)", "limit (standard deviations)"),
    "limit_std": Label("limite (écarts-types)", "limit (standard deviations)"),
    "mae": Label("erreur absolue moyenne (min)", "mean absolute error (min)"),
    "mae_high": Label("erreur absolue moyenne, borne haute (min)", "mean absolute error, upper bound (min)"),
    "mae_low": Label("erreur absolue moyenne, borne basse (min)", "mean absolute error, lower bound (min)"),
    "mae_ratio": Label("erreur relative à la validation", "error relative to the validation"),
    "model_version": Label("version du modèle", "model version"),
    "n": Label("lignes", "rows"),
    "n_current": Label("lignes", "rows"),
    "not_told": Label("détails non repris ici", "details not repeated here"),
    "outcome": Label("issue", "outcome"),
    "p_value": Label("p", "p"),
    "reference_std_min": Label("écart-type de référence (min)", "reference standard deviation (min)"),
    "refused_version": Label("version refusée", "version refused"),
    "run_id": Label("exécution", "run"),
    "seq": Label("numéro de promotion", "promotion number"),
    "shift_min": Label("décalage (min)", "shift (min)"),
    "statistic": Label("statistique", "statistic"),
    "stopped_by": Label("contrôles qui l'ont arrêtée", "checks that stopped it"),
    "threshold": Label("seuil", "threshold"),
    "to_version": Label("nouvelle version", "version after"),
    "value": Label("valeur", "value"),
    "window_days": Label("fenêtre (jours)", "window (days)"),
}
WORDS = {
    "later": Label("plus tard que prévu", "later than predicted"),
    "earlier": Label("plus tôt que prévu", "earlier than predicted"),
}
UNKNOWN = Label("inconnu", "unknown")


def line(name: str, value: Any) -> Line:
    """A line about one number, code or list of codes; anything else is shown as unknown."""
    kept = plain(value)
    label = NAMES.get(name, Label(name, name))
    shown = _shown(kept)
    return Line(name, kept, f"{label.fr} : {shown.fr}", f"{label.en}: {shown.en}")


def row_line(name: str, row: Mapping[str, Any]) -> Line:
    """A line about several figures of one thing; its value for machines is the text of its codes and numbers."""
    told = {key: plain(value) for key, value in row.items() if code(key) and is_plain(value)}
    fr = ", ".join(f"{NAMES.get(key, Label(key, key)).fr} {_shown(value).fr}" for key, value in told.items())
    en = ", ".join(f"{NAMES.get(key, Label(key, key)).en} {_shown(value).en}" for key, value in told.items())
    return Line(name, tuple(f"{key}={_shown(value).en}" for key, value in told.items()), f"{fr}", f"{en}")


def gate_line(verdict: Mapping[str, Any]) -> Line:
    """A line about a gate: its name and its one line of detail, which the gates write of numbers alone."""
    name = code(verdict.get("name")) or "gate"
    detail = single_line(str(verdict.get("detail") or ""))
    figures = f"{name}: {detail}" if detail else name
    return Line(f"gate.{name}", _number(verdict.get("value")), figures, figures)


def plain(value: Any) -> int | float | str | bool | tuple[str, ...] | None:
    """A number or a code as it is, a list of codes as a tuple, and None for anything else."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        codes = tuple(found for item in value if (found := code(item)) is not None)
        return codes if len(codes) == len(value) else None
    return code(value)


def is_plain(value: Any) -> bool:
    """Whether a value may be told, because it is a number, a code, a list of codes, or not known."""
    return value is None or plain(value) is not None


def code(value: Any) -> str | None:
    """The value if it is a code; None else."""
    text = str(value) if isinstance(value, str) else ""
    return text if CODE.fullmatch(text) else None


def single_line(text: str) -> str:
    """A text without control characters, cut to a length that a person reads."""
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean if len(clean) <= DETAIL_CHARACTERS else clean[: DETAIL_CHARACTERS - 1] + "…"


def _number(value: Any) -> int | float | None:
    kept = plain(value)
    return kept if isinstance(kept, int | float) else None


def _shown(value: int | float | str | bool | tuple[str, ...] | None) -> Label:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return Label("oui", "yes") if value else Label("non", "no")
    if isinstance(value, float):
        text = f"{value:.4g}"
        return Label(text.replace(".", ","), text)
    if isinstance(value, tuple):
        return Label(", ".join(value) or "-", ", ".join(value) or "-")
    return WORDS.get(str(value), Label(str(value), str(value)))
