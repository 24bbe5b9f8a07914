"""What the tables say, in a few sentences of both languages; numbers and groups, no causes."""

import pandas as pd

from atmr_pipeline.monitoring.exploration.explore import DelayExploration
from atmr_pipeline.monitoring.exploration.groups import NAMED, UNKNOWN
from atmr_pipeline.monitoring.exploration.texts import DIMENSIONS, Text, group_name


def findings(tables: DelayExploration) -> list[Text]:
    """One sentence a finding; what does not exist for lack of rows is left out."""
    if not tables.n or tables.first_day is None or tables.last_day is None:
        return [Text("Aucune prise en charge n'est encore mesurée.", "No pickup has been measured yet.")]
    found = [_scope(tables), _centre(tables), _late(tables)]
    found += _legs(tables.groups) + _hours(tables.groups) + _drivers(tables.groups)
    return found + _unknown(tables.groups)


def in_french(number: str) -> str:
    """A number as French writes it: comma for decimals, a no-break space between thousands."""
    return number.replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")


def _sentence(fr: str, en: str, **numbers: str) -> Text:
    return Text(fr.format(**{name: in_french(value) for name, value in numbers.items()}), en.format(**numbers))


def _scope(tables: DelayExploration) -> Text:
    left_out = tables.labels.loc[tables.labels["outcome"] == "left out", "rows"].sum()
    first, last = tables.first_day, tables.last_day
    between_fr, between_en = f"du {first:%d/%m/%Y} au {last:%d/%m/%Y}", f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return _sentence(
        "{n} prises en charge mesurées sur {days} jours, " + between_fr + " ; {out} attributions sans retard mesurable "
        "sont écartées et comptées plus bas.",
        "{n} pickups measured on {days} days, "
        + between_en
        + "; {out} assignments without a usable delay are left out "
        "and counted below.",
        n=f"{tables.n:,}",
        days=f"{int(tables.figure('days')):,}",
        out=f"{int(left_out):,}",
    )


def _centre(tables: DelayExploration) -> Text:
    return _sentence(
        "La moitié des prises en charge a entre {q1} et {q3} min de retard ; la médiane est de {median} min, la "
        "moyenne de {mean} min (un nombre négatif est une avance).",
        "Half of the pickups are between {q1} and {q3} min late; the median is {median} min, the mean {mean} min "
        "(negative is early).",
        **{name: f"{tables.figure(f'{name}_min'):.1f}" for name in ("q1", "q3", "median", "mean")},
    )


def _late(tables: DelayExploration) -> Text:
    names = {"late": "late_share", "fifteen": "over_15_min_share", "thirty": "over_30_min_share"}
    return _sentence(
        "{late} % ont plus de 5 min de retard, {fifteen} % plus de 15 min, {thirty} % plus de 30 min.",
        "{late} % are more than 5 min late, {fifteen} % more than 15 min, {thirty} % more than 30 min.",
        **{name: f"{100 * tables.figure(column):.1f}" for name, column in names.items()},
    )


def _named(groups: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return groups[(groups["dimension"] == dimension) & (groups["kind"] == NAMED)]


def _legs(groups: pd.DataFrame) -> list[Text]:
    sentences = []
    for row in _named(groups, "leg").to_dict("records"):
        name = group_name("leg", row["group"], NAMED, 0)
        sentences.append(
            _sentence(
                f"Courses {name.fr} : médiane {{median}} min, {{late}} % en retard ({{n}}).",
                f"{name.en.capitalize()} legs: median {{median}} min, {{late}} % late ({{n}}).",
                median=f"{row['median_min']:.1f}",
                late=f"{100 * row['late_share']:.0f}",
                n=f"{row['n']:,}",
            )
        )
    return sentences


def _hours(groups: pd.DataFrame) -> list[Text]:
    hours = _named(groups, "hour")
    if len(hours) < 2:
        return []
    worst = hours.iloc[int(hours["late_share"].argmax())]
    return [
        _sentence(
            f"Heure prévue le plus souvent en retard : {worst['group']} h ({{late}} % de {{n}}), à lire plus bas par "
            "sens : allers et retours n'ont pas les mêmes heures.",
            f"Scheduled hour most often late: {worst['group']} h ({{late}} % of {{n}}), to be read by leg below: "
            "outbound and return legs have different hours.",
            late=f"{100 * worst['late_share']:.0f}",
            n=f"{worst['n']:,}",
        )
    ]


def _drivers(groups: pd.DataFrame) -> list[Text]:
    drivers = _named(groups, "driver")
    if len(drivers) < 2:
        return []
    return [
        _sentence(
            "Moyennes par chauffeur : de {low} à {high} min. Elles comparent des courses différentes et ne jugent "
            "personne.",
            "Means by driver: from {low} to {high} min. They compare different courses and judge nobody.",
            low=f"{drivers['mean_min'].min():.1f}",
            high=f"{drivers['mean_min'].max():.1f}",
        )
    ]


def _unknown(groups: pd.DataFrame) -> list[Text]:
    rows = groups[groups["kind"] == UNKNOWN]
    if rows.empty:
        return []
    parts = [(DIMENSIONS[row["dimension"]], f"{100 * row['share']:.1f}") for row in rows.to_dict("records")]
    return [
        Text(
            "Inconnu : " + ", ".join(f"{name.fr} {in_french(share)} %" for name, share in parts) + ".",
            "Unknown: " + ", ".join(f"{name.en} {share} %" for name, share in parts) + ".",
        )
    ]
