"""The carrier of the job tests: the simulation's carrier in memory, which test_carrier_contract.py holds to the
real client with the local carrier."""

from __future__ import annotations

from commands.simulate.memory import LIVE
from commands.simulate.memory import MemoryCall as FakeCall
from commands.simulate.memory import MemoryCarrier as FakeCarrier
from commands.simulate.memory import MemoryMessage as FakeMessage

__all__ = ["LIVE", "FakeCall", "FakeCarrier", "FakeMessage"]
