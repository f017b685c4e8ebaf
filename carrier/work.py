"""What is still under way: calls, callbacks, messages. The carrier is idle when nothing is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Work:
    """A count of unfinished things, to wait for its zero."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def begin(self) -> None:
        with self._changed:
            self._count += 1

    def done(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Something that is under way while inside."""
        self.begin()
        try:
            yield
        finally:
            self.done()

    def idle(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` real seconds until nothing is under way."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout_s)
