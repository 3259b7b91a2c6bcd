"""The catalogue of the warehouse: every table and column with type, description, unit and source, from TOML.

What belongs here: reading the declarations, and the DDL that follows from them. How rows are made does not.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

SCHEMAS = ("meta", "partner_center", "cost", "reference", "billing", "reconciliation", "provisioning")
Partition = Literal["none", "month", "month_currency"]


@dataclass(frozen=True)
class Column:
    """A column: its DuckDB type, what it means, its unit (or empty) and where its value comes from."""

    name: str
    type: str
    description: str
    unit: str
    source: str


@dataclass(frozen=True)
class Table:
    """A table of the warehouse.

    Attributes:
        partition: what one write replaces: the whole table, a month, or a month and a currency.
        month_column: the column that holds the partition's month, when it has one.
        selects: the files of `models/<schema>` whose rows together fill the table; by default the one of its name.
    """

    schema: str
    name: str
    description: str
    grain: str
    partition: Partition
    month_column: str
    columns: tuple[Column, ...]
    selects: tuple[str, ...]

    @property
    def key(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The column names, in the table's order."""
        return tuple(column.name for column in self.columns)

    def ddl(self) -> str:
        """The CREATE TABLE statement (IF NOT EXISTS)."""
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.key} ({columns})"

    def select(self) -> str | None:
        """The SELECT that fills the table, or None when Python code fills it; a column that one file lacks is empty."""
        files = [resources.files("csp_pipeline.models") / self.schema / f"{name}.sql" for name in self.selects]
        texts = [file.read_text("utf-8") for file in files if file.is_file()]
        if len(texts) > 1:
            return "\nUNION ALL BY NAME\n".join(f"SELECT * FROM (\n{text})" for text in texts)
        return texts[0] if texts else None


def _column(name: str, declared: list[str]) -> Column:
    type_, description, unit, source = (*declared, "", "")[:4]
    return Column(name, type_, description, unit, source)


@cache
def load_catalogue() -> dict[str, Table]:
    """Read every `<schema>.toml`.

    Returns:
        The tables by `schema.table`, in the order in which they are declared.
    """
    folder = resources.files("csp_pipeline.models")
    tables: dict[str, Table] = {}
    for schema in SCHEMAS:
        file = folder / f"{schema}.toml"
        if not file.is_file():
            continue
        for name, declared in tomllib.loads(file.read_text("utf-8")).items():
            table = Table(
                schema=schema,
                name=name,
                description=declared["description"],
                grain=declared["grain"],
                partition=declared.get("partition", "none"),
                month_column=declared.get("month_column", "billing_month"),
                columns=tuple(_column(column, spec) for column, spec in declared["columns"].items()),
                selects=tuple(declared.get("selects", [name])),
            )
            tables[table.key] = table
    return tables


def macros() -> str:
    """The SQL macros of the exact arithmetic, as one script."""
    return (resources.files("csp_pipeline.models") / "macros.sql").read_text("utf-8")


def published_macros() -> str:
    """The SQL macros that readers find in the published copy, as one script."""
    return (resources.files("csp_pipeline.models") / "published_macros.sql").read_text("utf-8")
