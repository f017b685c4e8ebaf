"""README's first command, as a newcomer runs it: the story with sound, speech and the draw, checked by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.house import ROOT

pytestmark = pytest.mark.alone


@pytest.mark.timeout(320)
def test_the_demo_tells_the_whole_story_and_every_step_happens() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("CARECALL", "TWILIO"))}
    told = subprocess.run(
        [sys.executable, "-m", "app", "demo"], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-4000:]
    assert "Every step happened." in told.stdout
    assert told.stdout.count("\n== ") == 8
