"""A call goes on in the book it began with, whatever is edited: through signed webhooks, over two deploys."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

import app
from core.house import House
from dialer.jobs import Interruption
from dialer.models import Call
from ivr import book as books
from ivr import shelf
from ivr.book import Book
from ivr.flow import FlowError, read_yaml
from ivr.models import FlowBook
from tests.house import ROOT
from tests.ivr.ivr_line import CALLER, Line, Switch
from tests.scheduler.clinic import hospital

HOTLINE = """
name: hotline
start: hello
lost: lost
over: bye
nodes:
  hello: {type: menu, speak: [hello], keys: {"1": rooms, "2": aside, "3": hello}, failed: bye}
  rooms: {type: menu, speak: [rooms], keys: {"1": thanks}, failed: bye}
  thanks: {type: menu, speak: [thanks], keys: {"1": bye}, failed: bye}
  aside: {type: continue, flow: side, node: corner}
  lost: {type: bye, speak: [lost]}
  bye: {type: bye, speak: [bye]}
"""
SIDE = """
name: side
start: corner
lost: lost
over: lost
nodes:
  corner: {type: menu, speak: [corner], keys: {"1": back}, failed: lost}
  back: {type: continue, flow: hotline, node: thanks}
  lost: {type: bye, speak: [lost]}
"""
WORDS = {
    "hello": "Rooms one, aside two.", "rooms": "These are the rooms.", "corner": "A quiet corner.",
    "thanks": "Thank you, press one.", "bye": "Goodbye from us.", "lost": "We have lost the thread.",
    "invalid": "Not that one.", "timeout": "Nothing was heard.", "doctor_coming": "The doctor rings you now.",
}  # fmt: skip


def written(root: Path, *, hotline: str = HOTLINE, side: str = SIDE, mark: str = "") -> Path:
    """A hospital's files; `mark` ends every sentence, so that it is heard whose words they are."""
    for folder in ("flows", "prompts"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "flows" / "hotline.yaml").write_text(hotline, encoding="utf-8")
    (root / "flows" / "side.yaml").write_text(side, encoding="utf-8")
    for language in ("zh-CN", "en"):
        # what the house itself says beside its flows stands in the shipped files
        voice = dict(read_yaml(ROOT / "prompts" / f"{language}.yaml"))
        voice["prompts"] = {**voice["prompts"], **{key: f"{text}{mark}" for key, text in WORDS.items()}}
        (root / "prompts" / f"{language}.yaml").write_text(json.dumps(voice), encoding="utf-8")
    return root


EDITED = HOTLINE.replace('"1": rooms, ', "").replace(
    '  rooms: {type: menu, speak: [rooms], keys: {"1": thanks}, failed: bye}\n', ""
)
"""The same number after an edit: the node `rooms` is gone, and so is its key."""


@pytest.fixture
def open_with(house: House) -> Iterator[Callable[[Path], Switch]]:
    """A process of its own, on the same database, that has loaded the files of a folder."""
    hospital(house)
    opened: list[House] = []

    def another(root: Path) -> Switch:
        made = app.open_house(house.settings)
        made.clock = house.clock
        made.services[Book] = books.read(root)
        opened.append(made)
        return Switch(made)

    yield another
    for made in opened:
        made.engine.dispose()


@pytest.fixture
def old(open_with: Callable[[Path], Switch], tmp_path: Path) -> Switch:
    return open_with(written(tmp_path / "old", mark=" As it was."))


@pytest.fixture
def new(open_with: Callable[[Path], Switch], tmp_path: Path) -> Switch:
    return open_with(written(tmp_path / "new", hotline=EDITED, mark=" As it is."))


def moved(line: Line, switch: Switch) -> Line:
    """The same call, answered by another process from now on."""
    line.switch = switch
    return line


# ---- a call in progress ------------------------------------------------------------------------------
def test_a_call_hears_the_old_words_to_its_end_and_the_next_call_the_new_ones(old: Switch, new: Switch) -> None:
    line = old.line()
    assert "As it was" in line.rings().said
    moved(line, new)
    assert line.press("1").said == "These are the rooms. As it was."
    assert line.press("5").said == "Not that one. As it was. These are the rooms. As it was."
    assert line.press("1").said == "Thank you, press one. As it was."
    assert line.press("1").said == "Goodbye from us. As it was."
    assert line.last is not None
    assert line.last.verbs[-1] == "Hangup"
    other = Line(new, 77)
    assert other.rings().said == "Rooms one, aside two. As it is."
    # what was key 1 is no key any more
    assert other.press("1").said.startswith("Not that one. As it is.")


def test_a_call_whose_node_was_taken_out_goes_on_at_that_node(old: Switch, new: Switch) -> None:
    line = old.line()
    line.rings()
    line.press("1")
    assert "rooms" not in new.house.service(Book).flows["hotline"].nodes
    assert moved(line, new).press("1").said == "Thank you, press one. As it was."


