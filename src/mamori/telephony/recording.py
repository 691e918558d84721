"""Recorded calls from files: WAV and FLAC, any usual rate and encoding, one or two channels.

Everything comes out as linear 16-bit samples at 8 or 16 kHz. A file that is not what its name says,
or not all there, is refused with the reason; audio is never silently missing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mamori.errors import MamoriError
from mamori.monitor.events import Pcm, samples_to_ms

# Four hours of two channels at 16 kHz are 460 MB: twice the longest call known from the field
# (one to two hours), and what a small machine still holds.
MAX_DURATION_S: Final = 4 * 3600
# 8 kHz is the telephone line; above 192 kHz nothing records speech.
MIN_SAMPLE_RATE_HZ: Final = 8_000
MAX_SAMPLE_RATE_HZ: Final = 192_000
# The rates of telephony; whatever comes faster is brought down to wide-band telephony.
LINE_RATES_HZ: Final = (8_000, 16_000)
_MAX_CHANNELS: Final = 2
# Frames per read while resampling: bounded memory for a file of any rate. The usual block of a FLAC
# encoder: where a file breaks off, the decoder gives up the whole read, so at most this is lost.
_BLOCK_FRAMES: Final = 4_096
# Sources that wrote the header before they knew the length put one of these there.
_UNKNOWN_SIZES: Final = (0, 0x7FFF_FFFF, 0xFFFF_FFFF)

_FLOATS: Final = frozenset({"FLOAT", "DOUBLE"})
_ENCODINGS: Final = {
    "PCM_U8": "pcm_u8",
    "PCM_S8": "pcm_s8",
    "PCM_16": "pcm_s16le",
    "PCM_24": "pcm_s24le",
    "PCM_32": "pcm_s32le",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "ULAW": "mulaw",
    "ALAW": "alaw",
}


class RecordingError(MamoriError):
    """A recording cannot be used.

    Codes: ``not_found`` ``not_a_file`` ``unreadable`` ``empty`` ``not_audio`` ``bad_encoding``
    ``bad_sample_rate`` ``too_many_channels`` ``too_long`` ``truncated`` ``damaged``
    ``cannot_join``.
    """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """A call in memory.

    ``channels``: one read-only int16 array of equal length per channel, in the file's order.
    ``source_encoding``: the encoding in the file (``pcm_s16le``, ``mulaw``, ``float32``...);
    ``missing_ms``: what the file's header promised and the file does not hold, 0 for a whole one.
    """

    channels: tuple[Pcm, ...]
    sample_rate_hz: int
    source_encoding: str
    missing_ms: int = 0

    @property
    def samples(self) -> int:
        """Samples of one channel."""
        return len(self.channels[0])

    @property
    def duration_ms(self) -> int:
        """Length in whole milliseconds, rounded down."""
        return samples_to_ms(self.samples, self.sample_rate_hz)


def read_recording(
    path: Path,
    *,
    target_rate_hz: int | None = None,
    allow_truncated: bool = False,
    max_duration_s: float = MAX_DURATION_S,
) -> Recording:
    """The recording at ``path`` (WAV or FLAC).

    ``target_rate_hz``: 8000 or 16000; None keeps 8000 and brings every other rate to 16000.
    ``allow_truncated``: take what is there of a file that was cut off; ``missing_ms`` says so.
    ``max_duration_s``: longer recordings are refused before they are read.
    RecordingError says what is wrong with the file; ValueError for another target rate.
    """
    if target_rate_hz is not None and target_rate_hz not in LINE_RATES_HZ:
        raise ValueError(f"target_rate_hz must be one of {LINE_RATES_HZ}, not {target_rate_hz}")
    with _open(path) as file:
        missing_s = _missing_seconds(file, path)
        if missing_s and not allow_truncated:
            raise _truncated(path, missing_s)
        with _decoder(file, path) as source:
            encoding = _check(source, path, max_duration_s)
            rate_hz = target_rate_hz or (
                source.samplerate if source.samplerate == 8_000 else 16_000
            )
            promised, source_rate_hz = source.frames, source.samplerate
            planes, frames = _read(source, path, rate_hz, tolerant=allow_truncated)
    if not len(planes):
        raise RecordingError("empty", f"{path}: there is no audio in it")
    if frames < promised:  # a FLAC says so only now
        missing_s += (promised - frames) / source_rate_hz
        if not allow_truncated:
            raise _truncated(path, missing_s)
    return Recording(
        channels=tuple(_frozen(planes[:, index]) for index in range(planes.shape[1])),
        sample_rate_hz=rate_hz,
        source_encoding=encoding,
        missing_ms=round(missing_s * 1000),
    )


def join_mono(first: Recording, second: Recording) -> Recording:
    """One stereo recording of two mono ones, the shorter filled with silence at its end.

    RecordingError when either has two channels or their rates differ.
    """
    if len(first.channels) != 1 or len(second.channels) != 1:
        raise RecordingError("cannot_join", "only two recordings of one channel each can be joined")
    if first.sample_rate_hz != second.sample_rate_hz:
        raise RecordingError(
            "cannot_join",
            f"the recordings have {first.sample_rate_hz} Hz and {second.sample_rate_hz} Hz:"
            " read both with the same target rate",
        )
    length = max(first.samples, second.samples)
    padded = [
        _frozen(np.pad(recording.channels[0], (0, length - recording.samples)))
        for recording in (first, second)
    ]
    encodings = dict.fromkeys((first.source_encoding, second.source_encoding))
    return Recording(
        channels=tuple(padded),
        sample_rate_hz=first.sample_rate_hz,
        source_encoding="+".join(encodings),
        missing_ms=max(first.missing_ms, second.missing_ms),
    )


def _open(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            raise RecordingError("not_a_file", f"{path}: this is a folder, not a recording")
        file = path.open("rb")
    except FileNotFoundError:
        raise RecordingError("not_found", f"{path}: there is no such file") from None
    except OSError as error:
        raise RecordingError("unreadable", f"{path}: {error.strerror}") from error
    if not file.seekable():
        file.close()
        raise RecordingError("not_a_file", f"{path}: a recording must be a plain file")
    if not file.read(1):
        file.close()
        raise RecordingError("empty", f"{path}: the file is empty")
    file.seek(0)
    return file


def _decoder(file: BinaryIO, path: Path) -> soundfile.SoundFile:
    try:
        source = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        raise RecordingError(
            "not_audio", f"{path}: this is not a WAV or FLAC recording ({error.error_string})"
        ) from None
    if source.format not in {"WAV", "WAVEX", "RF64", "FLAC"}:
        source.close()
        raise RecordingError(
            "not_audio", f"{path}: {source.format_info} is not read; convert it to WAV or FLAC"
        )
    return source


def _check(source: soundfile.SoundFile, path: Path, max_duration_s: float) -> str:
    """The name of the file's encoding; RecordingError when the file is not one to read."""
    if source.channels > _MAX_CHANNELS:
        raise RecordingError(
            "too_many_channels",
            f"{path}: has {source.channels} channels; a call has one or two",
        )
    if not MIN_SAMPLE_RATE_HZ <= source.samplerate <= MAX_SAMPLE_RATE_HZ:
        raise RecordingError(
            "bad_sample_rate",
            f"{path}: has {source.samplerate} Hz;"
            f" allowed are {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz",
        )
    duration_s = source.frames / source.samplerate
    if duration_s > max_duration_s:
        raise RecordingError(
            "too_long",
            f"{path}: lasts {duration_s / 60:.1f} minutes,"
            f" at most {max_duration_s / 60:.1f} are read at once",
        )
    if source.subtype not in _ENCODINGS:
        raise RecordingError(
            "bad_encoding",
            f"{path}: {source.subtype_info} is not read; convert it to PCM, G.711 or FLAC",
        )
    return _ENCODINGS[source.subtype]


