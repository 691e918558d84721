"""Options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file (default: $MAMORI_CONFIG, ./mamori.toml)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", "-l", help="Language of the call: ja, en or ko."),
]
PolicyOption = Annotated[
    Path | None, typer.Option("--policy", help="Policy file instead of the configured one.")
]
EngineOption = Annotated[
    str | None,
    typer.Option("--engine", help="auto, vosk, whisper, vosk+whisper or none."),
]
