"""Models are fetched from a server on this machine: what comes is checked before it is opened, and is there whole or
not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from commands import cli
from commands.joined import Joined
from recordings.speech import models_store, stt_models, weights
from recordings.speech.models_store_fetch import FetchProblem, Wanted, fetch, wanted
from recordings.speech.models_store_unpack import BadArchive, Limits, unpack
from recordings.speech.stt import Speech
from tests.house import ROOT, variables
from tests.recordings.test_stt import Setting

NAME = "my-model"
VOSK = {"am/final.mdl": b"a model " * 1000, "conf/mfcc.conf": b"--sample-frequency=8000\n", "graph/HCLG.fst": b"g"}


def zipped(files: dict[str, bytes], top: str = "whatever/") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in more:
            archive.addfile(entry)
    return out.getvalue()


class Server:
    """Hands out `body`; `cut` closes the line after so many bytes, `held` is set once they are out and it waits."""

    def __init__(self) -> None:
        self.body, self.status, self.cut = b"", 200, -1
        self.held, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                sent = outer.body if outer.cut < 0 else outer.body[: outer.cut]
                self.wfile.write(sent)
                self.wfile.flush()
                outer.held.set()
                outer.go_on.wait(20)
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/model.zip"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def asked(server: Server, body: bytes, *, most: int = 10_000_000, sha256: str | None = None) -> Wanted:
    server.body = body
    return Wanted(NAME, ("en",), server.url, sha256 or hashlib.sha256(body).hexdigest(), most, None)


def there(models: Path) -> list[str]:
    return sorted(one.name for one in models.iterdir() if one.name != ".lock-fetch") if models.is_dir() else []


@pytest.mark.parametrize("pack", [zipped, lambda files: tarred({f"top/{name}": data for name, data in files.items()})])
def test_what_comes_whole_is_in_its_place_and_is_used(
    tmp_path: Path, server: Server, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    told: list[int] = []
    folder = fetch(tmp_path, asked(server, pack(VOSK)), lambda here, most: told.append(here))
    assert folder == tmp_path / NAME
    assert {name: (folder / name).read_bytes() for name in VOSK} == VOSK
    assert told[-1] == len(server.body)
    assert there(tmp_path) == [NAME], "nothing else is left"
    (here,) = models_store.here(tmp_path)
    assert (here.engine, here.languages, here.sha256) == ("vosk", ("en",), hashlib.sha256(server.body).hexdigest())
    for setting in (Setting(), Setting("vosk"), Setting("vosk", NAME), Setting(model=NAME)):
        model = Speech({"en": setting}, tmp_path).model("en")
        assert (model.folder.name, model.rate, model.name) == (NAME, 8000, f"vosk {NAME}")


def test_another_fetch_takes_the_place_of_the_first(tmp_path: Path, server: Server) -> None:
    fetch(tmp_path, asked(server, zipped(VOSK)))
    fetch(tmp_path, asked(server, zipped({**VOSK, "graph/HCLG.fst": b"newer"})))
    assert (tmp_path / NAME / "graph" / "HCLG.fst").read_bytes() == b"newer"
    assert there(tmp_path) == [NAME]


@pytest.mark.parametrize("name", ["model", "old", "new", "archive"])
def test_a_model_may_be_called_like_the_rooms_it_is_unpacked_in(tmp_path: Path, server: Server, name: str) -> None:
    for body in (zipped(VOSK), zipped({**VOSK, "graph/HCLG.fst": b"newer"}), zipped(VOSK, top="")):
        fetch(tmp_path, replace(asked(server, body), name=name))
        assert there(tmp_path) == [name]
    assert {path: (tmp_path / name / path).read_bytes() for path in VOSK} == VOSK


def test_two_names_that_differ_by_case_alone_are_refused(tmp_path: Path, server: Server) -> None:
    fetch(tmp_path, asked(server, zipped(VOSK)))
    with pytest.raises(FetchProblem, match=f"there is a model {NAME} here already"):
        fetch(tmp_path, replace(asked(server, zipped(VOSK)), name=NAME.upper()))
    assert there(tmp_path) == [NAME]


def test_a_folder_that_the_hospital_made_itself_is_not_replaced(tmp_path: Path, server: Server) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "ours").write_text("by hand")
    with pytest.raises(FetchProblem, match="was not fetched by us and stays as it is"):
        fetch(tmp_path, asked(server, zipped(VOSK)))
    assert [one.name for one in (tmp_path / NAME).iterdir()] == ["ours"]


@pytest.mark.parametrize(
    ("most", "sha256", "status", "cut", "words"),
    [
        (10_000_000, "0" * 64, 200, -1, "has the checksum .*, not 000.*; it was not opened"),
        (100, None, 200, -1, "more than 100 bytes came"),
        (10_000_000, None, 404, -1, "127.0.0.1 answers 404"),
        (10_000_000, None, 200, 50, "cut off after|has the checksum"),
    ],
)
def test_what_does_not_come_right_changes_nothing(
    tmp_path: Path, server: Server, most: int, sha256: str | None, status: int, cut: int, words: str
) -> None:
    fetch(tmp_path, asked(server, zipped(VOSK)))
    server.status, server.cut = status, cut
    with pytest.raises(FetchProblem, match=words):
        fetch(tmp_path, asked(server, zipped({**VOSK, "graph/HCLG.fst": b"other"}), most=most, sha256=sha256))
    assert there(tmp_path) == [NAME]
    assert (tmp_path / NAME / "graph" / "HCLG.fst").read_bytes() == b"g", "the old one is as it was"


def test_nobody_there_and_no_such_file(tmp_path: Path) -> None:
    for source, words in (
        (f"{tmp_path}/none.zip", "cannot be read"),
        ("http://127.0.0.1:9/m.zip", "cannot be reached"),
    ):
        with pytest.raises(FetchProblem, match=words):
            fetch(tmp_path / "models", Wanted(NAME, ("en",), source, "0" * 64, 1000, None))
    assert there(tmp_path / "models") == []


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "brought.zip").write_bytes(zipped(VOSK))
    digest = hashlib.sha256((tmp_path / "brought.zip").read_bytes()).hexdigest()
    for source in (f"{tmp_path}/brought.zip", f"file://{tmp_path}/brought.zip"):
        fetch(tmp_path / "models", Wanted(NAME, ("en",), source, digest, 1_000_000, None))
    assert there(tmp_path / "models") == [NAME]


def test_killed_in_the_middle_leaves_nothing_half_done(tmp_path: Path, server: Server) -> None:
    body = zipped(VOSK) + os.urandom(2_000_000)
    server.body, server.cut = body, 1_000_000
    server.go_on.clear()
    program = f"""
        import pathlib
        from recordings.speech.models_store_fetch import Wanted, fetch
        fetch(pathlib.Path({str(tmp_path)!r}), Wanted({NAME!r}, ("en",), {server.url!r}, "0" * 64, 10**7, None))
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[2])
    assert server.held.wait(20)
    child.send_signal(signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL
    left = there(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".fetch-"), "only what nobody takes for a model"
    assert models_store.here(tmp_path) == []
    server.go_on.set()
    server.cut = -1
    fetch(tmp_path, asked(server, zipped(VOSK)))
    assert there(tmp_path) == [NAME], "the next one cleans up"


def test_an_archive_without_a_model_is_refused(tmp_path: Path, server: Server) -> None:
    for body, words in (
        (zipped({"readme": b"hello"}), "no model of an engine we know"),
        (zipped({"am/final.mdl": b"x"}), "no Vosk model: it has no conf/mfcc.conf, no graph"),
        (b"not an archive at all", "neither a .zip nor a .tar.bz2"),
        (zipped(VOSK)[:-30], "damaged"),
        (tarred(VOSK)[:-30], "damaged"),
    ):
        with pytest.raises(FetchProblem, match=words):
            fetch(tmp_path, asked(server, body))
        assert there(tmp_path) == []


# ---- unpacking ------------------------------------------------------------------------------------------


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, to
    return entry


def zip_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("model/link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (zipped({"../out": b"x"}, ""), "leads out"),
        (zipped({"a/../../out": b"x"}, ""), "leads out"),
        (zipped({"/out": b"x"}, ""), "leads out"),
        (zipped({"..\\out": b"x"}, ""), "none we would give|leads out"),
        (zipped({"C:out": b"x"}, ""), "none we would give"),
        (tarred({"../out": b"x"}), "leads out"),
        (tarred({"/out": b"x"}), "leads out"),
        (tarred({}, link("model/link", "/etc/passwd")), "a link or a device"),
        (tarred({}, link("model/hard", "model/a", tarfile.LNKTYPE)), "a link or a device"),
        (tarred({}, link("model/pipe", "", tarfile.FIFOTYPE)), "a link or a device"),
        (zip_link(), "a link or a device"),
        (tarred({"a": b"x", "./a": b"y"}), "two files of one name"),
        (tarred({"a": b"x", "a/b": b"y"}), "two files of one name"),
        (zipped({"bomb": b"0" * 2_000_000}), "unpacks to more than 1,000,000 bytes"),
        (tarred({"bomb": b"0" * 2_000_000}), "unpacks to more than 1,000,000 bytes"),
        (zipped({str(n): b"" for n in range(101)}), "more than 100 entries"),
    ],
)
def test_an_archive_that_reaches_further_than_its_folder_is_refused(tmp_path: Path, body: bytes, words: str) -> None:
    (tmp_path / "archive").write_bytes(body)
    room = tmp_path / "deep" / "room"
    room.mkdir(parents=True)
    with pytest.raises(BadArchive, match=words):
        unpack(tmp_path / "archive", room, Limits(1_000_000, 100))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["archive", "deep"]
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["room"]
    assert not Path("/out").exists()


