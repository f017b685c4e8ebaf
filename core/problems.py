"""Sentences for wrong settings: where it stands, what was found, what is allowed."""

import difflib
import json
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


def of_environment(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence per wrong environment variable of `model`; values hidden from repr are not repeated."""
    return [_environment_sentence(one, model) for one in error.errors(include_url=False)]


def of_file(error: ValidationError, model: type[BaseModel], path: Path) -> list[str]:
    """One sentence per wrong value of the TOML file at `path`, described by `model`."""
    errors = error.errors(include_url=False)
    # A list whose items are wrong is also reported as "too short": the item's own sentence is enough.
    inner = {one["loc"][:-1] for one in errors if one["loc"] and isinstance(one["loc"][-1], int)}
    return [_file_sentence(one, model, path) for one in errors if one["loc"] not in inner]


def misspelt(env: Iterable[str], known: Iterable[str]) -> list[str]:
    """One sentence per variable that nearly has a name we know, while the known one is not set."""
    given, names = set(env), set(known)
    unset = sorted(names - given)
    found = []
    for name in sorted(given - names):
        if name.startswith(("CARECALL_", "TWILIO_", "DATA", "SECRET", "PUBLIC_", "CARRIER_", "HOSPITAL_")):
            near = difflib.get_close_matches(name, unset, n=1, cutoff=0.9)
            found += [f"{name}: there is no such variable; the name is {near[0]}." for _ in near]
    return found


def _environment_sentence(one: ErrorDetails, model: type[BaseModel]) -> str:
    if not one["loc"]:
        return f"{_own_words(one)}."
    name = str(one["loc"][0])
    field = next(field for field in model.model_fields.values() if _variable(field) == name)
    length = len(str(one["input"]))
    found = json.dumps(one["input"]) if field.repr else f"the value of {length} characters"
    if one["type"] == "value_error":
        return f"{name}: {found} cannot be used: {_own_words(one)}."
    return f"{name}: {found} cannot be used: it must be {field.description}."


def _variable(field: FieldInfo) -> str:
    return str(field.validation_alias)


def variables(model: type[BaseModel]) -> list[str]:
    """The names of the environment variables that `model` reads."""
    return [_variable(field) for field in model.model_fields.values()]


def _file_sentence(one: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    loc = tuple(part for part in one["loc"] if part != "[key]")
    owner, description = _walk(model, loc)
    where = f"{path}: {_toml_name(loc)}"
    if one["type"] == "extra_forbidden":
        return _unknown(where, str(loc[-1]), owner)
    if one["type"] == "missing":
        return f"{where} is missing; it must be {description}."
    if one["type"] == "value_error":
        return f"{where}: {_own_words(one)}."
    if not description:
        return f"{where} is {_shown(one['input'])}; it must be a table of settings."
    return f"{where} is {_shown(one['input'])}; it must be {description}."


def _own_words(one: ErrorDetails) -> str:
    return str(one.get("ctx", {}).get("error", one["msg"])).rstrip(".")


def _unknown(where: str, name: str, owner: type[BaseModel]) -> str:
    known = [field.alias or key for key, field in owner.model_fields.items()]
    near = difflib.get_close_matches(name, known, n=1)
    guess = f" (did you mean {near[0]}?)" if near else ""
    return f"{where} is not a known name{guess}; known here: {', '.join(known)}."


def _toml_name(loc: tuple[int | str, ...]) -> str:
    """("calling", "window", 0) -> "[calling] window, item 1"."""
    items = [str(part + 1) for part in loc if isinstance(part, int)]
    names = [part for part in loc if isinstance(part, str)]
    text = f"[{names[0]}]" + (f" {'.'.join(names[1:])}" if names[1:] else "")
    return text + (f", item {', '.join(items)}" if items else "")


def _shown(value: Any) -> str:
    """A found value as TOML writes it, near enough to be recognised."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[type[BaseModel], str]:
    """The table a value stands in, and the description of the innermost described setting on the way."""
    owner, inner, description = model, model, ""
    for part in loc:
        by_name = {field.alias or key: field for key, field in inner.model_fields.items()}
        field = by_name.get(str(part))
        owner = inner
        if field is None:
            continue  # an item of a list or the name of a table: stay in the same place
        description = field.description or ""
        inner = _model_in(field.annotation) or inner
    return owner, description


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model class anywhere inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in typing.get_args(annotation) if (found := _model_in(arg))), None)
