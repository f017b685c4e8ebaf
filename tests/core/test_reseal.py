"""Changing DATA_KEY under a house that is full: columns, recordings, look-ups, and a kill in the middle."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

import app
from commands import admin, cli
from commands.joined import Joined
from core import crypto, db, erased, people, reseal
from core.crypto import DecryptError, Keyring
from core.house import House
from core.models import Contact, Patient, new_id
from core.people import MRN
from core.settings import SettingsError, load
from recordings.vault.files import FileStore
from tests.house import MID_MORNING, ROOT, variables

OLD, NEW = crypto.new_data_key(), crypto.new_data_key()
PHONE = "+861055550123"


def keyring(new: str, previous: str | None = None, lookup: str | None = None) -> Keyring:
    keys = {"previous": previous, "lookup": lookup}
    return Keyring(crypto.parse_data_key(new), **{k: crypto.parse_data_key(v) for k, v in keys.items() if v})


BOTH, AFTER = keyring(NEW, OLD, OLD), keyring(NEW, None, OLD)


def open_house(home: Path, url: str, **keys: str) -> House:
    return app.open_house(load(variables(home, url, **keys)))


def fill(house: House, count: int) -> list[uuid.UUID]:
    """Invented patients, each with a number and a recording's file."""
    made = []
    with house.transaction() as session:
        for number in range(count):
            patient = Patient(
                id=new_id(), mrn=f"R-{number}", mrn_index=db.blind(f"R-{number}", MRN), name=f"Example {number}",
                birth_date=None, language="en", timezone="Asia/Shanghai", created_at=MID_MORNING,
            )  # fmt: skip
            session.add(patient)
            session.flush()
            session.add(Contact(patient_id=patient.id, phone=PHONE, phone_index=people.phone_index(PHONE)))
            made.append(patient.id)
    for one in made:
        house.service(FileStore).put(one, b"sound")
    return made


def read(house: House, number: int) -> tuple[str, str, bool]:
    """As the service reads: by record number, by telephone number."""
    with house.transaction() as session:
        patient = session.scalars(sa.select(Patient).where(Patient.mrn_index == db.blind(f"R-{number}", MRN))).one()
        contact = session.scalars(sa.select(Contact).where(Contact.patient_id == patient.id)).one()
        return patient.name, contact.phone, contact.phone_index == people.phone_index(PHONE)


def run(house: House, capsys: pytest.CaptureFixture[str], *said: str) -> tuple[int, str]:
    code = cli.run(list(said), Joined(ROOT, lambda _settings: house, [], lambda _house: None))  # type: ignore[arg-type, return-value]
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_a_house_goes_from_one_key_to_the_next_without_a_stop(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_house(tmp_path, database_url, DATA_KEY=OLD)
    made = fill(before, 130)
    with before.transaction() as session:
        erased.remember(session, [db.blind("R-8", MRN)], MID_MORNING)
    before.engine.dispose()

    during = open_house(tmp_path, database_url, DATA_KEY=NEW, DATA_KEY_PREVIOUS=OLD, LOOKUP_KEY=OLD)
    monkeypatch.setattr("commands.admin.settings.load", lambda **_: during.settings)
    expected = ("Example 7", PHONE, True)
    assert read(during, 7) == expected, "before anything was sealed anew"
    assert run(during, capsys, "keys", "check")[0] == 1
    code, said = run(during, capsys, "keys", "rotate", "--json")
    assert code == 0
    rows = {row["what"]: row for row in json.loads(said)}
    assert (rows["recordings"]["anew"], rows["contacts"]["anew"]) == (130, 130)
    assert rows["patients"]["anew"] == rows["patients"]["sealed"] > 260
    assert run(during, capsys, "keys", "rotate", "--json")[0] == 0
    code, said = run(during, capsys, "keys", "check")
    assert code == 0
    assert "DATA_KEY_PREVIOUS can go" in said
    assert read(during, 7) == expected
    during.engine.dispose()

    after = open_house(tmp_path, database_url, DATA_KEY=NEW, LOOKUP_KEY=OLD)
    assert [read(after, number)[0] for number in range(130)] == [f"Example {number}" for number in range(130)]
    assert read(after, 7) == expected
    with after.transaction() as session:  # who was erased under the old key is still known under the new one
        assert list(erased.standing(session, [db.blind("R-7", MRN), db.blind("R-8", MRN)])) == [db.blind("R-8", MRN)]
    assert {after.service(FileStore).get(one) for one in made} == {b"sound"}
    monkeypatch.setattr("commands.admin.settings.load", lambda **_: after.settings)
    code, said = run(after, capsys, "keys", "rotate")
    assert (code, "DATA_KEY_PREVIOUS is not set" in said) == (2, True)
    after.engine.dispose()

    gone = open_house(tmp_path, database_url, DATA_KEY=OLD)
    with pytest.raises(DecryptError):
        read(gone, 7)
    gone.engine.dispose()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"DATA_KEY": OLD}, "they open what is stored"),
        ({"DATA_KEY": OLD, "LOOKUP_KEY": NEW}, "LOOKUP_KEY is not the first"),
        ({"DATA_KEY": NEW}, "does not open"),
    ],
)
def test_the_check_says_when_a_key_is_not_the_right_one(
    tmp_path: Path, database_url: str, keys: dict[str, str], words: str
) -> None:
    before = open_house(tmp_path, database_url, DATA_KEY=OLD)
    fill(before, 1)
    before.engine.dispose()
    house = open_house(tmp_path, database_url, **keys)
    line = admin._tried("keys", lambda: admin._keys(house))
    house.engine.dispose()
    assert words in str(line["detail"])
    assert line["ok"] is words.startswith("they open")