def test_sizes_that_the_archive_lies_about_do_not_count(tmp_path: Path) -> None:
    body = bytearray(zipped({"bomb": b"0" * 2_000_000}))
    real = (2_000_000).to_bytes(4, "little")
    while (at := body.find(real)) >= 0:
        body[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "archive").write_bytes(body)
    (tmp_path / "room").mkdir()
    with pytest.raises(BadArchive, match=r"damaged|more than"):
        unpack(tmp_path / "archive", tmp_path / "room", Limits(1_000_000))


# ---- what is asked for ----------------------------------------------------------------------------------


def test_only_what_somebody_vouches_for_is_fetched() -> None:
    small = wanted("zh-CN", None, None, None)
    assert (small.name, small.engine, small.most) == ("vosk-model-small-cn-0.22", "vosk", 43_898_754)
    assert small.sha256 == "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba"
    given = wanted("en", None, "A" * 64, None)
    assert (given.name, given.sha256) == ("vosk-model-small-en-us-0.15", "a" * 64)
    own = wanted("en", "our-own", "b" * 64, "/mnt/usb/model.zip")
    assert (own.name, own.engine, own.languages) == ("our-own", None, ("en",))


@pytest.mark.parametrize(
    ("language", "name", "sha256", "source", "words"),
    [
        ("en", None, None, None, "checksum of vosk-model-small-en-us-0.15 is not known here.*--sha256"),
        ("en", "our-own", None, "/x.zip", "checksum of our-own is not known"),
        ("zh-CN", None, "0" * 64, None, "is known with another checksum"),
        ("zh-CN", None, "xyz", None, "64 digits"),
        ("zh-CN", "vosk-model-small-en-us-0.15", "0" * 64, None, "does not understand zh-CN"),
        ("en", "our-own", "0" * 64, None, "--from"),
        *(
            ("en", name, "0" * 64, "/x.zip", "plain name")
            for name in ("../up", "..", ".", "", " ", "a/b", "/a", "a\\b", ".hidden", "-x", "a\n", "a" * 101, "模型")
        ),
        ("en", "Whisper-Base", "0" * 64, "/x.zip", "the name of the model that comes along"),
        ("zh-CN", "Vosk-Model-small-cn-0.22", "0" * 64, "/x.zip", "taken for vosk-model-small-cn-0.22 of the list"),
        ("fr", None, None, None, "no language fr"),
    ],
)
def test_what_nobody_vouches_for_is_refused(
    language: str, name: str | None, sha256: str | None, source: str | None, words: str
) -> None:
    with pytest.raises(FetchProblem, match=words):
        wanted(language, name, sha256, source)


