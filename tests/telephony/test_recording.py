"""Recorded calls: every usual file comes in whole, everything else is refused with its reason."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mamori.telephony.codecs import decode, encode
from mamori.telephony.recording import Recording, RecordingError, join_mono, read_recording

TONE_HZ = 440


def tone(rate_hz: int, *, seconds: float = 0.5, channels: int = 1) -> NDArray[np.float64]:
    """A tone at half of full scale; each further channel is half as loud."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    plane = 0.5 * np.sin(2 * np.pi * TONE_HZ * at)
    return np.stack([plane / 2**channel for channel in range(channels)], axis=1)


def refused(path: Path, **options: object) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read_recording(path, **options)  # type: ignore[arg-type]
    assert str(path) in str(caught.value)
    return caught.value


def rms(plane: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean((plane / 32768.0) ** 2)))


@pytest.mark.parametrize(
    ("subtype", "encoding", "error"),
    [
        ("PCM_U8", "pcm_u8", 1 / 128),
        ("PCM_16", "pcm_s16le", 1 / 32768),
        ("PCM_24", "pcm_s24le", 1 / 32768),
        ("PCM_32", "pcm_s32le", 1 / 32768),
        ("FLOAT", "float32", 1 / 32768),
        ("DOUBLE", "float64", 1 / 32768),
        ("ULAW", "mulaw", 1 / 32),
        ("ALAW", "alaw", 1 / 32),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_of_every_encoding_gives_its_samples(
    tmp_path: Path, subtype: str, encoding: str, error: float, channels: int
) -> None:
    path = tmp_path / "call.wav"
    wanted = tone(8000, channels=channels)
    soundfile.write(path, wanted, 8000, subtype=subtype)
    recording = read_recording(path)
    assert recording.source_encoding == encoding
    assert (recording.sample_rate_hz, recording.samples, recording.duration_ms) == (8000, 4000, 500)
    assert len(recording.channels) == channels
    for index, plane in enumerate(recording.channels):
        assert plane.dtype == np.int16
        assert not plane.flags.writeable
        assert np.max(np.abs(plane / 32768.0 - wanted[:, index])) <= error


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_g711_samples_are_those_of_the_tables(tmp_path: Path, encoding: str) -> None:
    every_code = decode(encoding, bytes(range(256)))
    path = tmp_path / "codes.wav"
    subtype = {"mulaw": "ULAW", "alaw": "ALAW"}[encoding]
    soundfile.write(path, every_code, 8000, subtype=subtype)
    plane = read_recording(path).channels[0]
    assert encode(encoding, plane) == encode(encoding, every_code)
    assert np.array_equal(plane, every_code)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_flac_gives_its_samples(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "call.flac"
    wanted = tone(16000, channels=channels)
    soundfile.write(path, wanted, 16000, subtype="PCM_16")
    recording = read_recording(path)
    assert (recording.sample_rate_hz, len(recording.channels)) == (16000, channels)
    assert np.max(np.abs(recording.channels[-1] / 32768.0 - wanted[:, -1])) <= 1 / 32768


def test_a_plain_wav_of_the_standard_library_is_read(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    samples = np.arange(-800, 800, dtype="<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    recording = read_recording(path)
    assert np.array_equal(recording.channels[0], samples[0::2])
    assert np.array_equal(recording.channels[1], samples[1::2])


@pytest.mark.parametrize(
    ("source_hz", "comes_out_hz"),
    [(8000, 8000), (11025, 16000), (16000, 16000), (22050, 16000), (44100, 16000), (48000, 16000)],
)
def test_8000_hz_stays_and_every_other_rate_comes_to_16000(
    tmp_path: Path, source_hz: int, comes_out_hz: int
) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(source_hz, channels=2), source_hz, subtype="PCM_16")
    recording = read_recording(path)
    assert recording.sample_rate_hz == comes_out_hz
    assert abs(recording.samples - comes_out_hz // 2) <= 1
    assert rms(recording.channels[0]) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert rms(recording.channels[1]) == pytest.approx(0.25 / np.sqrt(2), rel=0.02)
    spectrum = np.abs(np.fft.rfft(recording.channels[0]))
    loudest_hz = np.argmax(spectrum) * comes_out_hz / recording.samples
    assert loudest_hz == pytest.approx(TONE_HZ, abs=3)


@pytest.mark.parametrize("target_hz", [8000, 16000])
@pytest.mark.parametrize("source_hz", [8000, 16000, 48000])
def test_a_target_rate_is_kept(tmp_path: Path, source_hz: int, target_hz: int) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(source_hz), source_hz, subtype="ULAW")
    recording = read_recording(path, target_rate_hz=target_hz)
    assert recording.sample_rate_hz == target_hz
    assert abs(recording.samples - target_hz // 2) <= 1


def test_no_other_target_rate_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8000, 16000"):
        read_recording(tmp_path / "call.wav", target_rate_hz=44100)


def test_a_recording_longer_than_one_block_has_no_seams(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(48000, seconds=12), 48000, subtype="PCM_16")
    plane = read_recording(path).channels[0] / 32768.0
    wanted = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(len(plane)) / 16000)
    assert np.max(np.abs(plane - wanted)[800:-800]) < 0.002


def test_float_samples_beyond_full_scale_are_clipped_not_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    loud = np.array([2.0, -2.0, np.nan, 0.0])
    soundfile.write(path, loud, 8000, subtype="FLOAT")
    assert read_recording(path).channels[0].tolist() == [32767, -32768, 0, 0]


@pytest.mark.parametrize(("keep", "missing_ms"), [(1.0, 0), (0.75, 125), (0.5, 250)])
def test_a_wav_that_is_cut_off_says_how_much_is_missing(
    tmp_path: Path, keep: float, missing_ms: int
) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(8000), 8000, subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[: 44 + round(8000 * keep)])
    if not missing_ms:
        assert read_recording(path).missing_ms == 0
        return
    error = refused(path)
    assert error.code == "truncated"
    assert f"{missing_ms / 1000:.2f} s" in str(error)
    recording = read_recording(path, allow_truncated=True)
    assert (recording.missing_ms, recording.duration_ms) == (missing_ms, 500 - missing_ms)


def test_a_wav_that_lacks_one_sample_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(8000), 8000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-2])
    assert refused(path).code == "truncated"


@pytest.mark.parametrize("kept_bytes", [4, 12, 30, 40])
def test_a_wav_that_is_cut_off_in_its_header_is_refused(tmp_path: Path, kept_bytes: int) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(8000), 8000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:kept_bytes])
    error = refused(path, allow_truncated=True)
    assert error.code == "truncated"
    assert f"{kept_bytes} bytes" in str(error)


