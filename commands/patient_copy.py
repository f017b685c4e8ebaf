"""A copy of all that is held about one patient, for the patient (PIPL 45; docs/clinical.md section 3).

A ZIP: `index.html` in both languages, `data/<table>.json`, and the recordings as WAV. Of a recording with two channels
the patient gets their own, as it came, keys audible: the other holds the voices of staff and doctors, who are persons
too (PIPL 45 gives everybody a copy of their own information, and nobody a copy of another's voice); what they said is
in the transcript with their names masked. A recording with one channel is given whole, for nobody can take it apart.
Telephone numbers of others (a doctor's, an agent's) are left out.
"""

from __future__ import annotations

import html
import io
import json
import os
import struct
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands.patient_held import Found, Held, PatientProblem, rows, table_of
from core.house import House
from dialer.models import Call
from recordings.models import Recording
from recordings.privacy import redact
from recordings.sound import audio
from recordings.sound.conversation import LINE, PATIENT, speakers
from recordings.vault.files import FileProblem, FileStore
from recordings.vault.sounding import NoSound, Sounding

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    # table: what it is, in both languages
    "patients": ("个人资料", "Your record"),
    "contacts": ("登记的电话", "Numbers on file"),
    "consents": ("同意与撤回", "What you agreed to or withdrew"),
    "procedures": ("手术", "Operations"),
    "appointments": ("预约就诊", "Visits"),
    "booked_slots": ("预约的号源", "Booked times"),
    "reminders": ("提醒", "Reminders"),
    "followups": ("回访计划", "Follow-ups"),
    "work_items": ("护士的工作", "Work for nurses"),
    "attempts": ("我们拨出的电话", "Rings of ours"),
    "calls": ("通话", "Calls"),
    "visit_drafts": ("未完成的预约", "Bookings not finished"),
    "escalations": ("医生联系", "Contacts with a doctor"),
    "offers": ("向医生转达", "Told to doctors"),
    "answers": ("您的回答", "Your answers"),
    "messages": ("发给您的短信", "Messages to you"),
    "inbound_messages": ("您发来的短信", "Messages from you"),
    "queue_entries": ("排队等候", "Waiting in line"),
    "queue_offers": ("转接客服", "Put through to agents"),
    "tickets": ("工单", "Tickets"),
    "ticket_watchers": ("工单关注人", "Who followed a ticket"),
    "ticket_clocks": ("工单时限", "A ticket's clocks"),
    "ticket_alarms": ("工单提醒", "A ticket's alarms"),
    "surveys": ("满意度回访", "Satisfaction calls"),
    "recordings": ("录音", "Recordings"),
    "transcripts": ("转写", "Transcripts"),
    "segments": ("转写文字", "Words of the transcripts"),
    "findings": ("质检提示", "Hits of the phrase list"),
    "sound_measures": ("声音测量", "Measures of the sound"),
    "machine_flags": ("机器听到的警示", "Words of warning a machine heard"),
    "chats": ("文字咨询", "Chats"),
    "chat_findings": ("文字咨询的质检提示", "Hits of the phrase list in chats"),
    "vetoes": ("认定属实的投诉", "complaints found right"),
    "qa_notes": ("质检备注", "Notes of quality review"),
    "recording_holds": ("录音封存", "Legal holds"),
    "recording_pauses": ("录音暂停", "Pauses of a recording"),
    "plays": ("谁听过录音", "Who listened"),
    "do_not_call": ("不再致电", "Numbers left alone"),
    "refusals": ("未拨打的原因", "Why you were not rung"),
    "views": ("谁查看过", "Who looked at your data"),
    "events": ("处理记录", "The ledger"),
}


