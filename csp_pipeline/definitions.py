"""The code location: the only place where assets, checks, jobs, schedules, sensors and resources are wired together.

Nothing is read or opened when this module is imported; settings are read when Dagster asks for the definitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from csp_pipeline.orchestration import checks, jobs, schedules, sensors
from csp_pipeline.orchestration.assets import (
    billing,
    cost,
    fetching,
    ingestion,
    partner_center,
    provisioning,
    publishing,
    reconciliation,
    reference,
)
from csp_pipeline.orchestration.assets.tables import WRITER_POOL
from csp_pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS = (fetching, ingestion, partner_center, reference, cost, billing, reconciliation, provisioning, publishing)


def build_definitions(
    settings: Settings, *, writer_pool: str | None = WRITER_POOL, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Wire a code location.

    Args:
        settings: what the assets work on.
        writer_pool: the pool that steps writing the warehouse wait for; None when the caller holds the lock of the
            home for the whole run, which guards the same thing.
        resources: resources that replace the usual ones, by name: `settings`, and `on_progress`, which is told one
            sentence at a time while files are taken.

    Returns:
        Fresh definitions that share nothing with an earlier call.
    """
    assets = [asset for group in GROUPS for asset in group.build(writer_pool)]
    if settings.postgres_url is not None:
        assets += publishing.build_postgres(writer_pool)
    wiring = dg.Definitions(
        assets=assets,
        asset_checks=[*checks.build_identity_checks(writer_pool), checks.build_expectations_check()],
        jobs=[
            jobs.nightly_job,
            jobs.month_close,
            jobs.issue,
            jobs.provision,
            jobs.decide_request,
            jobs.replay,
            jobs.tell_of_failed_run,
        ],
        schedules=[schedules.nightly],
        sensors=[sensors.build_month_close(), sensors.build_alerts(), sensors.build_failed_runs()],
        resources={"settings": settings, "on_progress": print, **(resources or {})},
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(wiring, jobs.stage_jobs(publishes_to_postgres=settings.postgres_url is not None))


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that `workspace.yaml` names, with settings from the environment."""
    return build_definitions(Settings())
