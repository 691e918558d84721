"""Every sample of a call belongs to one utterance or to none: whatever is said, and is lost."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mamori.monitor.events import SpeechEndCause

Decided = Callable[..., Any]  # of conftest's Line

# A stretch is a kind and milliseconds; holes are much shorter, so that most of them are bridged.
STRETCH = st.one_of(
    st.tuples(st.sampled_from(["loud", "soft", "quiet"]), st.integers(1, 600)),
    st.tuples(st.sampled_from(["loud", "quiet"]), st.integers(1, 9_000)),
    st.tuples(st.sampled_from(["hole", "untold hole"]), st.integers(1, 350)),
)
AMPLITUDE = {"loud": 1_000, "soft": 10, "quiet": 0}


class Call:
    """A call from its stretches, with what is known of every sample of it."""

    def __init__(self, line, stretches: list[tuple[str, int]], frame_ms: int) -> None:
        self.line = line
        self.frame_ends: list[int] = []
        rng = np.random.default_rng(len(stretches))
        for kind, duration_ms in stretches:
            samples = duration_ms * line.rate // 1000
            if kind == "hole":
                line.miss(samples)
            elif kind == "untold hole":
                line.miss_untold(samples)
            else:
                start = len(line.timeline)
                # No two frames alike: a sample in a wrong place is a wrong sample.
                noise = 1 + rng.random(samples)
                line.hear((AMPLITUDE[kind] * noise).astype(np.int16), frame_ms)
                size = line.rate * frame_ms // 1000
                self.frame_ends += [*range(start + size, start + samples, size), start + samples]
        line.hang_up()
        self.is_speech = line.timeline != 0

    def ms(self, duration_ms):
        return round(duration_ms * self.line.rate / 1000)

    def quiet_before(self, end: int) -> int:
        """How long there has been no speech at this position."""
        spoken = np.flatnonzero(self.is_speech[:end])
        return end - int(spoken[-1]) - 1 if len(spoken) else end


def hangover_ms(length_ms: float) -> float:
    return 400 - 200 * min(max((length_ms - 5_000) / 2_000, 0), 1)


def check_audio(call: Call) -> None:
    """Each utterance has its samples once, in order, as received, and shares none."""
    line = call.line
    assert [start.utterance_id for start in line.starts] == [end.utterance_id for end in line.ends]
    spans = line.spans()
    assert all(before.stop <= after.start for before, after in pairwise(spans))
    for number, (span, end) in enumerate(zip(spans, line.ends, strict=True), start=1):
        got = np.zeros(len(line.timeline), np.int64)
        for piece in line.pieces(number):
            at = slice(piece.offset_samples, piece.offset_samples + len(piece.pcm))
            got[at] += 1
            assert np.array_equal(piece.pcm, line.timeline[at])
            assert piece.quiet_samples == min(call.quiet_before(at.stop), at.stop - span.start)
        assert np.array_equal(got[span], line.received[span])
        assert got.sum() == got[span].sum()
        assert end.offset_ms == span.start * 1000 // line.rate
        assert end.end_offset_ms == span.stop * 1000 // line.rate


def check_ends(call: Call) -> None:
    """Why each utterance ended is true of it."""
    spans = call.line.spans()
    for index, (span, cause) in enumerate(zip(spans, call.line.causes, strict=True)):
        length = span.stop - span.start
        assert length <= call.ms(8_000)
        length_ms = 1000 * length / call.line.rate
        if cause is SpeechEndCause.SILENCE:
            assert call.quiet_before(span.stop) + 1 >= call.ms(hangover_ms(length_ms))
        if cause is SpeechEndCause.GAP:
            heard_again = np.flatnonzero(call.line.received[span.stop :])
            hole = int(heard_again[0]) if len(heard_again) else len(call.line.received) - span.stop
            with_hole_ms = length_ms + 1000 * hole / call.line.rate
            pause = call.quiet_before(span.stop + hole) + 1
            is_long = hole >= call.ms(300) or with_hole_ms > 8_000
            assert is_long or pause >= call.ms(hangover_ms(with_hole_ms))
        if cause is SpeechEndCause.CALL_END:
            assert not call.line.received[span.stop :].any()
        if cause is SpeechEndCause.LONGEST:
            # What was held back goes on as the next utterance, if there is speech in it.
            full = next(end for end in call.frame_ends if end - span.start > call.ms(8_000))
            if call.is_speech[span.stop : full].any():
                gone_on = spans[index + 1].start
                assert not call.line.received[span.stop : gone_on].any()


def check_missed(call: Call) -> None:
    """Outside of utterances there is nowhere enough speech to open one."""
    borders = [0, *(edge for span in call.line.spans() for edge in (span.start, span.stop))]
    outside = zip(borders[::2], [*borders[1::2], len(call.is_speech)], strict=True)
    for start, stop in outside:
        for end in (end for end in call.frame_ends if start < end <= stop):
            recent = call.is_speech[max(start, end - call.ms(200)) : end]
            assert recent.sum() < call.ms(120) or not recent[-1]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    stretches=st.lists(STRETCH, min_size=1, max_size=12),
    frame_ms=st.sampled_from([10, 20, 30]),
    rate=st.sampled_from([8_000, 16_000]),
)
@example([("loud", 7_300), ("soft", 20), ("loud", 9_000)], 20, 8_000)
@example([("loud", 7_300), ("hole", 50), ("loud", 9_000)], 20, 16_000)
@example([("loud", 7_850), ("quiet", 190), ("loud", 9_000)], 30, 8_000)
@example([("quiet", 600), ("hole", 250), ("quiet", 100), ("loud", 9_000)], 10, 8_000)
def test_nothing_is_lost_and_nothing_doubled(
    decided: Decided, stretches: list[tuple[str, int]], frame_ms: int, rate: int
) -> None:
    call = Call(decided(rate=rate), stretches, frame_ms)
    check_audio(call)
    check_ends(call)
    check_missed(call)
