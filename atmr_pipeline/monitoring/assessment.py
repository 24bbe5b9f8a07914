"""One call for a day's look: statistics, verdict and the alarms that are on, overall and by company."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import pandas as pd

from atmr_pipeline.monitoring.comparison import ColumnTests
from atmr_pipeline.monitoring.cusum import CusumResult, residual_cusum
from atmr_pipeline.monitoring.drift import feature_tests, feature_thresholds, label_tests, label_thresholds
from atmr_pipeline.monitoring.events import (
    SEVERITIES,
    Alarm,
    DriftKind,
    Verdict,
    alarm_start,
    alarms_of,
    drift_alarm,
    is_confirmed,
    severity_of,
    verdicts,
)
from atmr_pipeline.monitoring.samples import service_days
from atmr_pipeline.monitoring.thresholds import DriftSettings

EVIDENCE_COLUMNS = ["feature", "aspect", "window_days", "n_current", "statistic", "p_value", "threshold", "distance"]
EVIDENCE_ROWS = 10

LastSeen = Mapping[tuple[str, int | None], date]


@dataclass(frozen=True)
class DriftAssessment:
    """Everything one look found.

    Parameters
    ----------
    as_of : date
    features, label : DataFrame
        Of all groups: ``company_id`` is NULL for all companies together.
    cusums : dict
        Company, or None for all, to its CUSUM.
    verdicts : dict
        Company, or None for all, to its verdict.
    alarms : tuple of Alarm
        Those that are on.
    not_looked_at : dict
        Companies with too few rows for a look of their own, and why. They count in the look at all.
    """

    as_of: date
    features: pd.DataFrame
    label: pd.DataFrame
    cusums: dict[int | None, CusumResult]
    verdicts: dict[int | None, Verdict]
    alarms: tuple[Alarm, ...]
    not_looked_at: dict[int, str] = field(default_factory=dict)

    @property
    def cusum(self) -> CusumResult:
        """Of all companies together."""
        return self.cusums[None]

    @property
    def verdict(self) -> Verdict:
        """Of all companies together."""
        return self.verdicts[None]

    @property
    def judged(self) -> set[tuple[str, int | None]]:
        """Kind and company of what at least one test could judge."""
        tables = ((DriftKind.FEATURE, self.features), (DriftKind.LABEL, self.label))
        found: set[tuple[str, int | None]] = set()
        for kind, table in tables:
            companies = table.loc[table["skipped_reason"].isna(), "company_id"].unique()
            found |= {(str(kind), None if pd.isna(company) else int(company)) for company in companies}
        return found | {
            (str(DriftKind.RESIDUAL), company) for company, cusum in self.cusums.items() if not cusum.skipped_reason
        }

    @property
    def drifting(self) -> bool:
        """Whether any alarm is on, of any company."""
        return any(verdict.drifting for verdict in self.verdicts.values())

    @property
    def retrain(self) -> bool:
        """Whether any group's evidence asks for retraining."""
        return any(verdict.retrain for verdict in self.verdicts.values())

    @property
    def severity(self) -> str:
        """The worst of all groups."""
        return max((verdict.severity for verdict in self.verdicts.values()), key=SEVERITIES.index)


