"""The native protocol's messages from the client, checked; errors name the key and what is allowed.

A message never comes back in an error: it may hold a caller's name or number.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from mamori.monitor.events import Channel, Direction, GapCause, Party, primary_language
from mamori.telephony.codecs import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ, channels_problem
from mamori.telephony.protocols.errors import ProtocolError

PROTOCOL_VERSION: Final = 1
CALL_ID_PATTERN: Final = r"^[!-~]{1,128}$"
_SHOWN_CHARS: Final = 64  # of a key that nobody knows: enough to recognise one's own typing error
_SHOWN_PROBLEMS: Final = 5
# An hour: no pause of a telephone call is longer, and a slip from seconds to milliseconds shows.
_MAX_GAP_MS: Final = 3_600_000
# A day: no call is longer.
_MAX_POSITION_MS: Final = 86_400_000


# Control and format characters, line and paragraph separators. Among the format characters are the
# marks that turn the direction of writing: with them a name could show as another on a screen.
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})


def _printable(text: str) -> str:
    """The text with what shows nothing replaced, so that no screen, file or eye stumbles on it."""
    return "".join("�" if unicodedata.category(char) in _UNPRINTABLE else char for char in text)


def _sound_channels(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    problem = channels_problem(channels)
    if problem is not None:
        raise ValueError(problem)
    return channels


CallId = Annotated[str, StringConstraints(pattern=CALL_ID_PATTERN)]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"),
    AfterValidator(primary_language),
]
# 64 holds every number and SIP address in use; 256 every name that a screen could show.
Number = Annotated[str, StringConstraints(max_length=64), AfterValidator(_printable)]
Name = Annotated[str, StringConstraints(max_length=256), AfterValidator(_printable)]
Channels = Annotated[tuple[Channel, ...], AfterValidator(_sound_channels)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class PartyField(_Message):
    """One side of the call."""

    number: Number | None = Field(default=None, repr=False)
    name: Name | None = Field(default=None, repr=False)

    def party(self) -> Party:
        """The same as an event carries it."""
        return Party(number=self.number, name=self.name)


class MediaField(_Message):
    """How the audio that follows looks."""

    encoding: Literal["pcm_s16le", "mulaw", "alaw"]
    sample_rate_hz: Annotated[int, Field(ge=MIN_SAMPLE_RATE_HZ, le=MAX_SAMPLE_RATE_HZ)]
    channels: Channels


class StartMessage(_Message):
    """The first message of a connection."""

    type: Literal["start"]
    version: Literal[1]
    call_id: CallId
    media: MediaField
    language: Language | None = None
    direction: Direction = Direction.UNKNOWN
    customer: PartyField = PartyField()
    agent: PartyField = PartyField()
    agent_id: Name | None = None
    events: bool = False
    position_ms: Annotated[int, Field(ge=0, le=_MAX_POSITION_MS)] | None = None


class UpdateMessage(_Message):
    """Something about the call became known."""

    type: Literal["update"]
    agent_id: Name | None = None
    customer: PartyField | None = None
    agent: PartyField | None = None


class GapMessage(_Message):
    """Audio is missing from here on."""

    type: Literal["gap"]
    duration_ms: Annotated[int, Field(ge=1, le=_MAX_GAP_MS)]
    cause: GapCause


class StopMessage(_Message):
    """The call is over."""

    type: Literal["stop"]


ClientMessage = StartMessage | UpdateMessage | GapMessage | StopMessage

_MODELS: Final[dict[str, type[_Message]]] = {
    "start": StartMessage,
    "update": UpdateMessage,
    "gap": GapMessage,
    "stop": StopMessage,
}
_NESTED: Final[dict[str, type[_Message]]] = {
    "media": MediaField,
    "customer": PartyField,
    "agent": PartyField,
}
_ADAPTER: Final[TypeAdapter[ClientMessage]] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)
_CODE_OF_PATH: Final = {
    "version": "unsupported_version",
    "call_id": "bad_call_id",
    "media.encoding": "unknown_encoding",
    "media.sample_rate_hz": "bad_sample_rate",
    "media.channels": "bad_channels",
}


def parse_message(text: str) -> ClientMessage:
    """The message in ``text``; ProtocolError with the code and the reason otherwise."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as invalid:
        raise _explained(invalid) from None


def _explained(invalid: ValidationError) -> ProtocolError:
    problems = invalid.errors(include_url=False, include_context=False, include_input=True)
    kind = problems[0]["type"]
    if kind == "json_invalid":
        return ProtocolError("not_json", "a text message must be JSON")
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return ProtocolError("unknown_type", f"type must be one of {', '.join(_MODELS)}")
    if len(problems[0]["loc"]) < 2:
        return ProtocolError("bad_message", "a message must be a JSON object with a type")
    message = "; ".join(_one_problem(problem) for problem in problems[:_SHOWN_PROBLEMS])
    return ProtocolError(_code(problems[0]), message)


def _code(problem: ErrorDetails) -> str:
    path = [str(part) for part in problem["loc"][1:]]
    return _CODE_OF_PATH.get(".".join(path[:2]), "bad_message")


def _one_problem(problem: ErrorDetails) -> str:
    tag, *path = problem["loc"]
    if (tag, *path) == ("update", "language"):
        return "language: it is fixed at the start of a call, an update cannot change it"
    if problem["type"] == "extra_forbidden":
        model = _MODELS[str(tag)] if len(path) == 1 else _NESTED[str(path[-2])]
        where = ".".join(str(part) for part in (tag, *path[:-1]))
        key = str(path[-1])[:_SHOWN_CHARS]
        return f"unknown key {key!r} in {where}, allowed are {', '.join(model.model_fields)}"
    name = ".".join(str(part) for part in path)
    if name == "call_id":
        return "call_id must be 1 to 128 printable ASCII characters without spaces"
    reason = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{name}: {reason}"
