"""`carecall patient export|erase|readmit`: a copy of all that is held about one patient, its deletion, and the word
that an erased patient may come back."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from commands import ask, patient_copy, patient_erase, patient_held
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core import erased
from core.db import blind
from core.house import House
from core.models import new_id, record
from core.people import MRN
from core.tables import FileProblem
from recordings.privacy import redact
from recordings.vault import retention
from recordings.vault.files import FileStore
from scheduler.models import WorkItem


def add_commands(words: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`words`: of `carecall patient` (commands/ward.py)."""
    copy = _add(words, "export", export, "a copy of all that is held about one patient (PIPL 45)")
    copy.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new ZIP, readable by you only")
    gone = _add(words, "erase", erase, "delete what the law lets go, and say what stays and why (PIPL 47)")
    gone.add_argument("--dry-run", action="store_true", help="only say")
    gone.add_argument("--do-not-call", action="store_true", help="leave the patient's own numbers alone, too")
    _add(words, "readmit", readmit, "let the hospital's files bring back a patient who was erased")


def _add(
    words: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace, Joined], int],
    text: str,
) -> argparse.ArgumentParser:
    made = words.add_parser(name, help=text, description=text)
    made.set_defaults(command=command)
    made.add_argument("mrn", metavar="MRN")
    made.add_argument("--reason", required=True, help="who asked, and when")
    made.add_argument("--json", action="store_true")
    return made


def export(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    try:
        with house.transaction() as session:
            found = _found(session, args)
            counts = patient_copy.write(house, session, found, args.out, now)
            try:
                # as in an erasure: this row is found by no patient's id, and would keep the name after one
                known = patient_erase.known_of(session, found)
                reason = redact.masked(args.reason, found.patient.language, known)
                _write_down(session, found, "copy given", reason, house)
                session.flush()
            except BaseException:
                args.out.unlink()  # a copy nobody wrote down was not given
                raise
    except patient_held.PatientProblem as problem:
        raise FileProblem(str(problem)) from None
    lines = [{"table": name, "rows": count} for name, count in counts.items() if count]
    rows_out(lines, as_json=args.json)
    return 0


def erase(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now, who = house.clock.now(), login()
    try:
        with house.transaction() as session:
            found = _found(session, args)
            known = patient_erase.known_of(session, found)
            report = patient_erase.erase(session, found, who, now, do_not_call=args.do_not_call)
            if args.dry_run:
                session.rollback()
            else:
                reason = redact.masked(args.reason, found.patient.language, known)
                _write_down(session, found, "erased", reason, house)
    except patient_held.PatientProblem as problem:
        raise FileProblem(str(problem)) from None
    if not args.dry_run:
        files = house.service(FileStore)
        for recording_id in sorted(found.ids["recordings"]):
            with house.transaction() as session:
                retention.purge(session, files, recording_id, house.clock.now())
    rows_out([asdict(line) for line in report], as_json=args.json)
    if not args.json:
        print("nothing was changed (dry run)" if args.dry_run else "done; what stays now may go later: erase again")
    return 0


def readmit(args: argparse.Namespace, joined: Joined) -> int:
    """Nothing comes back by itself: the next file's row is taken in, and the consents that were withdrawn stay so."""
    _say_why(args)
    house, mrn = house_of(joined), args.mrn.strip()
    now, who = house.clock.now(), login()
    with house.transaction() as session:
        row = erased.let_back(session, blind(mrn, MRN), who, now)
        if row is None:
            raise FileProblem("No patient by this record number was erased. / 没有以此病历号删除的患者。")
        known = redact.Known(ids=frozenset({mrn}))
        reason = redact.masked(args.reason, house.settings.hospital.languages[0], known)
        _keep_reason(session, row.id, "let back after an erasure", reason, now)
    rows_out([{"erased": row.at.isoformat(), "let back": now.isoformat()}], as_json=args.json)
    return 0


def _found(session: Session, args: argparse.Namespace) -> patient_held.Found:
    _say_why(args)
    patient = ask.patient(session, args.mrn)
    session.refresh(patient, with_for_update=True)  # an import that is at this patient ends first, or waits
    return patient_held.find(session, patient)


def _say_why(args: argparse.Namespace) -> None:
    if not args.reason.strip():
        raise FileProblem("--reason: say who asked for it, and when.")


def _write_down(session: Session, found: patient_held.Found, what: str, reason: str, house: House) -> None:
    """The ledger has who and when; the reason, in a person's words, is kept encrypted as a work item that is done."""
    now = house.clock.now()
    if what != "erased":
        record(session, "patient", found.patient.id, what, now, who=login())
    _keep_reason(session, found.patient.id, what, reason, now)


def _keep_reason(session: Session, subject_id: uuid.UUID, what: str, reason: str, now: datetime) -> None:
    session.add(
        WorkItem(
            id=new_id(), kind="other", patient_id=None, subject_id=subject_id, why=what, status="done",
            due_at=now, created_at=now, closed_at=now, closed_by=login(), note=reason.strip(),
        )
    )  # fmt: skip
