"""What a month needs to have done again: fingerprints of every step's inputs, kept beside the work they led to.

What belongs here: which inputs a step follows from, which months and partitions a run covers, and the record of what
was done (`meta.steps`). The work itself is in the other modules of `steps/`; who runs it, and in which process, is not
known here. A fingerprint is forgotten before its step starts and written after it ended, so a killed run does the step
again.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import duckdb

from csp_pipeline import __version__
from csp_pipeline.models.catalogue import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

PARTNER_CENTER, TERMS, INVOICES, COST = "partner_center", "reference", "cost.invoices", "cost"
MATCHES, DRAFTS, RECONCILIATION, PUBLISH = "billing.cost_matches", "billing", "reconciliation", "publish"
_CODE = (".py", ".sql", ".toml")


def digest(*parts: object) -> str:
    """SHA-256 over the text of some values, in order."""
    total = hashlib.sha256()
    for part in parts:
        text = repr(part).encode()
        total.update(f"{len(text)}:".encode() + text)
    return total.hexdigest()


def _code_files(folder: Traversable) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                found += [(f"{entry.name}/{name}", content) for name, content in _code_files(entry)]
        elif entry.name.endswith(_CODE):
            found.append((entry.name, entry.read_bytes()))
    return found


@cache
def code_fingerprint() -> str:
    """SHA-256 over the code that decides figures: an upgrade does everything again, a new command does not."""
    package = resources.files("csp_pipeline")
    folders = ("domain", "formats", "models", "quality", "sources", "steps", "storage")
    return digest(__version__, [_code_files(package / folder) for folder in folders if (package / folder).is_dir()])


def content(connection: duckdb.DuckDBPyConnection, table: str, where: str = "TRUE", values: Iterable[str] = ()) -> str:
    """The count and an order-independent hash of a table's rows, or of those that meet a condition."""
    found = connection.execute(
        f"SELECT count(*), coalesce(sum(CAST(hash(t) AS HUGEINT)), 0) FROM {table} AS t WHERE {where}", list(values)
    ).fetchone()
    return repr(found)


