"""That everything is joined to something: routes, jobs, effects, events, facts, tables, migrations."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask

import app
import ivr.store
from commands import database
from console import api, frame, tokens
from core import events, jobs, webhook
from core.db import Base, Encrypted
from core.house import House
from ivr import talk
from tests.house import ROOT

ROOMS = ("carrier", "commands", "console", "core", "desk", "dialer", "ivr", "recordings", "scheduler")
CARRIER_DOORS = ("/ivr", "/dialer", "/recordings")


def sources() -> Iterator[tuple[Path, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path, path.read_text(encoding="utf-8")


OPEN_SOUNDS = ("/ivr/music.wav", "/ivr/prompt/<language>/<digest>.wav")


# ---- routes --------------------------------------------------------------------------------------------
@pytest.fixture
def flask() -> Flask:
    made = Flask("wiring")
    for blueprint in app.BLUEPRINTS:
        made.register_blueprint(blueprint)
    return made


def test_every_carrier_route_is_on_a_signed_blueprint(flask: Flask) -> None:
    doors = {rule.rule: rule for rule in flask.url_map.iter_rules() if rule.rule.startswith(CARRIER_DOORS)}
    for sound in OPEN_SOUNDS:
        assert doors.pop(sound).methods == {"GET", "HEAD", "OPTIONS"}, "sounds are for anybody"
    assert {"/ivr/voice", "/ivr/fallback"} <= set(doors)
    for path, rule in doors.items():
        assert rule.endpoint.partition(".")[0] in webhook.SIGNED, f"{path} answers anybody"
        assert rule.methods is not None
        assert rule.methods - {"OPTIONS"} == {"POST"}, path


def test_what_is_not_signed_is_known(flask: Flask) -> None:
    unsigned = {r.rule for r in flask.url_map.iter_rules() if r.endpoint.partition(".")[0] not in webhook.SIGNED}
    # people sign in (console.frame), programs bring a token (console.api)
    guarded = {r.rule for r in flask.url_map.iter_rules() if r.endpoint.partition(".")[0] in ("console", "api")}
    assert unsigned - guarded == {"/healthz", "/readyz", "/static/<path:filename>", *OPEN_SOUNDS}


def test_every_page_asks_for_a_right_and_every_address_of_the_api_for_a_scope(flask: Flask) -> None:
    for rule in flask.url_map.iter_rules():
        room = rule.endpoint.partition(".")[0]
        if room == "console":
            assert (rule.endpoint in frame.OPEN) != bool(frame.RIGHTS.get(rule.endpoint)), rule
        elif room == "api":
            assert (rule.endpoint in api.OPEN) != (api.SCOPES.get(rule.endpoint) in tokens.SCOPES), rule


def test_every_signed_blueprint_is_in_the_application() -> None:
    assert {blueprint.name for blueprint in app.BLUEPRINTS} >= webhook.SIGNED - {"test"}


# ---- jobs ----------------------------------------------------------------------------------------------
def test_every_job_has_a_handler_and_every_handler_a_job() -> None:
    assert set(jobs.handlers()) == set(jobs.JOBS)
    assert {job.name for job in jobs.JOBS.values()} == set(jobs.JOBS)


def _worker_groups() -> list[tuple[tuple[str, ...], int]]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(jobs.run_workers)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "groups":
            return list(ast.literal_eval(node.value))
    raise AssertionError("run_workers has no list of groups")


def test_every_queue_is_served_once_and_the_escalation_has_slots_of_its_own() -> None:
    groups = _worker_groups()
    served = [queue for names, _slots in groups for queue in names]
    assert sorted(served) == sorted(jobs.QUEUES)
    assert {job.queue for job in jobs.JOBS.values()} <= set(served)
    assert [names for names, _ in groups if "escalation" in names] == [("escalation",)]
    assert all(slots > 0 for _, slots in groups)


def test_a_job_is_deferred_with_ids_only() -> None:
    for name, handler in jobs.handlers().items():
        house, *ids = inspect.signature(handler, eval_str=True).parameters.values()
        assert house.annotation is House, name
        assert all(parameter.annotation.__name__ == "UUID" for parameter in ids), name


# ---- effects and events --------------------------------------------------------------------------------
def test_the_house_carries_out_every_effect_and_no_other() -> None:
    assert set(ivr.store._EFFECTS) == set(talk.EFFECTS)


UNHEARD: dict[type, str] = {}


def _event_classes() -> set[type]:
    return {
        thing for name, thing in vars(events).items()
        if inspect.isclass(thing) and thing.__module__ == events.__name__ and name != "Bus"
    }  # fmt: skip


def test_every_event_that_is_published_has_a_subscriber_or_a_reason() -> None:
    code = "\n".join(text for _, text in sources())
    published = {
        event for event in _event_classes() if re.search(rf"\b{event.__name__}\(", code.replace("class ", "#"))
    }
    heard = {event for event, _ in app.SUBSCRIBERS}
    assert _event_classes() - published == set(), "an event nobody publishes"
    assert published - heard == set(UNHEARD)
    assert heard <= published, "somebody listens to what is never said"


def test_a_subscriber_takes_the_event_it_listens_to() -> None:
    for event, handler in app.SUBSCRIBERS:
        _session, heard, _now = inspect.signature(handler, eval_str=True).parameters.values()
        assert heard.annotation is event, handler


def test_the_callers_words_are_stored_before_the_ring_they_came_with_ends() -> None:
    """A call's end is told before its attempt's: the follow-up then knows how the interview went."""
    order = [event for event, _ in app.SUBSCRIBERS]
    assert order.index(events.CallEnded) == 0
    heard_first = [handler for event, handler in app.SUBSCRIBERS if event is events.CallEnded]
    assert heard_first[0] is ivr.store.on_call_ended


def test_the_timetable_names_everything_once() -> None:
    names = [name for name, _, _ in app.TICKS]
    assert len(set(names)) == len(names)
    assert all(seconds <= 60 for _, seconds, _ in app.TICKS)


# ---- tables --------------------------------------------------------------------------------------------
PLAIN: dict[str, str] = {
    # every text column that is not encrypted, and why it may be read in a dump
    "agents.department": "a department", "agents.languages": "codes", "agents.login": "a login",
    "agents.role": "a role", "agents.skills": "departments and words", "agents.status": "a word",
    "answers.corrected_by": "a nurse's login", "answers.how": "one of a few words", "answers.level": "a letter",
    "answers.question": "a key of a flow", "answers.respondent": "a word",
    "api_tokens.made_by": "a login", "api_tokens.scopes": "words", "api_tokens.title": "the IT person's own words",
    "appointments.department": "a department", "appointments.external_id": "the hospital's number of a visit",
    "appointments.place": "a place in the hospital", "appointments.status": "a word",
    "attempts.answered_by": "a word", "attempts.flow": "a flow's name", "attempts.kind": "a word",
    "attempts.lane": "a word", "attempts.language": "a code", "attempts.outcome": "a word",
    "attempts.sid": "the carrier's id", "attempts.status": "a word", "attempts.via": "a word",
    "attempts.why": "our own sentence",
    "calls.book": "a hash", "calls.department": "a department", "calls.reason": "a word",
    "calls.flow": "a flow's name", "calls.flow_version": "a hash", "calls.kind": "a word",
    "calls.sid": "the carrier's id", "calls.status": "a word",
    "campaigns.made_by": "a nurse's login", "campaigns.title": "the nurse's own name for a list",
    "chat_findings.category": "a word", "chat_findings.lexicon": "a version",
    "chat_findings.phrase": "a phrase of our own list, not what was written around it",
    "chat_findings.speaker": "a role",
    "chats.channel": "a word", "chats.external_id": "the sender's own number", "chats.keep_class": "a word",
    "chats.language": "a code", "chats.lexicon": "a version", "chats.reason": "a word",
    "clinic_sessions.department": "a department", "clinic_sessions.external_id": "the hospital's number of a session",
    "clinic_sessions.place": "a place in the hospital", "clinic_sessions.status": "a word",
    "coaching_tasks.about": "an item of a card, or a word", "coaching_tasks.cause": "a word",
    "coaching_tasks.cause_key": "words and ids", "coaching_tasks.coached_by": "a login",
    "coaching_tasks.item": "an item of a card", "coaching_tasks.owner": "a login or a department",
    "coaching_tasks.state": "a word", "coaching_tasks.subject_kind": "a word",
    "consents.channel": "a word", "consents.purpose": "a word", "consents.source": "a word",
    "consents.version": "the name of a form",
    "contacts.relation": "from the hospital's file: relation2 may hold free text (open)",
    "covers.language": "a code", "covers.made_by": "the login of who arranged it",
    "daily_runs.name": "the name of a piece of work",
    "do_not_call.source": "our own sentence",
    "draw_picks.part": "a word", "draw_picks.subject_kind": "a word", "draw_picks.why": "our own sentence",
    "draws.candidates": "ids", "draws.kind": "a word", "draws.left_out": "counts",
    "escalations.chain": "ids and tiers", "escalations.department": "a department",
    "escalations.flags": "keys of questions", "escalations.heard": "keys of questions",
    "escalations.made_by": "a word", "escalations.language": "a code", "escalations.outcome": "a code",
    "escalations.outcome_by": "a role", "escalations.policy": "numbers and tiers", "escalations.status": "a word",
    "events.data": "ids, counts and codes by rule", "events.from_state": "a word", "events.kind": "a word",
    "events.to_state": "a word", "events.what": "our own words", "events.who": "a role or an operator's login",
    "events.why": "our own sentence",
    "findings.category": "a word", "findings.group": "a word", "findings.lexicon": "a version",
    "findings.mode": "a word", "findings.note": "words of ours",
    "findings.phrase": "a phrase of our own list, not what was said around it", "findings.speaker": "a role",
    "flow_books.content": "our own flows and prompts", "flow_books.version": "a hash",
    "followups.interview": "a word", "followups.origin": "a word", "followups.reason": "our own sentence",
    "followups.status": "a word", "followups.wave": "a code",
    "inbound_messages.meaning": "a word", "inbound_messages.sid": "the carrier's id",
    "machine_flags.level": "a letter", "machine_flags.question": "a key of a question",
    "messages.kind": "a word", "messages.sid": "the carrier's id", "messages.status": "a word",
    "messages.why": "our own sentence",
    "offers.decision": "a word",
    "patients.language": "a code", "patients.sex": "from the hospital's file", "patients.status": "a word",
    "patients.timezone": "a zone",
    "pauses.lane": "a word", "pauses.reason": "the IT person's own words", "pauses.who": "the IT person's login",
    "plays.approved_by": "a login", "plays.heard": "seconds", "plays.kind": "a word", "plays.login": "a login",
    "procedures.department": "a department", "procedures.external_id": "the hospital's number of an operation",
    "procedures.status": "a word",
    "queue_entries.department": "a department", "queue_entries.language": "a code", "queue_entries.mode": "a word",
    "queue_entries.origin": "a word", "queue_entries.outcome": "a word", "queue_entries.reason": "a word",
    "queue_entries.status": "a word", "queue_entries.why": "our own sentence", "queue_offers.decision": "a word",
    "qa_notes.by": "a login", "qa_notes.kind": "a word, or an item of a card",
    "recording_holds.held_by": "a login", "recording_holds.released_by": "a login", "erasures.ended_by": "a login",
    "recordings.keep_class": "a word", "recordings.language": "a code", "recordings.levels": "loudness",
    "recordings.purpose": "a word", "recordings.reason": "our own sentence", "recordings.sha256": "a hash",
    "recordings.sid": "the carrier's id", "recordings.state": "a word",
    "refusals.kind": "a word", "refusals.reason": "a word",
    "reminders.channel": "a word", "reminders.interview": "a word", "reminders.kind": "a word",
    "reminders.reason": "our own sentence", "reminders.status": "a word",
    "reminders.subject": "an id, or a holiday's first day",
    "review_marks.by": "a login", "review_marks.cause": "a word", "review_marks.item": "an item of a card",
    "review_marks.value": "a word",
    "reviews.failed_items": "items of a card", "reviews.language": "a code", "reviews.part": "a word",
    "reviews.rater": "a login", "reviews.settled_by": "a login", "reviews.state": "a word",
    "reviews.subject_kind": "a word",
    "scorecard_uses.by": "a login", "scorecards.body": "the hospital's own card", "scorecards.key": "the card's name",
    "rescreens.asked_by": "a login",
    "segments.speaker": "a role",
    "shifts.department": "a department", "shifts.language": "a code", "shifts.tier": "a tier",
    "sound_measures.channels": "seconds, levels and roles", "sound_measures.interruptions": "counts by role",
    "special_days.kind": "a word", "special_days.note": "the hospital's name of a holiday",
    "special_days.source": "a word",
    "strict_periods.ended_by": "a login", "strict_periods.set_by": "a login",
    "surveys.status": "a word",
    "test_rings.asked_by": "the login of who asked", "test_rings.language": "a code", "test_rings.result": "a word",
    "ticket_alarms.department": "a department", "ticket_alarms.tier": "a tier", "ticket_alarms.why": "a word",
    "ticket_clocks.calendar": "a version", "ticket_clocks.name": "a word", "ticket_clocks.rule": "numbers",
    "ticket_watchers.login": "a login",
    "tickets.channel": "a word", "tickets.colour": "a word", "tickets.department": "a department",
    "tickets.external_id": "the sender's own number", "tickets.first_owner": "a login", "tickets.kind": "a word",
    "tickets.language": "a code", "tickets.link": "a word", "tickets.nature": "a word",
    "tickets.number": "our own number", "tickets.owner": "a login", "tickets.preset": "a letter",
    "tickets.problem": "a word", "tickets.status": "a word", "tickets.told_how": "a word",
    "transcripts.engine": "engine and model, as installed",
    "transcripts.language": "a code", "transcripts.lexicon": "a version", "transcripts.mode": "a word",
    "users.language": "a code", "users.login": "a login", "users.password": "an Argon2 hash", "users.role": "a role",
    "users.session_key": "a random word, of no use without SECRET_KEY",
    "vetoes.decided_by": "a login", "vetoes.state": "a word", "vetoes.ticket": "our own number",
    "vetoes.upheld_by": "a login",
    "views.login": "a login", "views.what": "a word", "views.why": "the login's own words",
    "visit_drafts.offered": "ids", "visit_drafts.result": "a word",
    "work_items.closed_by": "a nurse's login", "work_items.kind": "a word", "work_items.status": "a word",
    "work_items.why": "our own sentence",
}  # fmt: skip
PERSONAL = re.compile(
    r"name|phone|birth|mrn|doctor|surgeon|allerg|^to$|party|callback|body|text|session|pin|brief|value|raw"
)
INDEX_OF = re.compile(r"_index$")


def _columns() -> Iterator[tuple[str, sa.Column[object]]]:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            yield f"{table.name}.{column.name}", column


def test_every_column_that_may_name_somebody_is_encrypted() -> None:
    for place, column in _columns():
        name = column.name
        if PERSONAL.search(name) and not INDEX_OF.search(name) and place not in PLAIN:
            allowed = isinstance(column.type, Encrypted) or not isinstance(column.type, sa.String)
            assert allowed, f"{place} is readable in a dump"


def test_every_readable_text_has_a_reason() -> None:
    readable = {place for place, column in _columns() if isinstance(column.type, sa.String | sa.JSON)}
    assert readable == set(PLAIN)


def test_each_encrypted_column_is_bound_to_its_own_place() -> None:
    places = {place: column.type.place for place, column in _columns() if isinstance(column.type, Encrypted)}
    assert all(place == bound for place, bound in places.items()), places


def test_every_blind_index_stands_beside_an_encrypted_column() -> None:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if INDEX_OF.search(column.name) and table.name not in ("do_not_call", "erasures"):
                beside = table.columns[column.name.removesuffix("_index")]
                assert isinstance(beside.type, Encrypted), f"{table.name}.{column.name}"


# ---- migrations ----------------------------------------------------------------------------------------
def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(database.config(ROOT)).get_heads()) == 1


def test_the_migrated_schema_is_the_models(house: House) -> None:
    def ours(obj: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
        return not str(name).startswith("procrastinate_") and name != "alembic_version"

    with house.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert database.is_current(ROOT, house.engine)


def test_the_frozen_schema_of_the_jobs_is_the_installed_one() -> None:
    [frozen] = (ROOT / "migrations").glob("procrastinate_*.sql")
    _our_remark, _, schema = frozen.read_text(encoding="utf-8").partition("\n")
    assert schema == jobs.schema_sql()


def test_every_table_has_its_module_in_the_migrations_environment() -> None:
    text = (ROOT / "migrations" / "env.py").read_text(encoding="utf-8")
    with_tables = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path, code in sources()
        if "__tablename__" in code
    }
    assert with_tables == set(re.findall(r'"([a-z_.]+)"', text.partition("for module in (")[2].partition(")")[0]))
