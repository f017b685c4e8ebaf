"""`carecall demo`: the whole story on this machine in under two minutes, every step checked by the program itself.

No account, no network: the local carrier, the web processes and the worker run here, with a database of their own.
Both clocks start at ten in the morning of a coming day, so the hour at which the demo is run does not matter, and
run several times as fast as life; every second that is printed is a telephone second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from commands import database, stage
from commands import demo_people as people
from commands.joined import Joined
from commands.show import table
from commands.stage import Conversation, Stage, StageError
from core import calendar, logs, pg, settings
from dialer import reports as dialer_reports
from dialer.models import Call, Escalation, Message
from dialer.story import story
from recordings import reports as recording_reports
from recordings.models import Recording
from recordings.vault.files import FileStore
from scheduler import reports as followup_reports

SPEED = 10.0
ENDED = ("kept", "waiting_for_model", "absent", "unreadable", "failed", "purged")


class StepFailed(Exception):
    """A step of the story did not really happen."""


def run(args: argparse.Namespace, joined: Joined) -> int:
    """Play the story; 1, naming the step, if anything in it did not really happen."""
    logs.configure(level="ERROR")
    home = args.home or Path(tempfile.mkdtemp(prefix="carecall-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    started, step = time.monotonic(), "setting up"
    try:
        with _up(joined, home) as on:
            for step, act in STORY:
                print(f"\n== {step}  [{time.monotonic() - started:.0f} s]", flush=True)
                act(on)
            print(f"\nEvery step happened. {time.monotonic() - started:.0f} seconds, carrier at {SPEED:g} times life.")
            _listen(on)
            if args.keep:
                _keep(on)
        return 0
    except (StepFailed, StageError, settings.SettingsError) as failure:
        print(f"\nThe demo failed at the step '{step}': {failure}", file=sys.stderr)
        print(f"What the processes logged is in {home}", file=sys.stderr)
        return 1


@contextmanager
def _up(joined: Joined, home: Path) -> Iterator[Stage]:
    """Database, carrier, web and worker, all children of this process."""
    file = home / "hospital.toml"
    file.write_text(people.HOSPITAL_TOML, encoding="utf-8")
    with pg.Embedded.start(home / "var", durable=False) as server:
        database.upgrade(joined.root, server.url)
        environment = stage.environment(home, server.url, file, people.HOTLINE)
        at = _ten_tomorrow(settings.load(environment).hospital.timezone.key)
        with stage.standing(joined.root, home, environment, joined.open_house, at=at, speed=SPEED) as on:
            yield on
    # The story is told and the copies to listen to are made: nothing of forty megabytes is left behind.
    server.destroy()


def _ten_tomorrow(zone: str) -> datetime:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return calendar.at_wall(tomorrow.date(), clock_time(10, 0), zone)


def must(happened: object, what: str) -> None:
    """Print the check, or fail the step."""
    if not happened:
        raise StepFailed(what)
    print(f"   ok  {what}", flush=True)


def must_hear(conversation: Conversation, what: str, *texts: str) -> None:
    missing = conversation.missing(*texts)
    if missing is not None:
        heard = "\n".join(conversation.heard())
        raise StepFailed(f"{what}: {missing!r} was not heard in:\n{heard}")
    print(f"   ok  {what}", flush=True)


# ---- the story ----------------------------------------------------------------------------------
def import_files(on: Stage) -> None:
    roster = on.carecall("import", "roster", str(people.roster_csv(on.home / "roster.csv", on.now())))
    must(roster.returncode == 0, "the roster of three doctors is imported")
    for number, steps in ((people.OPERATOR, people.OPERATOR_STEPS), (people.BEN, people.BEN_STEPS)):
        on.phone(number).answers(*steps)
    on.phone(people.DOCTOR_1).does_not_answer()
    on.phone(people.DOCTOR_2).answers(*people.DOCTOR_STEPS)
    on.phone(people.HEAD).does_not_answer()
    on.phone(people.UNKNOWN_CALLER).answers(*people.PICKED_UP, {"after": 8, "say": "Hello, doctor."})


def hotline_pain(on: Stage) -> None:
    """Three people ring at once. The first nobody knows: Mandarin, English and back, pain 6, a doctor rings back."""
    for number, steps in people.HOTLINE_CALLERS.items():
        on.ringing[number] = on.phone(number).starts_ringing(people.HOTLINE, *steps)
    call = on.conversation(on.ringing[people.UNKNOWN_CALLER])
    must_hear(call, "notice and menu in Mandarin, 8 to English and back, pain, read back, the doctor will call",
              "智能语音", "录音", "术后疼痛或不适请按2", "Pain or problems after surgery, 2", "术后疼痛或不适请按2",
              "疼痛打分", "您输入的是6分", "值班医生5分钟内回电")  # fmt: skip
    escalation = on.until(lambda: _closed(on, people.UNKNOWN_CALLER), "the unknown caller talks with a doctor")
    _timeline(on, escalation)
    must(escalation.patient_id is None and escalation.talk_s, "escalated without a file, roster '*', and talked")


def hotline_message(on: Stage) -> None:
    call = on.conversation(on.ringing[people.MESSAGE_CALLER])
    must_hear(call, "a caller leaves a message and is thanked", "after the beep", "Thank you")
    must(len(call.recordings) == 2, "the carrier holds the call's recording and the message's")


def hotline_lost(on: Stage) -> None:
    call = on.conversation(on.ringing[people.LOST_CALLER])
    must_hear(call, "star at the notice, a wrong key, then nothing: three tries, then the operator",
              "本次不录音", "没有这个选项", "没有听到按键", "转人工")  # fmt: skip
    must(on.phone(people.OPERATOR).calls(), "the operator was rung and joined")
    must("bridged" in [event["kind"] for event in call.events], "the caller talked with the operator")
    must(call.recordings == [], "the caller pressed star, and nothing was recorded")


def follow_up(on: Stage) -> None:
    on.phone(people.ANN).in_turn(*people.ANN_STEPS)
    done = on.carecall("import", "patients", str(people.patients_csv(on.home / "patients.csv", on.now())))
    print("   " + done.stdout.strip().replace("\n", "\n   "))
    must(done.returncode == 1 and "refused" in done.stdout, "the malformed row is refused in plain words, two taken")
    with on.house.transaction() as session:
        planned = followup_reports.followups(session)
    must(len(planned) == 10, "each procedure has its five follow-ups: 6 h, 48 h, 7 d, 30 d, 90 d")
    escalation = on.until(lambda: _closed(on, people.ANN), "the patient who keyed 7 talks with a doctor")
    call, joined = (on.conversation(sid) for sid in on.phone(people.ANN).calls())
    must_hear(call, "the due follow-up was placed: who, birthday, 7#, read back, the doctor will call, open answer",
              "automated voice", "Am I speaking with", "birth month and day", "Rate your pain", "You entered 7",
              "The duty doctor will call", "Speak after the beep")  # fmt: skip
    _timeline(on, escalation)
    silent, doctor = on.phone(people.DOCTOR_1), on.conversation(on.phone(people.DOCTOR_2).calls()[-1])
    must(on.conversation(silent.calls()[-1]).status == "no-answer", "doctor 1 did not answer")
    before = "\n".join(doctor.heard()).split("Accept, press 1")[0]
    must("7 hours" in before and "pain 7" in before and "Example" not in before,
         "doctor 2 heard score and hours, and no name, before pressing 1")  # fmt: skip
    must_hear(joined, "the patient's telephone rang and the two were joined", "duty doctor is on the line")
    in_time = escalation.bridged_at is not None and escalation.bridged_at < escalation.promise_at
    must(in_time, "doctor and patient talked within 300 s")


def little_pain(on: Stage) -> None:
    on.until(lambda: on.phone(people.BEN).calls(), "the second patient is rung")
    call = on.conversation(on.phone(people.BEN).calls()[0])
    must_hear(call, "the second patient keys 2 and is promised recovery tips", "You entered 2", "tomorrow")
    on.quiet()
    with on.house.transaction() as session:
        escalations = session.scalar(sa.select(sa.func.count()).select_from(Escalation))
    must(escalations == 2, "no doctor was rung for a 2")
    must(on.messages_to(people.BEN) == [], "no SMS before its hour")
    on.forward(timedelta(hours=25))
    on.until(lambda: on.messages_to(people.BEN), "the SMS leaves when its hour comes")
    [sent] = on.messages_to(people.BEN)
    print(f"   SMS to the second patient: {sent['body']}")
    must("Sample" not in sent["body"], "the recovery SMS went out the next day, without a name")
    on.until(
        lambda: [row.status for row in _all(on, Message) if row.kind == "recovery"] == ["delivered"],
        "the SMS is delivered",
    )


def recordings(on: Stage) -> None:
    """Everything announced is fetched, checked, stored encrypted, transcribed or waiting with a reason."""
    on.until(lambda: all(row.state in ENDED for row in _all(on, Recording)), "every recording is settled", 90)
    with on.house.transaction() as session:
        lines = recording_reports.recordings(session)
        calls = {call.id: call for call in session.scalars(sa.select(Call))}
    print("   " + "\n   ".join(table([_recording(line) for line in lines])))
    must(all(line.state in ("kept", "waiting_for_model") for line in lines), "every announced recording has its file")
    waiting = [line for line in lines if line.state == "waiting_for_model"]
    said = waiting and all(line.language == "zh-CN" and line.reason for line in waiting)
    must(said, "Mandarin waits for a model and says so")
    recorded = {line.call_id for line in lines if line.purpose == "call"}
    talks = [call for call in calls.values() if call.kind in ("hotline", "followup")]
    right = all((call.id in recorded) == call.recording_on for call in talks)
    must(right, "a call has a recording exactly if it was announced and not refused")
    sealed = on.house.service(FileStore)
    readable = [line for line in lines if b"RIFF" in sealed.path(line.id).read_bytes()[:64]]
    must(not readable, "the files on disk are encrypted")


def quality(on: Stage) -> None:
    day = on.now().astimezone(on.house.settings.hospital.timezone).date() - timedelta(days=1)
    words = ("qa", "draw", "--date", day.isoformat())  # the worker may have drawn it already: that one is printed
    first, second = on.carecall(*words), on.carecall(*words)
    print("   " + first.stdout.strip().replace("\n", "\n   "))
    must(first.returncode == 0 and first.stdout == second.stdout, "the same day prints the same sample")
    heard = first.stdout.lower()
    must("bleeding" in heard or "fever" in heard, "the open answer was understood from its sound")
    must("morning" in heard or "medicine" in heard, "the message was understood from its sound")
    must("! red_flag" in first.stdout, "the phrase list found the patient's alarm words")


STORY: list[tuple[str, Callable[[Stage], None]]] = [
    ("Who is on duty", import_files),
    ("Hotline: pain after surgery, a caller nobody knows", hotline_pain),
    ("Hotline: a message", hotline_message),
    ("Hotline: a wrong key, then silence", hotline_lost),
    ("Follow-up: pain 7, doctor 1 silent, doctor 2 joined", follow_up),
    ("Follow-up: pain 2, and an SMS the next day", little_pain),
    ("Recordings: fetched, sealed, heard", recordings),
    ("Quality sample", quality),
]


# ---- looking ------------------------------------------------------------------------------------
def _all(on: Stage, kind: type[Any]) -> list[Any]:
    with on.house.transaction() as session:
        return list(session.scalars(sa.select(kind)))


def _closed(on: Stage, number: str) -> Escalation | None:
    return next((row for row in _all(on, Escalation) if row.to == number and row.status == "closed"), None)


def _timeline(on: Stage, escalation: Escalation) -> None:
    with on.house.transaction() as session:
        told = story(session, escalation, "en")
        clocks = dialer_reports.escalations(session)
    own = next(row for row in clocks if row["escalation"] == str(escalation.id))
    for line in told:
        print(f"   {line.after_s:6.1f} s  {line.words}")
    print(f"   seconds from the key: first ring {own['first_ring_s']}, accepted {own['accepted_s']}, "
          f"talking {own['bridged_s']}; talked {own['talk_s']}")  # fmt: skip


def _recording(line: Any) -> dict[str, Any]:
    return {
        "call": line.call_kind,
        "purpose": line.purpose,
        "language": line.language,
        "seconds": round(line.seconds, 1) if line.seconds is not None else "",
        "state": line.state,
        "reason": line.reason,
    }


def _listen(on: Stage) -> None:
    """Copies one can listen to: invented people, so they may lie open."""
    folder = on.home / "listen"
    folder.mkdir(exist_ok=True)
    sealed = on.house.service(FileStore)
    with on.house.transaction() as session:
        lines = recording_reports.recordings(session)
    for number, line in enumerate(sorted(lines, key=lambda line: line.announced_at), 1):
        name = f"{number:02d}-{line.call_kind}-{line.purpose}-{line.language}.wav"
        (folder / name).write_bytes(sealed.get(line.id))
    print(f"Listen to the calls: {folder}")


def _keep(on: Stage) -> None:
    exports = "\n".join(f"export {name}='{value}'" for name, value in sorted(on.environment.items()))
    (on.home / "environment.sh").write_text(exports + "\n", encoding="utf-8")
    user = on.environment["TWILIO_ACCOUNT_SID"]
    print(f"Virtual telephones: {on.carrier_url}/ (user {user}, password TWILIO_AUTH_TOKEN of environment.sh)")
    print(f"The carecall command against this demo: . {on.home}/environment.sh")
    print("Everything runs on until Enter or Ctrl-C.", flush=True)
    try:
        sys.stdin.readline()
    except KeyboardInterrupt:
        print()
