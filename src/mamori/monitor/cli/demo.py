"""``mamori demo``: bundled calls through the real thing, from the WebSocket to the stream."""

from __future__ import annotations

import asyncio
import secrets
import signal
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from mamori.config.settings import HealthSettings, Settings, TenantSettings, load_settings
from mamori.monitor.alerts.messages import message_event
from mamori.monitor.app.logs import configure_logging
from mamori.monitor.app.loop import run
from mamori.monitor.app.node import Node
from mamori.monitor.app.secrets import DEFAULT_TENANT
from mamori.monitor.cli.console import ExitCode, print_text, reported_errors
from mamori.monitor.cli.options import ConfigOption, EngineOption
from mamori.monitor.cli.render import EventPrinter
from mamori.monitor.cli.serve import engine_lines
from mamori.monitor.demo import DEMO_CHANNELS, DemoCall, demo_calls
from mamori.monitor.events import (
    AlertRaised,
    AlertResolved,
    AlertUpdated,
    CallEnded,
    Category,
    Direction,
    FinalHypothesis,
    JsonEvent,
)
from mamori.monitor.store.client import connect
from mamori.monitor.store.reader import FROM_START, follow
from mamori.monitor.texts import Texts
from mamori.telephony.client import send_recording
from mamori.telephony.recording import read_recording

# What is detected without words.
_WITHOUT_WORDS = frozenset({Category.RAISED_VOICE, Category.LONG_CALL})
# The stream follows the journal by milliseconds; this bounds the wait when something is broken.
_STREAM_WAIT_S = 10.0


def demo(
    exit_after: Annotated[
        bool,
        typer.Option("--exit", help="End after the calls; status 0 only if all came as expected."),
    ] = False,
    engine: EngineOption = None,
    config: ConfigOption = None,
) -> None:
    """Play bundled calls in real time and show their alerts as they come."""
    with reported_errors():
        settings = load_settings(config)
        configure_logging("error", settings.node.log_format)
        with tempfile.TemporaryDirectory(prefix="mamori-demo-") as folder:
            passed = run(_demo(_demo_settings(settings, engine, Path(folder)), exit_after))
        if not passed:
            raise typer.Exit(ExitCode.FAILED)


def _demo_settings(settings: Settings, engine: str | None, folder: Path) -> Settings:
    """The node's settings with a folder, a port and a key of the demo's own, and no other store."""
    recognition = settings.recognition.model_copy(update={"languages": ("ja",)})
    if engine is not None:
        recognition = recognition.model_copy(update={"engine": engine})
    tenant = TenantSettings(keys=(SecretStr(secrets.token_urlsafe(24)),))
    return settings.model_copy(
        update={
            "node": settings.node.model_copy(update={"data_dir": folder}),
            "telephony": settings.telephony.model_copy(
                update={"listen_host": "127.0.0.1", "listen_port": 0, "vosk_listen_port": None}
            ),
            "tenants": {DEFAULT_TENANT: tenant},
            "recognition": recognition,
            "store": settings.store.model_copy(update={"redis_url": None, "redis_url_file": None}),
            "health": HealthSettings(enabled=False),
        }
    )


async def _demo(settings: Settings, exit_after: bool) -> bool:
    show = _Show(settings)
    node = Node(settings, listeners=[show.call_event])
    await node.start()
    following = asyncio.create_task(_follow(node, show), name="demo-follow")
    try:
        show.intro(node)
        key = settings.tenants[DEFAULT_TENANT].keys[0].get_secret_value()
        url = f"ws://127.0.0.1:{node.server.port}/v1/native/{DEFAULT_TENANT}"
        await asyncio.gather(*(_play(call, url, key) for call in demo_calls()))
        arrived = await _wait_for_stream(node, show)
        passed = show.verdict() and arrived
        if not exit_after:
            print_text(show.texts("demo.waiting"), "dim")
            await _signalled()
    finally:
        following.cancel()
        await asyncio.wait({following})
        await node.stop(drain_s=0)
    return passed


async def _play(call: DemoCall, url: str, key: str) -> None:
    recording = read_recording(call.file)
    await send_recording(
        url,
        key,
        recording,
        call_id=call.call_id,
        channels=DEMO_CHANNELS,
        encoding="mulaw",
        language=call.language,
        agent_id=call.agent_id,
        direction=Direction.INBOUND,
    )


