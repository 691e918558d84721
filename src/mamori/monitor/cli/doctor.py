"""``mamori doctor``: what is installed, reachable and configured, and the first broken step."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated

import typer

from mamori.config.settings import Settings, load_settings
from mamori.errors import ConfigError
from mamori.monitor.app.diagnosis import STEPS, diagnose
from mamori.monitor.app.installation import inspect
from mamori.monitor.cli.console import (
    ExitCode,
    print_json,
    print_problem,
    print_text,
    reported_errors,
)
from mamori.monitor.cli.options import ConfigOption, JsonOption
from mamori.monitor.cli.target import target
from mamori.monitor.texts import Texts

_STYLES = {"ok": "green", "degraded": "yellow", "failed": "bold red", "skipped": "dim"}


def doctor(
    url: Annotated[
        str | None, typer.Option(help="The node to test (default: the one of the settings).")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="MAMORI_KEY", help="The tenant's key (default: the settings')."),
    ] = None,
    local_only: Annotated[
        bool, typer.Option("--local", help="Look at this machine only; send no test call.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Look at this machine, then follow a test call through a node to the first broken step."""
    with reported_errors():
        settings = load_settings(config)
        report = _Report(Texts(settings.node.language), as_json)
        asyncio.run(_doctor(settings, url, key, local_only, report))
        report.finish()
    raise typer.Exit(report.exit_code)


class _Report:
    def __init__(self, texts: Texts, as_json: bool) -> None:
        self._texts = texts
        self._as_json = as_json
        self.exit_code = ExitCode.OK
        self._limited = False

    def add(self, kind: str, name: str, state: str, detail: str) -> None:
        if state == "failed" and self.exit_code is ExitCode.OK:
            self.exit_code = ExitCode.NOT_REACHABLE if name == "port" else ExitCode.FAILED
        self._limited |= state == "degraded"
        remedy = ""
        if state in {"failed", "degraded"} and name != "python":
            remedy = self._texts(f"doctor.remedy.{name}")
        if self._as_json:
            line = {"kind": kind, "name": name, "state": state, "detail": detail, "remedy": remedy}
            print_json(line)
            return
        label = self._texts(f"doctor.{kind}.{name}")
        # Several problems of one file come as several lines.
        suffix = f" ({'; '.join(detail.splitlines())})" if detail else ""
        print_text(f"{self._texts(f'doctor.{state}')}  {label}{suffix}", _STYLES[state])
        if remedy:
            print_text(f"    {self._texts('doctor.remedy', text=remedy)}")

    def say(self, line: str) -> None:
        if not self._as_json:
            print_text(line, "dim")

    def finish(self) -> None:
        if self.exit_code is ExitCode.OK:
            self.say(self._texts("doctor.limited" if self._limited else "doctor.all_ok"))


async def _doctor(
    settings: Settings, url: str | None, key: str | None, local_only: bool, report: _Report
) -> None:
    for check in await inspect(settings):
        report.add("check", check.key, check.state, check.detail)
    if local_only:
        return
    try:
        address, presented = target(settings, url, key)
    except ConfigError as error:
        print_problem(str(error))
        report.add("step", "key", "failed", error.code)
        return
    call_id = f"doctor-{uuid.uuid4().hex[:8]}"
    report.say(Texts(settings.node.language)("doctor.calling", url=address, call_id=call_id))
    done = set()
    async for finding in diagnose(address, presented, call_id=call_id):
        report.add("step", finding.step, finding.state, finding.detail)
        done.add(finding.step)
    for step in STEPS:
        if step not in done:
            report.add("step", step, "skipped", "")