def tables_content(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """The content of every table of a schema."""
    return [content(connection, key) for key, table in load_catalogue().items() if table.schema == schema]


def _folder_fingerprint(folder: Path) -> list[tuple[str, str]]:
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def prepare_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprints of the steps that need nothing but files: partner_center, reference, cost.invoices.

    Terms in a database have no fingerprint before they are read: they are read again by every run.
    """
    files = content(connection, "meta.files"), content(connection, "meta.file_invoices")
    prints = {step: digest(step, code_fingerprint(), files) for step in (PARTNER_CENTER, INVOICES)}
    if settings.commercial_url is None:
        prints[TERMS] = digest(TERMS, code_fingerprint(), _folder_fingerprint(settings.home.commercial))
    else:
        prints[TERMS] = "read again by every run"
    return prints


def cost_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprint of each `YYYY-MM|CUR` of cost: its invoices, their files, and the tax rates its proof uses.

    A partition that was made once and has no invoice any more (a header came and moved it) is among them.
    """
    shared = digest(
        code_fingerprint(),
        settings.pec_credit_lag_months,
        content(connection, "reference.tax_rates"),
        content(connection, "reference.currencies"),
    )
    rows = connection.execute(
        """
        SELECT
            i.billing_month || '|' || i.currency,
            count(*),
            sum(CAST(hash(i) AS HUGEINT)),
            sum(CAST(hash(f) AS HUGEINT))
        FROM cost.invoices AS i
        LEFT JOIN meta.file_invoices AS f ON upper(f.invoice_number) = upper(i.invoice_number)
        WHERE i.billing_month IS NOT NULL AND i.currency IS NOT NULL
        GROUP BY ALL
        """
    ).fetchall()
    prints = {partition: digest(COST, shared, counted) for partition, *counted in rows}
    return {**{partition: digest(COST, shared, "empty") for partition in recorded(connection, COST)}, **prints}


def match_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprint of matching cost to contract lines: every cost partition and the commercial terms."""
    cost = sorted(recorded(connection, COST).items())
    return {"": digest(MATCHES, code_fingerprint(), cost, _terms(connection), str(settings.billing_starts_on))}


def draft_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings, month: str | None) -> dict[str, str]:
    """The fingerprint of each month's drafts; a late fact of any month can change any draft, so they share inputs."""
    months = months_to_draft(connection, settings, month)
    shared = digest(
        DRAFTS,
        recorded(connection, MATCHES),
        tables_content(connection, "partner_center"),
        str(settings.billing_starts_on),
        months,
    )
    return dict.fromkeys([*months, *recorded(connection, DRAFTS)], shared)


def reconciliation_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprint of each month drafted: all drafts and all cost, as amounts are recognised across months."""
    drafts = recorded(connection, DRAFTS)
    shared = digest(
        RECONCILIATION, sorted(drafts.items()), recorded(connection, MATCHES), str(settings.billing_starts_on)
    )
    return dict.fromkeys([*drafts, *recorded(connection, RECONCILIATION)], shared)


def publish_fingerprint(connection: duckdb.DuckDBPyConnection) -> str:
    """The fingerprint of a publication: every file and every step that was done."""
    steps = connection.execute("SELECT * FROM meta.steps WHERE step <> ? ORDER BY ALL", [PUBLISH]).fetchall()
    return digest(PUBLISH, code_fingerprint(), content(connection, "meta.files"), _terms(connection), steps)


def _terms(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return tables_content(connection, "reference")


def latest_month(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The latest billing month of a provider document that has lines or usage in the files, else a header; or None."""
    found = connection.execute(
        """
        SELECT coalesce(max(i.billing_month) FILTER (WHERE f.invoice_number IS NOT NULL), max(i.billing_month))
        FROM cost.invoices AS i
        LEFT JOIN meta.file_invoices AS f
            ON upper(f.invoice_number) = upper(i.invoice_number) AND f.kind <> 'invoice_headers'
        """
    ).fetchone()
    return str(found[0]) if found and found[0] else None


def last_month_drafted(home: Home) -> str | None:
    """The last month drafted according to the published copy; None when nothing was published."""
    if not home.published.is_file():
        return None
    with duckdb.connect(str(home.published), read_only=True) as connection:
        found = connection.execute("SELECT max(partition_key) FROM meta.steps WHERE step = ?", [DRAFTS]).fetchone()
    return str(found[0]) if found and found[0] else None


def months_to_draft(connection: duckdb.DuckDBPyConnection, settings: Settings, month: str | None) -> list[str]:
    """The months from the start of billing to `month`, or to the last one drafted before if that is later.

    A run for an earlier month thereby never leaves later drafts behind that rest on older facts.
    """
    first, drafted = connection.execute(
        "SELECT (SELECT min(billing_month) FROM cost.invoices), (SELECT max(billing_month) FROM billing.invoices)"
    ).fetchone() or (None, None)
    start = f"{settings.billing_starts_on:%Y-%m}" if settings.billing_starts_on else first
    last = max(filter(None, (month, drafted)), default=None)
    return months_between(start, last) if start and last else []


def months_between(first: str, last: str) -> list[str]:
    """The months from `first` to `last`, both included, as YYYY-MM."""
    count = (int(last[:4]) - int(first[:4])) * 12 + int(last[5:7]) - int(first[5:7])
    start = int(first[:4]) * 12 + int(first[5:7]) - 1
    return [f"{(start + step) // 12:04d}-{(start + step) % 12 + 1:02d}" for step in range(count + 1)]


def consecutive(months: Iterable[str]) -> list[list[str]]:
    """Months split into unbroken spans, in order."""
    spans: list[list[str]] = []
    for month in sorted(months):
        if spans and months_between(spans[-1][-1], month) == [spans[-1][-1], month]:
            spans[-1].append(month)
        else:
            spans.append([month])
    return spans


def recorded(connection: duckdb.DuckDBPyConnection, step: str) -> dict[str, str]:
    """The fingerprints written when a step was last done, by partition."""
    rows = connection.execute("SELECT partition_key, fingerprint FROM meta.steps WHERE step = ?", [step]).fetchall()
    return dict(rows)


def changed(connection: duckdb.DuckDBPyConnection, step: str, prints: Mapping[str, str]) -> list[str]:
    """The partitions of a step whose fingerprint is not the recorded one; their record is forgotten."""
    known = recorded(connection, step)
    partitions = sorted(partition for partition, found in prints.items() if known.get(partition) != found)
    connection.execute("DELETE FROM meta.steps WHERE step = ? AND list_contains(?, partition_key)", [step, partitions])
    return partitions


def record(connection: duckdb.DuckDBPyConnection, step: str, prints: Mapping[str, str]) -> None:
    """Write down that the partitions of a step were done from these inputs."""
    connection.execute("BEGIN")
    connection.execute("DELETE FROM meta.steps WHERE step = ? AND list_contains(?, partition_key)", [step, [*prints]])
    for partition, found in prints.items():
        connection.execute("INSERT INTO meta.steps VALUES (?, ?, ?)", [step, partition, found])
    connection.execute("COMMIT")
