"""Audio that waits for a decision: before an utterance opens, and before a long one is cut."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from mamori.monitor.events import Pcm


class Stretch(NamedTuple):
    """Contiguous samples on the call's timeline.

    ``quiet_samples`` is how long there has been no speech at the last sample.
    """

    offset_samples: int
    pcm: Pcm
    quiet_samples: int = 0

    @property
    def end_samples(self) -> int:
        """Position just after the last sample."""
        return self.offset_samples + len(self.pcm)


def joined(pieces: list[Stretch]) -> list[Stretch]:
    """The same audio in as few stretches as its holes allow; ``pieces`` in order."""
    runs: list[list[Stretch]] = []
    for piece in pieces:
        if runs and runs[-1][-1].end_samples == piece.offset_samples:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [run[0] if len(run) == 1 else _one(run) for run in runs]


def _one(run: list[Stretch]) -> Stretch:
    pcm = np.concatenate([piece.pcm for piece in run])
    pcm.setflags(write=False)
    return Stretch(run[0].offset_samples, pcm, run[-1].quiet_samples)


class History:
    """The last ``longest_samples`` of the timeline: what an opening utterance may reach back to."""

    def __init__(self, longest_samples: int) -> None:
        self._longest_samples = longest_samples
        self._pieces: deque[Stretch] = deque()

    def add(self, piece: Stretch) -> None:
        """The next audio; what no utterance can reach any more is forgotten."""
        pieces = self._pieces
        pieces.append(piece)
        oldest_samples = piece.offset_samples + len(piece.pcm) - self._longest_samples
        while pieces[0].offset_samples + len(pieces[0].pcm) <= oldest_samples:
            pieces.popleft()

    def take(self, from_samples: int) -> list[Stretch]:
        """All audio from this position on; the history is empty afterwards."""
        pieces = [
            piece._replace(
                offset_samples=from_samples, pcm=piece.pcm[from_samples - piece.offset_samples :]
            )
            if piece.offset_samples < from_samples
            else piece
            for piece in self._pieces
            if piece.end_samples > from_samples
        ]
        self._pieces.clear()
        return joined(pieces)

    def clear(self) -> None:
        """Nothing may be reached back to."""
        self._pieces.clear()


class CutSearch:
    """The end of a long utterance, held back from its quietest frame on.

    If no pause ends the utterance in time it is cut after that frame. What lies before the quietest
    frame so far is the utterance's own in any case, so it is given out at once.
    """

    def __init__(self) -> None:
        self._held: list[Stretch] = []
        self._least_power: float | None = None

    def add(self, piece: Stretch) -> list[Stretch]:
        """The next audio, or none of it: what is sure to belong to the utterance."""
        self._held.append(piece)
        signal = piece.pcm.astype(np.float32)
        power = float(signal.dot(signal)) / len(signal)
        if self._least_power is not None and power > self._least_power:
            return []
        self._least_power = power
        return self._take()

    def add_hole(self) -> list[Stretch]:
        """The line has a hole here: there is no quieter place."""
        self._least_power = 0.0
        return self._take()

    def finish(self) -> list[Stretch]:
        """All that is still held, because the utterance has ended or is cut where it begins."""
        self._least_power = None
        return self._take()

    def _take(self) -> list[Stretch]:
        pieces, self._held = self._held, []
        return joined(pieces)