def raw(house: House) -> list[bytes]:
    with house.transaction() as session:
        return [bytes(one) for one in session.scalars(sa.text("SELECT name FROM patients ORDER BY id"))]


def sealed_with(blob: bytes, ring: Keyring) -> bool:
    try:
        ring.decrypt(blob, b"patients.name")
    except DecryptError:
        return False
    return True


class Killed(BaseException):
    pass


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path, database_url: str) -> None:
    before = open_house(tmp_path, database_url, DATA_KEY=OLD)
    fill(before, 130)
    before.engine.dispose()
    house = open_house(tmp_path, database_url, DATA_KEY=NEW, DATA_KEY_PREVIOUS=OLD, LOOKUP_KEY=OLD)
    patients = next(table for table in reseal.encrypted_tables() if table.name == "patients")
    counted, after = reseal._batch(house, BOTH, patients, None, False)
    assert counted[1] > 50
    real, left = reseal._replace, [30]

    def dies(*given: object) -> sa.Update:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return real(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reseal, "_replace", dies)
        with pytest.raises(Killed):
            reseal._batch(house, BOTH, patients, after, False)
    now = [sealed_with(blob, AFTER) for blob in raw(house)]
    assert (now.count(True), now.count(False)) == (50, 80), "the half-done few were undone"
    assert [read(house, number)[0] for number in (0, 60, 129)] == ["Example 0", "Example 60", "Example 129"]
    found = {one.table: one for one in reseal.reseal(house, BOTH)}
    assert found["patients"].anew == found["patients"].values - counted[1]
    assert all(sealed_with(blob, AFTER) for blob in raw(house))
    house.engine.dispose()


def test_what_somebody_writes_meanwhile_is_not_written_over(tmp_path: Path, database_url: str) -> None:
    before = open_house(tmp_path, database_url, DATA_KEY=OLD)
    [one] = fill(before, 1)
    before.engine.dispose()
    house = open_house(tmp_path, database_url, DATA_KEY=NEW, DATA_KEY_PREVIOUS=OLD, LOOKUP_KEY=OLD)
    real = reseal._replace

    def late(*given: object) -> sa.Update:
        with house.transaction() as other:
            other.get_one(Patient, one).name = "Another Example"
        return real(*given)  # type: ignore[arg-type]

    patients = next(table for table in reseal.encrypted_tables() if table.name == "patients")
    names = [column for column in patients.columns if column.name == "name"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reseal, "_replace", late)
        patch.setattr(reseal, "_columns", lambda _table: names)
        reseal._batch(house, BOTH, patients, None, False)
    assert read(house, 0)[0] == "Another Example"
    house.engine.dispose()


def test_a_value_of_neither_key_is_counted_and_left_alone(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_house(tmp_path, database_url, DATA_KEY=crypto.new_data_key())
    [one] = fill(before, 1)
    blob = raw(before)
    before.engine.dispose()
    house = open_house(tmp_path, database_url, DATA_KEY=NEW, DATA_KEY_PREVIOUS=OLD, LOOKUP_KEY=OLD)
    monkeypatch.setattr("commands.admin.settings.load", lambda **_: house.settings)
    code, said = run(house, capsys, "keys", "rotate")
    assert code == 1
    assert "open with neither key" in said
    assert raw(house) == blob
    assert house.service(FileStore).exists(one)
    house.engine.dispose()


def test_a_previous_key_without_a_look_up_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LOOKUP_KEY"):
        load(variables(tmp_path, "postgresql://x/y", DATA_KEY=NEW, DATA_KEY_PREVIOUS=OLD))


def test_the_three_roots_do_their_own_work_only() -> None:
    first, both, after = keyring(OLD), BOTH, AFTER
    sealed = first.encrypt(b"x", b"place")
    assert both.decrypt(sealed, b"place") == b"x"
    with pytest.raises(DecryptError):
        after.decrypt(sealed, b"place")  # the look-up key opens nothing
    with pytest.raises(DecryptError):
        both.decrypt(sealed, b"elsewhere")
    assert first.blind_index("a", "b") == both.blind_index("a", "b") == after.blind_index("a", "b")
    again = both.resealed(sealed, b"place")
    assert again is not None
    assert after.decrypt(again, b"place") == b"x"
    assert both.resealed(again, b"place") is None
    assert (both.rotates, after.rotates, keyring(NEW, NEW, NEW).rotates) == (True, False, False)
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(os.urandom(32), previous=b"short")
