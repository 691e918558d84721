"""Voice activity behind its level gate."""

from collections.abc import Callable

import numpy as np
import pytest

from mamori.monitor.events import Pcm
from mamori.monitor.speech.vad import VoiceActivity

MakeVoice = Callable[..., Pcm]


def activity(rate: int = 8_000) -> VoiceActivity:
    return VoiceActivity(mode=2, silence_dbfs=-60.0, sample_rate_hz=rate)


def share(vad: VoiceActivity, pcm: Pcm, frame: int) -> float:
    frames = [pcm[i : i + frame] for i in range(0, len(pcm) - frame + 1, frame)]
    return float(np.mean([vad.is_speech(part) for part in frames]))


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("frame_ms", [10, 20, 30])
def test_a_voice_is_speech_and_digital_silence_is_not(
    voice: MakeVoice, rate: int, frame_ms: int
) -> None:
    frame = rate * frame_ms // 1000
    assert share(activity(rate), voice(2_000, rate=rate), frame) > 0.9
    assert share(activity(rate), np.zeros(2 * rate, np.int16), frame) == 0.0


def test_the_hiss_of_a_line_is_not_speech() -> None:
    noise = np.random.default_rng(1).normal(0, 500, 16_000).astype(np.int16)
    assert share(activity(), noise, 160) < 0.1


def test_below_the_silence_level_nothing_is_speech_and_above_it_a_voice_is(
    voice: MakeVoice,
) -> None:
    steady = voice(2_000)
    level_dbfs = 20 * np.log10(np.sqrt(np.mean((steady / 32_768) ** 2)))
    faint, heard = (
        (steady * 10 ** ((target - level_dbfs) / 20)).astype(np.int16) for target in (-66, -25)
    )
    assert share(activity(), faint, 160) == 0.0
    assert share(activity(), heard, 160) > 0.9


@pytest.mark.parametrize("samples", [1, 79, 81, 159, 161, 239])
def test_a_short_frame_is_filled_up_for_the_decision(voice: MakeVoice, samples: int) -> None:
    assert activity().is_speech(voice(100)[:samples]) in (True, False)


@pytest.mark.parametrize("samples", [0, 241, 480])
def test_an_empty_or_too_long_frame_is_refused(samples: int) -> None:
    with pytest.raises(ValueError, match="1 to 240 samples"):
        activity().is_speech(np.ones(samples, np.int16))


def test_a_rate_that_the_pipeline_never_has_is_refused() -> None:
    with pytest.raises(ValueError, match="8000, 16000"):
        activity(44_100)


def test_after_a_reset_it_decides_as_a_new_one(voice: MakeVoice) -> None:
    used = activity()
    share(used, np.random.default_rng(2).normal(0, 3_000, 80_000).astype(np.int16), 160)
    used.reset()
    pcm = voice(1_000)
    assert [used.is_speech(pcm[i : i + 160]) for i in range(0, 8_000, 160)] == [
        fresh.is_speech(pcm[i : i + 160]) for fresh in (activity(),) for i in range(0, 8_000, 160)
    ]
