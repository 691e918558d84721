"""Which files make a folder a model, for each engine."""

from __future__ import annotations

from pathlib import Path

from mamori.monitor.recognition.models.spec import EngineName

# Each entry is a choice: one of the files must be there. Vosk opens am/final.mdl and the two
# configuration files of every model with this layout; the graph is one static file or a lookahead
# pair. ctranslate2 opens model.bin and config.json; the vocabulary is .json or, in older
# conversions, .txt; without tokenizer.json faster-whisper would ask a model hub.
_LAYOUTS: dict[EngineName, tuple[tuple[str, ...], ...]] = {
    EngineName.VOSK: (
        ("am/final.mdl",),
        ("conf/mfcc.conf",),
        ("conf/model.conf",),
        ("graph/HCLG.fst", "graph/HCLr.fst"),
    ),
    EngineName.WHISPER: (
        ("model.bin",),
        ("config.json",),
        ("tokenizer.json",),
        ("vocabulary.json", "vocabulary.txt"),
    ),
}


def missing_files(engine: EngineName, folder: Path) -> tuple[str, ...]:
    """What ``folder`` lacks to be a model of ``engine``; empty where it has all."""
    return tuple(
        " or ".join(choice)
        for choice in _LAYOUTS[engine]
        if not any((folder / path).is_file() for path in choice)
    )
