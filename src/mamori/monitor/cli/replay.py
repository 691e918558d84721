"""``mamori replay``: a recording or a transcript through the same pipeline, in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mamori.config.policy_file import Policy
from mamori.config.settings import load_settings
from mamori.errors import ConfigError
from mamori.monitor.app.calls import Listener
from mamori.monitor.app.engines import Recognition, open_recognition
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.replay import Pace, parse_transcript, replay_audio, replay_transcript
from mamori.monitor.cli.console import print_json, print_text, reported_errors
from mamori.monitor.cli.options import (
    ConfigOption,
    EngineOption,
    JsonOption,
    LanguageOption,
    PolicyOption,
)
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.events import CallStarted, Channel, JsonEvent, event_to_dict
from mamori.monitor.texts import Texts
from mamori.telephony.recording import join_mono, read_recording

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
        spoken = language or settings.node.language
        pipeline = Pipeline.load(
            languages=[spoken],
            policy_file=policy or settings.policy.file,
            phrase_files=settings.policy.phrase_files,
        )
        pace = Pace(parse_speed(speed))
        show = _printer(as_json, settings.node.language, pipeline.policy)
        if files[0].suffix.lower() in _TRANSCRIPT_SUFFIXES:
            _replay_transcript(files, pipeline, spoken, pace, show)
            return
        recognition = open_recognition(
            engine=engine or settings.recognition.engine,
            languages=[spoken],
            models_dir=settings.recognition.models_dir,
            fetch=settings.recognition.fetch,
            worker_threads=settings.recognition.worker_threads,
        )
        asyncio.run(
            _replay_audio(
                files,
                channels,
                pipeline=pipeline,
                language=spoken,
                recognition=recognition,
                pace=pace,
                show=show,
            )
        )


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


async def _replay_audio(
    files: list[Path],
    channels: str | None,
    *,
    pipeline: Pipeline,
    language: str,
    recognition: Recognition,
    pace: Pace,
    show: Listener,
) -> None:
    if len(files) > 2:
        raise ConfigError(["replay takes one recording, or two mono ones: customer and agent"])
    recordings = [read_recording(path) for path in files]
    recording = join_mono(*recordings) if len(recordings) == 2 else recordings[0]
    roles = parse_channels(channels, len(recording.channels))
    started = CallStarted(
        call_id=files[0].stem,
        tenant="default",
        dialect="replay",
        channels=roles,
        encoding=recording.source_encoding,
        sample_rate_hz=recording.sample_rate_hz,
        language=language,
    )
    session = pipeline.session(started, alert_id_prefix=f"replay-{started.call_id}")
    service = recognition.service
    if service is None:
        await replay_audio(session, recording.channels, open_lane=None, pace=pace, show=show)
        return
    try:
        await replay_audio(
            session,
            recording.channels,
            open_lane=lambda channel, deliver: service.open_lane(
                call_id=started.call_id,
                channel=channel,
                language=language,
                sample_rate_hz=started.sample_rate_hz,
                deliver=deliver,
            ),
            pace=pace,
            show=show,
        )
    finally:
        await service.stop()


def _replay_transcript(
    files: list[Path], pipeline: Pipeline, language: str, pace: Pace, show: Listener
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
    turns = parse_transcript(text.splitlines(), str(path))
    started = CallStarted(
        call_id=path.stem,
        tenant="default",
        dialect="replay",
        channels=(Channel.CUSTOMER, Channel.AGENT)
        if all(turn.channel is not Channel.MIXED for turn in turns)
        else (Channel.MIXED,),
        encoding="transcript",
        sample_rate_hz=8000,
        language=language,
    )
    session = pipeline.session(started, alert_id_prefix=f"replay-{started.call_id}")
    asyncio.run(replay_transcript(session, turns, pace=pace, show=show))


def _printer(as_json: bool, language: str, policy: Policy) -> Listener:
    if as_json:

        def show_json(event: JsonEvent) -> None:
            print_json(event_to_dict(event))

        return show_json
    printer = EventPrinter(Texts(language), policy)

    def show_text(event: JsonEvent) -> None:
        line = printer.line(event)
        if line is not None:
            print_text(line.text, line.style)

    return show_text