@pytest.mark.parametrize("keep_ratio", [0.3, 0.6, 0.9])
def test_a_flac_that_is_cut_off_is_refused_unless_allowed(
    tmp_path: Path, keep_ratio: float
) -> None:
    path = tmp_path / "cut.flac"
    noise = np.random.default_rng(5).integers(-9000, 9000, 32000).astype(np.int16)
    soundfile.write(path, noise, 8000)
    whole = path.read_bytes()
    path.write_bytes(whole[: round(len(whole) * keep_ratio)])
    assert refused(path).code == "damaged"
    recording = read_recording(path, allow_truncated=True)
    assert recording.duration_ms + recording.missing_ms == pytest.approx(4000, abs=1)
    assert recording.duration_ms >= 4000 * keep_ratio - 1100  # one encoder block and one read
    assert np.array_equal(recording.channels[0], noise[: recording.samples])


@pytest.mark.parametrize("length", [0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_wav_whose_writer_did_not_know_its_length_is_read_to_its_end(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(8000), 8000, subtype="PCM_16")
    whole = bytearray(path.read_bytes())
    whole[4:8] = whole[40:44] = struct.pack("<I", length)
    path.write_bytes(whole)
    assert read_recording(path).samples == 4000


def test_a_chunk_before_the_audio_does_not_confuse_the_length(tmp_path: Path) -> None:
    path = tmp_path / "tagged.wav"
    soundfile.write(path, tone(8000), 8000, subtype="PCM_16")
    whole = path.read_bytes()
    note = b"note" + struct.pack("<I", 3) + b"abc\0"
    path.write_bytes(whole[:36] + note + whole[36:])
    assert read_recording(path).samples == 4000
    path.write_bytes(whole[:36] + note + whole[36:-800])
    assert refused(path).code == "truncated"


def test_an_rf64_file_is_read_and_its_missing_end_noticed(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(8000), 8000, subtype="PCM_16", format="RF64")
    assert read_recording(path).samples == 4000
    path.write_bytes(path.read_bytes()[:-4000])
    assert "0.25 s" in str(refused(path))


def test_a_text_file_named_wav_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("this is not audio\n" * 50, encoding="utf-8")
    error = refused(path)
    assert error.code == "not_audio"
    assert "not a WAV or FLAC recording" in str(error)


def test_audio_of_another_container_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(8000), 8000, format="AIFF")
    assert refused(path).code == "not_audio"


def test_an_encoding_that_is_not_read_names_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "adpcm.wav"
    soundfile.write(path, tone(8000), 8000, subtype="IMA_ADPCM")
    error = refused(path)
    assert error.code == "bad_encoding"
    assert "convert it to PCM" in str(error)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    assert refused(path).code == "empty"


def test_a_wav_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(0), 8000)
    assert refused(path).code == "empty"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere.wav").code == "not_found"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "not_a_file"


