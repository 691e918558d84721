"""``mamori replay``: a recording or a transcript through the same pipeline, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mamori.config.policy_file import Policy
from mamori.config.settings import Settings, load_settings
from mamori.errors import ConfigError
from mamori.monitor.app.calls import Listener
from mamori.monitor.app.engines import choose, open_offline
from mamori.monitor.app.logs import configure_logging
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import (
    Deliver,
    Lane,
    OpenLanes,
    Pace,
    Turn,
    parse_transcript,
    replay_audio,
    replay_transcript,
)
from mamori.monitor.app.secrets import DEFAULT_TENANT
from mamori.monitor.cli.console import print_json, print_problem, print_text, reported_errors
from mamori.monitor.cli.options import (
    ConfigOption,
    EngineOption,
    JsonOption,
    LanguageOption,
    PolicyOption,
)
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.events import CallStarted, Channel, JsonEvent, event_to_dict
from mamori.monitor.recognition.selection import EngineChoice
from mamori.monitor.recognition.service import RecognitionService
from mamori.monitor.texts import Texts
from mamori.telephony.recording import Recording, join_mono, read_recording

_TRANSCRIPT_SUFFIXES = (".jsonl", ".ndjson")


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A recording (WAV, FLAC; stereo is customer, agent), two mono recordings to be "
            "joined as customer and agent, or a transcript (.jsonl).",
            metavar="FILE",
        ),
    ],
    speed: Annotated[str, typer.Option(help="max, or a multiple of real time such as 1.")] = "max",
    engine: EngineOption = None,
    language: LanguageOption = None,
    policy: PolicyOption = None,
    channels: Annotated[
        str | None, typer.Option(help="Roles in the file's order, such as agent,customer.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Replay a recording or a transcript and show what would have been alerted."""
    with reported_errors():
        settings = load_settings(config)
        # What the engines do is not what was asked for, and the output may be read by a program.
        configure_logging("error", settings.node.log_format)
        spoken = language or settings.node.language
        pipeline = Pipeline.load(
            languages=[spoken],
            policy_file=policy or settings.policy.file,
            phrase_files=settings.policy.phrase_files,
        )
        pace = Pace(parse_speed(speed))
        show = event_listener(as_json, settings.node.language, pipeline.policy)
        if files[0].suffix.lower() in _TRANSCRIPT_SUFFIXES:
            asyncio.run(_replay_transcript(files, pipeline, spoken, pace, show))
            return
        recording = read_call(files)
        started = _started(
            files[0],
            language=spoken,
            channels=parse_channels(channels, len(recording.channels)),
            encoding=recording.source_encoding,
            sample_rate_hz=recording.sample_rate_hz,
        )
        choice = _choice(settings, engine, spoken)
        wanted = engine or settings.recognition.engine
        if not choice.has_engine and wanted != "none":
            print_problem(Texts(settings.node.language)("replay.no_words"))
        replaying = _Replaying(pipeline, choice, settings.recognition.workers, pace, show)
        asyncio.run(replaying.audio(recording, started))


def event_listener(as_json: bool, language: str, policy: Policy) -> Listener:
    """What prints each event of a call: as JSON, or in a person's words."""
    if as_json:
        return lambda event: print_json(event_to_dict(event))
    printer = EventPrinter(Texts(language), policy)

    def show(event: JsonEvent) -> None:
        for line in printer.lines(event):
            print_text(line.text, line.style)

    return show


def read_call(files: Sequence[Path]) -> Recording:
    """One recording, or two mono ones joined; ConfigError for more files."""
    if len(files) > 2:
        raise ConfigError(["give one recording, or two mono ones: customer and agent"])
    recordings = [read_recording(path) for path in files]
    return join_mono(*recordings) if len(recordings) == 2 else recordings[0]


def parse_speed(speed: str) -> float | None:
    """``max`` as None, else a multiple of real time in (0, 1000]; ConfigError otherwise."""
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1000:
        raise ConfigError([f"--speed {speed}: allowed are max and numbers above 0 up to 1000"])
    return factor


