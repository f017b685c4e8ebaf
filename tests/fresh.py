"""One database for test after test, emptied in between: a copy of the template for each costs ten times as much."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from core import pg

MOST_BYTES: Final = 1 << 20
"""A table that was larger is not emptied but left behind with its database: deleting it row by row would cost more."""

_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# Each row of the catalogue has the transaction that wrote it: the same rows, the same tables, columns and triggers.
_SHAPE = """
SELECT sum(('x' || substr(md5(kind || one), 1, 15))::bit(60)::bigint::numeric) FROM (
    SELECT 'r' AS kind, oid::text || ' ' || xmin AS one FROM pg_class
    UNION ALL SELECT 'a', attrelid || ' ' || attnum || ' ' || xmin FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT 'c', oid || ' ' || xmin FROM pg_constraint
    UNION ALL SELECT 't', oid || ' ' || xmin FROM pg_trigger
    UNION ALL SELECT 'p', oid || ' ' || xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 's', starelid || ' ' || staattnum FROM pg_statistic WHERE starelid >= 16384
) AS said
"""
_LARGEST = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 't')"
_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""
_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""

EMPTY: Final = """
DO $$ DECLARE name text; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$
"""
"""For a test that begins again many times."""


class Fresh:
    """Gives a database that is as the template, again and again."""

    def __init__(self, server: pg.Embedded, template: str, name: str) -> None:
        self._server, self._template, self._name = server, template, name
        self.url = url_of(server, name)
        self._engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self._shape = self._made()

    def give_back(self) -> None:
        """After a test: emptied, or made anew when the test left more than rows behind."""
        with self._engine.connect() as connection:
            connection.execute(sa.text(_OTHERS))
            clean = (
                connection.scalar(sa.text(_SHAPE)) == self._shape
                and connection.scalar(sa.text(_LARGEST)) <= MOST_BYTES
            )
            if clean:
                self._empty(connection)
        if not clean:
            self.drop()
            self._shape = self._made()

    def drop(self) -> None:
        run(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")

    def _made(self) -> object:
        run(self._server, f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
        with self._engine.connect() as connection:
            self._asked = _which_have_rows(connection)
            assert connection.scalar(self._asked) == [], "the template is not empty"
            return connection.scalar(sa.text(_SHAPE))

    def _empty(self, connection: sa.Connection) -> None:
        tables = connection.scalar(self._asked)
        if tables:
            connection.execute(sa.text("SET session_replication_role = replica"))  # no foreign key, no trigger
            for table in tables:
                connection.execute(sa.text(f"DELETE FROM {table}"))
            # the next test's rows lie in the order in which they come
            connection.execute(sa.text(f"VACUUM (SKIP_DATABASE_STATS) {', '.join(tables)}"))
        connection.execute(sa.text(_SEQUENCES))


def _which_have_rows(connection: sa.Connection) -> sa.TextClause:
    tables = connection.scalars(sa.text(_TABLES)).all()
    asked = ", ".join(f"CASE WHEN EXISTS (SELECT FROM {table}) THEN '{table}' END" for table in sorted(tables))
    return sa.text(f"SELECT array_remove(ARRAY[{asked}], NULL)")


def run(server: pg.Embedded, statement: str) -> None:
    """One statement in the server's own database, outside of any transaction."""
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def url_of(server: pg.Embedded, name: str) -> str:
    return sa.make_url(server.url).set(database=name).render_as_string(hide_password=False)