async def _follow(node: Node, show: _Show) -> None:
    client = connect(node.store.url)
    try:
        async for message in follow(client, DEFAULT_TENANT, FROM_START):
            show.stream_event(message_event(message.body))
    finally:
        await client.aclose()


async def _wait_for_stream(node: Node, show: _Show) -> bool:
    """Wait until the stream has shown every alert event that the journal holds."""
    written = len(await node.journal.read(DEFAULT_TENANT))
    try:
        async with asyncio.timeout(_STREAM_WAIT_S):
            await show.streamed(written)
    except TimeoutError:
        missing = written - show.stream_count
        print_text(show.texts("demo.not_in_stream", count=missing), "bold red")
        return False
    print_text(show.texts("demo.in_stream", count=written), "dim")
    return True


async def _signalled() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


class _Show:
    """What the demo prints: words as they are recognised, alerts as the stream brings them."""

    def __init__(self, settings: Settings) -> None:
        self.texts = Texts(settings.node.language)
        self.stream_count = 0
        self._with_words = False
        self._arrived = asyncio.Condition()
        self._categories: dict[str, set[str]] = defaultdict(set)
        self._titles = {
            call.call_id: call.title_ja if self.texts.language == "ja" else call.title_en
            for call in demo_calls()
        }
        self._printer: EventPrinter | None = None
        self._notices: set[asyncio.Task[None]] = set()

    def intro(self, node: Node) -> None:
        self._printer = EventPrinter(self.texts, node.pipeline.policy)
        for line in engine_lines(node.recognition, self.texts):
            print_text(line, "dim")
        self._with_words = node.recognition.service is not None
        if not self._with_words:
            print_text(self.texts("demo.no_words"), "yellow")
        print_text(self.texts("demo.intro", count=len(demo_calls()), store="Valkey Streams"))
        for call in demo_calls():
            print_text(f"  {self._titles[call.call_id]} — {self._outlook(call)}")
        print_text("")

    def call_event(self, event: JsonEvent) -> None:
        if isinstance(event, FinalHypothesis | CallEnded):
            self._print(event)

    def stream_event(self, event: JsonEvent) -> None:
        if isinstance(event, AlertRaised | AlertUpdated):
            self._categories[event.call_id].add(event.category)
        if isinstance(event, AlertRaised | AlertUpdated | AlertResolved):
            self._print(event)
        self.stream_count += 1
        task = asyncio.create_task(self._notify())
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def streamed(self, count: int) -> None:
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.stream_count >= count)

    def verdict(self) -> bool:
        """Print each call's outcome; whether all came as expected."""
        verdicts = [self._verdict(call) for call in demo_calls()]
        return all(verdicts)

    def _verdict(self, call: DemoCall) -> bool:
        title, found = self._titles[call.call_id], self._categories[call.call_id]
        expected = self._expected(call)
        if not self._with_words and not found and not expected:
            # Silence says nothing here: neither praise it nor blame it.
            print_text(self.texts("demo.not_judged", call=title), "yellow")
            return True
        if not call.expected and found:
            text = self.texts("demo.unexpected", call=title, categories=self._words(found))
        elif expected - found:
            missing = self._words(expected - found)
            text = self.texts("demo.missing", call=title, categories=missing)
        else:
            key = "demo.passed" if found else "demo.passed_silent"
            print_text(self.texts(key, call=title, categories=self._words(found)), "green")
            return True
        print_text(text, "bold red")
        return False

    def _expected(self, call: DemoCall) -> frozenset[Category]:
        return call.expected if self._with_words else call.expected & _WITHOUT_WORDS

    def _outlook(self, call: DemoCall) -> str:
        expected = self._expected(call)
        if expected:
            return self.texts("demo.expected", categories=self._words(expected))
        return self.texts("demo.silent" if not call.expected else "demo.unjudged")

    def _words(self, categories: Iterable[str]) -> str:
        words = (f"{self.texts.category(name)} [{name}]" for name in sorted(categories))
        return ("、" if self.texts.language == "ja" else ", ").join(words)

    def _print(self, event: JsonEvent) -> None:
        for line in self._printer.lines(event) if self._printer else ():
            print_text(f"{event.call_id}  {line.text}", line.style)

    async def _notify(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()
