"""PostgreSQL holds the published copy to the last digit, or the one before it; nothing of others is touched."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pydantic import SecretStr

from csp_pipeline.errors import CspError
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.settings import Settings
from csp_pipeline.steps.publish import publish
from csp_pipeline.steps.publish_postgres import is_up_to_date, publish_to_postgres
from csp_pipeline.storage import postgres, postgres_rows
from csp_pipeline.storage.postgres import PostgresError
from csp_pipeline.storage.postgres_tables import postgres_type
from csp_pipeline_tests.postgres_contents import differing_tables, rows_of
from csp_pipeline_tests.postgres_server import ESCAPED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.storage.home import Home
    from csp_pipeline_tests.conftest import Once
    from csp_pipeline_tests.postgres_server import Database, Server

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROOF = (
    "'{month}' AS billing_month, 'EUR' AS currency, 'G{month}' AS invoice_number, 'proven' AS proof_state, "
    "{amount}::DECIMAL(38,18) AS rounding_amount"
)
TABLES = ["meta.runs", "meta.tables", "meta.columns", "reference.notices", "cost.invoices", "cost.invoice_proof"]
AWKWARD = [
    "",
    "NULL",
    "\\N",
    "\\.",
    'a "quoted" word',
    "two\nlines\r\n",
    "tab\t, comma",
    "é … 漢字 🧾",
    "'; DROP TABLE x; --",
    "a line\n\\.\nof its own",
    "%s",
]


@pytest.fixture(scope="module")
def published_once(once: Once) -> Path:
    """A home with a published copy of a few tables, which its data dictionary names, without other rows."""

    def make(folder: Path) -> None:
        settings = Settings(_env_file=None, home_path=folder / "home", source="inbox")
        settings.home.create()
        publish(settings, now=NOON)
        with duckdb.connect(str(settings.home.published)) as connection:
            for dictionary in ("meta.tables", "meta.columns"):
                named = "schema_name || '.' || table_name"
                connection.execute(f"DELETE FROM {dictionary} WHERE NOT list_contains($1, {named})", [TABLES])

    return once("published", make) / "home"


@pytest.fixture
def to_database(published_once: Path, home: Home, settings: Settings, database: Database) -> Settings:
    """Settings of a copy of it, that name an empty database."""
    shutil.copy(published_once / "published" / "csp.duckdb", home.published)
    return settings.model_copy(update={"postgres_url": SecretStr(database.url)})


def _change(settings: Settings, *statements: str) -> None:
    """Publish other rows: the copy is changed as a run would, and has a publication more."""
    with duckdb.connect(str(settings.home.published)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO meta.runs BY NAME SELECT 'run ' || count(*) AS run_id, "
            "max(published_at) + INTERVAL 1 HOUR AS published_at FROM meta.runs"
        )


def _insert(table: str, select: str) -> str:
    return f"INSERT INTO {load_catalogue()[table].key} BY NAME SELECT {select}"


def _proof(month: str, amount: str = "0") -> str:
    return _insert("cost.invoice_proof", PROOF.format(month=month, amount=amount))


@contextmanager
def _reader(database: Database) -> Iterator[Any]:
    """A cursor of somebody who reads in one transaction and sees one state."""
    import psycopg2  # noqa: PLC0415

    connection = psycopg2.connect(database.url)
    connection.set_session(isolation_level="REPEATABLE READ")
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def test_every_type_of_the_catalogue_has_an_exact_counterpart() -> None:
    types = {column.type for table in load_catalogue().values() for column in table.columns}
    assert {type_: postgres_type(type_) for type_ in types}["DECIMAL(38,18)"] == "numeric(38,18)"
    assert not {postgres_type(type_) for type_ in types} & {"real", "double precision"}


def test_tables_hold_every_digit_and_character(to_database: Settings, database: Database) -> None:
    largest, smallest = "99999999999999999999.999999999999999999", "-0.000000000000000001"
    _change(
        to_database,
        *(
            _insert("reference.notices", f"'notice' AS severity, {number} AS source_row, $${text}$$ AS message")
            for number, text in enumerate(AWKWARD)
        ),
        _insert("reference.notices", "NULL AS message"),
        _proof("2026-01", largest),
        _proof("2026-02", smallest),
    )
    report = publish_to_postgres(to_database)
    assert (report.tables, report.rows) == (len(TABLES), sum(report.changed.values()))
    assert differing_tables(to_database.home, database) == []
    amounts = database.ask("SELECT rounding_amount FROM cost.invoice_proof ORDER BY 1")
    assert amounts == [(Decimal(smallest),), (Decimal(largest),)]


def test_a_character_that_postgresql_cannot_hold_is_replaced(to_database: Settings, database: Database) -> None:
    _change(to_database, _insert("reference.notices", "'a' || chr(0) || 'b' AS message"))
    publish_to_postgres(to_database)
    assert database.ask("SELECT message FROM reference.notices") == [("a\ufffdb",)]


def test_types_and_comments_are_those_of_the_data_dictionary(to_database: Settings, database: Database) -> None:
    publish_to_postgres(to_database)
    table = load_catalogue()["cost.invoice_proof"]
    found = database.ask(
        "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'cost.invoice_proof'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [(name, type_) for name, type_, _ in found] == [
        (column.name, postgres_type(column.type)) for column in table.columns
    ]
    assert all(said.startswith(column.description) for (_, _, said), column in zip(found, table.columns, strict=True))
    ((comment,),) = database.ask("SELECT obj_description('cost.invoice_proof'::regclass)")
    assert comment.startswith(table.description.rstrip("."))


def test_only_the_months_that_changed_are_written(to_database: Settings, database: Database) -> None:
    written = "SELECT billing_month, rounding_amount, xmin::text FROM cost.invoice_proof ORDER BY 1, 2"
    _change(to_database, _proof("2026-01"), _proof("2026-02"))
    publish_to_postgres(to_database)
    before = database.ask(written)
    _change(to_database, _proof("2026-02", "0.01"))
    report = publish_to_postgres(to_database)
    assert report.changed["cost.invoice_proof"] == 2
    assert [row in database.ask(written) for row in before] == [True, False]
    assert set(report.changed) == {"cost.invoice_proof", "meta.runs"}
    assert differing_tables(to_database.home, database) == []


@pytest.mark.parametrize(("before", "now"), [("0", "-0.000000000000000001"), ("-0.000000000000000001", "0")])
def test_the_last_digit_of_an_amount_is_news(to_database: Settings, database: Database, before: str, now: str) -> None:
    _change(to_database, _proof("2026-01", before))
    publish_to_postgres(to_database)
    _change(to_database, "DELETE FROM cost.invoice_proof", _proof("2026-01", now))
    publish_to_postgres(to_database)
    assert database.ask("SELECT rounding_amount FROM cost.invoice_proof") == [(Decimal(now),)]


def test_rows_that_are_gone_go_there_too(to_database: Settings, database: Database) -> None:
    _change(to_database, _proof("2026-01"), _proof("2026-02"))
    publish_to_postgres(to_database)
    for condition, left in (("billing_month = '2026-01'", 1), ("TRUE", 0)):
        _change(to_database, f"DELETE FROM cost.invoice_proof WHERE {condition}")
        publish_to_postgres(to_database)
        assert database.ask("SELECT count(*) FROM cost.invoice_proof") == [(left,)]


def test_a_reader_keeps_its_state_view_grant_and_index(to_database: Settings, database: Database) -> None:
    _change(to_database, _proof("2026-01"))
    publish_to_postgres(to_database)
    role = "pg_read_all_stats"  # any role that is there
    database.ask(
        f"CREATE VIEW cost.my_proof AS SELECT billing_month FROM cost.invoice_proof; "
        f"GRANT SELECT ON cost.invoice_proof TO {role}; CREATE INDEX mine ON cost.invoice_proof (billing_month)"
    )
    with _reader(database) as reader:
        reader.execute("SELECT count(*) FROM cost.invoice_proof")
        _change(to_database, "DELETE FROM cost.invoice_proof", _proof("2026-02"), _proof("2026-03"))
        publish_to_postgres(to_database)
        reader.execute("SELECT billing_month FROM cost.invoice_proof")
        assert reader.fetchall() == [("2026-01",)]
    assert database.ask("SELECT billing_month FROM cost.my_proof ORDER BY 1") == [("2026-02",), ("2026-03",)]
    assert database.ask("SELECT has_table_privilege(%s, 'cost.invoice_proof', 'SELECT')", role) == [(True,)]
    assert database.ask("SELECT count(*) FROM pg_indexes WHERE indexname = 'mine'") == [(1,)]


def test_what_others_made_in_the_schemas_stays(to_database: Settings, database: Database) -> None:
    database.ask("CREATE SCHEMA cost; CREATE TABLE cost.budget (x int); INSERT INTO cost.budget VALUES (1)")
    publish_to_postgres(to_database)
    _change(to_database)
    publish_to_postgres(to_database)
    assert database.ask("SELECT * FROM cost.budget") == [(1,)]


def test_a_table_of_the_same_name_that_others_made_is_refused(to_database: Settings, database: Database) -> None:
    database.ask("CREATE SCHEMA cost; CREATE TABLE cost.invoices (x int); INSERT INTO cost.invoices VALUES (1)")
    with pytest.raises(PostgresError, match=r"cost\.invoices is there and was not made by csp-pipeline; give"):
        publish_to_postgres(to_database)
    assert database.ask("SELECT * FROM cost.invoices") == [(1,)]
    assert database.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'billing'") == [(0,)]


def test_a_view_in_the_place_of_a_table_is_refused(to_database: Settings, database: Database) -> None:
    _change(to_database, _proof("2026-01"))
    publish_to_postgres(to_database)
    database.ask(
        "ALTER TABLE cost.invoice_proof RENAME TO kept; CREATE VIEW cost.invoice_proof AS SELECT * FROM cost.kept"
    )
    _change(to_database, "DELETE FROM cost.invoice_proof")
    with pytest.raises(PostgresError, match=r"cost\.invoice_proof is there and was not made by csp-pipeline"):
        publish_to_postgres(to_database)
    assert database.ask("SELECT count(*) FROM cost.kept") == [(1,)]


def test_a_former_table_is_dropped_by_its_exact_name(to_database: Settings, database: Database) -> None:
    publish_to_postgres(to_database)
    database.ask(
        'CREATE TABLE cost."Budget; DROP TABLE cost.budget" (x int); CREATE TABLE cost.budget (x int); '
        "INSERT INTO meta.postgres_tables VALUES ('cost', 'Budget; DROP TABLE cost.budget', 'x', 0, '[]', '', '{}')"
    )
    publish_to_postgres(to_database)
    assert database.ask("SELECT relname FROM pg_class WHERE relname ILIKE 'budget%%'") == [("budget",)]


def test_a_table_that_is_vacuumed_meanwhile_keeps_nobody_waiting(
    to_database: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.1)
    publish_to_postgres(to_database)
    with _reader(database) as other:
        other.execute("LOCK TABLE cost.invoice_proof IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        _change(to_database, _proof("2026-01"))
        publish_to_postgres(to_database)
    assert database.ask("SELECT count(*) FROM cost.invoice_proof") == [(1,)]


def test_a_failure_leaves_the_last_publication_whole(to_database: Settings, database: Database) -> None:
    _change(to_database, _proof("2026-01"))
    publish_to_postgres(to_database)
    before = rows_of(database, TABLES)
    database.ask("ALTER TABLE reference.notices ADD CHECK (message <> 'secret row')")
    _change(to_database, _insert("reference.notices", "'secret row' AS message"), _proof("2026-02"))
    with pytest.raises(PostgresError, match=r"it refused a statement \(CheckViolation, 23514\)") as refused:
        publish_to_postgres(to_database)
    assert "secret" not in str(refused.value)
    assert rows_of(database, TABLES) == before
    assert not is_up_to_date(to_database)
    database.ask("ALTER TABLE reference.notices DROP CONSTRAINT notices_message_check")
    publish_to_postgres(to_database)
    assert is_up_to_date(to_database)
    assert differing_tables(to_database.home, database) == []


def test_two_do_not_publish_at_once(to_database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.1)
    url = to_database.postgres_url
    assert url is not None
    with postgres.transaction(url) as other:
        postgres.hold_lock(other, url)
        with pytest.raises(PostgresError, match="another run is publishing there; wait until it has finished, then"):
            publish_to_postgres(to_database)


def test_a_table_that_was_deleted_there_comes_back(to_database: Settings, database: Database) -> None:
    _change(to_database, _proof("2026-01"))
    publish_to_postgres(to_database)
    database.ask("DROP TABLE cost.invoice_proof")
    assert not is_up_to_date(to_database)
    publish_to_postgres(to_database)
    assert differing_tables(to_database.home, database) == []


def test_an_upgrade_changes_columns_and_removes_only_tables_it_made(to_database: Settings, database: Database) -> None:
    _change(to_database, _proof("2026-01", "1.5"))
    publish_to_postgres(to_database)
    database.ask(
        "ALTER TABLE cost.invoice_proof DROP COLUMN proof_state, ADD COLUMN former text, ADD COLUMN my_note text, "
        "ALTER COLUMN rounding_amount TYPE real; CREATE TABLE cost.former (x int); "
        "UPDATE meta.postgres_tables SET columns = columns || '[\"former\"]' WHERE table_name = 'invoice_proof'; "
        "INSERT INTO meta.postgres_tables VALUES ('cost', 'former', 'x', 0, '[]', '', '{}')"
    )
    publish_to_postgres(to_database)
    columns = database.ask("SELECT column_name FROM information_schema.columns WHERE table_name = 'invoice_proof'")
    assert {name for (name,) in columns} == {*load_catalogue()["cost.invoice_proof"].column_names, "my_note"}
    assert database.ask("SELECT to_regclass('cost.former')") == [(None,)]
    assert differing_tables(to_database.home, database) == []


def test_a_view_on_what_an_upgrade_removes_is_named(to_database: Settings, database: Database) -> None:
    publish_to_postgres(to_database)
    database.ask(
        "CREATE TABLE cost.former (x int); CREATE VIEW cost.on_former AS SELECT * FROM cost.former; "
        "INSERT INTO meta.postgres_tables VALUES ('cost', 'former', 'x', 0, '[]', '', '{}')"
    )
    with pytest.raises(PostgresError, match=r"view cost\.on_former depends on table cost\.former\); drop what depends"):
        publish_to_postgres(to_database)


def test_many_batches_are_one_table(to_database: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_rows, "BATCH_ROWS", 2048)
    _change(to_database, _insert("reference.notices", "'n' || range AS message, range AS source_row FROM range(20000)"))
    assert publish_to_postgres(to_database).changed["reference.notices"] == 20000
    assert differing_tables(to_database.home, database) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://bi_user:{wrong}@127.0.0.1:{port}/postgres", "it refused the user or the password"),
        ("postgresql+psycopg2://postgres:{right}@127.0.0.1:{port}/no_such", "there is no such database"),
        ("postgresql://bi_user:{wrong}@127.0.0.1:1/postgres", "it does not answer"),
        ("postgresql://bi_user:hunter2@x@127.0.0.1:{port}/postgres", "%40"),
        ("postgresql://bi_user:hun/ter2@127.0.0.1:{port}/postgres", "%40"),
        ("postgresql://bi_user:hunter2%@127.0.0.1:{port}/postgres", "%40"),
        ("postgresql://bi_user:hunter2@127.0.0.1:{port}/postgres?pool=2", "%40"),
        ("mysql://bi_user:hunter2@127.0.0.1/postgres", "expected postgresql://"),
        ("hunter2", "expected postgresql://"),
    ],
)
def test_neither_user_nor_password_is_in_any_message(
    postgres_server: Server, published_once: Path, url: str, said: str
) -> None:
    given = url.format(wrong="hunter2", right=ESCAPED, port=postgres_server.port)
    settings = Settings(_env_file=None, home_path=published_once, source="inbox", postgres_url=SecretStr(given))
    with pytest.raises(PostgresError) as refused:
        publish_to_postgres(settings)
    message = str(refused.value) + repr(refused.value) + refused.value.found + refused.value.advice
    assert said in message
    assert message.startswith("Not published to PostgreSQL")
    assert not [word for word in ("hun", "ter2", "bi_user", ESCAPED) if word in message]
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_nothing_is_there_to_publish_before_the_first_run(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"postgres_url": SecretStr("postgresql://127.0.0.1:1/x")})
    with pytest.raises(CspError, match="run csp-pipeline run first"):
        publish_to_postgres(nowhere)