class DriftWatch:
    """A champion's reference and the rows since, prepared for looks on several days.

    Parameters
    ----------
    reference : DataFrame
        ``service_day``, the features, the label and, where known, ``company_id`` of the champion's training rows.
    current : DataFrame
        The same columns, every labelled row up to the look. It may hold the reference's rows too: the rows inside a
        window are not part of that window's reference.
    kinds : mapping
        Feature name to kind (numeric, categorical, boolean).
    label : str
    settings : DriftSettings, optional
        The error rates of a look; shared by the groups that are looked at.
    """

    def __init__(
        self,
        reference: pd.DataFrame,
        current: pd.DataFrame,
        kinds: Mapping[str, str],
        *,
        label: str = "delay_min",
        settings: DriftSettings | None = None,
    ) -> None:
        settings = settings or DriftSettings()
        groups, self.not_looked_at = _groups(reference, current, settings)
        self.settings = settings.shared_by(len(groups))
        self.thresholds = feature_thresholds(kinds, self.settings), label_thresholds(self.settings)
        self._tests: dict[int | None, tuple[ColumnTests, ColumnTests]] = {}
        for company in groups:
            old, new = _of(reference, company), _of(current, company)
            self._tests[company] = (
                feature_tests(old, new, kinds, self.settings),
                label_tests(old, new, self.settings, label),
            )
        self.first_day: date | None = service_days(current).min().date() if len(current) else None

    def features(self, as_of: date, company: int | None = None) -> pd.DataFrame:
        """The feature tests of one group on one day."""
        return self._tests[company][0].look(as_of, self.thresholds[0], company)

    def label(self, as_of: date, company: int | None = None) -> pd.DataFrame:
        """The label tests of one group on one day."""
        return self._tests[company][1].look(as_of, self.thresholds[1], company)

    def is_alarmed(self, as_of: date) -> bool:
        """Whether any test of any group alarms: what a look would show, without its tables."""
        return any(
            answer.alarm
            for pair in self._tests.values()
            for tests, thresholds in zip(pair, self.thresholds, strict=True)
            for answer in tests.answers(as_of, thresholds)
        )

    def look(
        self,
        as_of: date,
        residuals: pd.DataFrame,
        *,
        model_version: str | None = None,
        last_seen: LastSeen | None = None,
        stream_started_on: date | None = None,
    ) -> DriftAssessment:
        """Look on one day; parameters as in :func:`assess_drift`."""
        days = service_days(residuals).to_numpy()
        seen = days <= pd.Timestamp(as_of)
        if stream_started_on is not None:
            seen &= days >= pd.Timestamp(stream_started_on)
        stream = residuals[seen]
        parts: dict[int | None, tuple[pd.DataFrame, pd.DataFrame, CusumResult]] = {}
        alarms: list[Alarm] = []
        for company in self._tests:
            features, label = self.features(as_of, company), self.label(as_of, company)
            cusum = residual_cusum(_of(stream, company), self.settings)
            parts[company] = features, label, cusum
            told = partial(_tests_alarm, company_id=company, model_version=model_version)
            starts = partial(self._start, as_of, company, last_seen or {})
            if len(alarms_of(features)):
                alarms.append(told(DriftKind.FEATURE, features, starts(DriftKind.FEATURE), True))
            if len(alarms_of(label)):
                opens = is_confirmed(label, self.settings)
                alarms.append(told(DriftKind.LABEL, label, starts(DriftKind.LABEL), opens))
            if cusum.alarm_on is not None:
                alarms.append(
                    _residual_alarm(
                        cusum, cusum.alarm_on, stream_started_on, company_id=company, model_version=model_version
                    )
                )
        return DriftAssessment(
            as_of,
            pd.concat([features for features, _, _ in parts.values()], ignore_index=True),
            pd.concat([label for _, label, _ in parts.values()], ignore_index=True),
            {company: cusum for company, (_, _, cusum) in parts.items()},
            {company: verdicts(*found, self.settings) for company, found in parts.items()},
            tuple(alarms),
            self.not_looked_at,
        )

    def _start(self, as_of: date, company: int | None, last_seen: LastSeen, kind: DriftKind) -> date:
        look = self.features if kind is DriftKind.FEATURE else self.label
        return alarm_start(
            lambda day: bool(len(alarms_of(look(day, company)))),
            as_of,
            quiet_days=self.settings.quiet_days_to_close,
            first_day=self.first_day or as_of,
            seen=last_seen.get((str(kind), company)),
        )


