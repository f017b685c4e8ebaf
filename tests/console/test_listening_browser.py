"""A listener's hour in a real browser: play, seek, mark by key, lose the server, hand in. No driver but the browser's
own pipe; nothing is slept through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.values import KNOWN_LANGUAGES
from tests.console.chromium import CHROMIUM, Page, Served
from tests.console.desk_room import PASSWORD
from tests.console.listening_room import AGENT_SAYS, PATIENT_SAYS, ListeningRoom
from tests.recordings.sounds import said

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium, which draws the page"),
]
SIGN_IN_AGAIN = """(async () => {
  const text = await (await fetch('/sign-in')).text();
  const word = new DOMParser().parseFromString(text, 'text/html').querySelector('input[name=csrf_token]').value;
  const body = new URLSearchParams({ csrf_token: word, login: 'qa1', password: 'PASSWORD' });
  return (await fetch('/sign-in', { method: 'POST', body })).status;
})()"""
PICTURES = os.environ.get("CARECALL_PICTURES", "")
"""A folder to leave pictures of the pages in, for people to look at."""


@pytest.fixture
def served(listening: ListeningRoom) -> Iterator[Served]:
    made = Served(listening.app)
    yield made
    made.stop()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path)
    yield made
    made.close()


def voices(listening: ListeningRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings hold a voice where somebody speaks, not noise."""
    voice = said("good morning this is the hospital how can I help you today")

    def spoken(seconds: float, spans: object, seed: int = 1) -> object:
        sound = np.zeros(int(seconds * 8000), "<i2")
        for start, end, _text in spans:  # type: ignore[attr-defined]
            sound[int(start * 8000) : int(end * 8000)] = np.resize(voice, int((end - start) * 8000))
        return sound

    monkeypatch.setattr("tests.console.listening_room.bursts", spoken)


def picture(page: Page, name: str) -> None:
    if PICTURES:
        for width, height, kind in ((1280, 900, "wide"), (390, 844, "phone")):
            page.size(width, height, phone=kind == "phone")
            page.picture(Path(PICTURES) / f"{name}-{kind}.png")
        page.size(1280, 900)


def sign_in(page: Page, served: Served, login: str, to: str) -> None:
    page.goto(f"{served.url}/sign-in?next={to}")
    page.write("input[name=login]", login)
    page.write("input[name=password]", PASSWORD)
    page.click("main form button")
    page.until(f"location.pathname === '{to}' && document.readyState === 'complete'")


