"""What a month needs to have done again: fingerprints of every step's inputs, kept beside the work they led to.

What belongs here: which inputs a step follows from, which months and partitions a run covers, and the record of what
was done (`meta.steps`). The work itself is in the other modules of `steps/`; who runs it, and in which process, is not
known here. A fingerprint is blanked before its step starts and written after it ended, so a killed run does the step
again; the row stays, as it is what says that a partition may hold rows.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import duckdb

from csp_pipeline import __version__
from csp_pipeline.domain.calendar import month_of, shift_month
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.issued import read_issued
from csp_pipeline.storage import ledger
from csp_pipeline.storage.ledger import last_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

PARTNER_CENTER, TERMS, INVOICES, COST = "partner_center", "reference", "cost.invoices", "cost"
MATCHES, DRAFTS, RECONCILIATION = "billing.cost_matches", "billing", "reconciliation"
OVERVIEWS, PUBLISH, PROVISIONING = "cost_overviews", "publish", "provisioning"
FIRST_MONTH, MONTHS_AHEAD = "2019-01", 12
"""The months worked with: from the first new-commerce invoices to a year ahead. Another month is a wrong date."""
_CODE = (".py", ".sql", ".toml", ".j2")


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
    folders = ("domain", "formats", "models", "notifications", "quality", "sources", "steps", "storage")
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
    prints = {
        PARTNER_CENTER: digest(PARTNER_CENTER, code_fingerprint(), files, content(connection, "meta.snapshots")),
        INVOICES: digest(INVOICES, code_fingerprint(), files),
    }
    if settings.commercial_url is None:
        prints[TERMS] = digest(TERMS, code_fingerprint(), _folder_fingerprint(settings.home.commercial))
    else:
        prints[TERMS] = "read again by every run"
    return prints


def cost_fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The fingerprint of each `YYYY-MM|CUR` of cost: its invoices, their files, its open month, the tax rates of proof.

    What a header says is in the invoice; that it was fetched again, or which scan found a file, changes no figure.
    A partition that was made once and has no invoice any more (a header came and moved it) is among them.
    """
    shared = digest(
        code_fingerprint(),
        content(connection, "reference.tax_rates"),
        content(connection, "reference.currencies"),
        content(connection, "reference.account_resellers"),
        _tenants_told(connection),
    )
    rows = connection.execute(
        """
        SELECT
            i.billing_month || '|' || i.currency,
            count(*),
            sum(CAST(hash(i) AS HUGEINT)),
            sum(CAST(hash((f.kind, f.file_sha256, f.is_current, f.rows_staged, f.rows_quarantined)) AS HUGEINT))
        FROM cost.invoices AS i
        LEFT JOIN meta.file_invoices AS f
            ON
                upper(f.invoice_number) IN (upper(i.invoice_number), upper(i.reverses_invoice_number))
                AND f.kind <> 'invoice_headers'
        WHERE i.billing_month IS NOT NULL AND i.currency IS NOT NULL
        GROUP BY ALL
        """
    ).fetchall()
    open_rows = connection.execute(
        """
        SELECT
            billing_month || '|' || currency,
            count(*),
            sum(CAST(hash((kind, file_sha256, rows_staged, effective_at, is_current)) AS HUGEINT))
        FROM meta.open_month_files
        WHERE is_latest
        GROUP BY ALL
        """
    ).fetchall()
    inputs: dict[str, list[object]] = {}
    for partition, *counted in [*rows, *open_rows]:
        inputs.setdefault(partition, []).append(counted)
    prints = {partition: digest(COST, shared, counted) for partition, counted in inputs.items()}
    made = {*recorded(connection, COST), *_cost_partitions_with_rows(connection)}
    return {**{partition: digest(COST, shared, "empty") for partition in made}, **prints}


def _tenants_told(connection: duckdb.DuckDBPyConnection) -> str:
    """The snapshots in which the tenant of a line is looked up, where lines of a kind that needs it are loaded."""
    needed = """
        kind IN ('customers', 'subscriptions') AND is_current AND EXISTS (
            FROM meta.file_invoices AS held WHERE held.kind = 'legacy_usage' OR starts_with(held.kind, 'distributor_'))
        """
    return content(connection, "meta.snapshots", needed)


