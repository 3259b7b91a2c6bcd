"""Whether the PostgreSQL database of `CSP_POSTGRES_URL` can be published to: looked at, never changed.

What belongs here: what `csp-pipeline doctor` asks, and what to do about each answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp_pipeline.models.catalogue import SCHEMAS, load_catalogue
from csp_pipeline.storage.postgres import address_of, transaction
from csp_pipeline.storage.postgres_tables import RECORD, existing, read_held

if TYPE_CHECKING:
    from pydantic import SecretStr


def examine_database(url: SecretStr) -> tuple[str, str]:
    """What was found, and what to do; the second is empty when the database can be published to.

    Raises:
        PostgresError: it cannot be reached.
    """
    place = address_of(url).place
    with transaction(url) as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('server_encoding'), pg_is_in_recovery(), "
            "current_database(), has_database_privilege(current_database(), 'CREATE')"
        )
        version, encoding, is_standby, database, may_create = cursor.fetchone()
        if is_standby:
            return f"{place}, a standby", "Give the address of the primary server in CSP_POSTGRES_URL."
        if encoding != "UTF8":
            return f"{place}, encoding {encoding}", "Use a database made with ENCODING 'UTF8'."
        found, advice = (
            f"{place}, version {version.split()[0]}",
            _missing_right(cursor, database, may_create=may_create),
        )
        return f"{found}, {'may not be written' if advice else 'may be written'}", advice


def _missing_right(cursor: Any, database: str, *, may_create: bool) -> str:  # noqa: ANN401  (psycopg2 has no types)
    """What to grant, or which table stands in the way; empty when nothing is missing."""
    cursor.execute(
        "SELECT nspname, has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE') "
        "FROM pg_namespace WHERE nspname = ANY(%s)",
        [list(SCHEMAS)],
    )
    schemas = dict(cursor.fetchall())
    if not may_create and len(schemas) < len(SCHEMAS):
        return f'Run as its owner: GRANT CREATE ON DATABASE "{database}" TO the user of CSP_POSTGRES_URL.'
    closed = sorted(name for name, is_open in schemas.items() if not is_open)
    if closed:
        return f"Run as their owner: GRANT USAGE, CREATE ON SCHEMA {', '.join(closed)} TO the user of CSP_POSTGRES_URL."
    cursor.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(%s)", [RECORD])
    if cursor.fetchone() == (False,):
        return "Its tables belong to another user: publish as that one, or make this user a member of it."
    others = sorted(existing(cursor, load_catalogue()) - set(read_held(cursor)))
    if others:
        return f"{', '.join(others[:3])} was not made by csp-pipeline: use a database of its own, or rename it."
    return ""
