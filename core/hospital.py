"""What `hospital.toml` may say: one class per section, each value with its default and what is allowed.

The `description` of a field is the end of the sentence "… must be …" that `core.settings` prints when the
value is wrong. Nothing here reads a file or the environment.
"""

import itertools
import os
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from core.values import (
    EVERY_LANGUAGE,
    KNOWN_LANGUAGES,
    ClockTime,
    DayWindow,
    Language,
    MaybeWords,
    NightWindow,
    Number,
    QuestionName,
    Seconds,
    Wave,
    Waves,
    Words,
    Zone,
    as_tuple,
    every_language,
    numbers,
)

_TIER = re.compile(r"[1-9][0-9]?|head|president")


class Section(BaseModel):
    """A table of hospital.toml: unknown names are refused, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


OWN_WORDS = 'a text, one text per language: { "zh-CN" = "…", en = "…" }, or "" for none'


def _no_unknown_language(key: str, words: Mapping[str, str]) -> None:
    unknown = sorted(set(words) - {EVERY_LANGUAGE, *KNOWN_LANGUAGES})
    if unknown:
        raise ValueError(f"{key} has a text for {', '.join(unknown)}, which is not a known language")


def _in_language(words: Mapping[str, str], language: str) -> str:
    return words.get(language) or words.get(EVERY_LANGUAGE) or next(iter(words.values()))


class Hospital(Section):
    """Who we are and whom we may ring at all."""

    name: Words = Field(
        {"zh-CN": "示例医院", "en": "Example Hospital"},
        description='a text, or one text per language: { "zh-CN" = "…", en = "…" }',
        min_length=1,
    )
    alias: Words = Field(
        {"zh-CN": "健康服务中心", "en": "the health service centre"},
        description='a text, or one text per language: { "zh-CN" = "…", en = "…" }',
        min_length=1,
    )
    timezone: Zone = Field(ZoneInfo("Asia/Shanghai"), description='a time zone name such as "Asia/Shanghai"')
    languages: Annotated[tuple[Language, ...], BeforeValidator(as_tuple)] = Field(
        KNOWN_LANGUAGES,
        min_length=1,
        description='a list with "zh-CN" and "en" or one of them, first the one spoken first',
    )
    emergency: StrictStr = Field("120", pattern=r"^[0-9]{2,8}$", description="2 to 8 digits, as a text")
    operator: Number = Field("", description='a number such as "+861055550100", or "" for none')
    night_target: Number = Field("", description='a number such as "+861055550100", or "" for none')
    live: StrictBool = Field(False, description="true or false")
    allow_numbers: Annotated[tuple[StrictStr, ...], BeforeValidator(numbers)] = Field(
        (), description='a list of numbers such as ["+861055550100"]'
    )

    def spoken_name(self, language: str) -> str:
        """The hospital's name as said in `language`."""
        return _in_language(self.name, language)

    def spoken_alias(self, language: str) -> str:
        """What somebody who may not be the patient hears instead of the hospital's name."""
        return _in_language(self.alias, language)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.languages)) != len(self.languages):
            raise ValueError("languages names a language twice")
        for key, words in (("name", self.name), ("alias", self.alias)):
            _no_unknown_language(key, words)
            missing = [lang for lang in self.languages if EVERY_LANGUAGE not in words and lang not in words]
            if missing:
                raise ValueError(f"{key} has no text for {', '.join(missing)}, which is in languages")
        return self


