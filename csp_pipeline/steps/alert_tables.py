"""Fills provisioning.alerts: what the ledger says was told, and, while no channel is set, what would be.

What belongs here: the rows. Nothing is delivered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.notifications.outbox import Alert, Entry
from csp_pipeline.steps.alert_facts import read_news
from csp_pipeline.steps.alerts import alerts_of, channels, read_outbox
from csp_pipeline.steps.journal import utc_now
from csp_pipeline.steps.provisioning_tables import write_rows

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from csp_pipeline.settings import Settings

ALERTS = "provisioning.alerts"
_UNKNOWN = "The process ended while it was delivered; it may have arrived. Replay it if it did not."


def build_alerts(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime | None = None) -> int:
    """Fill provisioning.alerts; the other tables of the schema are up to date.

    Args:
        con: a connection from `writing`.
        settings: channels, templates, and where the ledger is.
        now: UTC without zone; the clock's when None.

    Returns:
        The number of rows.
    """
    entries = list(read_outbox(settings.home).entries.values())
    if not channels(settings):
        known = {(entry.alert.event_id, entry.alert.kind) for entry in entries}
        would_be = alerts_of(settings, read_news(con, settings, now or utc_now()), now or utc_now(), ())
        entries += [Entry(alert) for alert in would_be if (alert.event_id, alert.kind) not in known]
    write_rows(con, ALERTS, [_row(entry, entry.alert) for entry in entries])
    return len(entries)


def _row(entry: Entry, alert: Alert) -> dict[str, object]:
    names = ("alert_id", "event_id", "audience", "subject", "body", "created_at", "kind", "account_id")
    return {
        **{name: getattr(alert, name) for name in names},
        "channel": alert.channel or None,
        "delivered_at": entry.delivered_at,
        "attempts": entry.attempts,
        "state": entry.state,
        "digest_id": entry.digest_id,
        "error": _UNKNOWN if entry.is_open else entry.error,
    }
