"""Who is rung next for a patient in pain: the rules of the chain, pure.

A round goes through everybody on duty, tier by tier (docs/design.md section 5). The front rings one doctor after the
other; beside it a doctor who did not answer is rung again, so that one missed ring is not half an hour (the same doctor
in parallel with moving on). Who passed on is left alone for this round. When all have been tried the round is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

STEP_GRACE = timedelta(seconds=10)
"""Beyond the ring time before a silent ring is passed over (carriers add up to 5 s of ringing)."""
LISTENS = timedelta(seconds=30)
"""From picking up to a key. The next doctor does not wait for it, but nobody is woken meanwhile for want of one."""
LAST_AGAIN = timedelta(seconds=20)
"""How soon a doctor is rung again when there is nobody else left to ring meanwhile."""
ROUND_PAUSE = timedelta(seconds=20)
LATER_ROUND_PAUSE = timedelta(minutes=3)
QUICK_ROUNDS = 3
"""After so many rounds without a doctor the next ones come more slowly; they never stop."""


class Rules(Protocol):
    """[escalation] of hospital.toml, with what the department does differently."""

    @property
    def chain(self) -> tuple[str, ...]: ...
    @property
    def ring_s(self) -> int: ...
    @property
    def again_s(self) -> int: ...
    @property
    def tries(self) -> int: ...
    @property
    def later_s(self) -> int: ...
    @property
    def talk_s(self) -> int: ...


@dataclass(frozen=True)
class Policy:
    """The rules an escalation opened with: a change of the settings does not reach one that is under way. Seconds,
    but `tries` (rings per doctor and round) and `chain` (tiers)."""

    chain: tuple[str, ...]
    ring_s: int
    again_s: int
    tries: int
    later_s: int
    talk_s: int

    @classmethod
    def of(cls, rules: Rules) -> Policy:
        return cls(rules.chain, rules.ring_s, rules.again_s, rules.tries, rules.later_s, rules.talk_s)

    @classmethod
    def stored(cls, snapshot: Mapping[str, Any], rules: Rules) -> Policy:
        """From the row; `rules` for one that was opened before there were snapshots."""
        if not snapshot:
            return cls.of(rules)
        return cls(**{**snapshot, "chain": tuple(snapshot["chain"])})

    def snapshot(self) -> dict[str, Any]:
        return {**asdict(self), "chain": list(self.chain)}


@dataclass(frozen=True)
class Ring:
    """One ring of this round at chain[step]."""

    step: int
    at: datetime
    live: bool = True
    """Not over, as far as anybody knows."""
    doubtful: bool = False
    """The carrier never answered its POST."""
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    decided: bool = False
    """A key was pressed, or the time for one has passed: nothing is waited for any more."""
    declined: bool = False
    """The doctor passed on: not rung again in this round."""


@dataclass(frozen=True)
class Plan:
    """What to do now. Nothing to ring and not over: wait until `look_at`."""

    front: int | None = None
    """Ring chain[front]: the next doctor."""
    beside: tuple[int, ...] = ()
    """Ring these as well, in parallel."""
    look_at: datetime | None = None
    over: bool = False
    """Everybody was tried, and nobody is waited for."""


def decide(
    tiers: Sequence[str], step: int, rings: Sequence[Ring], policy: Policy, now: datetime, *, hurry: bool = False
) -> Plan:
    """`tiers[i]` is the tier of chain[i]; `step` the last one that was rung or skipped (-1: none); `hurry`: the promise
    is broken, so the next tier is rung beside whoever rings."""
    tried = {ring.step for ring in rings}
    left = [index for index in range(step + 1, len(tiers)) if index not in tried]
    waited_for = [ring for ring in rings if _is_waited_for(ring, policy, now)]
    front_waits = any(ring.step == step for ring in waited_for)
    front = left[0] if left and not front_waits else None
    tries = _next_tries(rings, policy, others=bool(left) or front_waits)
    beside = [index for index, due in tries if due <= now]
    if hurry and (higher := _higher(tiers, step if front is None else front, left)) is not None and higher != front:
        beside.insert(0, higher)
    looks = [_waited_until(ring, policy) for ring in waited_for] + [due for _, due in tries if due > now]
    looks += [until for ring in rings if (until := _listens_until(ring)) is not None and until > now]
    return Plan(front, tuple(beside), min(looks, default=None), over=front is None and not beside and not looks)


def _waited_until(ring: Ring, policy: Policy) -> datetime:
    return ring.at + timedelta(seconds=policy.ring_s) + STEP_GRACE


def _is_waited_for(ring: Ring, policy: Policy, now: datetime) -> bool:
    return _may_decide(ring) and now < _waited_until(ring, policy)


def _listens_until(ring: Ring) -> datetime | None:
    return ring.answered_at + LISTENS if ring.answered_at is not None and _may_decide(ring) else None


def _may_decide(ring: Ring) -> bool:
    return ring.live and not ring.doubtful and not ring.decided


def _next_tries(rings: Sequence[Ring], policy: Policy, *, others: bool) -> list[tuple[int, datetime]]:
    """(step, when it may be rung again) of every doctor who missed a ring and has one left. `others`: somebody else is
    rung meanwhile."""
    wait = timedelta(seconds=policy.again_s) if others else min(LAST_AGAIN, timedelta(seconds=policy.again_s))
    due = []
    for index in sorted({ring.step for ring in rings}):
        his = [ring for ring in rings if ring.step == index]
        missed = [ring.ended_at for ring in his if ring.ended_at is not None]
        if len(his) < policy.tries and len(missed) == len(his) and not any(ring.declined for ring in his):
            due.append((index, max(missed) + wait))
    return due


def _higher(tiers: Sequence[str], step: int, left: Sequence[int]) -> int | None:
    """The first doctor not tried yet of a tier after that of chain[step]."""
    tier = tiers[step] if 0 <= step < len(tiers) else None
    return next((index for index in left if tiers[index] != tier), None)


def pause_after(round_number: int) -> timedelta:
    """Between the end of this round and the next."""
    return ROUND_PAUSE if round_number < QUICK_ROUNDS else LATER_ROUND_PAUSE
