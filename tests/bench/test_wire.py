"""The lean WebSocket client against the library's own server."""

import asyncio
from http import HTTPStatus

import pytest
from bench.wire import HandshakeRefused, binary_frame, open_wire
from websockets.asyncio.server import serve


@pytest.mark.parametrize("size", [0, 1, 125, 126, 320, 65_535])
async def test_a_prepared_frame_arrives_as_the_message_it_holds(size):
    payload = bytes(n % 251 for n in range(size))
    received = []

    async def handle(socket):
        received.extend([await socket.recv()])
        await socket.send("done")

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        heard: list[str] = []
        wire = await open_wire(_url(server), {}, heard.append)
        wire.write(binary_frame(payload))
        assert await wire.closed == 1000
    assert received == [payload]
    assert heard == ["done"]


def test_a_message_that_needs_a_longer_frame_is_refused():
    with pytest.raises(ValueError, match="at most 65535 bytes, not 65536"):
        binary_frame(bytes(65_536))


async def test_texts_and_prepared_frames_keep_their_order():
    received = []

    async def handle(socket):
        async for message in socket:
            received.append(message)
            if message == "end":
                return

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        wire = await open_wire(_url(server), {}, print)
        wire.send_text("begin")
        wire.write(binary_frame(b"1") + binary_frame(b"2"))
        wire.send_text("end")
        await wire.closed
    assert received == ["begin", b"1", b"2", "end"]


async def test_what_the_server_says_right_after_the_handshake_is_heard():
    heard: list[str] = []

    async def handle(socket):
        await socket.send("full")
        await socket.close(1013)

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        wire = await open_wire(_url(server), {}, heard.append)
        assert await wire.closed == 1013
        wire.send_text("too late")
    assert heard == ["full"]


async def test_pings_are_answered():
    async def handle(socket):
        await asyncio.wait_for(await socket.ping(), 5)

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        wire = await open_wire(_url(server), {}, print)
        assert await wire.closed == 1000


@pytest.mark.parametrize(("header", "expected"), [("9", 9), (None, None), ("soon", None)])
async def test_a_refused_handshake_tells_status_and_when_to_try_again(header, expected):
    def refuse(connection, request):
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n")
        if header is not None:
            response.headers["Retry-After"] = header
        return response

    async with serve(_nothing, "127.0.0.1", 0, process_request=refuse) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await open_wire(_url(server), {}, print)
    assert (refused.value.status, refused.value.retry_after_s) == (503, expected)


async def test_headers_are_sent_with_the_handshake():
    seen = []

    def look(connection, request):
        seen.append(request.headers["Authorization"])

    async with serve(_nothing, "127.0.0.1", 0, process_request=look) as server:
        await (await open_wire(_url(server), {"Authorization": "Bearer k"}, print)).closed
    assert seen == ["Bearer k"]


async def test_a_server_that_hangs_up_in_the_handshake_is_an_error():
    def hang_up(reader, writer):
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        with pytest.raises(OSError):
            await open_wire(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, print)


async def test_a_connection_that_breaks_has_the_close_code_for_it():
    async def handle(socket):
        socket.transport.abort()

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        wire = await open_wire(_url(server), {}, print)
        assert await wire.closed == 1006


async def _nothing(socket):
    """Hang up."""


def _url(server):
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
