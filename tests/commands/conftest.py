from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import app
from tests.house import variables


@dataclass
class Told:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(json.loads(self.out))


Carecall = Callable[..., Told]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables of a hospital without a database; nothing of the developer's own."""
    for name in list(os.environ):
        if name.startswith(("TWILIO_", "CARECALL_")) or name in ("DATABASE_URL", "HOSPITAL_FILE", "PORT", "HOST"):
            monkeypatch.delenv(name)
    for name, value in variables(tmp_path, "").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture
def carecall(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Carecall:
    """The command line, run in this process: carecall("check", "--json")."""

    def run(*words: str) -> Told:
        capsys.readouterr()
        try:
            code = app.main([str(word) for word in words])
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Told(code, told.out, told.err)

    return run


@pytest.fixture
def at_work(carecall: Carecall, environment: pytest.MonkeyPatch, database_url: str) -> Carecall:
    """The same with a migrated database."""
    environment.setenv("DATABASE_URL", database_url)
    return carecall
