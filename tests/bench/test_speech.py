"""The calls that the bench makes up, and the phrases that listen for their words."""

from collections import Counter

import numpy as np
import pytest
from bench.phrases import key_words, phrase_file
from bench.speech import SAMPLE_RATE_HZ, build_call, load_clips, make_clip, noise_clips

from mamori.config.phrase_files import load_phrase_matcher


def _call(clips, *, seed=1, agent=0.0, seconds=60.0):
    return build_call(
        clips,
        duration_s=seconds,
        seed=seed,
        customer_speech_ratio=0.4,
        agent_speech_ratio=agent,
    )


def test_a_clip_loses_the_silence_at_its_edges_and_keeps_that_within():
    tone = (np.sin(np.arange(800) / 3) * 5_000).astype(np.int16)
    quiet = np.zeros(1_600, dtype=np.int16)
    clip = make_clip(np.concatenate([quiet, tone, quiet, tone, quiet]), "")
    assert len(clip.pcm) == 800 + 1_600 + 800
    assert clip.voiced.tolist() == [True] * 10 + [False] * 20 + [True] * 10


def test_every_clip_comes_out_at_the_same_level():
    levels = []
    for gain in (300, 20_000):
        pcm = (np.sin(np.arange(8_000) / 3) * gain).astype(np.int16)
        levels.append(np.sqrt(np.mean(make_clip(pcm, "").pcm.astype(float) ** 2)))
    assert levels[0] == pytest.approx(levels[1], rel=0.01)


def test_a_call_is_as_long_as_asked_and_the_same_for_the_same_seed():
    clips = noise_clips()
    first, again, other = _call(clips), _call(clips), _call(clips, seed=2)
    assert len(first.customer) == len(first.agent) == 60 * SAMPLE_RATE_HZ
    assert np.array_equal(first.customer, again.customer)
    assert not np.array_equal(first.customer, other.customer)


def test_a_call_holds_about_the_share_of_speech_that_was_asked_for():
    calls = [_call(noise_clips(), seed=seed) for seed in range(8)]
    assert np.mean([c.customer_voiced.mean() for c in calls]) == pytest.approx(0.4, abs=0.06)
    assert not any(c.agent_voiced.any() for c in calls)


def test_the_agent_speaks_where_it_is_asked_for():
    assert _call(noise_clips(), agent=0.3).agent_voiced.mean() == pytest.approx(0.3, abs=0.1)


def test_a_call_ends_in_silence_long_enough_for_the_last_utterance_to_close():
    for seed in range(8):
        assert not _call(noise_clips(), seed=seed, seconds=15.0).customer_voiced[-150:].any()


def test_a_line_without_speech_is_not_digital_silence():
    call = _call(noise_clips())
    assert np.std(call.agent) > 10


def test_real_sentences_are_short_enough_to_be_turns_of_a_conversation(shared_data):
    clips = load_clips(shared_data)
    assert clips
    assert max(len(clip.pcm) for clip in clips) <= 8 * SAMPLE_RATE_HZ
    assert all(clip.text for clip in clips)


def test_where_no_recordings_are_there_are_no_clips(tmp_path):
    assert load_clips(tmp_path) == []


def test_key_words_are_long_and_in_no_other_sentence():
    uses = Counter({"할인되는": 1, "얼마나": 2, "패키지로": 1, "하면": 1})
    assert key_words("패키지로 하면 얼마나 할인되는 거죠", uses) == ["패키지로", "할인되는"]


def test_the_phrase_file_is_one_that_a_firm_could_have_written(tmp_path):
    sentences = [
        "패키지로 하면 얼마나 할인 되는 거죠?",
        "일찍 자야 일찍 일어나지?",
        "패키지로 하면 얼마나 할인 되는 거죠?",
        "네.",
    ]
    file = tmp_path / "phrases.toml"
    file.write_text(phrase_file(sentences), encoding="utf-8")
    matcher = load_phrase_matcher("ko", [file])
    found = [
        match
        for match in matcher.match("저기 패키지로 하면 어때요")
        if match.category.startswith("custom:bench_")
    ]
    assert [match.quote for match in found] == ["패키지로"]


def test_the_phrase_file_of_the_real_sentences_is_accepted(shared_data, tmp_path):
    file = tmp_path / "phrases.toml"
    file.write_text(phrase_file([clip.text for clip in load_clips(shared_data)]), encoding="utf-8")
    assert load_phrase_matcher("ko", [file]).match("아무 말도 아니에요") == []