def test_a_listener_plays_seeks_marks_and_hands_in(
    listening: ListeningRoom, served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    voices(listening, monkeypatch)
    listening.talker()
    listening.recording(seconds=90.0)
    listening.user("qa1", "qa")
    listening.open_day()
    review = listening.review()
    sign_in(page, served, "qa1", "/reviews")
    page.click("a.go")
    page.until("document.querySelector('#review')")
    page.click(".listen form button")  # the reason for the day's sample is chosen already
    page.until("document.getElementById('sound').readyState >= 1")
    assert page.run("document.getElementById('sound').duration") == pytest.approx(90, abs=0.1)

    page.click(f"#words [data-seek='{AGENT_SAYS[0][0]}']")
    page.until("document.getElementById('sound').currentTime > 5 && !document.getElementById('sound').paused")
    page.until("document.querySelector('#words li.now').dataset.from === '5.0'")
    assert float(page.run("document.getElementById('head').getAttribute('x1')")) > 50
    page.run("document.querySelector('#review fieldset').focus()")
    page.key(" ", "Space")
    page.until("document.getElementById('sound').paused")
    before = page.run("document.getElementById('sound').currentTime")
    page.key("ArrowRight")
    page.until(f"document.getElementById('sound').currentTime > {before} + 4")
    page.click("#talk")  # the middle of the bar
    page.until("Math.abs(document.getElementById('sound').currentTime - 45) < 3")
    page.run("document.getElementById('sound').currentTime = 85")
    page.until("!document.getElementById('sound').seeking && document.getElementById('sound').readyState >= 2")

    items = listening.items()
    page.run("document.querySelector('#review fieldset').focus()")
    for number in range(len(items)):
        page.key("2" if number == 0 else "1")
    page.until(f"document.getElementById('count').textContent === '{len(items)} / {len(items)}'")
    page.until("document.activeElement.id === 'hand_in'")
    page.run("document.querySelector('#review fieldset details').open = true")
    page.click("#review fieldset [data-here^='from']")
    page.write("#review fieldset textarea", "said it too late")
    page.until("document.getElementById('kept').textContent.startsWith('Draft kept')")
    assert listening.marks(review.id) == {item: "no" if item == items[0] else "yes" for item in items}

    # the server is away while somebody types and hands in: nothing is lost, and it is said
    served.down = True
    page.write("textarea[name=comment]", "words that matter")
    page.click("#hand_in")
    page.until("document.getElementById('kept').textContent.includes('the server does not answer')")
    assert page.run("document.querySelector('textarea[name=comment]').value") == "words that matter"
    served.down = False
    page.said.clear()  # it complained that the server was away, and rightly

    # signed out meanwhile, in again in another window: the page goes on with what was typed
    page.run(SIGN_IN_AGAIN.replace("PASSWORD", PASSWORD))
    page.click("#hand_in")
    page.until("document.readyState === 'complete' && document.body.innerText.includes('Those marks are closed')")
    page.key("3")
    page.click("#hand_in")
    page.until("location.pathname === '/reviews' && document.body.innerText.includes('Submitted.')")
    assert listening.review().state == "submitted"
    assert listening.notes(review.id)["comment"] == "words that matter"

    sounds = [one for one in served.asked if one[1].startswith("/sound/")]
    assert {code for *_, code in sounds} == {206}
    assert all(wanted.startswith("bytes=") for _, _, wanted, _ in sounds)
    heard = listening.plays()[0].heard
    assert heard[0][0] == 0.0
    assert heard[-1][1] == pytest.approx(90, abs=0.1)
    assert not [one for one in page.said if "Content Security Policy" in one or "Exception" in one], page.said


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_the_pages_are_drawn_whole_on_a_wide_screen_and_on_a_telephone(
    listening: ListeningRoom, served: Served, page: Page, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is shut out by the policy, no picture is broken, nothing is wider than the screen."""
    voices(listening, monkeypatch)
    listening.talker()
    words = (PATIENT_SAYS, AGENT_SAYS) if language == "en" else (ZH_PATIENT, ZH_AGENT)
    recording = listening.recording(30.0, *words, language=language)
    listening.user("qa1", "qa", language)
    listening.user("qa2", "qa", language)  # the second rater: who rates too may not look at the dispute
    boss = listening.signed_in("supervisor", language)
    agent = listening.signed_in("agent", language, login="li.na")
    listening.open_day()
    review = listening.review()
    rater = listening.screen()
    rater.sign_in("qa1")
    paths = ["/reviews", f"/reviews/{review.id}"]
    sign_in(page, served, "qa1", "/reviews")
    page.goto(f"{served.url}/reviews/{review.id}")
    page.click(".listen form button")
    page.until("document.getElementById('sound').readyState >= 1")
    look(page, served, paths, language)
    failed = {f"mark.{item}": "no" for item in listening.items()[:4]}
    first = listening.items()[0]
    listening.submitted(rater, review.id, **failed, **{f"from.{first}": "0:05", f"note.{first}": "too slow"})
    agent.post(f"/my-reviews/{review.id}", why="I answered at once")
    boss.post(f"/vault/{recording}/keep", on=f"/vault/{recording}", deed="hold", why="case 12")
    boss.post(f"/vault/{recording}/keep", on=f"/vault/{recording}", deed="export", reason="request")
    number = listening.ticket()
    boss.post("/vetoes", on="/vetoes", login="li.na", ticket=number, day="2031-03-07", why="rude, heard at 0:05")
    task = listening.first_task()
    page.clear_cookies()
    sign_in(page, served, "li.na", "/my-reviews")
    look(page, served, ["/my-reviews", f"/my-reviews/{review.id}", "/coaching", "/my-vetoes"], language)
    page.clear_cookies()
    sign_in(page, served, "supervisor1", "/vault")
    page.goto(f"{served.url}/vault/{recording}")
    page.run("document.querySelector('.show select').value = 'check'")
    page.click(".show button")
    page.until("document.getElementById('sound').readyState >= 1")
    look(
        page, served,
        ["/vault", f"/vault/{recording}", "/exports", "/heard", "/disputes", f"/disputes/{review.id}",
         "/coaching", f"/coaching/{task}", "/figures?month=2031-03", "/figures/day?day=2031-03-07", "/agreement",
         "/vetoes", "/reviews", "/reviews/waiting"],
        language,
    )  # fmt: skip


FAINT = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parts = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under, part = 1) =>
    [0, 1, 2].map((n) => top[n] * top[3] * part + under[n] * (1 - top[3] * part));
  const light = (color) => {
    const [r, g, b] = color.map((one) => {
      const part = one / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => one === null ? [255, 255, 255]
    : over(parts(getComputedStyle(one).backgroundColor), ground(one.parentElement));
  const opacity = (one) => one === null ? 1 : Number(getComputedStyle(one).opacity) * opacity(one.parentElement);
  const found = [];
  for (const one of document.body.querySelectorAll('*')) {
    const own = Array.from(one.childNodes).filter((node) => node.nodeType === 3);
    const said = own.map((node) => node.data.trim()).join(' ').trim()
      || (one.matches('input, textarea, select') ? one.value || one.placeholder || '' : '');
    const style = getComputedStyle(one);
    if (!said || !one.checkVisibility({ checkVisibilityCSS: true })) continue;
    if (one.closest(':disabled, option, audio') || one.getBoundingClientRect().width < 2) continue;
    const under = ground(one);
    const [a, b] = [light(over(parts(style.color), under, opacity(one))), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    const name = `${one.tagName}.${one.className}: ${said.slice(0, 40)}`;
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${name}`);
  }
  return Array.from(new Set(found));
})()"""
"""Texts whose contrast with what lies under them is less than 4.5 (large ones 3): WCAG 2.1, 1.4.3."""

ZH_PATIENT = ((1.0, 4.0, "我上周做的手术，现在伤口有点疼"), (14.0, 17.0, "好的，谢谢"))
ZH_AGENT = ((5.0, 9.0, "您好，您快点说，什么事"), (10.0, 13.0, "保证明天就没事了，您放心"))


def look(page: Page, served: Served, paths: list[str], language: str) -> None:
    for path in paths:
        page.said.clear()
        for width, height in ((1280, 900), (390, 844)):
            page.size(width, height, phone=width < 500)
            page.goto(served.url + path)
            wide = page.run("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is {wide} wide on {width}"
        assert page.said == [], path
        unnamed = page.run(
            "Array.from(document.querySelectorAll('input:not([type=hidden]), select, textarea, button, audio'))"
            ".filter(one => !one.closest('[hidden]') && !(one.labels && one.labels.length)"
            " && !one.getAttribute('aria-label') && !one.textContent.trim()).map(one => one.outerHTML)"
        )
        assert unnamed == [], path
        assert page.run(FAINT) == [], path
        picture(page, path.strip("/").replace("/", "-").split("?")[0].rstrip("0123456789abcdef-") + f"-{language}")