class Calling(Section):
    """When and how fast patients are rung."""

    window: Annotated[tuple[DayWindow, ...], BeforeValidator(as_tuple)] = Field(
        ((time(8, 30), time(12, 0)), (time(14, 0), time(20, 30))),
        min_length=1,
        description='a list of spans of the day such as ["08:30-12:00", "14:00-20:30"]',
    )
    lines: StrictInt = Field(3, ge=1, le=1000, description="a whole number from 1 to 1000")
    lines_reserved: StrictInt = Field(2, ge=0, le=999, description="a whole number, less than lines")
    calls_per_second: float = Field(1.0, strict=True, gt=0, le=30, description="a number above 0 and not above 30")
    ring_s: StrictInt = Field(30, ge=5, le=120, description="a whole number of seconds from 5 to 120")
    rings_per_day: StrictInt = Field(2, ge=1, le=10, description="a whole number from 1 to 10")
    list_lag_s: StrictInt = Field(60, ge=0, le=3600, description="a whole number of seconds from 0 to 3600")
    holidays: StrictStr = Field("CN", pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$", description='a country such as "CN"')
    holiday_window: Annotated[tuple[DayWindow, ...], BeforeValidator(as_tuple)] = Field(
        ((time(9, 30), time(12, 0)), (time(14, 30), time(18, 0))),
        description='a list of spans of the day such as ["09:30-12:00"], or [] for no calls on holidays',
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lines_reserved >= self.lines:
            raise ValueError(
                f"lines_reserved is {self.lines_reserved} and lines is {self.lines}: "
                "lines must be greater, or no follow-up call could ever be placed"
            )
        for key, windows in (("window", self.window), ("holiday_window", self.holiday_window)):
            if any(first[1] > second[0] for first, second in itertools.pairwise(sorted(windows))):
                raise ValueError(f"two spans of {key} overlap")
        return self


class WavePolicy(Section):
    """What is asked at one wave and who answers for the score; None means as one level up."""

    threshold: StrictInt | None = Field(None, ge=1, le=10, description="a whole number from 1 to 10")
    responder: Literal["doctor", "nurse"] | None = Field(None, description='"doctor" or "nurse"')
    questions: Annotated[tuple[QuestionName, ...], BeforeValidator(as_tuple)] | None = Field(
        None, description='a list of questions of flows/questions.yaml such as ["fever", "wound"]'
    )


class ProcedureFollowup(WavePolicy):
    """What is different after one procedure; None means as in [followup]."""

    waves: Waves | None = Field(None, description='a list such as ["6h", "48h", "7d"]')
    wave: Mapping[str, WavePolicy] = Field(
        default_factory=dict, description='tables such as [followup.procedure."hernia repair".wave."7d"]'
    )
    recovery: StrictStr | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="the name of a recovery text in texts/, such as recovery_knee"
    )
    batch: ClockTime | None = Field(None, description='a time of the day such as "17:00"')


class Policy(NamedTuple):
    """The rules of one wave after one procedure, resolved."""

    threshold: int
    """From which pain score somebody answers for it."""
    responder: str
    """doctor | nurse: who answers for a score from `threshold` up to `doctor_from`."""
    doctor_from: int
    """From which pain score it is the doctor in any case; equal to `threshold` when the responder is the doctor."""
    questions: tuple[str, ...] | None
    """Keys of flows/questions.yaml besides pain, in order; None: what that file says for the wave."""


class Followup(Section):
    """When patients are rung after an operation, what they are asked, and from which score a doctor rings back."""

    waves: Waves = Field(
        tuple(Wave(name, timedelta(hours=hours)) for name, hours in
              (("6h", 6), ("48h", 48), ("7d", 168), ("30d", 720), ("90d", 2160))),
        description='a list such as ["6h", "48h", "7d", "30d", "90d"]',
    )  # fmt: skip
    threshold: StrictInt = Field(4, ge=1, le=10, description="a whole number from 1 to 10")
    responder: Literal["doctor", "nurse"] = Field("doctor", description='"doctor" or "nurse"')
    doctor_from: StrictInt = Field(7, ge=1, le=10, description="a whole number from 1 to 10")
    rise: StrictInt = Field(3, ge=0, le=10, description="a whole number from 0 (off) to 10")
    tries: StrictInt = Field(3, ge=1, le=10, description="a whole number from 1 to 10")
    machine_detection: StrictBool = Field(False, description="true or false")
    slow_age: StrictInt = Field(65, ge=0, le=130, description="a whole number of years from 0 to 130")
    guardian_age: StrictInt = Field(14, ge=0, le=21, description="a whole number of years from 0 to 21")
    wave: Mapping[str, WavePolicy] = Field(default_factory=dict, description='tables such as [followup.wave."30d"]')
    procedure: Mapping[str, ProcedureFollowup] = Field(
        default_factory=dict, description='tables such as [followup.procedure."hernia repair"]'
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        every = {wave.name for name in ("", *self.procedure) for wave in self.waves_for(name)}
        unknown = [f"wave.{name}" for name in self.wave if name not in every]
        for name, override in self.procedure.items():
            its = {wave.name for wave in self.waves_for(name)}
            unknown += [f"procedure.{name}.wave.{wave}" for wave in override.wave if wave not in its]
        if unknown:
            raise ValueError(f"{unknown[0]} is about a wave that no patient has")
        return self

    def waves_for(self, procedure: str) -> tuple[Wave, ...]:
        """The waves of one procedure, by its name as imported."""
        override = self.procedure.get(procedure)
        return self.waves if override is None or override.waves is None else override.waves

    def policy(self, procedure: str, wave: str) -> Policy:
        """The rules for `wave` after `procedure`: the most particular table that says something wins, in the order
        procedure and wave, procedure, wave, [followup]."""
        override = self.procedure.get(procedure)
        levels: list[WavePolicy] = []
        if override is not None:
            levels += [override.wave[wave]] if wave in override.wave else []
            levels.append(override)
        levels += [self.wave[wave]] if wave in self.wave else []
        threshold = next((level.threshold for level in levels if level.threshold is not None), self.threshold)
        responder = next((level.responder for level in levels if level.responder is not None), self.responder)
        questions = next((level.questions for level in levels if level.questions is not None), None)
        doctor_from = threshold if responder == "doctor" else max(threshold, self.doctor_from)
        return Policy(threshold, responder, doctor_from, questions)

    def batch_for(self, procedure: str) -> time | None:
        """From which time of the day the waves of this procedure are rung, all in one go (docs/clinical.md FUP10)."""
        override = self.procedure.get(procedure)
        return None if override is None else override.batch

    def recovery_for(self, procedure: str) -> str:
        """The text of the next day's recovery message after this procedure."""
        override = self.procedure.get(procedure)
        return "recovery" if override is None or override.recovery is None else override.recovery


class Sms(Section):
    """What we send by SMS, and when not."""

    quiet: NightWindow = Field((time(21, 0), time(8, 0)), description='a span such as "21:00-08:00"')
    signature: MaybeWords = Field({}, description='one text per language: { "zh-CN" = "…", en = "…" }')
    """How a message begins; a language without a text begins with the alias in brackets."""


class Reminders(Section):
    """Reminders of visits, and of medicine before holidays."""

    channel: Literal["call", "sms", "both"] = Field("sms", description='"call", "sms" or "both"')
    at: ClockTime = Field(time(16, 0), description='a time of the day such as "16:00"')
    medicine_days: StrictInt = Field(0, ge=0, le=14, description="a whole number of days from 0 (off) to 14")
    way: MaybeWords = Field({}, description='one text per language: { "zh-CN" = "…", en = "…" }')
    """How to come by and find the place: a sentence in every reminder of a visit; empty for none."""


Tiers = Annotated[tuple[StrictStr, ...], BeforeValidator(as_tuple)]


class Chain(Section):
    """What one department does differently when it brings a doctor to the phone."""

    chain: Tiers | None = Field(None, min_length=1, description='a list of tiers such as ["1", "2", "head"]')
    ring_s: StrictInt | None = Field(None, ge=5, le=120, description="a whole number of seconds from 5 to 120")
    again_s: StrictInt | None = Field(None, ge=20, le=600, description="a whole number of seconds from 20 to 600")
    tries: StrictInt | None = Field(None, ge=1, le=5, description="a whole number from 1 to 5")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.chain is not None:
            _check_tiers(self.chain)
        return self


def _check_tiers(chain: tuple[str, ...]) -> None:
    wrong = [tier for tier in chain if not _TIER.fullmatch(tier)]
    if wrong:
        raise ValueError(f'chain names {wrong[0]!r}: a tier is "1", "2" …, "head" or "president"')
    if len(set(chain)) != len(chain):
        raise ValueError("chain names a tier twice")


class Escalation(Section):
    """The doctor's call-back: the promise and the chain that keeps it."""

    promise_s: StrictInt = Field(300, ge=30, le=3600, description="a whole number of seconds from 30 to 3600")
    ring_s: StrictInt = Field(25, ge=5, le=120, description="a whole number of seconds from 5 to 120")
    talk_s: StrictInt = Field(15, ge=1, le=600, description="a whole number of seconds from 1 to 600")
    chain: Tiers = Field(
        ("1", "2", "head", "president"),
        min_length=1,
        description='a list of tiers such as ["1", "2", "head", "president"]',
    )
    again_s: StrictInt = Field(60, ge=20, le=600, description="a whole number of seconds from 20 to 600")
    tries: StrictInt = Field(2, ge=1, le=5, description="a whole number from 1 to 5")
    later_s: StrictInt = Field(120, ge=30, le=1800, description="a whole number of seconds from 30 to 1800")
    sms: StrictBool = Field(True, description="true or false")
    recheck_h: StrictInt = Field(4, ge=1, le=72, description="a whole number of hours from 1 to 72")
    roster_alarm: ClockTime = Field(time(18, 0), description='a time of the day such as "18:00"')
    downtime_dir: StrictStr = Field("", description='a folder, or "" for one beside the data')
    department: dict[str, Chain] = Field({}, description="one table per department")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.talk_s >= self.promise_s:
            raise ValueError(f"talk_s is {self.talk_s}: it must be less than promise_s ({self.promise_s})")
        _check_tiers(self.chain)
        return self

    def of_department(self, department: str) -> Self:
        """The same with what this department does differently."""
        own = self.department.get(department)
        return self if own is None else self.model_copy(update=own.model_dump(exclude_none=True))


class Theme(Section):
    """A seasonal offer on key 3 of the hotline, from its first to its last day, both included."""

    first_day: date = Field(alias="from", strict=True, description="a date without quotes such as 2027-04-01")
    last_day: date = Field(alias="until", strict=True, description="a date without quotes such as 2027-04-30")
    say: Words = Field(min_length=1, description='one text per language: { "zh-CN" = "…", en = "…" }')
    target: Number = Field("", description='a number such as "+861055550100", or "" for the desk')

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("until is before from")
        return self

    def spoken(self, language: str) -> str:
        """The offer's words in `language`."""
        return _in_language(self.say, language)


class Department(Section):
    """One department a caller can choose."""

    name: StrictStr = Field(min_length=1, description="the department as the roster and the files spell it")
    say: Words = Field(min_length=1, description='one text per language: { "zh-CN" = "…", en = "…" }')
    target: Number = Field("", description='a number such as "+861055550100", or "" for the desk')

    def spoken(self, language: str) -> str:
        return _in_language(self.say, language)


OWN_WORDS_ON_THE_LINE = ("holiday_words", "opening_hours", "insurance", "parking", "way", "emergency_room")
"""What callers of the hotline are told in the hospital's own words, if it gives any; the first on holidays only."""


class Hotline(Section):
    """The line patients ring."""

    flow: StrictStr = Field("hotline", pattern=r"^[a-z][a-z0-9_-]*$", description="the name of a flow")
    night: NightWindow = Field((time(21, 0), time(8, 0)), description='a span such as "21:00-08:00"')
    answer_s: Annotated[tuple[Seconds, ...], BeforeValidator(as_tuple)] = Field(
        (3, 10, 15), min_length=1, description="a rising list of whole seconds such as [3, 10, 15]"
    )
    departments: Annotated[tuple[Department, ...], BeforeValidator(as_tuple)] = Field(
        (), max_length=7, description="[[hotline.departments]] tables, up to seven"
    )
    postop_days: StrictInt = Field(90, ge=1, le=365, description="a whole number of days from 1 to 365")
    """So long after an operation a patient on file hears the pain menu first."""
    holiday_words: MaybeWords = Field({}, description=OWN_WORDS)
    """Said before the menu on public holidays (docs/clinical.md SFT8)."""
    opening_hours: MaybeWords = Field({}, description=OWN_WORDS)
    insurance: MaybeWords = Field({}, description=OWN_WORDS)
    parking: MaybeWords = Field({}, description=OWN_WORDS)
    way: MaybeWords = Field({}, description=OWN_WORDS)
    emergency_room: MaybeWords = Field({}, description=OWN_WORDS)
    theme: Annotated[tuple[Theme, ...], BeforeValidator(as_tuple)] = Field((), description="[[hotline.theme]] tables")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.answer_s) != sorted(set(self.answer_s)):
            raise ValueError(f"answer_s is {list(self.answer_s)}: the seconds must rise")
        names = [department.name for department in self.departments]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"departments names {twice!r} twice")
        for key in OWN_WORDS_ON_THE_LINE:
            _no_unknown_language(key, getattr(self, key))
        return self

    def own_words(self, key: str, language: str) -> str:
        """One of OWN_WORDS_ON_THE_LINE in `language`; empty when the hospital has not said it in that language."""
        words: Mapping[str, str] = getattr(self, key)
        return words.get(language) or words.get(EVERY_LANGUAGE) or ""

    def department(self, name: str) -> Department | None:
        return next((department for department in self.departments if department.name == name), None)

    def spoken_department(self, name: str, language: str) -> str:
        """As callers hear it, else as the roster and the files spell it; the names [tickets] has by itself have words
        of ours."""
        known = self.department(name)
        return known.spoken(language) if known is not None else OFFICES.get(name, {}).get(language, name)

    def theme_on(self, day: date) -> Theme | None:
        """The offer that runs on `day` (the hospital's date), the first listed if several do."""
        return next((theme for theme in self.theme if theme.first_day <= day <= theme.last_day), None)


