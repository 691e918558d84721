"""How long, how often: episodes and their severity."""

import pytest

from mamori.monitor.detectors.raised_voice import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.episodes import Episode, EpisodeTracker
from mamori.monitor.detectors.raised_voice.score import Effort
from mamori.monitor.detectors.raised_voice.windows import HOP_MS, SpeechWindow
from mamori.monitor.events import Severity

CONFIG = RaisedVoiceConfig()


class Talk:
    """Windows one after another on a tracker, with the severity after each."""

    def __init__(self) -> None:
        self.tracker = EpisodeTracker(CONFIG)
        self.now_ms = 0
        self.episodes: list[Episode] = []

    def say(self, score: float) -> Severity | None:
        window = SpeechWindow(
            start_offset_ms=self.now_ms,
            end_offset_ms=self.now_ms + HOP_MS,
            level_dbfs=-15.0,
            balance_db=-3.0,
            f0_hz=250.0,
            level_sd_db=6.0,
            f0_spread_semitones=2.0,
            peak_ratio=0.5,
            clipped_ratio=0.0,
        )
        self.now_ms += HOP_MS
        measured = Effort(
            level_rise_db=12.0, balance_rise_db=5.0, f0_rise_semitones=6.0, score=score
        )
        episode = self.tracker.add(window, measured)
        if episode is None:
            return None
        if not self.episodes or self.episodes[-1] is not episode:
            self.episodes.append(episode)
        return self.tracker.severity(episode, least_ms=CONFIG.attention_ms)

    def pause(self, duration_ms: int) -> None:
        self.now_ms += duration_ms


def test_one_and_a_half_seconds_are_nothing_and_two_are_attention() -> None:
    talk = Talk()
    assert [talk.say(0.9) for _ in range(4)] == [None, None, None, Severity.ATTENTION]


def test_five_seconds_are_a_warning_and_four_and_a_half_are_not() -> None:
    talk = Talk()
    severities = [talk.say(0.9) for _ in range(10)]
    assert severities[8:] == [Severity.ATTENTION, Severity.WARNING]


def test_the_score_must_reach_0_6_to_begin() -> None:
    talk = Talk()
    assert {talk.say(0.599) for _ in range(10)} == {None}
    assert {talk.say(0.6) for _ in range(10)} == {None, Severity.ATTENTION, Severity.WARNING}


def test_once_going_on_0_4_is_enough_and_less_is_not() -> None:
    talk = Talk()
    for _ in range(4):
        talk.say(0.9)
    assert talk.say(0.4) is Severity.ATTENTION
    assert talk.say(0.399) is None
    assert talk.episodes[0].raised_ms == 2_500


def test_raised_words_far_between_do_not_add_up() -> None:
    talk = Talk()
    assert {talk.say(score) for score in (0.9, 0.1) * 20} == {None}


def test_a_pause_of_3_s_is_within_an_episode_and_a_longer_one_is_not() -> None:
    talk = Talk()
    for pause_ms in (3_000, 3_001):
        for _ in range(2):
            talk.say(0.9)
        talk.pause(pause_ms)
    talk.say(0.9)
    assert [episode.raised_ms for episode in talk.episodes] == [2_000, 500]


@pytest.mark.parametrize(
    ("pause_ms", "third"), [(27_000, Severity.WARNING), (28_001, Severity.ATTENTION)]
)
def test_the_third_episode_within_60_s_is_a_warning(pause_ms: int, third: Severity) -> None:
    talk = Talk()
    reached = []
    for _ in range(3):
        reached.append([talk.say(0.9) for _ in range(4)][-1])
        talk.pause(pause_ms)
    assert reached == [Severity.ATTENTION, Severity.ATTENTION, third]


def test_an_episode_knows_its_mean_level_and_median_pitch() -> None:
    talk = Talk()
    for _ in range(4):
        talk.say(0.9)
    [episode] = talk.episodes
    assert (episode.start_offset_ms, episode.end_offset_ms) == (0, 2_000)
    assert episode.level_dbfs == pytest.approx(-15.0)
    assert episode.f0_hz == 250.0
