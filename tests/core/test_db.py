"""Columns that keep a secret or a moment, and locks by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core import crypto, db
from core.house import House

NO_DIALECT: Any = None
MARCH = datetime(2031, 3, 7, 2, 0, tzinfo=UTC)
NAMES = sa.Table(
    "test_secrets",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", db.Encrypted("test_secrets.name")),
    sa.Column("phone", db.Encrypted("test_secrets.phone")),
    sa.Column("answers", db.Encrypted("test_secrets.answers", as_json=True)),
    sa.Column("at", db.AwareDateTime),
)


@pytest.fixture
def engine(house: House) -> Engine:
    NAMES.create(house.engine)
    return house.engine


@pytest.fixture
def keys() -> None:
    db.use_keyring(crypto.Keyring(b"k" * 16 + b"l" * 16))


def _row(engine: Engine, **values: object) -> Any:
    with engine.begin() as connection:
        connection.execute(NAMES.delete())
        connection.execute(NAMES.insert().values(id=1, **values))
        return connection.execute(NAMES.select()).one()


def test_what_is_encrypted_comes_back_and_is_unreadable_in_the_database(engine: Engine) -> None:
    row = _row(engine, name="Ann Example 欧阳", phone="", answers={"pain": 7, "where": ["knee", "膝"]})
    assert (row.name, row.phone, row.answers) == ("Ann Example 欧阳", "", {"pain": 7, "where": ["knee", "膝"]})
    with engine.begin() as connection:
        raw = connection.execute(sa.text("SELECT name, phone, answers FROM test_secrets")).one()
    stored = b"".join(bytes(value) for value in raw)
    assert not any(word in stored for word in (b"Ann", "欧阳".encode(), b"pain", b"knee"))


def test_null_stays_null_and_is_not_an_empty_text(engine: Engine) -> None:
    row = _row(engine, name=None, phone="", answers=None, at=None)
    assert (row.name, row.phone, row.answers, row.at) == (None, "", None, None)
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT name IS NULL AND answers IS NULL FROM test_secrets"))


def test_a_ciphertext_moved_to_another_column_does_not_open(engine: Engine) -> None:
    _row(engine, name="Ann", phone="+861055550111")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE test_secrets SET name = phone"))
    with engine.begin() as connection, pytest.raises(crypto.DecryptError):
        connection.execute(NAMES.select()).one()


def test_the_same_text_looks_different_every_time(keys: None) -> None:
    column = db.Encrypted("patients.name")
    assert column.process_bind_param("Ann", NO_DIALECT) != column.process_bind_param("Ann", NO_DIALECT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_any_json_value_comes_back(value: Any) -> None:
    db.use_keyring(crypto.Keyring(bytes(range(32))))
    column = db.Encrypted("calls.session", as_json=True)
    assert column.process_result_value(column.process_bind_param(value, NO_DIALECT), NO_DIALECT) == value


def test_the_blind_index_finds_the_same_text_for_the_same_purpose_only(keys: None) -> None:
    assert db.blind("+861055550111", "phone") == db.blind("+861055550111", "phone")
    assert db.blind("+861055550111", "phone") != db.blind("+861055550112", "phone")
    assert db.blind("T-1", "phone") != db.blind("T-1", "mrn")
    found = db.blind("T-1", "mrn")
    db.use_keyring(crypto.Keyring(b"m" * 16 + b"n" * 16))
    assert db.blind("T-1", "mrn") != found


def test_without_a_key_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_keyring", None)
    with pytest.raises(RuntimeError, match="DATA_KEY"):
        db.Encrypted("patients.name").process_bind_param("Ann", NO_DIALECT)


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a zone"):
        _row(engine, at=datetime(2031, 3, 7, 2, 0))  # noqa: DTZ001


@pytest.mark.parametrize("hours", [-12, 0, 8, 14])
def test_a_time_of_any_zone_comes_back_as_the_same_moment_in_utc(engine: Engine, hours: int) -> None:
    at = _row(engine, at=MARCH.astimezone(timezone(timedelta(hours=hours)))).at
    assert at == MARCH
    assert at.tzinfo is UTC


def test_a_lock_by_name_is_held_until_the_transaction_ends(house: House) -> None:
    with house.transaction() as first, house.transaction() as second:
        assert db.try_lock(first, "a tick")
        assert not db.try_lock(second, "a tick")
        assert db.try_lock(second, "another tick")
        first.rollback()
        db.lock(second, "a tick")


@pytest.mark.parametrize("trusted_s", [db.TRUSTED_S, 0.0])
def test_a_connection_the_server_has_ended_is_not_given_out(
    house: House, monkeypatch: pytest.MonkeyPatch, trusted_s: float
) -> None:
    monkeypatch.setattr(db, "TRUSTED_S", trusted_s)
    with house.transaction() as session:
        first = session.scalar(sa.select(sa.func.pg_backend_pid()))
    other = db.make_engine(house.engine.url.render_as_string(hide_password=False))
    with other.begin() as connection:
        assert connection.scalar(sa.select(sa.func.pg_terminate_backend(first, 5000)))
    other.dispose()
    with house.transaction() as session:
        assert session.scalar(sa.select(sa.func.pg_backend_pid())) != first