def _read(
    source: soundfile.SoundFile, path: Path, rate_hz: int, *, tolerant: bool
) -> tuple[NDArray[np.int16], int]:
    """All samples at ``rate_hz``, shape (samples, channels), and the frames read from the source.

    ``tolerant``: where the audio breaks off, keep what came before.
    """
    dtype = "float32" if source.samplerate != rate_hz or source.subtype in _FLOATS else "int16"
    resampler = soxr.ResampleStream(
        source.samplerate, rate_hz, source.channels, dtype="float32", quality="HQ"
    )
    pieces: list[NDArray[np.int16]] = []
    frames = 0
    last = False
    while not last:
        try:
            block = source.read(_BLOCK_FRAMES, dtype=dtype, always_2d=True)
        except soundfile.LibsndfileError as error:
            if not tolerant:
                raise RecordingError(
                    "damaged",
                    f"{path}: the audio is damaged or cut off after"
                    f" {frames / source.samplerate:.2f} s ({error.error_string})",
                ) from None
            block = np.zeros((0, source.channels), dtype)
        last = len(block) < _BLOCK_FRAMES
        frames += len(block)
        if dtype != "int16":
            # Before the filter, which would spread one bad value over all that follows.
            block = np.clip(np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        if source.samplerate != rate_hz:
            block = resampler.resample_chunk(block, last=last)
        pieces.append(block if dtype == "int16" else _to_int16(block))
    return np.concatenate(pieces), frames


def _to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """1.0 is 32768, rounded; what lies beyond is clipped."""
    scaled = np.rint(samples * 32768.0)
    integers: NDArray[np.int16] = np.clip(scaled, -32768, 32767).astype(np.int16)
    return integers


def _frozen(samples: NDArray[np.int16]) -> Pcm:
    plane = np.ascontiguousarray(samples)
    plane.flags.writeable = False
    return plane


def _truncated(path: Path, missing_s: float) -> RecordingError:
    return RecordingError(
        "truncated",
        f"{path}: the file is cut off: its header promises {missing_s:.2f} s more than there are"
        " (copy it again, or allow truncated recordings)",
    )


def _missing_seconds(file: BinaryIO, path: Path) -> float:
    """Seconds that the header of a WAV promises beyond the end of the file.

    The decoder itself reads a cut file as if it were whole, so the chunks are walked here (RIFF: a
    tag, a 32-bit length, that many bytes, a pad byte if odd; RF64 has the long length in ds64).
    """
    size_bytes = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    bytes_per_second = 0
    long_length: int | None = None
    try:
        if head[:4] not in {b"RIFF", b"RF64"} or head[8:] != b"WAVE"[: len(head[8:])]:
            return 0.0
        while len(header := file.read(8)) == 8:
            tag, length = struct.unpack("<4sI", header)
            body = file.tell()
            if tag == b"fmt " and len(fields := file.read(12)) == 12:
                bytes_per_second = struct.unpack("<8xI", fields)[0]
            elif tag == b"ds64" and len(fields := file.read(16)) == 16:
                long_length = struct.unpack("<8xQ", fields)[0]
            elif tag == b"data" and bytes_per_second:
                if long_length is None and length in _UNKNOWN_SIZES:
                    return 0.0
                end = body + (length if long_length is None else long_length)
                return float(max(0, end - size_bytes) / bytes_per_second)
            file.seek(body + length + length % 2)
        raise RecordingError(
            "truncated",
            f"{path}: the file is cut off before its audio begins, after {size_bytes} bytes",
        )
    finally:
        file.seek(0)
