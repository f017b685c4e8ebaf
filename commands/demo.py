"""`carecall demo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commands.cli import Joined


def run(args: argparse.Namespace, joined: Joined) -> int:
    return 1
