"""What workers are started with."""

import json
from pathlib import Path

import pytest

from mamori.monitor.recognition.workers.spec import EngineSpec


def test_a_spec_is_read_from_json_as_it_was_written():
    spec = EngineSpec(
        stream_models={"ja": Path("/models/ja"), "ko": Path("/models/ko")},
        utterance_model=Path("/models/whisper"),
        hint_phrases={"ja": ("土下座しろ", "殺すぞ")},
        stream_slots=3,
        warm_rate_hz=16000,
        memory_cap_bytes=1,
    )

    assert EngineSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_spec_without_models_is_read_as_it_was_written():
    assert EngineSpec.from_json(EngineSpec().to_json()) == EngineSpec()


def test_relative_paths_are_told_from_the_root(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    spec = EngineSpec(stream_models={"ja": Path("ja")}, utterance_model=Path("whisper"))

    assert spec.to_json()["stream_models"] == {"ja": str(tmp_path / "ja")}
    assert spec.to_json()["utterance_model"] == str(tmp_path / "whisper")


@pytest.mark.parametrize(
    ("field", "wrong", "least"),
    [("stream_slots", -1, 0), ("memory_cap_bytes", 0, 1), ("warm_rate_hz", 11025, 8000)],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(field, wrong, least):
    EngineSpec(**{field: least})

    with pytest.raises(ValueError, match=f"{field} must be .*{least}.* not {wrong}"):
        EngineSpec(**{field: wrong})
