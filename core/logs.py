"""Logs: one JSON object a line on stderr (readable text at a terminal), and no patient data in them.

Ours are `structlog.get_logger()` with an event name and ids; libraries' stdlib records go the same way. Two
guards stand before the output: only keys known to be harmless pass, others leave just their name in
`dropped`; and whatever looks like a telephone number in any text becomes `[number]`. They are a net, not a
licence: what names a patient must not be logged in the first place.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# fmt: off
ALLOWED_KEYS: Final = frozenset((
    "event", "level", "logger", "timestamp", "exception", "dropped", "action", "at", "attempt",
    "attempts", "batch", "bytes", "carrier_status", "code", "command", "count", "day", "department",
    "direction", "due_at", "duration_ms", "duration_s", "elapsed_ms", "engine", "error", "error_type",
    "flow", "from_state", "host", "job", "kind", "language", "lane", "late_s", "limit", "lines",
    "method", "model", "node", "outcome", "path", "pid", "port", "problem", "prompt", "queue",
    "reason", "refused", "retry_in_s", "role", "route", "rows", "seconds", "sequence", "sid", "size",
    "state", "status", "step", "task", "thread", "tier", "to_state", "total", "try", "version",
    "wave", "worker",
))
# fmt: on
"""Keys that pass; `id`, `uuid`, `sha256` and names that end in `_id`, `_ids`, `_sid`, `_ms`, `_s`… do too."""

MASK: Final = "[number]"

_COPIES: Final = ("message", "asctime")  # what another handler's formatter left on a stdlib record

_ALLOWED_NAME: Final = re.compile(r"(id|uuid|sha256|\w+_(id|ids|sid|ms|s|count|bytes))")
# What must survive, tried before a number at every position: UUIDs, carrier ids, long hexadecimal digests,
# ISO dates and times, clock times, addresses with a port.
_KEPT: Final = (
    r"(?P<kept>"
    r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Fa-f])"
    r"|(?<![0-9A-Za-z])[A-Z]{2}[0-9a-fA-F]{32}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])(?=[0-9a-f]*[a-f])[0-9a-f]{32,128}(?![0-9A-Za-z])"
    r"|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d"
    r"(?:[T ][0-2]\d:[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?(?:Z|[+-][0-2]\d:?[0-5]\d)?)?(?!\d)"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\d.])"
    r")"
)
_NUMBER: Final = r"(?:[+\uff0b]|%2[Bb])?[(\uff08]?\d(?:[\s().\u2010-\u2015\uff08\uff09/-]{0,3}\d){6,}"
_NUMBERS: Final = re.compile(f"{_KEPT}|{_NUMBER}")
LEVELS: Final = {
    "twilio": logging.INFO,
    "twilio.http_client": logging.WARNING,
    "urllib3": logging.INFO,
    "requests": logging.INFO,
    "werkzeug": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "apscheduler": logging.WARNING,
    "procrastinate": logging.INFO,
    "faster_whisper": logging.WARNING,
    "huggingface_hub": logging.WARNING,
}
"""The least level at which a library may speak: below it, they write numbers, bodies or every statement."""


def mask(text: str) -> str:
    """`text` with everything that looks like a telephone number replaced by `[number]`.

    A number is seven or more digits, with or without `+`, spaces, dots, hyphens, slashes or brackets between.
    UUIDs, carrier ids, digests, dates and times, and IP addresses stay.
    """
    return _NUMBERS.sub(lambda found: found[0] if found["kept"] else MASK, text)


def guard(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The structlog processor of both guards; see the module's text."""
    kept: dict[str, Any] = {}
    dropped: list[str] = []
    for key, value in event.items():
        if key in _COPIES:
            continue
        if key.startswith("_"):
            kept[key] = value  # structlog's own bookkeeping, removed before the output
        elif key in ALLOWED_KEYS or _ALLOWED_NAME.fullmatch(key):
            kept[key] = value if key == "timestamp" else _masked(value)
        else:
            dropped.append(mask(key))
    if dropped:
        kept["dropped"] = sorted(dropped)
    return kept


def configure(*, level: str = "INFO", stream: TextIO | None = None, json: bool | None = None) -> None:
    """Send every log of this process to `stream` (default stderr), once at the start of a command.

    `json=None` means JSON unless the stream is a terminal. Calling it again replaces the earlier set-up.
    ValueError for an unknown level.
    """
    output = sys.stderr if stream is None else stream
    as_json = not output.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        guard,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=output.isatty())
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name, least in LEVELS.items():
        logger = logging.getLogger(name)
        logger.setLevel(max(least, root.level))
        for own_handler in logger.handlers[:]:
            logger.removeHandler(own_handler)  # werkzeug and twilio may add their own, which would go unguarded
        logger.propagate = True
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _masked(value: Any) -> Any:
    """Any value as it may be written: text masked, containers gone through, the unknown as masked text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**9 else mask(str(value))  # row ids and sizes stay
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return guard(None, "", {str(key): inner for key, inner in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner) for inner in value]
    return mask(str(value))
