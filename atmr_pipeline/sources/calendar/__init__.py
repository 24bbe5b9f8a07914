"""What kind of day a service day is: public holidays of Geneva, leave of the public service, school holidays."""

from atmr_pipeline.sources.calendar.days import calendar_counts, calendar_days
from atmr_pipeline.sources.calendar.school import SchoolCalendar, school_calendar

__all__ = ["SchoolCalendar", "calendar_counts", "calendar_days", "school_calendar"]