def parse_channels(names: str | None, count: int) -> tuple[Channel, ...]:
    """Roles for ``count`` channels: as named, else customer and agent, or mixed for one."""
    if names is None:
        return (Channel.CUSTOMER, Channel.AGENT) if count == 2 else (Channel.MIXED,)
    roles: list[Channel] = []
    for name in names.split(","):
        try:
            roles.append(Channel(name.strip()))
        except ValueError:
            allowed = ", ".join(Channel)
            raise ConfigError(
                [f"--channels: {name.strip()!r} is not known (allowed: {allowed})"]
            ) from None
    if len(roles) != count or len(set(roles)) != count:
        raise ConfigError(
            [f"--channels {names}: the recording has {count} channel(s), each needs its own role"]
        )
    return tuple(roles)


def transcript_channels(turns: Sequence[Turn], source: str) -> tuple[Channel, ...]:
    """The channels of a transcript's call; ConfigError where it is one line and two at once."""
    named = {turn.channel for turn in turns}
    if named == {Channel.MIXED}:
        return (Channel.MIXED,)
    if Channel.MIXED in named:
        raise ConfigError(
            [
                f"{source}: has turns on mixed and on customer or agent; "
                "a call is either one line (mixed) or two (customer, agent)"
            ],
            code="bad_transcript",
        )
    return (Channel.CUSTOMER, Channel.AGENT)


def _choice(settings: Settings, engine: str | None, language: str) -> EngineChoice:
    section = settings.recognition
    return choose(
        engine=engine or section.engine,
        languages=[language],
        models_dir=section.models_dir,
        fetch=section.fetch,
    )


def _started(
    file: Path, *, language: str, channels: tuple[Channel, ...], encoding: str, sample_rate_hz: int
) -> CallStarted:
    return CallStarted(
        call_id=file.stem,
        tenant=DEFAULT_TENANT,
        dialect="replay",
        channels=channels,
        encoding=encoding,
        sample_rate_hz=sample_rate_hz,
        language=language,
    )


@dataclass(frozen=True, slots=True)
class _Replaying:
    """How recordings are replayed."""

    pipeline: Pipeline
    choice: EngineChoice
    workers: int | None
    pace: Pace
    show: Listener

    async def audio(self, recording: Recording, started: CallStarted) -> None:
        """Replay one."""
        pipeline = self.pipeline
        session = pipeline.session(started, alert_id_prefix=f"replay-{started.call_id}")
        recognition = await open_offline(
            self.choice, workers=self.workers, candidates=pipeline.candidates
        )
        service = recognition.service
        try:
            await replay_audio(
                session,
                recording.channels,
                open_lanes=None if service is None else _lanes(service, started),
                pace=self.pace,
                show=self.show,
            )
        finally:
            if service is not None:
                await service.stop()


def _lanes(service: RecognitionService, started: CallStarted) -> OpenLanes:
    def open_lanes(deliver: Deliver) -> Mapping[Channel, Lane]:
        return service.open_call(
            call_id=started.call_id,
            channels=started.channels,
            language=started.language,
            sample_rate_hz=started.sample_rate_hz,
            deliver=deliver,
        ).lanes

    return open_lanes


async def _replay_transcript(
    files: Sequence[Path], pipeline: Pipeline, language: str, pace: Pace, show: Listener
) -> None:
    if len(files) > 1:
        raise ConfigError(["replay takes one transcript at a time"])
    path = files[0]
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text: {error}"]) from error
    # Not splitlines: that cuts at U+2028 and U+0085, which JSON allows inside a text.
    turns = parse_transcript(text.split("\n"), str(path))
    started = _started(
        path,
        language=language,
        channels=transcript_channels(turns, str(path)),
        encoding="transcript",
        sample_rate_hz=8000,
    )
    session = pipeline.session(started, alert_id_prefix=f"replay-{started.call_id}")
    await replay_transcript(session, turns, pace=pace, show=show)
