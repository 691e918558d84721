"""The same demand again and again, and what only sounds like it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from mamori.monitor.detectors.readings import JapaneseReader, create_reader
from mamori.monitor.detectors.repeated_demand import (
    RULE,
    RepeatedDemandConfig,
    RepeatedDemandDetector,
)
from mamori.monitor.events import (
    Channel,
    Detection,
    FinalHypothesis,
    RepeatEvidence,
    Severity,
)

Run = Callable[..., list[Detection]]

DEMO = (
    "給湯器が壊れてるんですよ",
    "今すぐ直してください",
    "もう三日も待ってるんです。今すぐ直してくださいよ",
    "だから今すぐ直してくれって言ってるんです",
    "寒くて仕方ないんです。早く直してください",
    "いいから今すぐ直してください。困るんですよ",
)


@pytest.fixture(scope="module")
def reader() -> JapaneseReader:
    return create_reader()


@pytest.fixture
def run(reader: JapaneseReader) -> Run:
    def play(
        lines: Sequence[str],
        *,
        step_ms: int = 6_000,
        channel: Channel = Channel.CUSTOMER,
        language: str = "ja",
        config: RepeatedDemandConfig | None = None,
    ) -> list[Detection]:
        detector = RepeatedDemandDetector(
            config or RepeatedDemandConfig(), call_id="c1", language=language, reader=reader
        )
        found: list[Detection] = []
        for number, line in enumerate(lines):
            final = FinalHypothesis(
                call_id="c1",
                channel=channel,
                utterance_id=f"u{number}",
                offset_ms=number * step_ms,
                end_offset_ms=number * step_ms + 2_000,
                text=line,
                language=language,
                engine="test",
            )
            found += detector.feed(final)
        return [*found, *detector.flush(len(lines) * step_ms)]

    return play


def _counts(found: Sequence[Detection]) -> list[int]:
    return [len(_evidence(each).tellings) for each in found]


def _evidence(found: Detection) -> RepeatEvidence:
    assert isinstance(found.evidence, RepeatEvidence)
    return found.evidence


def test_the_same_demand_in_other_words_is_counted_from_the_third_telling(run: Run) -> None:
    found = run(DEMO)
    assert _counts(found) == [3, 4, 5]
    assert [each.severity for each in found] == [
        Severity.ATTENTION,
        Severity.ATTENTION,
        Severity.WARNING,
    ]
    assert {(each.rule, each.category) for each in found} == {(RULE, "repeated_demand")}
    assert [each.score for each in found] == sorted(each.score for each in found)


def test_two_tellings_are_none_and_three_are(run: Run) -> None:
    assert run(["今すぐ直してください", "早く直してくださいよ"]) == []
    assert _counts(run(["今すぐ直してください"] * 3)) == [3]


def test_four_tellings_are_attention_and_five_a_warning(run: Run) -> None:
    severities = [each.severity for each in run(["今すぐ直してください"] * 5)]
    assert severities == [Severity.ATTENTION, Severity.ATTENTION, Severity.WARNING]


def test_every_telling_is_quoted_with_its_time(run: Run) -> None:
    (first, *_) = run(DEMO)
    tellings = _evidence(first).tellings
    assert [each.utterance_id for each in tellings] == ["u1", "u2", "u3"]
    assert tellings[0].quote == "今すぐ直してください"
    assert tellings[1].quote == "今すぐ直してください"
    assert tellings[1].offset_ms > 12_000
    assert [each.offset_ms for each in tellings] == sorted(each.offset_ms for each in tellings)


def test_what_a_recogniser_makes_of_it_is_still_the_same(run: Run) -> None:
    lines = ["今すぐなおして下さい", "いますぐ治してください", "今 直ぐ 直し て ください"]
    assert _counts(run(lines)) == [3]


def test_one_wrong_sound_in_ten_does_not_hide_the_demand(run: Run) -> None:
    kana = "かきくさしすたちつなにのはひまみもやゆらりれわん"
    dice = random.Random(7)
    heard = 0
    for _ in range(20):
        lines = []
        for number in range(5):
            line = list("いますぐ直してくださいお願いですから")
            if number:
                line[dice.randrange(len(line))] = dice.choice(kana)
            lines.append("".join(line))
        heard += bool(run(lines))
    assert heard >= 18


def test_a_noun_that_is_done_is_the_demand_in_any_form(run: Run) -> None:
    lines = [
        "返金しろ、早く",
        "だから返金してください",
        "返金をお願いしますよ",
        "いいから返金してくれ",
    ]
    assert _counts(run(lines)) == [3, 4]


def test_a_reminder_counts_as_a_telling_of_the_last_demand(run: Run) -> None:
    found = run(["今すぐ直してください", "何回言わせるんですか", "さっきから言ってるだろうが"])
    assert _counts(found) == [3]


def test_a_reminder_and_the_demand_in_one_utterance_are_one_telling(run: Run) -> None:
    found = run(["直してくれよ早く", "何回言わせるんだ、直してくれよ", "何回言えば分かる、直せ"])
    assert _counts(found) == [3]


@pytest.mark.parametrize(
    "lines",
    [
        "住所は東京都港区芝公園一の二の三です/はい東京都港区芝公園一の二の三です/芝公園一の二の三です",
        "お願いします/よろしくお願いします/ではお願いいたします/お願いします",
        "はい、そうです/はい、はい/ええ、そうなんです/はい、分かりました",
        "鍵を送ってください/書類を送ってください/写真を送ってください/地図を送ってください",
        "もう一度教えてください/すみません教えてください/番号を教えてください/教えてください",
        "少し待ってください/ちょっと待ってください/待ってください、書きます/待ってくださいね",
        "九月に直してくれたんです/前も直してくれたでしょう/すぐ直してくれましたよね",
        "090の1234の5678です/はい、090の1234です/5678です、090の1234の",
        "確認してください/確認してもらえますか/もう一度確認してください/確認をお願いします",
    ],
    ids=lambda lines: lines.split("/")[0],
)
def test_how_every_caller_talks_is_no_repeated_demand(run: Run, lines: str) -> None:
    assert run(lines.split("/")) == []


def test_a_fair_caller_who_explains_himself_once_more_is_not_counted(run: Run) -> None:
    lines = [
        "エアコンが動かないので直してほしいんですが",
        "はい、リビングのエアコンです",
        "ええと、リモコンは光るんですけど風が出ないんです。直してもらえますか",
        "明日の午前でお願いします",
    ]
    assert run(lines) == []


def test_halves_of_one_breath_are_one_telling(run: Run) -> None:
    assert run(["今すぐ直してください"] * 6, step_ms=400) == []
    at = RepeatedDemandConfig(min_gap_ms=3_000)
    assert _counts(run(["今すぐ直してください"] * 3, step_ms=3_000, config=at)) == [3]
    assert run(["今すぐ直してください"] * 3, step_ms=2_999, config=at) == []


def test_tellings_leave_the_window(run: Run) -> None:
    config = RepeatedDemandConfig(window_ms=20_000)
    assert _counts(run(["今すぐ直してください"] * 3, step_ms=10_000, config=config)) == [3]
    assert run(["今すぐ直してください"] * 6, step_ms=10_001, config=config) == []


def test_the_agents_words_do_not_count(run: Run) -> None:
    assert run(["今すぐ直してください"] * 6, channel=Channel.AGENT) == []


def test_memory_is_bounded(reader: JapaneseReader) -> None:
    config = RepeatedDemandConfig(max_demands=4, max_tellings=6, window_ms=86_400_000)
    detector = RepeatedDemandDetector(config, call_id="c1", language="ja", reader=reader)
    verbs = ["直して", "返して", "替えて", "届けて", "出して", "消して", "貸して", "止めて"]
    last: Sequence[Detection] = ()
    for number in range(400):
        verb = verbs[number % len(verbs)] if number < 200 else "直して"
        last = detector.feed(
            FinalHypothesis(
                call_id="c1",
                channel=Channel.CUSTOMER,
                utterance_id=str(number),
                offset_ms=number * 5_000,
                end_offset_ms=number * 5_000 + 1_000,
                text=f"今すぐ{verb}ください",
                language="ja",
                engine="test",
            )
        )
        assert len(detector._topics) <= 4
    assert _counts(last) == [6]


def test_english_and_korean_are_counted_by_their_words(run: Run) -> None:
    english = [
        "I want you to fix my boiler today",
        "Fix my boiler, please",
        "How many times do I have to tell you",
        "You need to fix my boiler now",
    ]
    assert _counts(run(english, language="en")) == [3, 4]
    korean = ["지금 당장 환불해 주세요", "당장 환불해 달라고요", "아까부터 말했잖아요"]
    assert _counts(run(korean, language="ko")) == [3]


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of ja, ko, en"):
        RepeatedDemandDetector(RepeatedDemandConfig(), call_id="c1", language="fr")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attention_count": 1}, "at least 2"),
        ({"attention_count": 6}, r"attention_count\.\.max_tellings"),
        ({"warning_count": 21}, r"attention_count\.\.max_tellings"),
        ({"window_ms": 999}, r"1000\.\.86400000"),
        ({"min_gap_ms": -1}, r"0\.\.60000"),
        ({"min_units": 0}, r"1\.\.100"),
        ({"similarity_ratio": 0.0}, r"0\.\.1"),
        ({"overlap_ratio": 1.01}, r"0\.\.1"),
        ({"max_demands": 0}, r"1\.\.1000"),
        ({"max_tellings": 1_001}, "at most 1000"),
    ],
)
def test_a_configuration_that_makes_no_sense_names_what_is_allowed(
    values: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        RepeatedDemandConfig(**values)