def write(house: House, session: Session, found: Found, out: Path, now: datetime) -> dict[str, int]:
    """The ZIP at `out`, readable by its owner only, whole or not at all; an existing file is left alone. Returns how
    many rows of each table, and how many recordings, are in it. Raises PatientProblem."""
    try:
        handle = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise PatientProblem(f"{out} is there already: nothing is written over.") from None
    except OSError as error:
        raise PatientProblem(f"{out} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
            return _fill(house, session, found, pack, now)
    except BaseException:
        out.unlink()
        raise


def _fill(house: House, session: Session, found: Found, pack: zipfile.ZipFile, now: datetime) -> dict[str, int]:
    counts: dict[str, int] = {}
    told: list[tuple[Held, list[dict[str, Any]]]] = []
    own = found.ids["number"] | _all_numbers(session, found)
    for held, some in rows(session, found):
        told.append((held, [_row(held, row, own) for row in some]))
    _mask_the_line(session, found, told)
    for held, plain in told:
        counts[held.table] = len(plain)
        if plain:
            pack.writestr(f"data/{held.table}.json", json.dumps(plain, ensure_ascii=False, indent=1))
    sounds = _sounds(house, session, found, pack)
    counts["recordings as WAV"] = sum(why == "" for _, why in sounds)
    pack.writestr("index.html", _index(told, sounds, now))
    return counts


def _all_numbers(session: Session, found: Found) -> set[bytes]:
    """Relatives' numbers too: they are in the patient's own record."""
    contacts = next(some for held, some in rows(session, found) if held.table == "contacts")
    return {bytes(row["phone_index"]) for row in contacts}


def _row(held: Held, row: sa.RowMapping, own: set[bytes]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for column, value in row.items():
        if column in held.hidden or isinstance(table_of(held.table).c[column].type, sa.LargeBinary):
            continue
        index = row.get(f"{column}_index")
        if index is not None and column not in ("mrn",) and bytes(index) not in own:
            value = "…"
        plain[column] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)


def _mask_the_line(session: Session, found: Found, told: Sequence[tuple[Held, list[dict[str, Any]]]]) -> None:
    """What staff said, with their names masked; single words with their times are left out of those lines. A call's
    lines are masked together: a number is said over two of them."""
    tables = {held.table: some for held, some in told}
    call_of = {row["id"]: row["call_id"] for row in tables["recordings"]}
    recording_of = {row["id"]: row["recording_id"] for row in tables["transcripts"]}
    language_of = {row["id"]: row["language"] for row in tables["transcripts"]}
    known = redact.known_of_calls(session, {uuid.UUID(one) for one in call_of.values() if one})
    theirs = sorted(
        (row for row in tables["segments"] if row["speaker"] != PATIENT),
        key=lambda row: (row["transcript_id"], row["position"]),
    )
    for transcript_id, some in groupby(theirs, key=lambda row: str(row["transcript_id"])):
        lines = list(some)
        call_id = call_of[recording_of[transcript_id]]
        whom = known[uuid.UUID(call_id) if call_id else None]
        said = [(row["speaker"], row["text"]) for row in lines]
        for row, text in zip(lines, redact.masked_lines(said, language_of[transcript_id], whom), strict=True):
            row["text"], row["words"] = text, None


# ---- sound -----------------------------------------------------------------------------------------------


def _sounds(house: House, session: Session, found: Found, pack: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Each recording's name in the pack, and why it is not in it (empty: it is)."""
    told: list[tuple[str, str]] = []
    for recording_id in sorted(found.ids["recordings"]):
        row = session.get_one(Recording, recording_id)
        name = f"recordings/{recording_id}.wav"
        if row.sha256 is None or row.state in ("purged", "absent", "announced"):
            told.append((name, row.state))
            continue
        call = session.get(Call, row.call_id) if row.call_id else None
        try:
            sound = _own_channel(house, row, call.kind if call else None)
        except (FileProblem, NoSound) as problem:
            told.append((name, str(problem)))
            continue
        pack.writestr(name, sound)
        told.append((name, ""))
    return told


def _own_channel(house: House, row: Recording, call_kind: str | None) -> bytes:
    with house.service(FileStore).open(row.id) as reader:
        whole = Sounding(reader, None)
        data = whole.read(0, whole.size)
    rate, channels = audio.channels(data)
    who = speakers(row.purpose, call_kind, len(channels))
    mine = [channel for channel, speaker in zip(channels, who, strict=True) if speaker != LINE]
    cut = np.stack(mine, axis=1)
    body = np.clip(np.rint(cut * 32768), -32768, 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, len(mine), rate, rate * len(mine) * 2, len(mine) * 2, 16)
    out = io.BytesIO()
    out.write(struct.pack("<4sI4s4sI", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", len(form)))
    out.write(form + struct.pack("<4sI", b"data", len(body)) + body)
    return out.getvalue()


# ---- the index -------------------------------------------------------------------------------------------


def _index(
    told: Sequence[tuple[Held, list[dict[str, Any]]]], sounds: Sequence[tuple[str, str]], now: datetime
) -> str:
    parts = [
        "<!doctype html><html lang=zh-CN><meta charset=utf-8>",
        "<title>个人信息副本 / Copy of personal information</title>",
        "<style>body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto}"
        "table{border-collapse:collapse;font-size:13px}"
        "td,th{border:1px solid #bbb;padding:.2em .4em;text-align:left;vertical-align:top}</style>",
        f"<h1>个人信息副本<br>Copy of your personal information</h1><p>{now.isoformat()}</p>",
        "<p>依据《个人信息保护法》第四十五条提供。录音只含您自己的声道；工作人员的姓名和他人的号码已隐去。<br>",
        "Given under article 45 of the Personal Information Protection Law. Recordings hold your own side of the call;",
        "names of staff and numbers of others are left out.</p>",
    ]
    for held, plain in told:
        if not plain:
            continue
        chinese, english = TITLES[held.table]
        parts.append(f"<h2>{chinese} / {english} ({len(plain)})</h2>{_table(plain)}")
    if sounds:
        parts.append("<h2>录音文件 / Sound files</h2><ul>")
        for name, why in sounds:
            shown = html.escape(name)
            missing = f"{shown}: 不在副本中 / not in it ({html.escape(why)})"
            line = missing if why else f"<a href='{shown}'>{shown}</a>"
            parts.append(f"<li>{line}</li>")
        parts.append("</ul>")
    return "\n".join([*parts, "</html>\n"])


def _table(plain: Sequence[Mapping[str, Any]]) -> str:
    heads = [name for name in plain[0] if any(row[name] not in (None, "", [], {}) for row in plain)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_cell(row[name])}</td>" for name in heads) + "</tr>" for row in plain)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value))
