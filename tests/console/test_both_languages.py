"""Every page in both languages: no sentence of the other one, whatever the rows hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html import unescape
from string import Formatter

import pytest
import yaml

from console import words
from console.frame import OPEN, RIGHTS
from core.models import new_id
from core.said import Said, Table, kept
from core.values import KNOWN_LANGUAGES
from desk.kinds import KINDS as TICKETS
from dialer import gate
from recordings import sound_words
from recordings.findings.machine_flags import UNHEARD
from recordings.models import Recording
from recordings.quality import qa_words
from recordings.vault import vault_words
from scheduler import work_words
from scheduler.models import WorkItem
from scheduler.work_kinds import KINDS
from tests.console.desk_room import WORDS, DeskRoom, Screen
from tests.console.listening_room import AGENT_SAYS, PATIENT_SAYS, ListeningRoom
from tests.house import ROOT

TABLES: dict[str, Table] = {
    "work": work_words.WHY,
    "work refused": work_words.REFUSED,
    "sound": sound_words.WHY,
    "vault": vault_words.SENTENCES,
    "reviews": qa_words.PROBLEMS,
    "states": qa_words.STATES,
    "console": words.catalogue(),
}
LATIN_IS_RIGHT = {
    "CSV", "XLSX", "WAV", "IT", "UTC", "AMR", "MP3", "XML", "JSON", "HTML",  # names of formats, as they are written
    "carecall", "TWILIO", "ACCOUNT", "SID", "AUTH", "TOKEN", "import", "staff", "qa", "draw", "date",  # typed as it is
    "English", "Cookie", "li.na",  # a language's own name, the browser's word, an example
    "agent", "process",  # codes of a form, behind which stands the Chinese word
    "s", "h", "x", "κ",  # units and signs
}  # fmt: skip
"""Latin words a Chinese sentence of ours may have, each for a reason."""
CHINESE = re.compile(r"[\u4e00-\u9fff\u3001\u3002\uff0c\uff1a\uff1b\uff08\uff09]")
LATIN = re.compile(r"[A-Za-z][A-Za-z0-9.]+")


def shown(html: str) -> list[str]:
    """What is to be read on a page: its text, title, placeholders and labels, one by one, without what scripts and
    addresses hold."""
    html = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    told = re.findall(r'(?:placeholder|aria-label|title|alt)="([^"]*)"', html)
    return [unescape(text).strip() for text in (*re.split(r"<[^>]*>", html), *told) if text.strip()]


def foreign(html: str, language: str, data: set[str]) -> list[str]:
    """What does not belong on a page of this language. `data`: words that people and rows put there."""
    found = []
    for text in shown(html):
        for one in sorted(data, key=len, reverse=True):
            text = text.replace(one, " ")
        if language == "en":
            found += [text] if CHINESE.search(text.replace("中文", "")) else []
        else:
            rest = [word for word in LATIN.findall(text) if word not in LATIN_IS_RIGHT]
            found += [text] if rest else []
    return found


# ---- what rows and refusals hold -------------------------------------------------------------------------
@pytest.mark.parametrize("name", TABLES)
def test_every_sentence_is_said_in_both_languages_with_the_same_values(name: str) -> None:
    def values(text: str) -> set[str]:
        return {field for _, field, _, _ in Formatter().parse(text) if field is not None}

    for key, said in TABLES[name].items():
        assert set(said) == set(KNOWN_LANGUAGES), key
        chinese, english = said["zh-CN"], said["en"]
        assert not CHINESE.search(english.replace("中文", "")), key
        bare = re.sub(r"\{[^}]*\}|`[^`]*`", "", chinese)
        assert not [word for word in LATIN.findall(bare) if word not in LATIN_IS_RIGHT], (key, chinese)
        if name not in ("vault", "sound"):  # their English may tell the server's own words besides
            assert values(chinese) == values(english), key


def test_every_refusal_of_a_page_is_one_that_has_words() -> None:
    """Whoever raises one names a key that is there: in the source, not only where a test goes."""
    kinds = {cls.__name__: cls for cls in _all(Said)}
    asked = 0
    for folder in ("console", "desk", "recordings", "scheduler"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds):
                    continue
                if call.args and isinstance(call.args[0], ast.Constant):
                    asked += 1
                    assert call.args[0].value in kinds[call.func.id].SENTENCES, (path.name, call.args[0].value)
    assert asked > 60


def _all(cls: type[Said]) -> Iterator[type[Said]]:
    for one in cls.__subclasses__():
        yield one
        yield from _all(one)


def test_every_reason_the_gate_and_the_wards_own_code_can_give_has_words() -> None:
    assert set(gate.REASONS) <= set(work_words.WHY)
    assert set(UNHEARD.values()) <= set(work_words.WHY)
    questions = yaml.safe_load((ROOT / "flows" / "questions.yaml").read_text(encoding="utf-8"))["questions"]
    signs = [key for key in _prompts("zh-CN") if key.startswith("sign_") and key[5:] in (*questions, "self_harm")]
    for key in (*questions, *(sign.removeprefix("sign_") for sign in signs), "pain", "help"):
        assert words.label("zh-CN", "question", key) != key


def test_what_asks_for_work_says_why_in_a_code_that_has_words() -> None:
    """The words behind WorkWanted(...) in the source: whole strings only; others are codes handed on."""
    asked = set()
    for folder in ("dialer", "ivr", "recordings", "scheduler"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("WorkWanted", "want", "call_in")):
                    last = [arg for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                    asked |= {arg.value for arg in last if arg.value not in KINDS and arg.value}
    assert len(asked) > 5
    assert asked <= set(work_words.WHY) | {"recordings"}, asked - set(work_words.WHY)


def _prompts(language: str) -> dict[str, str]:
    text = (ROOT / "prompts" / f"{language}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["prompts"]  # type: ignore[no-any-return]


def test_reasons_of_rows_are_told_and_old_sentences_as_they_are() -> None:
    one = "; ".join((kept("machine_heard", question="bleeding"), "medicine", "no number of old", "carrier_code code=3"))
    assert words.reason("zh-CN", "work", one) == (
        "机器听到：敷料渗血（未核实）；没有按医嘱用药；no number of old；运营商错误码3"
    )
    assert words.reason("en", "work", one) == (
        "bleeding through the dressing (a machine heard it, not confirmed); medicine not taken as told;"
        " no number of old; carrier code 3"
    )
    assert words.reason("zh-CN", "sound", kept("no_speech_model", detail="a = b; c")) == "没有可用的语音模型：a = b; c"
    assert words.reason("en", "work", "") == ""


# ---- what pages show --------------------------------------------------------------------------------------
def read(screen: Screen, path: str, language: str, data: set[str]) -> str:
    said = screen.get(path, follow_redirects=True)
    html = said.get_data(as_text=True)
    assert f'<html lang="{language}">' in html, path
    assert foreign(html, language, data) == [], path
    return html


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_the_desks_pages_with_every_kind_of_row(desk: DeskRoom, language: str) -> None:
    patient = desk.patient()
    data = {"T-000123", "Example", "Ann", "supervisor1", "li.na", "The supervisor", "Name of", "E.", "T-", "chen"}
    data |= {desk.house.settings.hospital.spoken_name(language), WORDS}
    numbers = [desk.ticket(kind, patient_id=patient) for kind in TICKETS if kind not in ("work",)]
    with desk.house.transaction() as session:
        whys = [*(kept(code, **VALUES) for code in work_words.WHY if " " not in code)]
        for place, kind in enumerate(KINDS):
            why = "; ".join(whys[place :: len(KINDS)]) or "score"
            session.add(
                WorkItem(
                    id=new_id(), kind=kind, patient_id=patient, subject_id=new_id(), why=why, status="open", times=2,
                    due_at=desk.now, created_at=desk.now, closed_by="",
                )
            )  # fmt: skip
    desk.agent("li.na", "ready", department="")
    desk.waiting()
    screen = desk.signed_in("supervisor", language)
    for path in (
        "/",
        "/tickets",
        "/agents",
        "/worklist",
        "/account",

        *(f"/tickets/{one}" for one in numbers),
    ):
        read(screen, path, language, data)
    for list_ in ("mine", "resolved", "confirmed"):
        read(screen, f"/tickets?list={list_}", language, data)
    # what is refused
    item = desk.worklist()[0].id
    refused = [
        ("/account", {"deed": "password", "old": "x", "new": "short", "again": "short"}),
        ("/account", {"deed": "password", "old": "x", "new": "a" * 12, "again": "b" * 12}),
        (f"/tickets/{numbers[0]}", {"deed": "confirm"}),
        (f"/tickets/{numbers[0]}/show", {"reason": "other"}),
    ]
    for path, form in refused:
        said = screen.post(path, on=path.removesuffix("/show"), **form).get_data(as_text=True)
        assert 'class="flash problem"' in said, path
        assert foreign(said, language, data) == [], path
    said = screen.post(f"/worklist/{item}", on="/worklist", note=" ").get_data(as_text=True)
    assert 'class="flash problem"' in said
    assert foreign(said, language, data) == []


VALUES: dict[str, str | int] = {
    "question": "bleeding", "code": 30003, "round": 2, "wave": "48h", "department": "*", "tier": "1", "start": "03-09",
    "end": "03-10", "count": 2, "people": 1,
}  # fmt: skip


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_the_listening_rooms_pages_with_every_state(listening: ListeningRoom, language: str) -> None:
    listening.talker()
    made = listening.recording()
    listening.recording(purpose="message")
    listening.open_day()
    data = {text for _, _, text in (*PATIENT_SAYS, *AGENT_SAYS)} | {"li.na", "supervisor1", "The supervisor", "Name of"}
    data |= {"hurry up", "guarantee", "what do you want"}
    data |= {listening.house.settings.hospital.spoken_name(language)}
    screen = listening.signed_in("supervisor", language)
    month = f"{listening.now:%Y-%m}"
    screen.post(f"/hear/{made}", on=f"/vault/{made}", reason="check", back=f"/vault/{made}")
    screen.post(f"/vault/{made}", on=f"/vault/{made}", deed="hold", why="7")
    screen.post(f"/vault/{made}", on=f"/vault/{made}", deed="export", reason="check")
    review = listening.reviews()
    paths = ["/vault", f"/vault/{made}", "/exports", "/heard", "/reviews", "/disputes", "/coaching", "/figures"]
    paths += ["/reviews/waiting", "/figures/day", "/agreement", f"/figures?month={month}"]
    paths += [f"/reviews/{row.id}" for row in review]
    data |= {words.short_id(row.id) for row in review}
    for path in paths:
        read(screen, path, language, data)
    for code in sound_words.WHY:
        with listening.house.transaction() as session:
            row = session.get_one(Recording, made)
            row.state, row.reason, row.sha256 = "absent", kept(code, **SOUND), None
        html = read(screen, f"/vault/{made}", language, data)
        assert sound_words.why(kept(code, **SOUND), language) in unescape(html), code


SOUND: dict[str, str | int] = {
    "other": "MP3", "codec": 17, "bits": 4, "count": 3, "rate": 0, "there": 1, "size": 2, "seconds": "1.0",
    "announced": 4, "minutes": 121, "most": 120, "status": 500, "error": "1", "code": 16102, "detail": "2",
}  # fmt: skip


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_the_door_and_what_is_refused_there(desk: DeskRoom, language: str) -> None:
    data = {desk.house.settings.hospital.spoken_name(language)}
    screen = desk.screen()
    html = read(screen, f"/sign-in?language={language}", language, data | {"English", "中文"})
    assert "<title>" in html
    nurse = desk.signed_in("agent", language)
    html = nurse.get("/exports").get_data(as_text=True)
    assert nurse.said is not None
    assert nurse.said.status_code == 403
    assert foreign(html, language, data | {"The agent"}) == []


def test_an_address_that_is_not_there_says_so_in_both_languages(desk: DeskRoom) -> None:
    for said in (desk.screen().get("/nowhere"), desk.screen().get("/tickets/a/b")):
        assert said.status_code == 404
        assert said.get_data(as_text=True).splitlines() == [words.say(one, "error.404") for one in KNOWN_LANGUAGES]


def test_no_page_is_left_out() -> None:
    """Every page that is read stands above, or shows a single row of one of them."""
    read_above = {
        "board", "tickets", "ticket", "agents", "worklist", "account", "sign_in", "recordings", "recording", "exports",
        "heard", "reviews", "reviews_waiting", "review", "disputes", "coaching", "figures", "figures_day", "agreement",
    }  # fmt: skip
    single = {
        "sound": "sound, no words", "static": "no page", "figures_csv": "its test: test_qa_figures",
        "my_reviews": "an agent's", "my_review": "an agent's", "dispute": "a dispute", "coaching_task": "a task",
        "vetoes": "test_listening_vetoes", "my_vetoes": "test_listening_vetoes", "figures_pack": "a file",
        "worklist_sound": "test_worklist_sound",
    }  # fmt: skip
    assert set(RIGHTS) | {"console.static"} >= OPEN
    from_get = {name.removeprefix("console.") for name in RIGHTS}
    posted = {"sign_in_check", "sign_out", "account_change"}
    left = {
        name
        for name in from_get - read_above - set(single) - posted
        if not name.endswith(POSTED)
    }
    assert left == set()


POSTED = (
    "_deed", "_done", "_show", "_state", "_save", "_keep", "_words", "_settle", "_dispute", "hear", "_draft", "_read",
    "_decide", "_appeal", "_uphold", "_account", "_moved",
)  # fmt: skip
"""Ends of the names of pages that only take a form, and lead to one that is read."""