def _cost_partitions_with_rows(connection: duckdb.DuckDBPyConnection) -> set[str]:
    partitioned = [key for key, table in load_catalogue().items() if table.partition == "month_currency"]
    found = connection.execute(
        " UNION ".join(
            f"SELECT billing_month || '|' || currency FROM {key} WHERE billing_month || currency IS NOT NULL"
            for key in partitioned
        )
    ).fetchall()
    return {partition for (partition,) in found}


def match_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprint of matching cost to contract lines: every cost partition and the commercial terms."""
    cost = sorted(recorded(connection, COST).items())
    return {"": digest(MATCHES, code_fingerprint(), cost, _terms(connection), str(settings.billing_starts_on))}


def draft_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings, month: str | None) -> dict[str, str]:
    """The fingerprint of each month's drafts; a late fact of any month can change any draft, so they share inputs."""
    months = months_covered(connection, settings, month)
    shared = digest(
        DRAFTS,
        recorded(connection, MATCHES),
        tables_content(connection, "partner_center"),
        str(settings.billing_starts_on),
        settings.partner_country,
        last_hash(settings.home.ledger, without=(ledger.PROVISIONING, ledger.ALERTS)),
        months,
    )
    drafted = connection.execute("SELECT billing_month FROM billing.drafted_months").fetchall()
    return dict.fromkeys([*months, *recorded(connection, DRAFTS), *(found for (found,) in drafted)], shared)


def reconciliation_fingerprints(
    connection: duckdb.DuckDBPyConnection, settings: Settings, month: str | None
) -> dict[str, str]:
    """The fingerprint of each month covered: all drafts and all cost, as amounts are recognised across months.

    Service months before the first and after the last are written with them, whatever they are.
    """
    months = months_covered(connection, settings, month)
    drafts = recorded(connection, DRAFTS)
    shared = digest(
        RECONCILIATION, sorted(drafts.items()), recorded(connection, MATCHES), str(settings.billing_starts_on), months
    )
    return dict.fromkeys([*months, *drafts, *recorded(connection, RECONCILIATION)], shared)


def overview_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprint of the tables over all months: all cost, the reconciliation, the documents, prices and rates."""
    return {
        "": digest(
            OVERVIEWS,
            code_fingerprint(),
            sorted(recorded(connection, COST).items()),
            sorted(recorded(connection, RECONCILIATION).items()),
            [content(connection, key) for key in ("meta.file_invoices", "meta.snapshots", "meta.open_month_files")],
            settings.pec_credit_lag_months,
            settings.reporting_currency,
        )
    }


def provisioning_fingerprints(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, str]:
    """The fingerprint of requests and alerts: the ledger's batches on them, seats, terms, proof, and the day it is."""
    read = ("cost.invoice_proof", "cost.lost_credit", "cost.invoices", "reconciliation.sync_health")
    return {
        "": digest(
            PROVISIONING,
            code_fingerprint(),
            last_hash(settings.home.ledger, only=(ledger.PROVISIONING, ledger.ALERTS)),
            tables_content(connection, "partner_center"),
            _terms(connection),
            [content(connection, key) for key in read],
            recorded(connection, RECONCILIATION),
            content(connection, "meta.files"),
            settings.is_provisioning_on,
            [url.get_secret_value() for url in settings.alert_urls],
            _folder_fingerprint(settings.home.templates),
            settings.alert_forgone_limit_amount,
            datetime.now(UTC).date(),
        )
    }


def publish_fingerprint(connection: duckdb.DuckDBPyConnection) -> str:
    """The fingerprint of a publication: every file and every step that was done."""
    steps = connection.execute("SELECT * FROM meta.steps WHERE step <> ? ORDER BY ALL", [PUBLISH]).fetchall()
    files = [content(connection, key) for key in ("meta.files", "meta.snapshots", "meta.open_month_files")]
    return digest(PUBLISH, code_fingerprint(), files, _terms(connection), steps)


