"""As many children as recordings may be heard at once, whichever models they hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recordings.speech.stt_models import Model
from recordings.speech.stt_process import Child


class Pool:
    """At most `most` children are at work, and one more for who may not wait (`first`); whoever else asks for one more
    waits. An idle child with another model makes room.

    The one more is there because a child that hears an ordinary recording cannot be interrupted for minutes, and what
    a patient said to nobody but the machine may be an emergency (recordings.store, the queue of answers)."""

    def __init__(self, most: int, make: Callable[[Model], Child]) -> None:
        if most < 1:
            raise ValueError("a pool has at least one child")
        self._most = most
        self._make = make
        self._change = threading.Condition()
        self._idle: list[Child] = []
        """The one used last stands last."""
        self._busy: set[Child] = set()
        self._waiting_first = 0

    @contextmanager
    def child(self, model: Model, *, first: bool = False) -> Iterator[Child]:
        """A child for this model, nobody else's meanwhile."""
        child, leaving = self._take(model, first)
        try:
            if leaving is not None:
                leaving.close()
            yield child
        finally:
            with self._change:
                self._busy.discard(child)
                self._idle.append(child)
                self._change.notify_all()

    def close(self) -> None:
        """End the idle children. Those at work end with their file's next one, or with us."""
        with self._change:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    @property
    def pids(self) -> list[int]:
        """Of the children that live, for whoever watches their memory."""
        with self._change:
            return [pid for child in (*self._idle, *self._busy) if (pid := child.pid) is not None]

    def _take(self, model: Model, first: bool) -> tuple[Child, Child | None]:
        with self._change:
            self._wait(first)
            leaving = None
            child = next((one for one in reversed(self._idle) if one.model == model), None)
            if child is not None:
                self._idle.remove(child)
            else:
                if self._idle and len(self._idle) + len(self._busy) >= self._most:
                    leaving = self._idle.pop(0)
                child = self._make(model)
            self._busy.add(child)
            return child, leaving

    def _wait(self, first: bool) -> None:
        if not first:
            self._change.wait_for(lambda: len(self._busy) < self._most and not self._waiting_first)
            return
        self._waiting_first += 1
        try:
            self._change.wait_for(lambda: len(self._busy) <= self._most)
        finally:
            self._waiting_first -= 1
            self._change.notify_all()