def test_a_model_of_another_publisher_needs_an_address() -> None:
    name = "sherpa-onnx-sense-voice-zh-en-ja-ko-yue-int8-2024-07-17"
    with pytest.raises(FetchProblem, match=r"publisher: k2-fsa/sherpa-onnx.*--from"):
        wanted("zh-CN", name, None, None)
    assert wanted("en", name, None, "/mnt/it.tar.bz2").languages == ("zh-CN", "en")


def test_the_catalogue_is_whole() -> None:
    names = [entry.name for entry in models_store.catalogue()]
    assert len(names) == len(set(names))
    for entry in models_store.catalogue():
        assert entry.engine in stt_models.ENGINES
        assert set(entry.languages) <= set(models_store.LANGUAGES)
        assert entry.url or entry.publisher
        assert entry.most > 10_000_000
        assert entry.sha256 is None or len(entry.sha256) == 64
    for language in models_store.LANGUAGES:
        assert any(language in entry.languages for entry in models_store.catalogue())


def test_by_command(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = zipped(VOSK)
    server.body = body
    digest = hashlib.sha256(body).hexdigest()
    for name, value in variables(tmp_path, "").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(weights, "PARTS", ("no_such_part1", "no_such_part2"))  # 145 MB are joined elsewhere
    joined = Joined(ROOT, lambda _: None, [], lambda _: None)  # type: ignore[arg-type, return-value]

    def carecall(*words: str) -> tuple[int, str, str]:
        code = cli.run(["models", *words], joined)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    code, _, said = carecall("fetch", "en", "--from", server.url)
    assert code == 2
    assert "--sha256" in said
    code, _, said = carecall("fetch", "en", "--from", server.url, "--sha256", digest, "--model", "")
    assert code == 2
    assert "plain name" in said
    code, _, said = carecall("fetch", "en", "--from", server.url, "--sha256", digest)
    assert code == 0, said
    listed = json.loads(carecall("list", "--json")[1])
    models = {row["language"]: row["model"] for row in listed["languages"]}
    assert models == {"en": "vosk vosk-model-small-en-us-0.15", "zh-CN": ""}
    (missing,) = [row["detail"] for row in listed["languages"] if row["language"] == "zh-CN"]
    assert "pip install no-such-part1" in missing
    assert [row["model"] for row in listed["models"] if row["state"] == "here"] == ["vosk-model-small-en-us-0.15"]
