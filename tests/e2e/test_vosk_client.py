"""A client written for vosk-server speaks to a node unchanged, and gets its words."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata

import numpy as np
import pytest
import soundfile
import soxr
import vosk
from rapidfuzz.distance import Levenshtein
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

# Whole processes start here, and slowly on a busy machine.
pytestmark = pytest.mark.timeout(400)

TEXT = "불만 사항을 접수해 주시면 바로 처리해 드리겠습니다."


def character_error(text):
    said, heard = (re.sub(r"[\W_]", "", unicodedata.normalize("NFC", t)) for t in (TEXT, text))
    return Levenshtein.distance(heard, said) / len(said)


@pytest.fixture(scope="module")
def pcm(shared_data):
    """A sentence as an 8 kHz line carries it, then a second of silence."""
    clip, rate_hz = soundfile.read(shared_data / "ko_asr" / "kih00041.wav", dtype="float32")
    line = np.clip(np.rint(soxr.resample(clip, rate_hz, 8000) * 32_768), -32_768, 32_767)
    return np.concatenate([line, np.zeros(8000)]).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def error_of_vosk_itself(pcm, vosk_ko_dir):
    """The model was made for 16 kHz: at 8 kHz it mishears much."""
    vosk.SetLogLevel(-1)
    model = vosk.Model(str(vosk_ko_dir))
    recogniser = vosk.KaldiRecognizer(model, 8000.0)
    recogniser.AcceptWaveform(pcm)
    return character_error(json.loads(recogniser.FinalResult())["text"])


@pytest.fixture(scope="module")
def node(make_node, models_dir):
    node = make_node(
        "vosk",
        node__language="ko",
        recognition__engine="vosk",
        recognition__models_dir=models_dir,
        telephony__vosk_listen_port=0,
    )
    node.start()
    return node


async def run_test(uri, pcm):
    """The test client of vosk-server, line by line but for the file that it reads."""
    replies = []
    async with connect(uri, compression=None, proxy=None) as websocket:
        await websocket.send('{ "config" : { "sample_rate" : %d } }' % 8000)  # noqa: UP031
        buffer_bytes = int(8000 * 0.2) * 2
        for start in range(0, len(pcm), buffer_bytes):
            await websocket.send(pcm[start : start + buffer_bytes])
            replies.append(await websocket.recv())
        await websocket.send('{"eof" : 1}')
        replies.append(await websocket.recv())
    return [json.loads(reply) for reply in replies]


@pytest.mark.parametrize("place", ["the address without a key", "the address with the key"])
async def test_a_vosk_server_client_gets_its_final_text(place, node, pcm, error_of_vosk_itself):
    if place == "the address without a key":
        uri = f"ws://127.0.0.1:{node.vosk_port}"
    else:
        uri = f"ws://127.0.0.1:{node.port}/vosk/{node.KEY}"

    async with asyncio.timeout(60):
        replies = await run_test(uri, pcm)

    assert all(reply.keys() in ({"partial"}, {"text"}) for reply in replies)
    assert "text" in replies[-1]
    heard = " ".join(reply["text"] for reply in replies if reply.get("text"))
    assert character_error(heard) <= error_of_vosk_itself + 0.05, heard


async def test_a_wrong_key_in_the_address_is_refused(node):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{node.port}/vosk/wrong-key-wrong-key", proxy=None):
            pass

    assert refused.value.response.status_code == 401
