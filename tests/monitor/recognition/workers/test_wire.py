"""Frames: a bounded header and a bounded body, in whatever pieces they come."""

import json
import os
import socket
import struct
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mamori.monitor.recognition.workers.wire import (
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    Frame,
    FrameError,
    FrameReader,
    pack_head,
    receive,
    receive_with_descriptors,
    send,
)

headers = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=3)
frames = st.lists(st.builds(Frame, headers, st.binary(max_size=40)), max_size=4)


def packed(frame):
    return pack_head(frame.header, len(frame.body)) + frame.body


def prefix(header_bytes, body_bytes):
    return struct.pack("!II", header_bytes, body_bytes)


@pytest.fixture
def ends():
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@given(frames, st.integers(1, 9))
def test_frames_come_whole_and_in_order_however_the_bytes_are_cut(frames, piece_bytes):
    sent = b"".join(packed(frame) for frame in frames)
    reader = FrameReader()

    read: list[Frame] = []
    for at in range(0, len(sent), piece_bytes):
        read += reader.feed(sent[at : at + piece_bytes])

    assert read == frames


@pytest.mark.parametrize("body_bytes", [MAX_BODY_BYTES - 1, MAX_BODY_BYTES])
def test_a_body_up_to_the_bound_is_a_frame(body_bytes):
    body = bytes(body_bytes)

    assert [frame.body for frame in FrameReader().feed(pack_head({}, body_bytes) + body)] == [body]


def test_a_body_over_the_bound_is_refused_by_both_ends_before_it_is_sent():
    with pytest.raises(FrameError, match="8000000 bytes, not 2 and 8000001"):
        pack_head({}, MAX_BODY_BYTES + 1)
    with pytest.raises(FrameError, match="not 2 and 8000001"):
        list(FrameReader().feed(prefix(2, MAX_BODY_BYTES + 1)))


@pytest.mark.parametrize("header_bytes", [MAX_HEADER_BYTES - 1, MAX_HEADER_BYTES])
def test_a_header_up_to_the_bound_is_a_frame(header_bytes):
    header = {"text": "x" * (header_bytes - len('{"text":""}'))}

    assert [frame.header for frame in FrameReader().feed(pack_head(header))] == [header]


def test_a_header_over_the_bound_is_refused_by_both_ends():
    text = "x" * (MAX_HEADER_BYTES - len('{"text":""}') + 1)
    with pytest.raises(FrameError, match="header of 1000000"):
        pack_head({"text": text})
    with pytest.raises(FrameError, match="header of 1000000"):
        list(FrameReader().feed(prefix(MAX_HEADER_BYTES + 1, 0)))


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"words": "hello'])
def test_a_header_that_is_no_json_object_is_refused_without_being_quoted(header):
    with pytest.raises(FrameError) as refused:
        list(FrameReader().feed(prefix(len(header), 0) + header))

    assert "hello" not in "".join(traceback.format_exception(refused.value))


def test_a_frame_goes_through_a_socket(ends):
    near, far = ends

    send(near, {"is": "ready"})
    near.sendall(packed(Frame({"job": "read"}, b"\x01\x02")))

    assert receive(far) == Frame({"is": "ready"})
    assert receive(far) == Frame({"job": "read"}, b"\x01\x02")


@pytest.mark.parametrize("sent", [b"", b"\x00\x00", prefix(2, 4) + b"{", prefix(2, 4) + b"{}\x00"])
def test_a_peer_that_ends_in_the_middle_of_a_frame_sent_none(ends, sent):
    near, far = ends
    near.sendall(sent)
    near.close()

    assert receive(far) is None


def test_descriptors_come_with_the_frame_they_belong_to(ends):
    near, far = ends
    out, into = os.pipe()
    socket.send_fds(near, [packed(Frame({"is": "fork"}))], [into])
    os.close(into)

    received = receive_with_descriptors(far, FrameReader())

    assert received is not None
    frames, (descriptor,) = received
    assert frames == [Frame({"is": "fork"})]
    os.write(descriptor, b"here")
    assert os.read(out, 4) == b"here"
    os.close(descriptor)
    os.close(out)


def test_text_of_any_language_is_sent_as_it_is():
    assert json.dumps("助けて", ensure_ascii=False).encode() in pack_head({"text": "助けて"})