@pytest.mark.parametrize(("channels", "allowed"), [(1, True), (2, True), (3, False), (6, False)])
def test_a_call_has_one_or_two_channels(tmp_path: Path, channels: int, allowed: bool) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.zeros((800, channels)), 8000)
    if allowed:
        assert len(read_recording(path).channels) == channels
    else:
        error = refused(path)
        assert error.code == "too_many_channels"
        assert f"has {channels} channels" in str(error)


@pytest.mark.parametrize(
    ("rate_hz", "allowed"), [(7999, False), (8000, True), (192_000, True), (192_001, False)]
)
def test_the_rate_must_be_one_of_speech(tmp_path: Path, rate_hz: int, allowed: bool) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.zeros(rate_hz), rate_hz)
    if allowed:
        assert read_recording(path).duration_ms == 1000
    else:
        assert refused(path).code == "bad_sample_rate"


@pytest.mark.parametrize(("samples", "allowed"), [(7999, True), (8000, True), (8001, False)])
def test_a_recording_over_the_limit_is_refused(tmp_path: Path, samples: int, allowed: bool) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.zeros(samples), 8000)
    if allowed:
        assert read_recording(path, max_duration_s=1.0).samples == samples
    else:
        assert refused(path, max_duration_s=1.0).code == "too_long"


def mono(samples: list[int], *, rate_hz: int = 8000, encoding: str = "mulaw") -> Recording:
    return Recording(
        channels=(np.array(samples, dtype=np.int16),),
        sample_rate_hz=rate_hz,
        source_encoding=encoding,
    )


def test_joining_fills_the_shorter_side_with_silence() -> None:
    joined = join_mono(mono([1, 2, 3]), mono([4]))
    assert [plane.tolist() for plane in joined.channels] == [[1, 2, 3], [4, 0, 0]]
    joined = join_mono(mono([4]), mono([1, 2, 3], encoding="alaw"))
    assert [plane.tolist() for plane in joined.channels] == [[4, 0, 0], [1, 2, 3]]
    assert joined.source_encoding == "mulaw+alaw"
    assert not any(plane.flags.writeable for plane in joined.channels)


def test_only_mono_recordings_of_one_rate_are_joined() -> None:
    stereo = join_mono(mono([1]), mono([2]))
    with pytest.raises(RecordingError, match="one channel each"):
        join_mono(stereo, mono([1]))
    with pytest.raises(RecordingError, match="8000 Hz and 16000 Hz"):
        join_mono(mono([1]), mono([1], rate_hz=16000))


@pytest.mark.parametrize("rate_hz", [8000, 44_100])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_a_value_that_is_no_sample_costs_its_moment_and_not_the_rest(
    tmp_path: Path, rate_hz: int, bad: float
) -> None:
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    sine[100] = bad
    path = tmp_path / "call.wav"
    soundfile.write(path, sine, rate_hz, subtype="FLOAT")

    heard = read_recording(path).channels[0]

    later = heard[len(heard) // 4 :].astype(np.float64)
    assert 10_000 < np.sqrt(np.mean(later**2)) < 13_000
