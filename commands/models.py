"""`carecall models`: which speech models there are, fetching one, and comparing those that are here."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from commands.joined import Joined
from commands.show import rows_out
from core import settings
from core.hospital import processors
from core.settings import Settings
from core.tables import FileProblem
from recordings.speech import bench, models_store, stt_models, weights
from recordings.speech.models_store_fetch import FetchProblem, fetch, wanted
from recordings.speech.stt import Speech
from recordings.speech.stt_models import Model
from recordings.speech.weights import ModelMissing

Add = Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    made = add("models", run, "Speech models: which there are, fetch one, compare them on your own recordings.")
    verbs = made.add_subparsers(dest="what", required=True, metavar="list|fetch|bench")
    told = verbs.add_parser("list", help="what each language is heard with, and what could be fetched")
    told.add_argument("--json", action="store_true")
    bring = verbs.add_parser("fetch", help="fetch a model, check it, and put it in its place")
    bring.add_argument("language", choices=models_store.LANGUAGES)
    bring.add_argument("--model", metavar="NAME", help="another than the first of the list; any name for one of yours")
    bring.add_argument("--sha256", metavar="H", help="the checksum of the archive, where none is pinned")
    bring.add_argument("--from", dest="source", metavar="URL|FILE", help="another place than the publisher's")
    tried = verbs.add_parser("bench", help="error rate, speed and memory of every model here, on a folder")
    tried.add_argument("folder", type=Path, metavar="DIR", help="WAV files, each with its words in a .txt")
    tried.add_argument("--language", choices=models_store.LANGUAGES, default="en")
    tried.add_argument("--model", action="append", default=[], metavar="FOLDER", help="this one only")
    tried.add_argument("--threads", type=int, default=1, help="of the child that hears (default 1, as in service)")
    tried.add_argument("--json", action="store_true")


def run(args: argparse.Namespace, joined: Joined) -> int:
    here = settings.load(require_keys=False)
    match args.what:
        case "list":
            return _list(args, here)
        case "fetch":
            return _fetch(args, here)
        case _:
            return _bench(args, here)


def _list(args: argparse.Namespace, here: Settings) -> int:
    models = here.home_dir("models")
    engines = Speech(here.speech, models)
    heard = []
    for language, speech in here.speech.items():
        missing = engines.missing(language)
        row = {"language": language, "engine": speech.engine, "state": "missing" if missing else "ready"}
        model = None if missing else engines.model(language)
        grammar = "" if model is None else "yes" if model.grammar else "no"
        heard.append({**row, "model": model.name if model else "", "grammar": grammar, "detail": missing or ""})
    known = [_known(entry, models) for entry in models_store.catalogue()]
    names = {entry.name for entry in models_store.catalogue()}
    for one in models_store.here(models):
        if one.folder.name not in names:
            own = {"model": one.folder.name, "engine": one.engine, "languages": " ".join(one.languages), "size": ""}
            known.append({**own, "checksum": "given", "state": "here", "stated": "", "sha256": one.sha256})
    if args.json:
        print(json.dumps({"languages": heard, "models": known}, ensure_ascii=False, indent=1))
        return 0
    rows_out(heard, as_json=False)
    print()
    rows_out([{key: value for key, value in row.items() if key != "sha256"} for row in known], as_json=False)
    print("\nstated: error rates in percent that publishers state for test sets; measure your own with `bench`")
    return 0


def _known(entry: models_store.Entry, models: Path) -> dict[str, str]:
    return {
        "model": entry.name,
        "engine": entry.engine,
        "languages": " ".join(entry.languages),
        "size": entry.size,
        "checksum": "pinned" if entry.sha256 else "give --sha256",
        "state": "here" if (models / entry.name).is_dir() else "",
        "stated": entry.stated,
        "sha256": entry.sha256 or "",
    }


def _fetch(args: argparse.Namespace, here: Settings) -> int:
    shown = -1

    def tell(now: int, most: int) -> None:
        nonlocal shown
        if now // 10_000_000 != shown:
            shown = now // 10_000_000
            print(f"{now / 1e6:,.0f} of at most {most / 1e6:,.0f} MB", file=sys.stderr)

    try:
        what = wanted(args.language, args.model, args.sha256, args.source)
        folder = fetch(here.home_dir("models"), what, tell)
    except FetchProblem as problem:
        raise FileProblem(str(problem)) from None
    print(f"{what.name} is in {folder}; its checksum was right")
    setting = here.speech[args.language]
    if setting.engine == "none" or setting.model or (setting.engine == "auto" and what.engine == stt_models.SHERPA):
        print(f'to use it, set engine and model = "{what.name}" of [speech."{args.language}"] in hospital.toml')
    return 0


def _bench(args: argparse.Namespace, here: Settings) -> int:
    if args.threads < 1:
        raise FileProblem("--threads is 1 or more")
    try:
        on, left_out = bench.clips(args.folder, args.language)
    except bench.BenchProblem as problem:
        raise FileProblem(str(problem)) from None
    except UnicodeDecodeError:
        raise FileProblem("a text file there is not written in UTF-8") from None

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    results = [
        bench.measure(model, args.language, on, threads=args.threads, tell=tell) for model in _models(args, here)
    ]
    machine = f"{platform.machine()}, {processors()} processors, {platform.system()} {platform.release()}"
    if args.json:
        told = [asdict(result) for result in results]
        print(
            json.dumps(
                {"folder": str(args.folder), "machine": machine, "left_out": left_out, "results": told}, indent=1
            )
        )
    else:
        sound_s = sum(clip.seconds for clip in on)
        print(f"{len(on)} files, {sound_s:,.1f} s of sound, in {args.folder}; {machine}\n")
        rows_out([asdict(result) for result in results], as_json=False)
        print()
        for line in bench.notes(args.language, left_out):
            print(line)
    return 1 if any(result.problem for result in results) else 0


def _models(args: argparse.Namespace, here: Settings) -> Iterator[Model]:
    """Those named, or all that understand the language here: Whisper base, what was fetched, what is set."""
    models = here.home_dir("models")
    try:
        if args.model:
            for name in args.model:
                folder = models / name if "/" not in name and (models / name).is_dir() else Path(name)
                yield stt_models.model(stt_models.engine_of(folder) or stt_models.WHISPER, folder)
            return
        yield Model(stt_models.WHISPER, weights.whisper_base(models))
        fetched = [one.folder for one in models_store.here(models) if args.language in one.languages]
        yield from (stt_models.model(stt_models.engine_of(one) or stt_models.VOSK, one) for one in fetched)
        if here.speech[args.language].model:
            own = Speech(here.speech, models).model(args.language)
            if own.folder.resolve() not in [one.resolve() for one in fetched]:
                yield own
    except ModelMissing as missing:
        raise FileProblem(str(missing)) from None
