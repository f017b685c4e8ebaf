"""How many stories a test of any order tells: some in `make test`, the full number in `make proofs`."""

from __future__ import annotations

import pytest


def stories(quick: int, full: int) -> pytest.MarkDecorator:
    """The test is given `examples`: first `quick`; then, as a proof that takes long, `full`."""
    proof = pytest.param(full, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])
    return pytest.mark.parametrize("examples", [quick, proof])