OFFICES: Mapping[str, Mapping[str, str]] = {
    "medical affairs": {"zh-CN": "医务处"},
    "service centre": {"zh-CN": "服务中心"},
    "outpatient office": {"zh-CN": "门诊办公室"},
    "insurance office": {"zh-CN": "医保办公室"},
}
"""What callers and staff hear and read for the names below that a hospital has left as they are."""


class Tickets(Section):
    """Work orders: which set of clocks applies, and who is told when one runs out."""

    preset: Literal["A", "B"] = Field("A", description='"A" or "B"')
    medical_affairs: StrictStr = Field("medical affairs", min_length=1, description="a department of the roster")
    """Who gets complaints about treatment, at once (docs/clinical.md CMP5)."""
    service: StrictStr = Field("service centre", min_length=1, description="a department of the roster")
    """Who gets what no department answers for."""
    owners: Mapping[str, StrictStr] = Field(
        {"registration": "outpatient office", "billing": "insurance office"},
        description="departments by service link: registration, treatment, admission, billing, other",
    )
    """docs/clinical.md WO9."""
    compensation: Annotated[tuple[StrictStr, ...], BeforeValidator(as_tuple)] = Field(
        ("parking", "priority"), description='a list of words such as ["parking", "priority"]'
    )
    """What may be offered after a complaint that is not medical (docs/clinical.md CMP4)."""
    alarm: DayWindow = Field((time(8, 0), time(21, 0)), description='a span of the day such as "08:00-21:00"')
    """When a head of department is rung about an overdue ticket that is not red."""
    low: StrictInt = Field(2, ge=1, le=4, description="a whole number from 1 to 4")
    """A satisfaction score up to this reopens the ticket."""
    looks: StrictInt = Field(10, ge=1, le=1000, description="a whole number from 1 to 1000")
    """Ticket numbers one telephone may ask for within 24 hours: more than a family needs, too few to try them all."""


