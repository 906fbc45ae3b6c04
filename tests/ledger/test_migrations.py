"""The tables that migrations build are the tables that the code knows."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, inspect, text

import airflow_carbon
from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.migrate import REVISIONS, migrate, version
from airflow_carbon.ledger.schema import VERSION_TABLE, metadata
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.versions import Versions

SQLITE_ALONE = {"ix_carbon_run_retried", "ix_carbon_run_summed"}


@pytest.fixture
def config() -> Config:
    built = Config()
    built.set_main_option("script_location", "airflow_carbon.ledger:migrations")
    return built


def test_migrations_and_schema_agree(ledger):
    options = {
        "version_table": VERSION_TABLE,
        "compare_type": True,
        "compare_server_default": True,
    }
    if ledger.engine.dialect.name != "sqlite":
        options["include_object"] = lambda _, name, *__: name not in SQLITE_ALONE
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)

        assert compare_metadata(context, metadata) == []


def test_constraints_have_the_names_that_the_schema_gives_them(ledger):
    seen = inspect(ledger.engine)

    for table in metadata.tables.values():
        assert seen.get_pk_constraint(table.name)["name"] == table.primary_key.name
        foreign = {key["name"]: key["options"] for key in seen.get_foreign_keys(table.name)}
        assert foreign == {
            key.name: {"ondelete": key.ondelete} for key in table.foreign_key_constraints
        }


def test_the_package_knows_every_migration_that_it_ships(config):
    shipped = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(shipped)) == REVISIONS


def test_a_migration_can_be_taken_back(ledger, config):
    with ledger.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert inspect(ledger.engine).get_table_names() == [VERSION_TABLE]
    assert version(ledger.engine) is None
    migrate(ledger.engine)
    assert ledger.recent() == []


def test_runs_of_before_there_were_sizes_stay_and_have_none(ledger, ledger_url, config, an_entry):
    ledger.write(an_entry(machine_size="Standard_NC24ads_A100_v4"))
    with ledger.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")

    with Ledger.open(ledger_url) as later:
        assert later.recent() == [an_entry(machine_size=None)]


def test_how_much_was_modelled_is_told_of_runs_of_before_that_was_kept(
    ledger, ledger_url, config, an_entry, an_interval
):
    methods = {"counter": 0.0, "model": 10.0, "counter+model": 4.0}
    keys = {name: replace(an_entry().key, run_id=name) for name in methods}
    parts = [
        an_interval(0, "GPU-1", joules=6.0),
        an_interval(0, "cpu", joules=1.0, quality="model"),
        an_interval(1, "cpu", joules=3.0, quality="model"),
    ]
    for name, key in keys.items():
        known = an_entry(key=key, energy_method=name, energy_j=10.0)
        for _ in range(2):
            ledger.write(known, parts if name == "counter+model" else [])
    unknown = an_entry(key=replace(an_entry().key, run_id="?"), energy_method="counter+model")
    ledger.write(unknown)
    with ledger.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")

    with Ledger.open(ledger_url) as later:
        for name, key in keys.items():
            versions = [one.entry.energy_modelled_j for one in Versions(later).of(key)]
            assert versions == [methods[name]] * 2, name
        assert later.read(unknown.key).energy_modelled_j is None


def test_to_migrate_what_is_current_changes_nothing(ledger, an_entry):
    ledger.write(an_entry())
    migrate(ledger.engine)

    assert ledger.recent() == [an_entry()]


def test_a_migration_that_fails_leaves_no_table_behind(ledger_url):
    Ledger.open(ledger_url).close()
    with Ledger.open(ledger_url) as ledger, ledger.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        connection.execute(text("CREATE TABLE carbon_interval (theirs INTEGER)"))

    with pytest.raises(LedgerError, match="already exists"):
        Ledger.open(ledger_url)
    assert inspect(ledger.engine).get_table_names() == ["carbon_interval"]


def test_tables_of_a_newer_release_are_refused_with_the_remedy(ledger, ledger_url):
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE carbon_alembic_version SET version_num = '9999'"))

    with pytest.raises(LedgerError, match=r"'9999'.*pip install --upgrade airflow-carbon"):
        Ledger.open(ledger_url)
    with pytest.raises(LedgerError, match="upgrade the package"):
        migrate(ledger.engine)


def test_tables_that_another_makes_between_two_looks_are_seen(ledger_url, tmp_path):
    (tmp_path / "folder").mkdir()
    engine = create_engine(ledger_url)
    event.listen(engine, "handle_error", lambda _: Ledger.open(ledger_url).close(), once=True)

    assert version(engine) == REVISIONS[-1]
    engine.dispose()


def test_to_open_what_is_current_takes_one_select(ledger):
    asked = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    found = version(ledger.engine)

    assert found == REVISIONS[-1]
    assert [statement for statement in asked if statement != "BEGIN"] == [
        f"SELECT version_num \nFROM {VERSION_TABLE}"
    ]


@pytest.mark.usefixtures("ledger")
def test_to_open_what_is_current_does_not_import_alembic(ledger_url):
    code = f"""
import sys
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.versions import Versions
Ledger.open({ledger_url!r}).close()
assert not {{"alembic", "pandas", "airflow"}} & set(sys.modules)
"""
    package = str(Path(airflow_carbon.__file__).parents[1])

    subprocess.run([sys.executable, "-c", code], check=True, cwd=package)


def test_sqlite_logs_ahead_so_that_readers_and_a_writer_coexist(ledger):
    if ledger.engine.dialect.name == "sqlite":
        with ledger.engine.connect() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