def test_a_prompt_that_was_taken_out_is_still_said(
    old: Switch, open_with: Callable[[Path], Switch], tmp_path: Path
) -> None:
    root = without(written(tmp_path / "less", hotline=EDITED), "rooms")
    line = old.line()
    line.rings()
    assert moved(line, open_with(root)).press("1").said == "These are the rooms. As it was."


def test_a_call_goes_on_into_other_flows_of_its_own_book(
    old: Switch, open_with: Callable[[Path], Switch], tmp_path: Path
) -> None:
    """Also when the new files have neither the flow it goes to nor the place it comes back to."""
    root = written(tmp_path / "alone", hotline=EDITED.replace('"2": aside, ', "").replace("thanks:", "thanked:"))
    text = (root / "flows" / "hotline.yaml").read_text(encoding="utf-8")
    text = "".join(line for line in text.splitlines(True) if "aside:" not in line and "thanked:" not in line)
    (root / "flows" / "hotline.yaml").write_text(text, encoding="utf-8")
    (root / "flows" / "side.yaml").unlink()
    later = open_with(root)
    line = old.line()
    line.rings()
    assert moved(line, later).press("2").said == "A quiet corner. As it was."
    assert line.press("1").said == "Thank you, press one. As it was."
    assert line.press("1").said == "Goodbye from us. As it was."
    [call] = later.all(Call)
    assert (call.flow, call.book) == ("hotline", old.house.service(Book).version)


def test_two_deploys_later_each_call_has_its_own_words(
    old: Switch, new: Switch, open_with: Callable[[Path], Switch], tmp_path: Path
) -> None:
    first, second = old.line(), Line(new, 55)
    first.rings()
    second.rings()
    last = open_with(written(tmp_path / "last", mark=" As it will be."))
    third = Line(last, 99)
    assert third.rings().said.endswith("As it will be.")
    assert moved(first, last).press("2").said == "A quiet corner. As it was."
    assert moved(second, last).press("2").said == "A quiet corner. As it is."
    assert third.press("2").said == "A quiet corner. As it will be."
    # a process that still runs under the old files reads the newer book the same way
    assert moved(third, old).press("1").said == "Thank you, press one. As it will be."


def test_who_is_cut_short_for_the_doctor_hears_it_in_the_words_of_the_call(old: Switch, new: Switch) -> None:
    old.line().rings()
    with new.house.transaction() as session:
        call = session.scalars(sa.select(Call)).one()
        assert "The doctor rings you now. As it was." in new.house.service(Interruption).doctor_is_coming(session, call)


def test_words_the_house_itself_needs_are_never_missing(
    old: Switch, open_with: Callable[[Path], Switch], tmp_path: Path
) -> None:
    """A newer release may say of itself what no older file had."""
    before = open_with(without(written(tmp_path / "before", mark=" As it was."), "doctor_coming"))
    Line(before, 5).rings()
    with old.house.transaction() as session:
        call = session.scalars(sa.select(Call)).one()
        assert call.book == before.house.service(Book).version
        assert "The doctor rings you now. As it was." in old.house.service(Interruption).doctor_is_coming(session, call)


def without(root: Path, key: str) -> Path:
    for path in (root / "prompts").glob("*.yaml"):
        voice = json.loads(path.read_text(encoding="utf-8"))
        del voice["prompts"][key]
        path.write_text(json.dumps(voice), encoding="utf-8")
    return root


# ---- what is kept --------------------------------------------------------------------------------------
def test_the_book_is_kept_once_and_is_what_the_files_said(old: Switch, new: Switch) -> None:
    for number, switch in enumerate((old, new, old, new), start=1):
        Line(switch, number).rings()
    kept = {row.version: row.content for row in old.all(FlowBook)}
    assert set(kept) == {switch.house.service(Book).version for switch in (old, new)}
    for switch in (old, new):
        book = switch.house.service(Book)
        assert books.rebuilt(book.version, kept[book.version]) == book


def test_the_book_stays_though_the_request_of_the_first_call_fails(old: Switch) -> None:
    """This process then goes by its memory, so the row must not have gone with the request."""
    hotline = old.house.settings.hotline.model_copy(update={"flow": "hotlnie"})
    file = old.house.settings.file.model_copy(update={"hotline": hotline})
    old.house.settings = dataclasses.replace(old.house.settings, file=file)
    assert old.post("/ivr/voice", {"CallSid": "CA1", "From": CALLER}).status_code == 500
    assert old.all(Call) == []
    assert [row.version for row in old.all(FlowBook)] == [old.house.service(Book).version]


