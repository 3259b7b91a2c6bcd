"""The folders under CSP_HOME: the one place that knows a path.

Only names live here, and the making of the folders; what is written into them belongs to the module of each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Home:
    """A CSP_HOME folder and the paths below it."""

    root: Path

    @property
    def inbox(self) -> Path:
        """Files to ingest, of any name."""
        return self.root / "inbox"

    @property
    def commercial(self) -> Path:
        """The partner's own terms as CSV files."""
        return self.root / "commercial"

    @property
    def providers(self) -> Path:
        """How distributors lay out their invoices: a YAML file each."""
        return self.root / "providers"

    @property
    def landing(self) -> Path:
        """Every byte received, unchanged, named by its SHA-256, with a manifest per scan."""
        return self.root / "landing"

    @property
    def staging(self) -> Path:
        """One typed Parquet file per landed file; can be rebuilt."""
        return self.root / "staging"

    @property
    def quarantine(self) -> Path:
        """What could not be read, with file, row, column, value and reason."""
        return self.root / "quarantine"

    @property
    def ledger(self) -> Path:
        """What was issued, sent or closed; append-only."""
        return self.root / "ledger"

    @property
    def orders(self) -> Path:
        """Order files for distributors in `sent/`, and what they answered in `confirmed/`."""
        return self.root / "orders"

    @property
    def templates(self) -> Path:
        """Templates of alerts that take the place of the shipped ones."""
        return self.root / "templates"

    @property
    def reports(self) -> Path:
        """Summaries written for people."""
        return self.root / "reports"

    @property
    def warehouse(self) -> Path:
        """The working DuckDB file; only the pipeline opens it."""
        return self.root / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The audited copy that BI tools read."""
        return self.root / "published" / "csp.duckdb"

    @property
    def lock(self) -> Path:
        """The file whose lock serialises writers, Dagster steps and CLI alike."""
        return self.root / ".lock"

    def create(self) -> Home:
        """Make every folder that is missing.

        Returns:
            This home, so that calls can be chained.
        """
        for folder in (
            self.inbox,
            self.commercial,
            self.landing,
            self.staging,
            self.quarantine,
            self.ledger,
            self.reports,
            self.published.parent,
        ):
            folder.mkdir(parents=True, exist_ok=True)
        return self
