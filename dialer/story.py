"""One escalation as a manager reads it: what happened, in words, in seconds from the key.

Told from the rows themselves (rings, offers, ledger); a word of the ledger nobody has put into a sentence is shown as
it stands, so that nothing is hidden.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow
from dialer.models import Attempt, Cover, Escalation, Offer, Shift

TOLD_ELSEWHERE = frozenset(
    {"opened", "ring", "coded", "outcome", "offered", "night target called in", "night target rung", "closed by hand"}
    | {"acknowledged"}
)
DECISIONS = ("accepted", "declined", "hung_up", "no_key", "no_pin", "taken")
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "key_score": "key pressed: pain {score}",
        "key_flag": "key pressed: warning sign",
        "flag": "warning sign: {flag}",
        "key_machine": "a machine heard words of warning in a recording, not confirmed (said {ago} min before)",
        "flag_machine": "heard by a machine, not confirmed: {flag}",
        "stored": "stored, the alarm is raised",
        "doctor": "doctor {number}",
        "doctor_tier": "doctor {number} (tier {tier})",
        "head": "the head of department",
        "president": "the president",
        "night": "the night target",
        "patient": "the patient",
        "rung": "{who} is rung",
        "no_answer": "{who}: no answer ({seconds} s)",
        "busy": "{who}: the line is busy",
        "failed_now": "{who}: the carrier could not put it through",
        "failed_for_good": "{who}: the number does not work",
        "not_placed": "{who}: the carrier never had this ring",
        "cancelled": "{who}: the ring is taken back",
        "answered": "{who}: the phone is picked up",
        "accepted": "{who} accepts",
        "declined": "{who} passes on",
        "no_key": "{who}: picked up, and no key pressed",
        "hung_up": "{who} hung up without a key",
        "no_pin": "{who}: the PIN was wrong",
        "taken": "{who} comes too late: somebody else has accepted",
        "bridged": "doctor and patient are joined",
        "talked": "the talk is over: {talk}",
        "too_short": "the talk was too short ({seconds} s), the chain goes on",
        "lost_doctor": "the doctor's call ended before the patient was there, the chain goes on",
        "later": "the doctor will try again later",
        "the caller waits on the line": "the patient stays on the line",
        "the caller left the line": "the patient is no longer on the line ({why})",
        "driven by the watchdog": "overdue: the watchdog drives it on",
        "exhausted": "everybody in {why} was tried and nobody took it",
        "promise broken": "the promise of {promise} s is broken",
        "step skipped": "a step is skipped: {why}",
        "another alarm joined": "another alarm of the same patient",
        "night_called": "the night target is called in",
        "acknowledged": "the night target has acknowledged",
        "closed": "closed",
        "closed_coded": "closed by {by}: {outcome}",
        "by_doctor": "the doctor",
        "by_staff": "staff",
    },
    "zh-CN": {
        "key_score": "患者按键：疼痛{score}分",
        "key_flag": "患者按键：危险信号",
        "flag": "危险信号：{flag}",
        "key_machine": "机器从录音中听到警示词，未经核实（{ago}分钟前所说）",
        "flag_machine": "机器听到，未经核实：{flag}",
        "stored": "已记录，警报发出",
        "doctor": "医生{number}",
        "doctor_tier": "医生{number}（{tier}线）",
        "head": "科主任",
        "president": "院长",
        "night": "夜间值守",
        "patient": "患者",
        "rung": "呼叫{who}",
        "no_answer": "{who}未接（{seconds}秒）",
        "busy": "{who}占线",
        "failed_now": "{who}：运营商未能接通",
        "failed_for_good": "{who}：号码不可用",
        "not_placed": "{who}：运营商未受理这次呼叫",
        "cancelled": "{who}：呼叫已撤回",
        "answered": "{who}接起电话",
        "accepted": "{who}接诊",
        "declined": "{who}转给下一位",
        "no_key": "{who}接起电话但没有按键",
        "hung_up": "{who}未按键即挂断",
        "no_pin": "{who}密码错误",
        "taken": "{who}来晚一步：已有医生接诊",
        "bridged": "医患接通",
        "talked": "通话结束：{talk}",
        "too_short": "通话太短（{seconds}秒），继续呼叫",
        "lost_doctor": "患者接通前医生已挂断，继续呼叫",
        "later": "医生稍后再联系",
        "the caller waits on the line": "患者在线等候",
        "the caller left the line": "患者不再在线等候（{why}）",
        "driven by the watchdog": "超时未动，由看护程序推进",
        "exhausted": "{why}全部呼叫完毕，无人接诊",
        "promise broken": "超过承诺的{promise}秒",
        "step skipped": "跳过一步：{why}",
        "another alarm joined": "同一患者再次报警",
        "night_called": "通知夜间值守",
        "acknowledged": "夜间值守已确认",
        "closed": "已关闭",
        "closed_coded": "由{by}关闭：{outcome}",
        "by_doctor": "医生",
        "by_staff": "工作人员",
    },
}


@dataclass(frozen=True)
class Line:
    after_s: float
    words: str


Happening = tuple[datetime, str]


def story(
    session: Session,
    escalation: Escalation,
    language: str,
    *,
    names: bool = False,
    flag: Callable[[str], str] = str,
) -> list[Line]:
    """Everything that happened, in order. Doctors by their position and tier; `names`: by name besides. `flag` puts the
    key of a warning sign into words."""
    teller = _Teller(session, escalation, WORDS[language], names, flag)
    told = sorted(teller.everything(), key=lambda happening: happening[0])
    return [Line(round((at - escalation.keyed_at).total_seconds(), 1), words) for at, words in told]


@dataclass
class _Teller:
    session: Session
    escalation: Escalation
    say: dict[str, str]
    names: bool
    flag: Callable[[str], str]
    _who: dict[object, str] = field(default_factory=dict)
    """What each person is called, by shift; in the order of their first ring."""

    def everything(self) -> Iterator[Happening]:
        rings, offers, ledger = self._rings(), self._offers(), self._ledger()
        who = {ring.id: self._called(ring) for ring in rings}
        offered = {str(offer.attempt_id) for offer in offers if offer.decision is not None}
        decided = offered | {_ring_of(row) for row in ledger if row.what in DECISIONS}
        yield from self._clocks()
        for ring in rings:
            yield from self._ring(ring, who[ring.id], str(ring.id) in decided)
        for offer in offers:
            if offer.decision is not None and offer.decided_at is not None:
                yield offer.decided_at, self._words(offer.decision, who=who[offer.attempt_id])
        by_ring = {str(ring): name for ring, name in who.items()}
        for row in ledger:
            if row.what not in TOLD_ELSEWHERE and not (row.what in DECISIONS and _ring_of(row) in offered):
                yield row.at, self._entry(row, by_ring)
        yield from self._closed()

    # ---- the rows ---------------------------------------------------------------------------------
    def _rings(self) -> list[Any]:
        offered = sa.select(Offer.attempt_id).where(Offer.escalation_id == self.escalation.id)
        of_this = (Attempt.subject_id == self.escalation.id) | Attempt.id.in_(offered)
        columns = (
            *(Attempt.id, Attempt.kind, Attempt.shift_id, Attempt.outcome, Attempt.brief, Attempt.subject_id),
            *(Attempt.created_at, Attempt.posted_at, Attempt.ringing_at, Attempt.answered_at, Attempt.ended_at),
        )
        return list(self.session.execute(sa.select(*columns).where(of_this).order_by(Attempt.created_at, Attempt.id)))

    def _offers(self) -> list[Offer]:
        mine = sa.select(Offer).where(Offer.escalation_id == self.escalation.id).order_by(Offer.id)
        return list(self.session.scalars(mine))

    def _ledger(self) -> list[EventRow]:
        mine = EventRow.kind == "escalation", EventRow.subject_id == self.escalation.id
        return list(self.session.scalars(sa.select(EventRow).where(*mine).order_by(EventRow.id)))

    # ---- who --------------------------------------------------------------------------------------
    def _called(self, ring: Any) -> str:
        if ring.kind != "doctor":
            return self.say.get(str(ring.kind), str(ring.kind))
        if ring.shift_id not in self._who:
            self._who[ring.shift_id] = self._doctor(ring, len(self._who) + 1)
        return self._who[ring.shift_id]

    def _doctor(self, ring: Any, number: int) -> str:
        tier = self.session.scalar(sa.select(Shift.tier).where(Shift.id == ring.shift_id)) or ""
        if tier in ("head", "president"):
            called = self.say[tier]
        else:
            called = self._words("doctor" if tier in ("", "1") else "doctor_tier", number=number, tier=tier)
        return f"{called} ({self._name(ring)})" if self.names else called

    def _name(self, ring: Any) -> str:
        cover_id = ring.brief.get("cover")
        if cover_id:
            return self.session.get_one(Cover, uuid.UUID(str(cover_id))).by_doctor
        shift = self.session.get(Shift, ring.shift_id) if ring.shift_id else None
        return shift.doctor if shift is not None else "?"

    # ---- what happened ----------------------------------------------------------------------------
    def _clocks(self) -> Iterator[Happening]:
        row = self.escalation
        began = "key_machine" if row.made_by == "machine" else "key_flag" if row.score is None else "key_score"
        ago = round((row.keyed_at - (row.said_at or row.keyed_at)).total_seconds() / 60)
        yield row.keyed_at, self._words(began, score=row.score, ago=ago)
        for flag in row.flags:
            yield row.keyed_at, self._words("flag_machine" if flag in row.heard else "flag", flag=self.flag(flag))
        yield row.stored_at, self.say["stored"]
        if row.night_at is not None:
            yield row.night_at, self.say["night_called"]
        if row.acknowledged_at is not None:
            yield row.acknowledged_at, self.say["acknowledged"]

    def _closed(self) -> Iterator[Happening]:
        row = self.escalation
        if row.closed_at is None:
            return
        by = self.say.get(f"by_{row.outcome_by}", row.outcome_by)
        words = self._words("closed_coded", by=by, outcome=row.outcome) if row.outcome else self.say["closed"]
        yield row.closed_at, words

    def _ring(self, ring: Any, who: str, decided: bool) -> Iterator[Happening]:
        began = ring.ringing_at or ring.posted_at
        if began is None and ring.outcome == "cancelled":
            return  # taken back before the carrier heard of it: no telephone rang
        if began is not None and ring.subject_id == self.escalation.id:
            yield began, self._words("rung", who=who)
        if ring.answered_at is not None:
            if ring.kind != "doctor":
                yield ring.answered_at, self._words("answered", who=who)
            elif not decided and ring.ended_at is not None:
                yield ring.ended_at, self._words("no_key", who=who)
        elif ring.ended_at is not None and ring.outcome in self.say and ring.subject_id == self.escalation.id:
            seconds = round((ring.ended_at - (began or ring.created_at)).total_seconds())
            yield ring.ended_at, self._words(ring.outcome, who=who, seconds=seconds)

    def _entry(self, row: EventRow, who: dict[str, str]) -> str:
        seconds = int(row.data.get("seconds") or 0)
        return self._words(
            row.what,
            who=who.get(_ring_of(row), ""),
            why=row.why,
            seconds=seconds,
            talk=f"{seconds // 60}:{seconds % 60:02}",
            promise=round((self.escalation.promise_at - self.escalation.keyed_at).total_seconds()),
        )

    def _words(self, key: str, **values: object) -> str:
        if key not in self.say:
            return f"{key}: {values['why']}" if values.get("why") else key
        return self.say[key].format_map(values)


def _ring_of(row: EventRow) -> str:
    return str(row.data.get("attempt", ""))
