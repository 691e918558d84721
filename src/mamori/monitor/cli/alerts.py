"""``mamori alerts``: the alerts of a tenant in the terminal, from the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from mamori.config.policy_file import load_policy
from mamori.config.settings import Settings, load_settings
from mamori.errors import MamoriError
from mamori.monitor.alerts.messages import message_event, message_fields
from mamori.monitor.app.secrets import DEFAULT_TENANT, redis_url
from mamori.monitor.cli.console import (
    ExitCode,
    print_json,
    print_problem,
    print_text,
    reported_errors,
)
from mamori.monitor.cli.options import ConfigOption, JsonOption
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.store.client import connect, redacted
from mamori.monitor.store.embedded import embedded_url
from mamori.monitor.store.faults import StoreFault, fault_code
from mamori.monitor.store.reader import StoredMessage, follow, latest
from mamori.monitor.texts import Texts

Show = Callable[[StoredMessage], None]
_NO_NODE = "no node is running here; start one with `mamori serve`"


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
    # Following ends with Ctrl+C and nothing else: that is its regular end.
    with reported_errors(interrupted=ExitCode.OK if follow_new else ExitCode.INTERRUPTED):
        settings = load_settings(config)
        texts = Texts(settings.node.language)
        viewer = _Viewer(_as_json if as_json else _as_text(texts, settings), texts)
        asyncio.run(_alerts(settings, tenant, count, follow_new, viewer))


def _as_json(message: StoredMessage) -> None:
    print_json(message_fields(message.body))


def _as_text(texts: Texts, settings: Settings) -> Show:
    printer = EventPrinter(texts, load_policy(settings.policy.file))

    def show(message: StoredMessage) -> None:
        event = message_event(message.body)
        line = printer.line(event)
        if line is not None:
            print_text(f"{event.call_id}  {line.text}", line.style)

    return show


class _Viewer:
    """Shows what can be read; says of the rest, and of a store that is away, once each."""

    def __init__(self, show: Show, texts: Texts) -> None:
        self._show = show
        self._texts = texts
        self._trouble: str | None = None

    def show(self, message: StoredMessage) -> None:
        """Show a message, or note on standard error that it is none that can be read."""
        if self._trouble is not None:
            self._trouble = None
            print_problem(self._texts("alerts.store_back"))
        try:
            self._show(message)
        except (ValueError, LookupError, RecursionError):
            # The stream is open to others: what we did not write must not hide what we did.
            print_problem(self._texts("alerts.passed_over", entry=message.entry_id))

    def trouble(self, code: str) -> None:
        """The store is away: said when it begins, not at each attempt."""
        if code != self._trouble:
            self._trouble = code
            print_problem(self._texts("alerts.store_away", code=code))


async def _alerts(
    settings: Settings, tenant: str, count: int, follow_new: bool, viewer: _Viewer
) -> None:
    configured = redis_url(settings)
    url = configured or embedded_url(settings.node.data_dir / "valkey")
    if url is None:
        raise MamoriError("not_reachable", _NO_NODE)
    client = connect(url)
    try:
        entry_id = "0-0"
        for message in await latest(client, tenant, count):
            viewer.show(message)
            entry_id = message.entry_id
        if follow_new:
            async for message in follow(client, tenant, entry_id, on_trouble=viewer.trouble):
                viewer.show(message)
    except BrokenPipeError:
        # Of standard output: the store's own were made into the client's errors.
        raise
    except StoreFault as error:
        remedy = "" if configured else f"; {_NO_NODE}"
        raise MamoriError(
            "store_not_reachable",
            f"the store at {redacted(url)} cannot be read ({fault_code(error)}){remedy}",
            recoverable=True,
        ) from error
    finally:
        await client.aclose()
