"""G.711 and linear PCM, exact in both directions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.events import Channel
from mamori.telephony.codecs import (
    ENCODINGS,
    MediaFormat,
    decode,
    deinterleave,
    encode,
    interleave,
)

ALL_CODES = bytes(range(256))
ALL_VALUES = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("encoding", "code", "value"),
    [
        ("mulaw", 0xFF, 0),
        ("mulaw", 0x7F, 0),
        ("mulaw", 0x80, 32124),
        ("mulaw", 0x00, -32124),
        ("mulaw", 0xFE, 8),
        ("alaw", 0xD5, 8),
        ("alaw", 0x55, -8),
        ("alaw", 0xAA, 32256),
        ("alaw", 0x2A, -32256),
    ],
)
def test_codes_have_the_values_of_the_standard(encoding: str, code: int, value: int) -> None:
    assert decode(encoding, bytes([code])).tolist() == [value]


@pytest.mark.parametrize(
    ("encoding", "decoded", "encoded"),
    [
        # SHA-256 of what the reference implementation (CPython's audioop) gives for every input.
        (
            "mulaw",
            "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827",
            "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a",
        ),
        (
            "alaw",
            "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174",
            "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b",
        ),
    ],
)
def test_every_code_and_every_value_agree_with_the_reference(
    encoding: str, decoded: str, encoded: str
) -> None:
    values = decode(encoding, ALL_CODES).astype("<i2").tobytes()
    assert hashlib.sha256(values).hexdigest() == decoded
    assert hashlib.sha256(encode(encoding, ALL_VALUES)).hexdigest() == encoded


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_decoding_what_was_encoded_loses_at_most_half_a_step(encoding: str) -> None:
    again = decode(encoding, encode(encoding, ALL_VALUES)).astype(np.int32)
    error = np.abs(again - ALL_VALUES)
    # Steps grow with the level: 1/32 of it and the coarsest near silence, then the clipped top.
    assert (error <= np.maximum(np.abs(ALL_VALUES.astype(np.int32)) / 16, 16)).all()
    assert decode(encoding, encode(encoding, again.astype(np.int16))).tolist() == again.tolist()


@given(st.lists(st.integers(-32768, 32767)))
def test_linear_samples_come_back_unchanged(samples: list[int]) -> None:
    pcm = np.array(samples, dtype=np.int16)
    assert decode("pcm_s16le", encode("pcm_s16le", pcm)).tolist() == samples


def test_linear_samples_are_little_endian() -> None:
    assert decode("pcm_s16le", b"\x01\x02\xff\xff").tolist() == [0x0201, -1]


@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_decoded_samples_cannot_be_written(encoding: str) -> None:
    pcm = decode(encoding, b"\x01\x02\x03\x04")
    assert pcm.dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        pcm[0] = 1


def test_half_a_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="multiple"):
        decode("pcm_s16le", b"\x01")


def test_interleaved_channels_come_apart_and_together() -> None:
    pcm = np.array([1, -1, 2, -2, 3, -3], dtype=np.int16)
    planes = deinterleave(pcm, 2)
    assert [plane.tolist() for plane in planes] == [[1, 2, 3], [-1, -2, -3]]
    assert all(not plane.flags.writeable and plane.flags.c_contiguous for plane in planes)
    assert interleave(planes).tolist() == pcm.tolist()


@pytest.mark.parametrize(
    ("encoding", "rate_hz", "channels", "problem"),
    [
        ("opus", 8000, [Channel.MIXED], "encoding must be one of pcm_s16le, mulaw, alaw"),
        ("mulaw", 7999, [Channel.MIXED], r"sample_rate_hz must be in \[8000, 48000\]"),
        ("mulaw", 48001, [Channel.MIXED], r"sample_rate_hz must be in \[8000, 48000\]"),
        ("mulaw", 8000, [], "1 or 2 channels, not 0"),
        ("mulaw", 8000, [Channel.AGENT, Channel.AGENT], "twice"),
        ("mulaw", 8000, [Channel.MIXED, Channel.AGENT], "alone"),
    ],
)
def test_a_format_that_cannot_be_is_refused(
    encoding: str, rate_hz: int, channels: list[Channel], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        MediaFormat(encoding=encoding, sample_rate_hz=rate_hz, channels=tuple(channels))


def test_a_group_is_one_sample_of_every_channel() -> None:
    both = (Channel.CUSTOMER, Channel.AGENT)
    assert MediaFormat(encoding="mulaw", sample_rate_hz=8000, channels=both).group_bytes == 2
    assert MediaFormat(encoding="pcm_s16le", sample_rate_hz=48000, channels=both).group_bytes == 4