def _terms(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return tables_content(connection, "reference")


def known_months() -> tuple[str, str]:
    """The first and the last month worked with; what is dated outside them needs a person."""
    return FIRST_MONTH, shift_month(month_of(datetime.now(UTC).date()), MONTHS_AHEAD)


def is_known(month: str) -> bool:
    """Whether a month is one worked with."""
    first, last = known_months()
    return first <= month <= last


def first_month(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The earliest billing month of a provider document; None without any.

    A document with a wrong date must not decide which months are drafted: only months worked with count, unless there
    is no other document.
    """
    first, last = known_months()
    found = connection.execute(
        """
        SELECT coalesce(
            min(billing_month) FILTER (WHERE billing_month BETWEEN $first AND $last),
            CASE WHEN count(*) > 0 THEN greatest(least(min(billing_month), $last), $first) END
        )
        FROM cost.invoices
        WHERE billing_month IS NOT NULL
        """,
        {"first": first, "last": last},
    ).fetchone()
    return str(found[0]) if found and found[0] else None


def latest_month(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The latest billing month of a provider document that has lines or usage in the files, else a header; or None.

    As in `first_month`, only months worked with count. A document without a header, of which no row could be read, has
    the month in which it came, for want of another: it decides nothing.
    """
    found = connection.execute(
        """
        SELECT coalesce(
            max(i.billing_month) FILTER (
                WHERE f.rows_staged > 0 OR (f.invoice_number IS NOT NULL AND i.issued_on IS NOT NULL)
            ),
            max(i.billing_month)
        )
        FROM cost.invoices AS i
        LEFT JOIN meta.file_invoices AS f
            ON upper(f.invoice_number) = upper(i.invoice_number) AND f.kind <> 'invoice_headers'
        WHERE i.billing_month BETWEEN ? AND ?
        """,
        known_months(),
    ).fetchone()
    return str(found[0]) if found and found[0] else first_month(connection)


def last_month_drafted(home: Home) -> str | None:
    """The last month drafted according to the published copy; None when nothing was published, or it cannot be read."""
    if not home.published.is_file():
        return None
    try:
        with duckdb.connect(str(home.published), read_only=True) as connection:
            found = connection.execute("SELECT max(partition_key) FROM meta.steps WHERE step = ?", [DRAFTS]).fetchone()
    except duckdb.Error:
        return None
    return str(found[0]) if found and found[0] else None


def months_covered(connection: duckdb.DuckDBPyConnection, settings: Settings, month: str | None) -> list[str]:
    """The months drafted and reconciled: from the first with a document or with billing, to `month`.

    They reach to the last month drafted or issued before if that is later, so that a run for an earlier month never
    leaves drafts behind that rest on older facts. Months before billing starts get no drafts, but their cost is
    reconciled.
    """
    issued = read_issued(settings.home)
    starts_on = issued.billing_starts_on or settings.billing_starts_on
    start = min(filter(None, (first_month(connection), month_of(starts_on) if starts_on else None)), default=None)
    last = max(filter(None, (month, last_drafted_month(connection), issued.last_month)), default=None)
    return months_between(start, last) if start and last else []


def last_drafted_month(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The last month drafted; a later document holds only what came to light after its account's was issued."""
    row = connection.execute("SELECT max(billing_month) FROM billing.drafted_months").fetchone()
    return str(row[0]) if row and row[0] else None


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
    """The partitions of a step whose fingerprint is not the recorded one; what was recorded for them is blanked."""
    known = recorded(connection, step)
    partitions = sorted(partition for partition, found in prints.items() if known.get(partition) != found)
    blank(connection, step, partitions)
    return partitions


def blank(connection: duckdb.DuckDBPyConnection, step: str, partitions: Iterable[str] | None = None) -> None:
    """Say that partitions of a step (None: all) may hold rows of other inputs; the next run does them again.

    To be called before the first write of a step, by whoever does it. Partitions without a record need none.
    """
    connection.execute(
        """
        UPDATE meta.steps
        SET fingerprint = ''
        WHERE step = $step AND ($only IS NULL OR list_contains($only, partition_key))
        """,
        {"step": step, "only": None if partitions is None else list(partitions)},
    )


def record(connection: duckdb.DuckDBPyConnection, step: str, prints: Mapping[str, str]) -> None:
    """Write down that the partitions of a step were done from these inputs."""
    connection.execute("BEGIN")
    connection.execute("DELETE FROM meta.steps WHERE step = ? AND list_contains(?, partition_key)", [step, [*prints]])
    for partition, found in prints.items():
        connection.execute("INSERT INTO meta.steps VALUES (?, ?, ?)", [step, partition, found])
    connection.execute("COMMIT")
