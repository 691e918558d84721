"""Events survive the way to JSON and back, over every field of the whole union."""

import dataclasses
import json
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mamori.monitor.events import (
    AudioFrame,
    JsonEvent,
    Severity,
    event_from_dict,
    event_from_json,
    event_json_schema,
    event_to_dict,
    event_to_json,
)

EVENT_CLASSES = typing.get_args(JsonEvent)
PLAIN = {
    float: st.floats(allow_nan=False, allow_infinity=False),
    # Lone surrogates are no text that JSON can carry.
    str: st.text(alphabet=st.characters(codec="utf-8"), max_size=20),
    int: st.integers(min_value=-(2**53), max_value=2**53),
    bool: st.booleans(),
    type(None): st.none(),
}


def values_of(hint):
    """Values for a field's type; every field is filled, those with defaults too."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=2).map(tuple)
    if dataclasses.is_dataclass(hint):
        return instances_of(hint)
    if args:
        return st.one_of([values_of(arg) for arg in args])
    return st.sampled_from(hint)


def instances_of(cls):
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{f.name: values_of(hints[f.name]) for f in dataclasses.fields(cls)})


@pytest.mark.parametrize("cls", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_every_event_comes_back_from_json_as_it_was(cls):
    @settings(max_examples=25, deadline=None)
    @given(instances_of(cls))
    def round_trip(event):
        assert event_from_json(event_to_json(event)) == event
        assert event_from_dict(event_to_dict(event)) == event

    round_trip()


def test_the_type_stands_first_and_in_snake_case():
    names = {next(iter(schema_type(cls))) for cls in EVENT_CLASSES}

    assert "call_started" in names
    assert all(name == name.lower() and " " not in name for name in names)
    assert len(names) == len(EVENT_CLASSES)


def schema_type(cls):
    return typing.get_args(typing.get_type_hints(cls)["type"])


def test_japanese_text_stays_readable_in_json():
    event = next_failure("認識")

    line = event_to_json(event)

    assert "認識" in line
    assert next(iter(json.loads(line))) == "type"


def next_failure(detail):
    from mamori.monitor.events import StageFailed

    return StageFailed(
        call_id="c", offset_ms=0, stage="recognition", code="x", recoverable=True, detail=detail
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": "no_such_event"},
        {"type": "call_ended", "call_id": "c"},
        {"type": "media_gap", "call_id": "c", "channel": "left"},
    ],
)
def test_what_is_no_event_is_refused(fields):
    with pytest.raises(ValidationError):
        event_from_dict(fields)


def test_audio_never_becomes_json():
    assert AudioFrame not in EVENT_CLASSES


def test_the_schema_names_every_event():
    defined = event_json_schema()["$defs"]

    assert {cls.__name__ for cls in EVENT_CLASSES} <= set(defined)


def test_severities_compare_by_urgency():
    assert Severity.ATTENTION < Severity.WARNING < Severity.CRITICAL
    assert max(Severity.WARNING, Severity.CRITICAL, Severity.ATTENTION) is Severity.CRITICAL
    assert [Severity.of_rank(rank) for rank in (1, 2, 3)] == sorted(Severity)
    with pytest.raises(ValueError, match="1, 2 or 3"):
        Severity.of_rank(0)