def assess_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    residuals: pd.DataFrame,
    kinds: Mapping[str, str],
    *,
    as_of: date,
    model_version: str | None = None,
    last_seen: LastSeen | None = None,
    stream_started_on: date | None = None,
    label: str = "delay_min",
    settings: DriftSettings | None = None,
) -> DriftAssessment:
    """Look for drift on one day.

    Parameters
    ----------
    reference, current, kinds, label, settings
        As in :class:`DriftWatch`.
    residuals : DataFrame
        ``frame`` of :func:`~atmr_pipeline.monitoring.residuals.residual_stream`; days after ``as_of`` are left out.
    as_of : date
        Service day of the look. Days after it change nothing.
    model_version : str, optional
        The champion, for the record.
    last_seen : mapping, optional
        Kind and company to the last day on which an alarm was seen
        (:func:`~atmr_pipeline.state.drift_events.last_seen`): how far back an alarm is followed to its first day.
    stream_started_on : date, optional
        Residuals before it are left out: the day after an alarm of theirs was answered by a promotion
        (:func:`~atmr_pipeline.state.drift_events.stream_start`).

    Returns
    -------
    DriftAssessment
    """
    watch = DriftWatch(reference, current, kinds, label=label, settings=settings)
    return watch.look(
        as_of,
        residuals,
        model_version=model_version,
        last_seen=last_seen,
        stream_started_on=stream_started_on,
    )


def _groups(
    reference: pd.DataFrame, current: pd.DataFrame, settings: DriftSettings
) -> tuple[list[int | None], dict[int, str]]:
    """All together, and each company where there are several and it has rows enough for a test."""
    if "company_id" not in reference.columns or "company_id" not in current.columns:
        return [None], {}
    companies = sorted({*reference["company_id"].dropna(), *current["company_id"].dropna()})
    if len(companies) < 2:
        return [None], {}
    groups: list[int | None] = [None]
    too_few: dict[int, str] = {}
    for company in companies:
        n = int((reference["company_id"] == company).sum())
        if n >= settings.minimum_reference_rows:
            groups.append(int(company))
        else:
            too_few[int(company)] = f"reference has {n:,} rows, needs {settings.minimum_reference_rows:,}"
    return groups, too_few


def _of(frame: pd.DataFrame, company: int | None) -> pd.DataFrame:
    return frame if company is None else frame[(frame["company_id"] == company).fillna(False).to_numpy(dtype=bool)]


def _tests_alarm(
    kind: DriftKind,
    table: pd.DataFrame,
    started_on: date,
    opens: bool,
    *,
    company_id: int | None,
    model_version: str | None,
) -> Alarm:
    alarmed = alarms_of(table)
    return drift_alarm(
        kind,
        company_id=company_id,
        started_on=started_on,
        severity=severity_of(alarmed),
        evidence={"alarms": len(alarmed), "alarm_started_on": started_on.isoformat(), "strongest": _evidence(alarmed)},
        model_version=model_version,
        opens=opens,
    )


def _evidence(alarmed: pd.DataFrame) -> list[dict[str, object]]:
    strongest = alarmed.sort_values("p_value").head(EVIDENCE_ROWS)[EVIDENCE_COLUMNS]
    return [
        {str(name): float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in strongest.astype({"distance": "float64"}).to_dict("records")
    ]


def _residual_alarm(
    cusum: CusumResult,
    alarm_on: date,
    stream_started_on: date | None,
    *,
    company_id: int | None,
    model_version: str | None,
) -> Alarm:
    started = cusum.change_started_on or alarm_on
    return drift_alarm(
        DriftKind.RESIDUAL,
        company_id=company_id,
        started_on=alarm_on,
        severity="critical",
        evidence={
            "direction": cusum.direction,
            "shift_min": round(cusum.shift_min, 2),
            "courses": cusum.courses,
            "change_started_on": started.isoformat(),
            "alarm_started_on": alarm_on.isoformat(),
            "limit": round(cusum.limit, 2),
        },
        model_version=model_version,
        stream_started_on=stream_started_on,
    )
