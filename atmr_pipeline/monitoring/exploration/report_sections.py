"""What stands in which part of the report, as text ready to be shown."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from atmr_pipeline.monitoring.exploration.explore import DelayExploration
from atmr_pipeline.monitoring.exploration.findings import in_french
from atmr_pipeline.monitoring.exploration.groups import NAMED, TRAILING_WEEKS
from atmr_pipeline.monitoring.exploration.texts import DIMENSIONS, FIGURES, UNKNOWN_GROUP, Text, group_name, word

NOT_KNOWN = "\N{EN DASH}"
MOST_ROWS = 200
"""Rows of one table; the caption says how many are not shown."""

MOST_PAIRS = 20


@dataclass(frozen=True)
class Table:
    """Rows as text; the first cell of a row is its heading, in both languages."""

    caption: Text
    headers: Sequence[Text]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Section:
    """A part of the report: pictures by name with what they show in words, then tables."""

    anchor: str
    title: Text
    lead: Text
    pictures: Sequence[tuple[str, Text]]
    tables: Sequence[Table]


def sections(tables: DelayExploration) -> list[Section]:
    """All parts of the report, in its order."""
    return [_distribution(tables), _hours(tables), *_groups(tables), _seasons(tables), _features(tables),
            _correlations(tables), _missing(tables), _labels(tables), _outliers(tables)]  # fmt: skip


def _distribution(tables: DelayExploration) -> Section:
    rows = [
        (FIGURES[row["figure"]], _number(row["value"], row["unit"]))
        for row in tables.distribution.to_dict("records")
        if not row["figure"].startswith("whisker")
    ]
    figures = {name: _number(tables.figure(f"{name}_min"), "min") for name in ("q1", "median", "q3")}
    shown = Text(
        f"Histogramme des retards : médiane {in_french(figures['median'])}, quartiles {in_french(figures['q1'])} et "
        f"{in_french(figures['q3'])}",
        f"Histogram of delays: median {figures['median']}, quartiles {figures['q1']} and {figures['q3']}",
    )
    lead = Text(
        "Retard = prise en charge réelle moins heure prévue, en minutes. Les barres hachurées réunissent les 0,5 % "
        "extrêmes de chaque côté. L'intervalle de la moyenne (95 %) tire des jours entiers au sort.",
        "Delay = actual pickup minus scheduled time, in minutes. Hatched bars hold the outer 0.5 % on each side. The "
        "interval of the mean (95 %) draws whole days at random.",
    )
    table = Table(Text("Tous les retards", "All delays"), [Text("grandeur", "figure"), Text("valeur", "value")], rows)
    return Section("distribution", Text("Répartition", "Distribution"), lead, [("histogram", shown)], [table])


def _hours(tables: DelayExploration) -> Section:
    lead = Text(
        "Boîtes : quartiles et médiane ; losange : moyenne ; moustaches : dernières valeurs à 1,5 écart "
        "interquartile ; tireté : 5 min. Les cases de moins de 5 prises en charge ne montrent que leur nombre.",
        "Boxes: quartiles and median; diamond: mean; whiskers: last values within 1.5 interquartile ranges; dashed: "
        "5 min. Cells with fewer than 5 pickups show their number only.",
    )
    pictures = [
        ("by_hour", _shown(tables, "hour")),
        ("by_leg_and_hour", _shown(tables, "leg_and_hour")),
        (
            "hour_weekday",
            Text("Retard médian par jour et heure, avec le nombre", "Median delay by day and hour, counted"),
        ),
    ]
    made = [_group_table(tables, name) for name in ("hour", "leg_and_hour")]
    return Section("hours", Text("Heures", "Hours"), lead, pictures, made)


def _groups(tables: DelayExploration) -> list[Section]:
    made = []
    for name in ("leg", "weekday", "driver", "patient_area", "pickup_area", "urgency", "weather", "company"):
        rows = tables.groups[tables.groups["dimension"] == name]
        if name == "company" and rows.empty:
            continue
        nothing = len(rows) and not (rows["kind"] != "unknown").any()
        lead = Text(
            f"Les groupes de moins de {tables.min_rows} prises en charge sont réunis ; l'inconnu est un groupe à part.",
            f"Groups with fewer than {tables.min_rows} pickups are gathered; the unknown is a group of its own.",
        )
        if nothing:
            lead = Text("N'est connu pour aucune prise en charge.", "Not known of any pickup.")
        made.append(
            Section(name, _capital(DIMENSIONS[name]), lead, [(f"by_{name}", _shown(tables, name))],
                    [_group_table(tables, name)])
        )  # fmt: skip
    return made


def _seasons(tables: DelayExploration) -> Section:
    lead = Text(
        f"Ligne et bande : moyenne de {TRAILING_WEEKS} semaines et son intervalle de 95 % par tirage de jours ; "
        "points : moyenne de chaque semaine. Une semaine de moins de 5 jours n'a pas d'intervalle.",
        f"Line and band: mean of {TRAILING_WEEKS} weeks with its 95 % interval by drawing days; dots: mean of each "
        "week. A week with fewer than 5 days has no interval.",
    )
    headers = [Text("semaine du", "week of"), *_FIGURE_HEADERS]
    rows = [[_plain(f"{row['week']:%Y-%m-%d}"), *_figures(row)] for row in tables.weeks.to_dict("records")]
    weeks = _limited(Table(Text("Par semaine", "By week"), headers, rows))
    pictures = [
        ("weeks", Text("Retard moyen et médian par semaine", "Mean and median delay by week")),
        ("by_month", _shown(tables, "month")),
    ]
    return Section("seasons", Text("Saisons", "Seasons"), lead, pictures, [_group_table(tables, "month"), weeks])


def _features(tables: DelayExploration) -> Section:
    lead = Text(
        "Médiane (rouge), moyenne (bleu) et quartiles (bande) du retard, en classes d'effectif égal ; sous l'axe, la "
        "plus grande valeur de la classe. Une relation n'est pas une cause.",
        "Median (red), mean (blue) and quartiles (band) of the delay, in equally filled bins; below the axis, the "
        "largest value of the bin. A relation is no cause.",
    )
    rows = []
    for row in tables.features.to_dict("records"):
        values = f"{row['from_value']:.3g} {NOT_KNOWN} {row['to_value']:.3g}"
        name = _plain(values) if row["kind"] == NAMED else UNKNOWN_GROUP
        rows.append([Text(f"{row['feature']} : {name.fr}", f"{row['feature']}: {name.en}"), *_figures(row)])
    caption = Text("Retard par classe", "Delay by bin")
    table = Table(caption, [Text("variable : de – à", "feature: from – to"), *_FIGURE_HEADERS], rows)
    title = Text("Retard selon la marge et la distance à vide", "Delay against slack and deadhead")
    return Section("features", title, lead, [("features", caption)], [_limited(table)])


def _correlations(tables: DelayExploration) -> Section:
    sampled = f"{tables.correlation_rows:,}"
    lead = Text(
        f"Rang de Spearman, sur les lignes où les deux valeurs sont connues (de {in_french(sampled)} lignes).",
        f"Spearman's rank correlation, over the rows where both values are known (of {sampled} rows).",
    )
    with_delay = [
        (_plain(row["feature"]), f"{row['n']:,}", _number(row["spearman"], "ratio"), _text(row["why_not"]))
        for row in tables.with_delay.to_dict("records")
    ]
    pairs = [
        (_plain(f"{row['feature_a']} × {row['feature_b']}"), f"{row['n']:,}", _number(row["spearman"], "ratio"))
        for row in tables.among_features.head(MOST_PAIRS).to_dict("records")
    ]
    count, rho = Text("lignes", "rows"), Text("rang de Spearman", "Spearman's rho")
    feature = Text("variable", "feature")
    made = [
        Table(
            Text("Avec le retard", "With the delay"), [feature, count, rho, Text("pourquoi pas", "why not")], with_delay
        ),
        Table(
            Text(f"Entre variables, les {len(pairs)} plus fortes", f"Among features, the {len(pairs)} strongest"),
            [Text("paire", "pair"), count, rho],
            pairs,
        ),
    ]
    return Section("correlations", Text("Corrélations", "Correlations"), lead, [], made)


def _missing(tables: DelayExploration) -> Section:
    lead = Text(
        "Ce qui n'est pas connu reste vide et n'est remplacé par rien.",
        "What is not known stays empty and is replaced by nothing.",
    )
    headers = [
        Text("variable", "feature"),
        Text("inconnues", "unknown"),
        Text("part", "share"),
        Text("infinies", "infinite"),
    ]
    rows = [
        (_plain(row["feature"]), f"{row['unknown']:,}", _number(row["unknown_share"], "share"), f"{row['infinite']:,}")
        for row in tables.missing.to_dict("records")
    ]
    caption = Text("Valeurs inconnues par variable", "Unknown values by feature")
    return Section("missing", Text("Valeurs inconnues", "Unknown values"), lead, [("missing", caption)],
                   [_limited(Table(caption, headers, rows))])  # fmt: skip


def _labels(tables: DelayExploration) -> Section:
    lead = Text(
        "Toutes les attributions : celles dont le retard est utilisé, et pourquoi les autres ne le sont pas.",
        "All assignments: those whose delay is used, and why the others are not.",
    )
    rows = []
    for row in tables.labels.to_dict("records"):
        name = word(row["outcome"])
        if isinstance(row["reason"], str):
            name = Text(f"{name.fr} : {row['reason']}", f"{name.en}: {row['reason']}")
        rows.append((name, f"{row['rows']:,}", _number(row["share"], "share")))
    headers = [Text("issue", "outcome"), Text("lignes", "rows"), Text("part", "share")]
    table = Table(Text("Compte des attributions", "Account of the assignments"), headers, rows)
    return Section("labels", Text("Ce qui est écarté", "What is left out"), lead, [], [table])


def _outliers(tables: DelayExploration) -> Section:
    low, high = tables.figure("outliers_low"), tables.figure("outliers_high")
    lead = Text(
        f"À plus de 1,5 écart interquartile des quartiles : {low:.0f} en avance, {high:.0f} en retard. Ils sont gardés "
        "dans toutes les grandeurs.",
        f"More than 1.5 interquartile ranges beyond the quartiles: {low:.0f} early, {high:.0f} late. They are kept in "
        "every figure.",
    )
    headers = [Text("attribution", "assignment"), Text("jour", "day"), Text("retard", "delay"), Text("côté", "side")]
    rows = [
        (_plain(str(row["assignment_id"])), f"{row['service_day']:%Y-%m-%d}", _number(row["delay_min"], "min"),
         str(word(row["side"])))
        for row in tables.outliers.to_dict("records")
    ]  # fmt: skip
    caption = Text(f"Les {len(rows)} plus éloignées", f"The {len(rows)} farthest")
    return Section("outliers", Text("Valeurs aberrantes", "Outliers"), lead, [], [Table(caption, headers, rows)])


_FIGURE_HEADERS = (
    Text("n", "n"), Text("jours", "days"), FIGURES["mean_min"], Text("intervalle 95 %", "95 % interval"),
    Text("Q1", "Q1"), FIGURES["median_min"], Text("Q3", "Q3"), Text("5 %", "5 %"), Text("95 %", "95 %"),
    Text("en retard", "late"), Text("en avance", "early"),
)  # fmt: skip


def _group_table(tables: DelayExploration, dimension: str) -> Table:
    rows = []
    for row in tables.groups[tables.groups["dimension"] == dimension].to_dict("records"):
        rows.append([group_name(dimension, row["group"], row["kind"], row["gathered"]), *_figures(row)])
    caption = Text(f"Retard par {DIMENSIONS[dimension].fr}", f"Delay by {DIMENSIONS[dimension].en}")
    return _limited(Table(caption, [_capital(DIMENSIONS[dimension]), *_FIGURE_HEADERS], rows))


def _figures(row: dict[Hashable, Any]) -> list[str]:
    interval = NOT_KNOWN
    if pd.notna(row["mean_low_min"]):
        interval = f"{row['mean_low_min']:.1f} … {row['mean_high_min']:.1f}"
    minutes = [_number(row[f"{name}_min"], "") for name in ("q1", "median", "q3", "p05", "p95")]
    shares = [_number(row[name], "share") for name in ("late_share", "early_share")]
    return [f"{row['n']:,}", f"{row['days']:,}", _number(row["mean_min"], ""), interval, *minutes, *shares]


def _limited(table: Table) -> Table:
    rest = len(table.rows) - MOST_ROWS
    if rest <= 0:
        return table
    caption = Text(f"{table.caption.fr} ({rest} lignes de plus)", f"{table.caption.en} ({rest} more rows)")
    return Table(caption, table.headers, table.rows[:MOST_ROWS])


def _shown(tables: DelayExploration, dimension: str) -> Text:
    """A box plot in words: the groups with the lowest and the highest median."""
    name = DIMENSIONS[dimension]
    rows = tables.groups[(tables.groups["dimension"] == dimension) & (tables.groups["kind"] == NAMED)]
    if rows.empty:
        return Text(f"Retard par {name.fr}", f"Delay by {name.en}")
    low, high = (
        (group_name(dimension, row["group"], NAMED, 0), f"{row['median_min']:.1f}")
        for row in (rows.iloc[int(rows["median_min"].argmin())], rows.iloc[int(rows["median_min"].argmax())])
    )
    return Text(
        f"Boîtes du retard par {name.fr} : médiane de {in_french(low[1])} min ({low[0].fr}) à {in_french(high[1])} min "
        f"({high[0].fr})",
        f"Box plots of the delay by {name.en}: median from {low[1]} min ({low[0].en}) to {high[1]} min ({high[0].en})",
    )


def _number(value: float, unit: str) -> str:
    if pd.isna(value):
        return NOT_KNOWN
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "min":
        return f"{value:.1f} min"
    if unit == "ratio":
        return f"{value:.2f}"
    return f"{value:.1f}" if unit == "" else f"{value:,.0f}"


def _plain(text: str) -> Text:
    return Text(text, text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _capital(text: Text) -> Text:
    return Text(text.fr[:1].upper() + text.fr[1:], text.en[:1].upper() + text.en[1:])
