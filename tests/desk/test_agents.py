"""Agents: the staff file, signing, and what rings and talks do to them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from console import users
from console.models import User
from core import events
from core.house import House
from core.tables import FileProblem
from desk import agents, staff
from desk.agents import MOVES, AgentProblem
from dialer import attempt as attempts
from dialer import gate
from dialer.models import Agent, Attempt, Escalation
from tests.desk.desk_house import AGENT_PHONES, CALLERS, Hall
from tests.dialer.ward import Ward
from tests.house import HOTLINE
from tests.scheduler.clinic import hospital

HEADER = "login,name,role,department,phone,language,skills,pin"


def imported(hall: Hall, tmp_path: Path, *rows: str, dry_run: bool = False) -> list[tuple[int | str, str]]:
    file = tmp_path / "staff.csv"
    file.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    reports = staff.import_staff(hall.house, file, hall.now, dry_run=dry_run)
    return [(report.row, report.result) for report in reports]


def all_agents(hall: Hall) -> dict[str, Agent]:
    with hall.house.transaction() as session:
        return {agent.login: agent for agent in session.scalars(sa.select(Agent))}


# ---- the staff file ------------------------------------------------------------------------------
def test_staff_come_in_by_login(hall: Hall, tmp_path: Path) -> None:
    kim = f"kim,Kim Example,agent,service centre,{AGENT_PHONES[0]},zh-CN en,postop surgery;,4711"
    assert imported(hall, tmp_path, kim) == [(2, "created")]
    agent = all_agents(hall)["kim"]
    assert (agent.languages, agent.skills, agent.pin, agent.status) == (
        ["zh-CN", "en"],
        ["postop surgery"],
        "4711",
        "off",
    )
    assert imported(hall, tmp_path, kim) == [(2, "unchanged")]
    assert imported(hall, tmp_path, kim.replace("postop surgery;", "postop surgery")) == [(2, "updated")]
    assert all_agents(hall)["kim"].skills == ["postop", "surgery"]


def test_who_is_not_in_the_file_any_more_is_signed_off(hall: Hall, tmp_path: Path) -> None:
    rows = [f"{login},X,agent,,{phone},en,," for login, phone in zip(("kim", "lee"), AGENT_PHONES, strict=False)]
    imported(hall, tmp_path, *rows)
    with hall.house.transaction() as session:
        agents.sign(session, "lee", "ready", "test", hall.now)
    assert imported(hall, tmp_path, rows[0]) == [(2, "unchanged"), ("lee", "gone")]
    lee = all_agents(hall)["lee"]
    assert (lee.active, lee.status) == (False, "off")
    with hall.house.transaction() as session, pytest.raises(AgentProblem, match="no agent 'lee'"):
        agents.sign(session, "lee", "ready", "test", hall.now)
    assert imported(hall, tmp_path, *rows) == [(2, "unchanged"), (3, "updated")]
    assert all_agents(hall)["lee"].active


def test_who_leaves_the_staff_file_leaves_the_console(hall: Hall, tmp_path: Path) -> None:
    rows = [f"{login},X,agent,,{phone},en,," for login, phone in zip(("kim", "lee"), AGENT_PHONES, strict=False)]
    imported(hall, tmp_path, *rows)
    with hall.house.transaction() as session:
        for login in ("kim", "lee", "it.person"):
            users.add(session, login, "it", "Invented", "en", "a long sentence of its own", "test", hall.now)
        key = session.scalars(sa.select(User.session_key).where(User.login == "lee")).one()
    (tmp_path / "staff.csv").write_text("\n".join([",".join(staff.COLUMNS), rows[0]]), encoding="utf-8")
    told = staff.import_staff(hall.house, tmp_path / "staff.csv", hall.now, dry_run=True)
    assert "console user is disabled" in told[-1].detail
    assert standing_users(hall) == {"kim": True, "lee": True, "it.person": True}, "a dry run keeps nothing"
    imported(hall, tmp_path, rows[0])
    assert standing_users(hall) == {"kim": True, "lee": False, "it.person": True}
    with hall.house.transaction() as session:
        assert session.scalars(sa.select(User.session_key).where(User.login == "lee")).one() != key, "signed out"
    imported(hall, tmp_path, *rows)
    assert not standing_users(hall)["lee"], "only a new password lets them in again"


def standing_users(hall: Hall) -> dict[str, bool]:
    with hall.house.transaction() as session:
        return {user.login: user.active for user in users.listed(session)}


def test_a_row_that_is_refused_leaves_its_agent_as_it_was(hall: Hall, tmp_path: Path) -> None:
    imported(hall, tmp_path, f"kim,X,agent,,{AGENT_PHONES[0]},en,,")
    assert imported(hall, tmp_path, f"kim,X,boss,,{AGENT_PHONES[0]},en,,") == [(2, "refused")]
    assert all_agents(hall)["kim"].active


@pytest.mark.parametrize(
    "row",
    [
        "kim,,agent,,,en,,", "kim,X,boss,,,en,,", "kim k,X,agent,,,en,,", "kim,X,agent,,12,en,,", "kim,X,agent,,,fr,,",
        "kim,X,agent,,,en,,abc", f"kim,X,agent,,{HOTLINE},en,,",
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_refused(hall: Hall, tmp_path: Path, row: str) -> None:
    assert imported(hall, tmp_path, row) == [(2, "refused")]
    assert all_agents(hall) == {}


def test_one_telephone_and_one_login_are_one_person(hall: Hall, tmp_path: Path) -> None:
    rows = [f"kim,X,agent,,{AGENT_PHONES[0]},en,,", f"lee,X,agent,,{AGENT_PHONES[0]},en,,", "kim,Y,agent,,,en,,"]
    assert imported(hall, tmp_path, *rows) == [(2, "created"), (3, "refused"), (4, "refused")]


def test_a_dry_run_keeps_nothing(hall: Hall, tmp_path: Path) -> None:
    imported(hall, tmp_path, f"lee,X,agent,,{AGENT_PHONES[1]},en,,")
    row = f"kim,X,agent,,{AGENT_PHONES[0]},en,,"
    assert imported(hall, tmp_path, row, dry_run=True) == [(2, "created"), ("lee", "gone")]
    assert list(all_agents(hall)) == ["lee"]
    assert all_agents(hall)["lee"].active


def test_a_file_without_the_columns_is_one_sentence(hall: Hall, tmp_path: Path) -> None:
    (tmp_path / "staff.csv").write_text("login\nkim\n", encoding="utf-8")
    with pytest.raises(FileProblem, match="name, role"):
        staff.import_staff(hall.house, tmp_path / "staff.csv", hall.now)


# ---- signing -------------------------------------------------------------------------------------
def test_signing_is_refused_with_a_sentence(hall: Hall) -> None:
    hall.agent("kim")
    for login, state, words in (("max", "ready", "no agent"), ("kim", "asleep", "signs ready")):
        with hall.house.transaction() as session, pytest.raises(AgentProblem, match=words):
            agents.sign(session, login, state, "test", hall.now)
    with hall.house.transaction() as session:
        session.execute(sa.update(Agent).values(phone="", phone_index=None))
    with hall.house.transaction() as session, pytest.raises(AgentProblem, match="no telephone"):
        agents.sign(session, "kim", "ready", "test", hall.now)


def test_every_status_can_be_left_and_signed_off_from() -> None:
    states = set(MOVES.values())
    assert states == {"off", "ready", "ringing", "talking", "wrap_up", "paused"}
    assert all((state, "off") in MOVES for state in states - {"off"})
    assert all((state, "paused") in MOVES for state in states - {"paused"})


def test_who_signs_off_while_being_rung_is_let_go_and_the_caller_goes_on(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(CALLERS[0])
    hall.tick()
    hall.posted(hall.ring_of(entry))
    hall.agent("lee")
    with hall.house.transaction() as session:
        agents.sign(session, "kim", "off", "test", hall.now)
    hall.run_jobs()
    assert hall.who("kim").status == "off"
    hall.tick()
    assert hall.ring_of(entry).to == AGENT_PHONES[1]


def test_who_pauses_in_a_talk_ends_it_in_peace_and_stays_paused(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(CALLERS[0])
    hall.tick()
    ring = hall.ring_of(entry)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    with hall.house.transaction() as session:
        agents.sign(session, "kim", "paused", "test", hall.now)
    hall.run_jobs()
    assert hall.fresh(entry).status == "joined"
    hall.publish(events.AgentTalked(ring.id, 9))
    hall.says(ring, "completed")
    assert (hall.fresh(entry).status, hall.who("kim").status) == ("served", "paused")


def test_who_does_not_answer_twice_running_is_paused_and_the_ledger_says_why(hall: Hall) -> None:
    hall.agent("kim")
    for number in range(2):
        assert hall.who("kim").status == "ready"
        entry = hall.enters(CALLERS[number])
        hall.tick()
        ring = hall.ring_of(entry)
        hall.posted(ring)
        hall.says(ring, "no_answer")
        hall.forward(seconds=6)
        hall.hangs_up(entry)
    kim = hall.who("kim")
    assert kim.status == "paused"
    assert "nobody_home" in hall.ledger(kim.id)
    with hall.house.transaction() as session:
        agents.sign(session, "kim", "ready", "test", hall.now)
    assert hall.who("kim").misses == 0, "a new sign-in is a new beginning"


def test_a_key_between_two_missed_rings_means_somebody_is_there(hall: Hall) -> None:
    hall.agent("kim")
    for number, decision in enumerate(("no_answer", "declined", "no_answer")):
        entry = hall.enters(CALLERS[number])
        hall.tick()
        ring = hall.ring_of(entry)
        if decision == "declined":
            hall.answers(ring)
            hall.publish(events.AgentDecided(ring.id, "declined"))
            hall.says(ring, "completed")
        else:
            hall.posted(ring)
            hall.says(ring, decision)
        hall.forward(seconds=6)
        hall.hangs_up(entry)
    assert hall.who("kim").status == "ready"


def test_a_ring_the_carrier_never_had_is_nobodys_fault(hall: Hall) -> None:
    hall.agent("kim")
    hall.enters(CALLERS[0])
    for _ in range(2):
        hall.tick()
        [ring] = hall.live_rings()
        hospital(hall.house, hospital={"live": False})
        hall.posted(ring)  # the gate, asked once more, says no
        hospital(hall.house, calling={"lines": 60})
        assert hall.live_rings() == []
        hall.forward(seconds=61)
    assert (hall.who("kim").status, hall.who("kim").misses) == ("ready", 0)


@pytest.mark.parametrize(("word", "status"), [("failed", "ready"), ("busy", "ready"), ("no_answer", "paused")])
def test_a_carrier_that_fails_and_an_engaged_telephone_sign_nobody_off(hall: Hall, word: str, status: str) -> None:
    hall.agent("kim")
    entry = hall.enters(CALLERS[0])
    for _ in range(2):
        hall.tick()
        ring = hall.ring_of(entry)
        hall.posted(ring)
        hall.says(ring, word)
        hall.forward(seconds=61)
    assert hall.who("kim").status == status


def test_the_wrap_up_ends_by_itself(hall: Hall) -> None:
    hospital(hall.house, desk={"wrap_up_s": 45}, calling={"lines": 60})
    hall.agent("kim")
    entry = hall.enters(CALLERS[0])
    hall.tick()
    hall.talks(entry)
    hall.forward(seconds=44)
    hall.tick()
    assert hall.who("kim").status == "wrap_up"
    hall.forward(seconds=1)
    hall.tick()
    kim = hall.who("kim")
    assert (kim.status, kim.until, kim.idle_since) == ("ready", None, hall.now)


# ---- the gate ------------------------------------------------------------------------------------
def refusal(hall: Hall, kind: str, to: str) -> str | None:
    with hall.house.transaction() as session:
        refused = gate.may_dial(session, gate.Ring(kind, to, None), hall.now)
    return refused.reason if refused is not None else None


@pytest.mark.parametrize(
    ("status", "reason"),
    [("ready", None), ("ringing", None), ("off", "not_signed_in"), ("paused", "not_signed_in"),
     ("talking", "not_signed_in"), ("wrap_up", "not_signed_in")],
)  # fmt: skip
def test_only_an_agent_who_is_signed_in_and_free_is_rung(hall: Hall, status: str, reason: str | None) -> None:
    hall.agent("kim")
    with hall.house.transaction() as session:
        session.execute(sa.update(Agent).values(status=status))
    assert refusal(hall, "agent", AGENT_PHONES[0]) == reason


def test_the_gate_asks_whether_it_is_an_agent_of_the_file_at_all(hall: Hall) -> None:
    hall.agent("kim")
    assert refusal(hall, "agent", AGENT_PHONES[1]) == "not_signed_in"
    with hall.house.transaction() as session:
        session.execute(sa.update(Agent).values(active=False))
    assert refusal(hall, "agent", AGENT_PHONES[0]) == "not_signed_in"


@pytest.mark.parametrize("kind", ["agent", "caller"])
def test_both_are_held_back_by_live_number_lines_and_an_engaged_telephone(hall: Hall, kind: str) -> None:
    hall.agent("kim")
    to = AGENT_PHONES[0]
    assert refusal(hall, kind, "+861") == "bad_number"
    hospital(hall.house, hospital={"live": False})
    assert refusal(hall, kind, to) == "not_live"
    hospital(hall.house, calling={"lines": 3, "lines_reserved": 2})
    for number in range(3):
        assert refusal(hall, kind, to) is None
        hall.rings(CALLERS[number])
    assert refusal(hall, kind, to) == "no_line"
    hospital(hall.house, calling={"lines": 60})
    hall.rings(to)
    assert refusal(hall, kind, to) == "number_in_use"


@pytest.mark.parametrize("kind", ["agent", "caller", "theme"])
def test_while_somebody_waits_for_a_doctor_two_lines_stay_free(house: House, kind: str) -> None:
    hall = Hall(house)
    ward = Ward.of(house)
    hospital(house, calling={"lines": 6, "lines_reserved": 2})
    hall.agent("kim")
    assert ward.score(8, ward.inbound()) is not None
    with house.transaction() as session:
        assert session.scalars(sa.select(Escalation)).one().status != "closed"
        assert not session.scalars(sa.select(Attempt)).all(), "nobody is on duty"
    busy = 1  # the patient's own call
    for number in range(5):
        expected = None if busy + 1 + 2 <= 6 else "no_line"
        assert refusal(hall, kind, AGENT_PHONES[0]) == expected, busy
        hall.rings(CALLERS[number])
        busy += 1


def test_a_caller_who_waits_for_a_doctor_is_not_rung_by_the_desk(house: House) -> None:
    hall = Hall(house)
    ward = Ward.of(house)
    hospital(house, calling={"lines": 60})
    assert refusal(hall, "caller", CALLERS[3]) is None
    call = ward.inbound(CALLERS[3])
    assert ward.score(8, call) is not None
    assert refusal(hall, "caller", CALLERS[3]) == "doctor_coming"


def test_no_agent_is_rung_for_somebody_who_may_not_be_rung_back_now(house: House) -> None:
    hall = Hall(house)
    ward = Ward.of(house)
    hospital(house, calling={"lines": 60})
    hall.agent("kim")
    entry = hall.enters(CALLERS[3])
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    assert ward.score(8, ward.inbound(CALLERS[3])) is not None
    hall.tick()
    assert hall.live_rings() == [], "a doctor is on the way to them"
    assert hall.fresh(entry).status == "waiting"


def test_a_ring_at_an_agent_stands_back_while_a_doctors_waits_for_its_turn(house: House) -> None:
    hall = Hall(house)
    ward = Ward.of(house)
    hospital(house, calling={"lines": 60, "calls_per_second": 1.0})
    for number in range(3):
        hall.agent()
        hall.enters(CALLERS[number])
    hall.tick()
    first, *others = hall.live_rings()
    ward.doctor(0)

    def leaves(ring: Attempt) -> bool:
        with house.transaction() as session:
            return attempts.may_post(session, ring.id, house.clock.now) is not None

    assert leaves(first)
    assert ward.score(8, ward.inbound(CALLERS[5])) is not None
    [doctor] = hall.live_rings("doctor")
    hall.forward(seconds=1.1)
    assert not leaves(others[0]), "one ring a second, and the doctor's is next"
    assert leaves(doctor)
    hall.forward(seconds=1.1)
    assert leaves(others[0]), "agents do not stand back for each other"
