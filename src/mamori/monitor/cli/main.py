"""``mamori``: the command line, one module per command."""

from __future__ import annotations

from typing import Annotated

import typer

from mamori import __version__
from mamori.monitor.cli import alerts, demo, doctor, explain, replay, send, serve
from mamori.monitor.cli.console import print_text
from mamori.monitor.cli.models import models_app

app = typer.Typer(
    name="mamori",
    help="Listens to telephone calls and tells supervisors, with the reason, when a customer's "
    "conduct harms the person on the phone. The machine notices; a named person decides.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("send")(send.send)
app.command("replay")(replay.replay)
app.command("explain")(explain.explain)
app.command("alerts")(alerts.alerts)
app.command("doctor")(doctor.doctor)
app.add_typer(models_app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(f"mamori {__version__}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Carry the options that stand before a command."""
