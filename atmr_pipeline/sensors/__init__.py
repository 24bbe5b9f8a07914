"""Sensors: what makes the pipeline run besides the clock."""

from atmr_pipeline.sensors.events import degradation, drift
from atmr_pipeline.sensors.failures import run_failure
from atmr_pipeline.sensors.notifications import notifications
from atmr_pipeline.sensors.workbooks import new_workbook

SENSORS = [new_workbook, drift, degradation, run_failure, notifications]
