"""Jobs and answers mean the same at both ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mamori.monitor.recognition.port import (
    Depth,
    EngineCapabilities,
    EngineKind,
    LiveText,
    ReadJob,
    RecognitionError,
    StreamJob,
    StreamReply,
    Transcript,
    TranscriptWord,
)
from mamori.monitor.recognition.workers.messages import (
    capabilities_of,
    capabilities_to_json,
    engine_failed,
    error_of,
    error_to_json,
    job_of,
    pack_job,
    reply_of,
    reply_to_json,
)
from mamori.monitor.recognition.workers.wire import Frame, FrameError, FrameReader, pack_head

texts = st.text(max_size=12)
ratios = st.none() | st.floats(0, 1)
samples = st.integers(0, 480_000)
pcm = hnp.arrays(np.int16, st.integers(0, 50))
audio = {"pcm": pcm, "language": texts, "sample_rate_hz": st.sampled_from([8000, 16000])}
words = st.builds(
    TranscriptWord, text=texts, start_samples=samples, end_samples=samples, confidence=ratios
)
tuples_of_texts = st.lists(texts, max_size=3).map(tuple)
transcripts = st.builds(
    Transcript,
    text=texts,
    words=st.lists(words, max_size=3).map(tuple),
    confidence=ratios,
    marks=tuples_of_texts,
)
replies = transcripts | st.builds(
    StreamReply,
    live=st.builds(LiveText, text=texts, hints=tuples_of_texts),
    transcript=st.none() | transcripts,
)
jobs_to_send = st.builds(
    ReadJob, **audio, depth=st.sampled_from(Depth), phrases=tuples_of_texts
) | st.builds(
    StreamJob,
    **audio,
    slot=st.integers(0, 300),
    voice=texts,
    begins=st.booleans(),
    finishes=st.booleans(),
)


def over_the_wire(head, body=b""):
    (frame,) = FrameReader().feed(head + body)
    return frame


def fields_of(job):
    return {name: getattr(job, name) for name in type(job).__dataclass_fields__ if name != "pcm"}


@given(jobs_to_send)
def test_a_job_arrives_with_every_field(job):
    arrived = job_of(over_the_wire(*pack_job(job)))

    assert type(arrived) is type(job)
    assert fields_of(arrived) == fields_of(job)
    assert arrived.pcm.dtype == np.int16
    assert arrived.pcm.tolist() == job.pcm.tolist()
    assert not arrived.pcm.flags.writeable


@given(replies)
def test_a_reply_arrives_with_every_field(reply):
    frame = over_the_wire(pack_head({"reply": reply_to_json(reply)}))

    assert reply_of(frame.header["reply"]) == reply


def test_audio_that_is_not_contiguous_arrives_in_order():
    pcm = np.arange(10, dtype=np.int16)[::2]
    job = ReadJob(pcm=pcm, language="ja", sample_rate_hz=8000)

    assert job_of(over_the_wire(*pack_job(job))).pcm.tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"job": "read", "language": "ja"},
        {"job": "read", "language": "ja", "sample_rate_hz": 8000, "depth": "deep", "phrases": []},
    ],
)
def test_a_header_without_a_job_is_refused(header):
    with pytest.raises(FrameError, match="holds no job"):
        job_of(Frame(header))


def test_an_odd_number_of_bytes_is_no_audio():
    head, body = pack_job(ReadJob(pcm=np.zeros(1, np.int16), language="ja", sample_rate_hz=8000))

    with pytest.raises(FrameError, match="holds no job"):
        job_of(Frame(over_the_wire(head, body).header, b"\x00"))


@pytest.mark.parametrize("fields", [{}, {"transcript": {"text": "x"}}, {"live": None}])
def test_fields_without_a_reply_are_refused(fields):
    with pytest.raises(FrameError, match="holds no reply"):
        reply_of(fields)


def test_an_error_arrives_with_code_message_and_whether_it_may_pass():
    error = error_of(error_to_json(RecognitionError("decode_failed", "Vosk", recoverable=True)))

    assert (error.code, str(error), error.recoverable) == ("decode_failed", "Vosk", True)


def test_of_an_unexpected_exception_only_its_type_is_told():
    error = engine_failed(ValueError("what the caller said"))

    assert (error.code, str(error)) == ("engine_failed", "the engine raised ValueError")
    assert error.recoverable


def test_capabilities_arrive_as_they_were():
    engines = (
        EngineCapabilities(
            name="vosk",
            kind=EngineKind.STREAM,
            languages=frozenset({"ko", "ja"}),
            word_times=True,
        ),
    )

    assert capabilities_of(capabilities_to_json(engines)) == engines