class Desk(Section):
    """The people who answer, and the line in front of them."""

    ring_s: StrictInt = Field(20, ge=5, le=120, description="a whole number of seconds from 5 to 120")
    wrap_up_s: StrictInt = Field(20, ge=0, le=600, description="a whole number of seconds from 0 to 600")
    longest_wait_s: StrictInt = Field(180, ge=15, le=3600, description="a whole number of seconds from 15 to 3600")
    callback_tries: StrictInt = Field(2, ge=1, le=5, description="a whole number from 1 to 5")
    talk_s: StrictInt = Field(200, ge=10, le=3600, description="a whole number of seconds from 10 to 3600")
    """The average talk aimed at (docs/clinical.md TEL8)."""
    seats: StrictInt = Field(0, ge=0, le=200, description="a whole number from 0 to 200")
    """Agents who should be signed in by day; on holidays half as many again (docs/clinical.md SFT4)."""
    night_seats: StrictInt = Field(0, ge=0, le=200, description="a whole number from 0 to 200")
    repeat_days: StrictInt = Field(7, ge=1, le=90, description="a whole number of days from 1 to 90")
    """Who rings again for the same reason within these days was not helped the first time."""


class Qa(Section):
    """The day's sample of calls for the listening room."""

    draw: StrictInt = Field(50, ge=0, le=10000, description="a whole number from 0 to 10000")
    chats: StrictInt = Field(100, ge=0, le=10000, description="a whole number from 0 to 10000")
    random_share: float = Field(0.6, strict=True, ge=0, le=1, description="a number from 0 to 1")
    draw_at: ClockTime = Field(time(0, 30), description='a time of day such as "00:30"')
    """When the day that is over is drawn."""
    new_agent_days: StrictInt = Field(30, ge=0, le=365, description="a whole number of days from 0 to 365")
    """How long after their first talk an agent's calls are listened to more."""
    pass_mark: StrictInt = Field(90, alias="pass", ge=0, le=100, description="a whole number from 0 to 100")
    second_share: float = Field(0.1, strict=True, ge=0, le=1, description="a number from 0 to 1")
    dispute_days: StrictInt = Field(3, ge=1, le=60, description="a whole number of days from 1 to 60")
    coaching_days: StrictInt = Field(3, ge=1, le=60, description="a whole number of days from 1 to 60")
    money: StrictInt = Field(0, ge=0, le=1000, description="a whole number of yuan from 0 (off) to 1000")

    @model_validator(mode="before")
    @classmethod
    def _weights_have_moved(cls, given: Any) -> Any:
        if isinstance(given, dict) and "weights" in given:
            raise ValueError(
                "weights is not said here any more: each scorecard holds its own (scorecards/A-1.yaml; "
                "`carecall qa scorecard use` puts one into use). Take the line out"
            )
        return given


