"""``mamori alerts``: the alerts of a tenant in the terminal, from the stream."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from mamori.config.policy_file import load_policy
from mamori.config.settings import Settings, load_settings
from mamori.errors import MamoriError
from mamori.monitor.alerts.messages import message_event
from mamori.monitor.app.secrets import DEFAULT_TENANT, redis_url
from mamori.monitor.cli.console import print_json, print_problem, print_text, reported_errors
from mamori.monitor.cli.options import ConfigOption, JsonOption
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.store.client import connect
from mamori.monitor.store.embedded import embedded_url
from mamori.monitor.store.reader import StoredMessage, follow, latest
from mamori.monitor.texts import Texts


def alerts(
    follow_new: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each new alert until Ctrl+C.")
    ] = False,
    count: Annotated[int, typer.Option("--last", min=1, max=10_000, help="How many.")] = 20,
    tenant: Annotated[str, typer.Option(help="Whose alerts.")] = DEFAULT_TENANT,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the latest alerts of a node's store."""
    with reported_errors():
        settings = load_settings(config)
        printer = EventPrinter(Texts(settings.node.language), load_policy(settings.policy.file))
        show = _JsonLines() if as_json else _TextLines(printer)
        asyncio.run(_alerts(settings, tenant, count, follow_new, show))


class _JsonLines:
    def __call__(self, message: StoredMessage) -> None:
        print_json(json.loads(message.body))


class _TextLines:
    def __init__(self, printer: EventPrinter) -> None:
        self._printer = printer

    def __call__(self, message: StoredMessage) -> None:
        event = message_event(message.body)
        line = self._printer.line(event)
        if line is not None:
            print_text(f"{event.call_id}  {line.text}", line.style)


async def _alerts(
    settings: Settings, tenant: str, count: int, follow_new: bool, show: _JsonLines | _TextLines
) -> None:
    url = redis_url(settings) or embedded_url(settings.node.data_dir / "valkey")
    if url is None:
        raise MamoriError("not_reachable", "no node is running here; start one with `mamori serve`")
    client = connect(url)
    try:
        entry_id = "0-0"
        for message in await latest(client, tenant, count):
            show(message)
            entry_id = message.entry_id
        if follow_new:
            async for message in follow(client, tenant, entry_id, on_trouble=print_problem):
                show(message)
    finally:
        await client.aclose()
