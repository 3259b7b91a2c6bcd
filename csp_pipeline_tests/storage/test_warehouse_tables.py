"""The tables of the warehouse follow the catalogue, also when a new version changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.storage.warehouse import make_tables, writing

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home


def test_rows_stay_where_the_catalogue_did_not_change(home: Home) -> None:
    with writing(home) as connection:
        for key in load_catalogue():
            connection.execute(f"INSERT INTO {key} BY NAME SELECT NULL AS {load_catalogue()[key].columns[0].name}")
    with writing(home) as connection:
        for key in load_catalogue():
            assert connection.execute(f"SELECT count(*) FROM {key}").fetchall() == [(1,)], key


def test_a_table_of_an_older_version_is_made_again_with_its_new_columns(home: Home) -> None:
    with writing(home) as connection:
        connection.execute("DROP TABLE cost.invoices")
        connection.execute("CREATE TABLE cost.invoices (invoice_number VARCHAR)")
        make_tables(connection)
        names = [row[0] for row in connection.execute("DESCRIBE cost.invoices").fetchall()]
    assert tuple(names) == load_catalogue()["cost.invoices"].column_names