HostName = Annotated[StrictStr, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$")]


class KeepDays(Section):
    """How long each class of recording is kept, in days."""

    ordinary: StrictInt = Field(180, ge=1, le=36500, description="a whole number of days from 1 to 36500")
    escalation: StrictInt = Field(1095, ge=1, le=36500, description="a whole number of days from 1 to 36500")
    complaint: StrictInt = Field(1095, ge=1, le=36500, description="a whole number of days from 1 to 36500")
    record: StrictInt = Field(5475, ge=1, le=36500, description="a whole number of days from 1 to 36500")


class Recordings(Section):
    """Sound files."""

    keep_days: KeepDays = Field(KeepDays(), description="a table with ordinary, escalation, complaint and record")
    max_minutes: StrictInt = Field(120, ge=1, le=480, description="a whole number of minutes from 1 to 480")
    media_hosts: Annotated[tuple[HostName, ...], BeforeValidator(as_tuple)] = Field(
        (), description='a list of host names such as ["media.example.com"]'
    )
    delete_at_carrier: StrictBool = Field(False, description="true or false")
    pause_identity: StrictBool = Field(True, description="true or false")
    heard_at_once: StrictInt = Field(0, ge=0, le=256, description="a whole number from 0 to 256")

    @property
    def at_once(self) -> int:
        """How many recordings one machine hears at the same time."""
        return self.heard_at_once or processors()


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Speech(Section):
    """The speech-to-text engine of one language."""

    engine: Literal["auto", "whisper", "vosk", "sherpa", "none"] = Field(
        "auto", description='"auto", "whisper", "vosk", "sherpa" or "none"'
    )
    model: StrictStr = Field("", description='a model name or folder, or "" for the engine\'s own choice')
    listen_below: float = Field(0.6, strict=True, ge=0, le=1, description="a number from 0 to 1")
    """docs/speech.md says where the default comes from."""


class HospitalFile(Section):
    """All of hospital.toml. `HospitalFile()` is the defaults."""

    hospital: Hospital = Hospital()
    calling: Calling = Calling()
    followup: Followup = Followup()
    sms: Sms = Sms()
    reminders: Reminders = Reminders()
    escalation: Escalation = Escalation()
    hotline: Hotline = Hotline()
    tickets: Tickets = Tickets()
    desk: Desk = Desk()
    qa: Qa = Qa()
    recordings: Recordings = Recordings()
    speech: Annotated[Mapping[Language, Speech], BeforeValidator(every_language)] = Field(
        {"zh-CN": Speech(), "en": Speech()}, description='tables such as [speech."zh-CN"] and [speech.en]'
    )
