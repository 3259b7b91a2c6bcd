"""The whole Dagster graph as plain data, kept in `graph.json`; `python -m csp_pipeline_tests.golden` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp_pipeline.definitions import build_definitions
from csp_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

SNAPSHOT = Path(__file__).with_name("graph.json")


def graph() -> dict[str, Any]:
    """Every asset, check, job, schedule and sensor of a fresh code location, in a form that reads well in a diff."""
    repository = build_definitions(Settings(_env_file=None, home_path=Path("data"))).get_repository_def()
    nodes = repository.asset_graph
    return {
        "assets": {
            key.to_user_string(): _asset(nodes.get(key))
            for key in sorted(nodes.get_all_asset_keys(), key=lambda key: key.path)
        },
        "checks": {
            f"{check.asset_key.to_user_string()}:{check.name}": "blocking" if nodes.get(check).blocking else "warns"
            for check in sorted(nodes.asset_check_keys, key=lambda check: (check.asset_key.path, check.name))
        },
        "jobs": {
            job.name: sorted(node.name for node in job.nodes)
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "job": schedule.job_name,
                "cron": schedule.cron_schedule,
                "timezone": schedule.execution_timezone,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "job": sensor.job_name,
                "every_seconds": sensor.minimum_interval_seconds,
                "default": sensor.default_status.value,
            }
            for sensor in repository.sensor_defs
        },
    }


def _asset(node: Any) -> dict[str, Any]:  # noqa: ANN401  (Dagster has no public name for a node of the graph)
    return {
        "group": node.group_name,
        "depends_on": sorted(key.to_user_string() for key in node.parent_keys),
        "partitions": _partitions(node.partitions_def),
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "pools": sorted(node.pools or []),
        "columns": [column.name for column in node.metadata["dagster/column_schema"].columns],
    }


def _partitions(definition: dg.PartitionsDefinition[str] | None) -> str:
    return "none" if definition is None else str(definition)


def as_text(found: dict[str, Any]) -> str:
    """The graph as it stands in the snapshot."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
