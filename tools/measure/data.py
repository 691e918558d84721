"""The development recordings and lines beside the checkout; they are no part of the project."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SHARED_DATA: Final = Path(__file__).resolve().parents[3] / "shared" / "data"


class NotHereError(Exception):
    """Something that a measurement needs is not on this machine; the text names it."""


def shared(path: str) -> Path:
    """A file of the shared data; NotHereError where it is absent."""
    file = SHARED_DATA / path
    if not file.exists():
        raise NotHereError(f"needs ../shared/data/{path}, which is not here")
    return file


def lines(path: str) -> Iterator[dict[str, Any]]:
    """The objects of a file of the folder ``text``."""
    with shared(f"text/{path}").open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of the manifest; ``text`` is empty where there is no transcript."""

    path: Path
    label: str
    speaker: str
    text: str


def clips(collection: str) -> list[Clip]:
    """The recordings of one set, in the order of the manifest."""
    with shared("manifest.csv").open(encoding="utf-8") as manifest:
        return [
            Clip(shared(row["path"]), row["label"], row["speaker"], row["text"])
            for row in csv.DictReader(manifest)
            if row["set"] == collection
        ]


def by_speaker(collection: str) -> dict[str, dict[str, list[Path]]]:
    """Paths by label, then by speaker."""
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips(collection):
        found[clip.label][clip.speaker].append(clip.path)
    return found
