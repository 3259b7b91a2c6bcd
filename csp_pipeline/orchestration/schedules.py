"""The schedules: when jobs start by themselves, once a person has switched them on."""

import dagster as dg

from csp_pipeline.orchestration.jobs import nightly_job

nightly = dg.ScheduleDefinition(
    name="nightly",
    job=nightly_job,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    description="Every night at 02:00 UTC.",
)
