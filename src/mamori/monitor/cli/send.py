"""``mamori send``: a recording to a node in real time, as a PBX would send it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mamori.config.policy_file import load_policy
from mamori.config.settings import load_settings
from mamori.errors import ConfigError
from mamori.monitor.app.inbound import listening
from mamori.monitor.cli.console import print_problem, reported_errors
from mamori.monitor.cli.options import ConfigOption, JsonOption, LanguageOption
from mamori.monitor.cli.replay import event_listener, parse_channels, read_call
from mamori.monitor.cli.target import target
from mamori.monitor.events import Direction, Party
from mamori.monitor.texts import Texts
from mamori.telephony.client import SendReport, send_recording
from mamori.telephony.codecs import ENCODINGS


def send(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A recording; or two mono ones, to be joined as customer and agent.",
            metavar="FILE",
        ),
    ],
    url: Annotated[
        str | None, typer.Option(help="The node (default: the one of the settings).")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="MAMORI_KEY", help="The tenant's key (default: the local node's)."),
    ] = None,
    call_id: Annotated[str | None, typer.Option(help="Call id (default: the file's name).")] = None,
    agent_id: Annotated[str | None, typer.Option(help="The agent's id.")] = None,
    number: Annotated[str | None, typer.Option(help="The customer's number.")] = None,
    direction: Annotated[Direction, typer.Option(help="Who placed the call.")] = Direction.INBOUND,
    encoding: Annotated[str, typer.Option(help="mulaw, alaw or pcm_s16le.")] = "mulaw",
    channels: Annotated[str | None, typer.Option(help="Roles in the file's order.")] = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Stream a recording to a node in real time and show what the node finds."""
    with reported_errors():
        settings = load_settings(config)
        if encoding not in ENCODINGS:
            allowed = ", ".join(ENCODINGS)
            raise ConfigError([f"--encoding {encoding}: not known (allowed: {allowed})"])
        recording = read_call(files)
        roles = parse_channels(channels, len(recording.channels))
        policy = load_policy(settings.policy.file)
        show = event_listener(as_json, settings.node.language, policy)
        address, presented = target(settings, url, key)
        report = asyncio.run(
            send_recording(
                address,
                presented,
                recording,
                call_id=call_id or files[0].stem,
                channels=roles,
                encoding=encoding,
                language=language or settings.node.language,
                agent_id=agent_id,
                customer=Party(number=number) if number else None,
                direction=direction,
                want_events=True,
                on_event=listening(show),
            )
        )
        _say_losses(report, Texts(settings.node.language))


def _say_losses(report: SendReport, texts: Texts) -> None:
    """Say what the node did not hear or read; its account is the last thing that it sends."""
    for account in report.stopped.get("ledger", ()):
        rate_hz = account["sample_rate_hz"]
        if missing := account["gap_samples"] + account["shed_samples"]:
            channel = texts(f"channel.{account['channel']}")
            print_problem(texts("send.lost", channel=channel, seconds=missing / rate_hz))
