from pathlib import Path
import uuid
import pytest
from tests.console.chromium import Page, Served
from tests.console.listening_room import ListeningRoom
from tests.console.test_listening_vault import hear

OUT = Path("/tmp/e7shots"); OUT.mkdir(exist_ok=True)
ZH_P = ((1.0, 4.0, "我上周做的手术，现在伤口疼"), (14.0, 17.0, "好的谢谢"))
ZH_A = ((5.0, 9.0, "您好，您快点说，什么事"), (10.0, 13.0, "保证明天就没事了"))

@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_vault(listening: ListeningRoom, tmp_path, language):
    served = Served(listening.app); page = Page(tmp_path)
    try:
        if language == "zh-CN":
            rec = listening.recording(20, ZH_P, ZH_A, language="zh-CN")
        else:
            rec = listening.recording()
        listening.recording(purpose="message")
        screen = listening.signed_in("supervisor", language)
        sound = hear(screen, rec)
        screen.client.get(sound, headers={"Range": "bytes=44-320043"})
        c = screen.client.get_cookie("carecall", domain="localhost"); p = screen.client.get_cookie("permit", path=sound)
        page.cookie(served.url, "carecall", c.value)
        page._ask("Network.setCookie", url=served.url + sound, name="permit", value=p.value, path=sound)
        screen.post(f"/recordings/{rec}/keep", on=f"/recordings/{rec}", deed="hold", why="case 12")
        screen.post(f"/recordings/{rec}/keep", on=f"/recordings/{rec}", deed="export", reason="request", why="")
        for name, path in (("recordings", "/recordings"), ("recording", f"/recordings/{rec}"), ("heard", "/heard"), ("exports", "/exports")):
            for wide, (w, h) in {"wide": (1280, 900), "phone": (390, 844)}.items():
                page.size(w, h, phone=wide == "phone")
                page.goto(served.url + path)
                if name == "recording":
                    page.until("document.getElementById('sound').readyState > 0")
                page.picture(OUT / f"{name}-{language}-{wide}.png")
        print(page.said)
        assert page.said == []
    finally:
        page.close(); served.stop()
