"""Events to and from JSON: one closed union, told apart by ``type``.

Audio (AudioFrame, SpeechAudio) never becomes JSON.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from mamori.monitor.events.alerts import AlertRaised, AlertResolved, AlertUpdated, LadderMoved
from mamori.monitor.events.call import CallEnded, CallStarted, CallUpdated
from mamori.monitor.events.evidence import Detection
from mamori.monitor.events.media import (
    MediaDropped,
    MediaGap,
    RecognitionScopeChanged,
    StageFailed,
)
from mamori.monitor.events.speech import (
    FinalHypothesis,
    PartialHypothesis,
    PhraseHint,
    RereadHypothesis,
    SpeechEnded,
    SpeechStarted,
)

JsonEvent = (
    CallStarted
    | CallUpdated
    | CallEnded
    | MediaGap
    | MediaDropped
    | StageFailed
    | RecognitionScopeChanged
    | SpeechStarted
    | SpeechEnded
    | PartialHypothesis
    | FinalHypothesis
    | RereadHypothesis
    | PhraseHint
    | Detection
    | AlertRaised
    | AlertUpdated
    | AlertResolved
    | LadderMoved
)
AlertEvent = AlertRaised | AlertUpdated | AlertResolved | LadderMoved

_ADAPTER: Final[TypeAdapter[JsonEvent]] = TypeAdapter(
    Annotated[JsonEvent, Field(discriminator="type")]
)


def event_to_dict(event: JsonEvent) -> dict[str, Any]:
    """The event as JSON-ready values, ``type`` first."""
    fields: dict[str, Any] = _ADAPTER.dump_python(event, mode="json")
    return {"type": fields.pop("type"), **fields}


def event_to_json(event: JsonEvent) -> str:
    """The event as one line of JSON, UTF-8 text kept as it is."""
    return json.dumps(event_to_dict(event), ensure_ascii=False, separators=(",", ":"))


def event_from_dict(fields: dict[str, Any]) -> JsonEvent:
    """The event that ``event_to_dict`` wrote; pydantic.ValidationError for anything else."""
    return _ADAPTER.validate_python(fields)


def event_from_json(line: str | bytes) -> JsonEvent:
    """The event that ``event_to_json`` wrote; pydantic.ValidationError for anything else."""
    return _ADAPTER.validate_json(line)


def event_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the whole union."""
    return _ADAPTER.json_schema(mode="serialization")
