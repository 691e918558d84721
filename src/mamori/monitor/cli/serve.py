"""``mamori serve``: the node until SIGTERM."""

from __future__ import annotations

import asyncio
import signal

from mamori.config.settings import Settings, load_settings
from mamori.monitor.app.engines import Recognition
from mamori.monitor.app.logs import configure_logging
from mamori.monitor.app.loop import run
from mamori.monitor.app.node import Node
from mamori.monitor.cli.console import print_problem, print_text, reported_errors
from mamori.monitor.cli.options import ConfigOption
from mamori.monitor.cli.target import in_url
from mamori.monitor.texts import Texts


def serve(config: ConfigOption = None) -> None:
    """Take calls until SIGTERM or Ctrl+C; then let those in progress end."""
    with reported_errors():
        settings = load_settings(config)
        configure_logging(settings.node.log_level, settings.node.log_format)
        run(_serve(settings))


async def _serve(settings: Settings) -> None:
    texts = Texts(settings.node.language)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = Node(settings)
    await node.start()
    for line in engine_lines(node.recognition, texts):
        print_text(line)
    if node.created_key is not None:
        created = node.created_key
        print_text(texts("serve.key_created", tenant=created.tenant, file=created.file))
    scheme = "ws" if settings.telephony.tls_certificate_file is None else "wss"
    host = in_url(settings.telephony.listen_host)
    print_text(texts("serve.ready", url=f"{scheme}://{host}:{node.server.port}/v1/native/<tenant>"))
    if node.server.vosk_port is not None:
        host = in_url(settings.telephony.vosk_listen_host)
        print_text(texts("serve.vosk_ready", url=f"{scheme}://{host}:{node.server.vosk_port}"))
    if node.health_port is not None:
        url = f"http://{in_url(settings.health.listen_host)}:{node.health_port}/readyz"
        print_text(texts("serve.health", url=url))
    await stop.wait()
    # A second signal does not wait for calls in progress.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    print_problem(texts("serve.draining"))
    await node.stop()
    print_problem(texts("serve.stopped"))


def engine_lines(recognition: Recognition, texts: Texts) -> list[str]:
    """What recognises speech, and why, in a person's words."""
    return [
        texts("engine.line", engine=reason.text(texts.language))
        for reason in recognition.choice.reasons
    ]