def test_a_call_from_before_books_were_kept_goes_on_in_the_present_one(old: Switch, new: Switch) -> None:
    line = old.line()
    line.rings()
    line.press("1")
    with old.house.transaction() as session:
        session.scalars(sa.select(Call)).one().book = ""
    # it stands on a node that is gone: the sentence for that, as ever
    assert moved(line, new).press("1").said == "We have lost the thread. As it is."


def test_a_book_nobody_can_read_any_more_is_the_present_one(
    old: Switch, new: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    line = old.line()
    line.rings()
    with old.house.transaction() as session:
        row = session.scalars(sa.select(FlowBook)).one()
        row.content = {**row.content, "flows": {"hotline": {"name": "hotline", "nodes": {"hello": {"type": "hum"}}}}}
    assert moved(line, new).press("2").said == "A quiet corner. As it is."
    assert "cannot be read any more" in caplog.text


# ---- what it costs -------------------------------------------------------------------------------------
@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(house.engine, "before_cursor_execute", note)
    yield asked
    event.remove(house.engine, "before_cursor_execute", note)


def of_books(asked: list[str]) -> int:
    return sum("flow_books" in statement for statement in asked)


def test_a_book_costs_one_statement_a_process_and_none_a_turn(old: Switch) -> None:
    with statements(old.house) as asked:
        line = old.line()
        line.rings()
    assert of_books(asked) == 1
    with statements(old.house) as asked:
        for _ in range(3):
            line.press("3")
        old.line().rings()
    assert asked
    assert of_books(asked) == 0


def test_an_older_book_is_read_once(old: Switch, new: Switch) -> None:
    line, other = old.line(), old.line()
    line.rings()
    other.rings()
    new.line().rings(CALLER)
    with statements(new.house) as asked:
        for one in (line, other):
            moved(one, new).press("3")
            one.press("3")
    assert of_books(asked) == 1


def test_only_so_many_older_books_are_held(open_with: Callable[[Path], Switch], old: Switch, tmp_path: Path) -> None:
    later = open_with(written(tmp_path / "later"))
    lines = []
    for number in range(shelf.MOST_BOOKS + 2):
        old.house.services[Book] = books.read(written(tmp_path / f"v{number}", mark=f" Number {number}."))
        lines.append(Line(old, number + 1))
        lines[-1].rings()
    for line in lines:
        moved(line, later).press("3")
    with statements(later.house) as asked:
        assert lines[-1].press("2").said.endswith(f"Number {shelf.MOST_BOOKS + 1}.")
        assert of_books(asked) == 0
        assert lines[0].press("2").said.endswith("Number 0.")
        assert of_books(asked) == 1


# ---- the version ---------------------------------------------------------------------------------------
def test_the_version_is_of_what_is_said_and_asked_not_of_how_it_is_written(tmp_path: Path) -> None:
    for folder in ("flows", "prompts"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    was = books.read(tmp_path).version
    assert was == books.read(ROOT).version
    for path in tmp_path.rglob("*.yaml"):
        path.write_text(f"# a remark\n{path.read_text(encoding='utf-8')}\n", encoding="utf-8")
    assert books.read(tmp_path).version == was
    seen = {was}
    for path, old_text, new_text in (
        (tmp_path / "flows" / "questions.yaml", "open B", "open C"),
        (tmp_path / "prompts" / "en.yaml", "goodbye: ", "goodbye: Well then. "),
        (tmp_path / "flows" / "test_ring.yaml", "tries: ", "tries: 1"),
    ):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(old_text, new_text, 1), encoding="utf-8")
        seen.add(books.read(tmp_path).version)
    assert len(seen) == 4


def test_the_shipped_book_survives_being_stored(house: House) -> None:
    book = house.service(Book)
    shelf.kept(house, house.clock.now())
    with house.transaction() as session:
        assert books.rebuilt(book.version, session.scalars(sa.select(FlowBook)).one().content) == book


def test_a_folder_without_flows_is_no_book(tmp_path: Path) -> None:
    written(tmp_path)
    for path in (tmp_path / "flows").iterdir():
        path.unlink()
    with pytest.raises(FlowError, match="holds no flow"):
        books.read(tmp_path)


def test_the_versions_are_listed_with_the_calls_that_go_on_in_them(old: Switch, new: Switch) -> None:
    old.line().rings()
    old.house.clock.at += timedelta(minutes=5)  # type: ignore[attr-defined]
    for number in (11, 12):
        Line(new, number).rings()
    with new.house.transaction() as session:
        first, second = shelf.versions(session)
    assert (first.version, first.calls) == (new.house.service(Book).version, 2)
    assert (second.version, second.calls) == (old.house.service(Book).version, 1)
    said = new.house.service(Book).prompts.voices.values()
    assert (first.flows, first.prompts) == (2, sum(len(voice.prompts) for voice in said))
