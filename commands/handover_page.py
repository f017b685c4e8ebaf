"""A hand-over as sections of rows (core.page), and those as text for a terminal. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from commands.handover_sheet import Alarm, Said, Sheet, WaveRow
from commands.handover_words import Speech
from commands.show import table
from core.page import Page, Row, Section
from scheduler.worklist import KINDS, Try

LONG = 60
LINE = 110
"""Characters of a cell, and of a line, on a terminal."""
_At = Callable[[datetime | None], str]


def page(sheet: Sheet, say: Speech) -> Page:
    """Sections without rows are left out, except the follow-ups."""

    def at(moment: datetime | None) -> str:
        return f"{moment.astimezone(sheet.zone):%m-%d %H:%M}" if moment is not None else ""

    sections = [
        Section(say["flags"], [_flag_row(said, say, at(said.at)) for said in sheet.flags], loud=True),
        Section(say["work"], list(_work(sheet, say)), loud=True),
        Section(say["waves"], [_wave_row(wave, say, at) for wave in sheet.waves] or [{say["wave"]: say["none"]}]),
        Section(say["alarms"], [_alarm_row(alarm, say, at(alarm.at)) for alarm in sheet.alarms]),
        Section(say["answers"], list(_answers(sheet, say))),
        Section(say["corrections"], [_correction_row(said, say, at(said.corrected_at)) for said in sheet.corrections]),
        Section(say["missed"], list(_missed(sheet.missed, say, at))),
    ]
    kept = [section for section in sections if section.rows]
    return Page(say["title"], [*_head(sheet, say), *_operations(sheet, say)], kept, say.language)


def _head(sheet: Sheet, say: Speech) -> Iterator[tuple[str, str]]:
    sex = {"zh-CN": {"f": "女", "m": "男"}}.get(say.language, {}).get(sheet.sex[:1].lower(), sheet.sex)
    yield "", f"{sheet.name}  {sex}".strip()
    yield say["mrn"], sheet.mrn
    if sheet.birth_date:
        yield say["born"], f"{sheet.birth_date} ({sheet.age} {say['years']})"
    if sheet.status != "active":
        yield say["status"], say.state(sheet.status)
    yield say["allergies"], sheet.allergies or "-"
    yield say["made"], f"{sheet.made_at.astimezone(sheet.zone):%Y-%m-%d %H:%M}"


def _operations(sheet: Sheet, say: Speech) -> Iterator[tuple[str, str]]:
    for one in sheet.operations:
        ended = f"{say['ended']} {one.ended_at.astimezone(sheet.zone):%Y-%m-%d %H:%M}"
        parts = [one.name or one.number, one.department, one.surgeon, ended, f"{say['hours']} {one.hours}"]
        if one.discharged_at is not None:
            parts.append(f"{say['discharged']} {one.discharged_at.astimezone(sheet.zone):%Y-%m-%d}")
        if one.cancelled:
            parts.append(say["cancelled"])
        yield say["operation"], " · ".join(part for part in parts if part)


def _by(said: Said, say: Speech) -> str:
    return say["proxy"] if said.proxy else say["self"]


def _flag_row(said: Said, say: Speech, at: str) -> Row:
    return {
        say["level"]: said.level,
        say["question"]: say.question(said.question),
        say["answer"]: say.value(said.question, said.value, spoken=said.spoken),
        say["wave"]: said.wave or say["hotline"],
        say["at"]: at,
        say["by"]: _by(said, say),
    }


def _work(sheet: Sheet, say: Speech) -> Iterator[Row]:
    for item in sheet.work:
        kind = KINDS.get(item.kind, KINDS["other"])
        yield {
            say["until"]: f"{item.due_at.astimezone(sheet.zone):%m-%d %H:%M}"
            + (f" {say['late']}" if item.late else ""),
            say["task"]: kind.words[say.language],
            say["wave"]: item.wave or "",
            say["why"]: say.why(item.why),
        }


def _wave_row(wave: WaveRow, say: Speech, at: _At) -> Row:
    state = say.state(wave.state) + (f" ({say['held']})" if wave.held else "")
    pain = wave.pain
    return {
        say["operation"]: wave.operation,
        say["wave"]: wave.wave,
        say["due"]: at(wave.due_at),
        say["state"]: state,
        say["tries"]: str(wave.tries),
        say["pain"]: say.value("pain", pain.value, spoken=False) if pain else "",
        say["at"]: at(pain.at) if pain else "",
        say["by"]: _by(pain, say) if pain else "",
        say["note"]: say.why(wave.reason) if wave.state != "completed" else "",
    }


def _alarm_row(alarm: Alarm, say: Speech, at: str) -> Row:
    causes = [f"{say['score']} {alarm.score}"] if alarm.score is not None else []
    return {
        say["at"]: at,
        say["cause"]: ", ".join([*causes, *(_sign(flag, alarm, say) for flag in alarm.flags)]),
        say["state"]: say.state(alarm.status),
        say["first_ring"]: _clock(alarm.first_ring_s),
        say["accepted"]: _clock(alarm.accepted_s),
        say["bridged"]: _clock(alarm.bridged_s),
        say["closed"]: _clock(alarm.closed_s),
        say["note"]: say["late"] if alarm.late else "",
    }


def _sign(flag: str, alarm: Alarm, say: Speech) -> str:
    return f"{say.question(flag)} ({say['by_machine']})" if flag in alarm.heard else say.question(flag)


def _clock(seconds: float | None) -> str:
    return "-" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _answers(sheet: Sheet, say: Speech) -> Iterator[Row]:
    """One row per call and question group: what a wave answered, in the order of asking."""
    groups: dict[tuple[str, str], list[Said]] = {}
    for said in sheet.answers:
        day = f"{said.at.astimezone(sheet.zone):%m-%d %H:%M}"
        key = next((k for k in groups if k[0] == said.wave and said.wave), (said.wave, day))
        groups.setdefault(key, []).append(said)
    for (wave, day), answers in groups.items():
        yield {
            say["wave"]: wave or say["hotline"],
            say["at"]: day,
            say["by"]: " / ".join(dict.fromkeys(_by(said, say) for said in answers)),
            say["answers"]: "; ".join(_told(said, say) for said in answers),
        }


def _told(said: Said, say: Speech) -> str:
    mark = (f" [{said.level}]" if said.level else "") + (" *" if said.corrected_by else "")
    return f"{say.question(said.question)}: {say.value(said.question, said.value, spoken=said.spoken)}{mark}"


def _correction_row(said: Said, say: Speech, at: str) -> Row:
    return {
        say["question"]: say.question(said.question),
        say["wave"]: said.wave or say["hotline"],
        say["was"]: say.value(said.question, said.was, spoken=said.spoken) if said.was is not None else "",
        say["now"]: say.value(said.question, said.value, spoken=said.spoken),
        say["who"]: said.corrected_by,
        say["at"]: at,
        say["why"]: said.reason,
    }


def _missed(waves: Sequence[WaveRow], say: Speech, at: _At) -> Iterator[Row]:
    for wave in waves:
        yield {
            say["wave"]: wave.wave,
            say["state"]: say.state(wave.state),
            say["tried"]: "; ".join(_try(one, say, at) for one in wave.history),
        }


def _try(one: Try, say: Speech, at: _At) -> str:
    which = say["not_rung"] if one.what == "refused" else f"{say['number']} {one.number or '?'}"
    times = f" x{one.times}" if one.times > 1 else ""
    return f"{at(one.at)} {which} {say.why(one.outcome)}{times}"


# ---- as text ------------------------------------------------------------------------------------
def text_lines(made: Page) -> list[str]:
    lines = [made.title, *(f"{label}: {value}" if label else value for label, value in made.head)]
    for section in made.sections:
        lines += ["", section.title + (" !" if section.loud else ""), *_rows_as_text(section.rows)]
    return lines


def _rows_as_text(rows: Sequence[Row]) -> list[str]:
    """A table; a long last cell, which would tear it apart, goes below its row."""
    last = list(rows[0])[-1]
    if all(len(row[last]) <= LONG for row in rows):
        return table(rows)
    lines = table([{head: cell for head, cell in row.items() if head != last} for row in rows])
    told = lines[:2]
    for line, row in zip(lines[2:], rows, strict=True):
        told += [line, *textwrap.wrap(row[last], LINE, initial_indent="    ", subsequent_indent="    ")]
    return told
