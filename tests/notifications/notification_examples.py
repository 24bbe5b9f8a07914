"""Notifications about nothing real."""

from datetime import UTC, datetime

from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.notifications.texts import line

AT = datetime(2026, 6, 1, 3, 4, 5, tzinfo=UTC)


def example(subject_id: str = "drift:abc123:opened", *, severity: str = "critical", at: datetime = AT) -> Notification:
    return Notification(
        subject_id=subject_id,
        kind="drift_opened",
        severity=severity,
        title_fr="Les retards observés dérivent",
        title_en="The observed delays drift",
        lines=(line("shift_min", 4.75), line("direction", "later")),
        link="http://127.0.0.1:3000/assets/label_drift?view=events",
        occurred_at=at,
    )
