"""``mamori send``: a recording to a node in real time, as a PBX would send it."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Annotated

import typer

from mamori.config.policy_file import load_policy
from mamori.config.settings import load_settings
from mamori.monitor.app.inbound import listening
from mamori.monitor.app.secrets import DEFAULT_TENANT, tenant_keys
from mamori.monitor.cli.console import print_json, print_text, reported_errors
from mamori.monitor.cli.options import ConfigOption, JsonOption, LanguageOption
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.cli.replay import parse_channels, parse_speed
from mamori.monitor.events import Channel, Direction, JsonEvent, Party, event_to_dict
from mamori.monitor.texts import Texts
from mamori.telephony.client import send_recording
from mamori.telephony.recording import join_mono, read_recording


def send(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A recording; or two mono ones, to be joined as customer and agent.",
            metavar="FILE",
        ),
    ],
    url: Annotated[
        str, typer.Option(help="The node, such as ws://127.0.0.1:8765/v1/native/default.")
    ] = "",
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
    speed: Annotated[str, typer.Option(help="Multiple of real time.")] = "1",
    language: LanguageOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Stream a recording to a node in real time and show what the node finds."""
    with reported_errors():
        settings = load_settings(config)
        telephony = settings.telephony
        recordings = [read_recording(path) for path in files[:2]]
        recording = join_mono(*recordings) if len(recordings) == 2 else recordings[0]
        roles: tuple[Channel, ...] = parse_channels(channels, len(recording.channels))
        printer = EventPrinter(Texts(settings.node.language), load_policy(settings.policy.file))

        def show(event: JsonEvent) -> None:
            if as_json:
                print_json(event_to_dict(event))
                return
            line = printer.line(event)
            if line is not None:
                print_text(line.text, line.style)

        if key is None:
            keys, _ = tenant_keys(settings)
            key = next(iter(keys.values()))[0]
        tenant = next(iter(settings.tenants), DEFAULT_TENANT)
        scheme = "ws" if telephony.tls_certificate_file is None else "wss"
        host, port = telephony.listen_host, telephony.listen_port
        address = f"{scheme}://{host}:{port}/v1/native/{tenant}"
        asyncio.run(
            send_recording(
                url or address,
                key,
                recording,
                call_id=call_id or files[0].stem,
                channels=roles,
                encoding=encoding,
                language=language or settings.node.language,
                agent_id=agent_id,
                customer=Party(number=number) if number else None,
                direction=direction,
                speed=parse_speed(speed) or math.inf,
                want_events=True,
                on_event=listening(show),
            )
        )
