"""Wording what is wrong with a configuration: where, what, and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

NOT_TOML = (ValueError, RecursionError)
"""What reading TOML raises: for its syntax, an endless number, or tables nested without end."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """``; did you mean 'x'? (allowed: ...)`` for an unknown name."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (allowed: {', '.join(names)})"


def describe(problem: Any, model: type[BaseModel], source: str) -> str:  # noqa: ANN401
    """One pydantic error as ``source: key: what is wrong``; the value itself is never repeated."""
    location: Sequence[int | str] = problem["loc"]
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        return f"{source}: {key}: unknown key{nearest(str(location[-1]), keys_at(model, location))}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{source}: {key}: {message[:1].lower()}{message[1:]}"


def keys_at(model: type[BaseModel], location: Sequence[int | str]) -> Iterable[str]:
    """The keys that stand beside the last part of ``location``."""
    current: type[BaseModel] | None = model
    for part in location[:-1]:
        if current is None:
            break
        field = current.model_fields.get(str(part))
        if field is not None:
            current = _model_in(field.annotation)
    return current.model_fields if current is not None else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """The model that an annotation holds, however deep in lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
