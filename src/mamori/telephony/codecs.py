"""Wire encodings of telephone audio: G.711 by exact tables, linear PCM, interleaved channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mamori.monitor.events import Channel, Pcm

_ULAW_BIAS: Final = 33  # ITU-T G.711 table 2a: the chord search runs on magnitude + 33 (14 bit)
_ULAW_CLIP: Final = 8158  # largest 14-bit magnitude that still has a code


def _mulaw_table() -> Pcm:
    """The 16-bit value of each mu-law code (ITU-T G.711 table 2, full scale 32124)."""
    codes = ~np.arange(256, dtype=np.uint8)
    exponent = ((codes >> 4) & 0x07).astype(np.int32)
    mantissa = (codes & 0x0F).astype(np.int32)
    magnitude = ((mantissa * 2 + _ULAW_BIAS) << exponent) - _ULAW_BIAS
    values = np.where(codes & 0x80, -magnitude, magnitude) * 4
    return values.astype(np.int16)


def _alaw_table() -> Pcm:
    """The 16-bit value of each A-law code (ITU-T G.711 table 1, full scale 32256)."""
    codes = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((codes >> 4) & 0x07).astype(np.int32)
    mantissa = (codes & 0x0F).astype(np.int32)
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, linear, (linear + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


def _mulaw_encoder() -> NDArray[np.uint8]:
    """The mu-law code of each 16-bit value, indexed by the value as uint16."""
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    sign = np.where(linear < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(linear), _ULAW_CLIP) + _ULAW_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    mantissa = (magnitude >> (exponent + 1)) & 0x0F
    codes = (sign | (exponent << 4) | mantissa) ^ 0xFF
    return np.asarray(codes, dtype=np.uint8)


def _alaw_encoder() -> NDArray[np.uint8]:
    """The A-law code of each 16-bit value, indexed by the value as uint16."""
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3
    sign = np.where(linear >= 0, 0x80, 0)
    magnitude = np.where(linear >= 0, linear, -linear - 1)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    mantissa = (magnitude >> np.maximum(exponent, 1)) & 0x0F
    codes = (sign | (exponent << 4) | mantissa) ^ 0x55
    return np.asarray(codes, dtype=np.uint8)


_DECODE: Final[dict[str, Pcm]] = {"mulaw": _mulaw_table(), "alaw": _alaw_table()}
_ENCODE: Final[dict[str, NDArray[np.uint8]]] = {
    "mulaw": _mulaw_encoder(),
    "alaw": _alaw_encoder(),
}

ENCODINGS: Final[dict[str, int]] = {"pcm_s16le": 2, "mulaw": 1, "alaw": 1}
"""The encodings that Mamori speaks, with their bytes per sample."""

MIN_SAMPLE_RATE_HZ: Final = 8_000  # below it a telephone band does not fit
MAX_SAMPLE_RATE_HZ: Final = 48_000  # what sound cards and WebRTC use; nothing telephonic has more


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFormat:
    """How the audio of one call looks on the wire.

    ``encoding`` is a key of ENCODINGS; ``sample_rate_hz`` in [8000, 48000]; ``channels`` in the
    order in which their samples are interleaved: one channel, or ``customer`` and ``agent``.
    """

    encoding: str
    sample_rate_hz: int
    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}")
        if not MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise ValueError(
                f"sample_rate_hz must be in [{MIN_SAMPLE_RATE_HZ}, {MAX_SAMPLE_RATE_HZ}],"
                f" not {self.sample_rate_hz}"
            )
        problem = channels_problem(self.channels)
        if problem is not None:
            raise ValueError(problem)

    @property
    def group_bytes(self) -> int:
        """Bytes of one sample of every channel, the smallest unit that can be taken apart."""
        return ENCODINGS[self.encoding] * len(self.channels)


def channels_problem(channels: tuple[Channel, ...]) -> str | None:
    """What is wrong with this list of channels, or None."""
    if not 1 <= len(channels) <= 2:
        return f"channels must name 1 or 2 channels, not {len(channels)}"
    if len(set(channels)) != len(channels):
        return "channels must not name the same channel twice"
    if Channel.MIXED in channels and len(channels) > 1:
        return "channels must hold 'mixed' alone: it already carries both voices"
    return None


def decode(encoding: str, data: bytes) -> Pcm:
    """Linear samples of ``data``, still interleaved, read-only int16 of shape (samples,).

    ValueError when ``data`` is not a whole number of samples; KeyError for an unknown encoding.
    """
    if ENCODINGS[encoding] == 2:
        pcm = np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)
    else:
        pcm = _DECODE[encoding][np.frombuffer(data, dtype=np.uint8)]
    pcm.flags.writeable = False
    return pcm


def encode(encoding: str, pcm: Pcm) -> bytes:
    """The wire bytes of linear samples; KeyError for an unknown encoding."""
    if ENCODINGS[encoding] == 2:
        return pcm.astype("<i2", copy=False).tobytes()
    return _ENCODE[encoding][np.ascontiguousarray(pcm, dtype=np.int16).view(np.uint16)].tobytes()


def deinterleave(pcm: Pcm, channels: int) -> list[Pcm]:
    """One contiguous read-only array per channel of samples that alternate between channels.

    ValueError when the samples are not a whole number of groups.
    """
    if channels == 1:
        return [pcm]
    planes = np.ascontiguousarray(pcm.reshape(-1, channels).T)
    planes.flags.writeable = False
    return list(planes)


def interleave(planes: list[Pcm]) -> Pcm:
    """The samples of equally long channels, alternating."""
    return np.stack(planes, axis=1).reshape(-1)
