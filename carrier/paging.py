"""List answers of the REST API: the envelope, its page links, and the date filters (docs/twilio.md 1.3)."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from flask import request

from carrier.errors import bad

DEFAULT_SIZE = 50
LARGEST_SIZE = 1000


class HasSid(Protocol):
    @property
    def sid(self) -> str: ...


Item = TypeVar("Item", bound=HasSid)


def page_of(key: str, items: Sequence[Item], to_json: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """One page of `items` under `key`, with relative links. The token is `PA` + the last SID seen, so that
    entries that come in front while somebody pages do not shift what he gets."""
    size = _whole("PageSize", DEFAULT_SIZE)
    if not 1 <= size <= LARGEST_SIZE:
        raise bad(20007, "Page size is greater than allowed")
    number = _whole("Page", 0)
    token = request.args.get("PageToken", "")
    first = number * size
    if token.startswith("PA"):
        first = next((place + 1 for place, item in enumerate(items) if item.sid == token[2:]), len(items))
    shown = items[first : first + size]
    following = None
    if first + size < len(items):
        following = _link(size, number + 1, f"PA{shown[-1].sid}")
    return {
        key: [to_json(item) for item in shown],
        "page": number,
        "page_size": size,
        "start": first,
        "end": max(first, first + len(shown) - 1),
        "uri": request.full_path.rstrip("?"),
        "first_page_uri": _link(size, 0, ""),
        "previous_page_uri": None,
        "next_page_uri": following,
    }


def _whole(name: str, default: int) -> int:
    value = request.args.get(name)
    if value is None:
        return default
    if not value.isdigit():
        raise bad(20007, f"{name} is not a number")
    return int(value)


def _link(size: int, number: int, token: str) -> str:
    kept = [(name, value) for name, value in request.args.items(multi=True) if not name.startswith("Page")]
    links = [*kept, ("PageSize", str(size)), ("Page", str(number))]
    return f"{request.path}?{urlencode(links + ([('PageToken', token)] if token else []))}"


def within(name: str) -> Callable[[float | None], bool]:
    """A test of a moment by the filters `name`, `name<`, `name>`.

    A date means its UTC day. `<` is before it, `>` on or after it; a full time is compared to the second.
    """
    on, before, after = (request.args.get(name + sign) for sign in ("", "<", ">"))

    def test(moment: float | None) -> bool:
        if moment is None:
            return not (on or before or after)
        second = int(moment)
        if on and not _start(on) <= second < _start(on) + (86400 if _is_date(on) else 1):
            return False
        return not (before and second >= _start(before)) and not (after and second < _start(after))

    return test


def _is_date(value: str) -> bool:
    return len(value) == len("2026-01-01")


def _start(value: str) -> float:
    """The first second a filter value means; raises 20422 for one that is no date."""
    try:
        if _is_date(value):
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise bad(20422, f"Invalid Parameter: {value} is not a date") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
