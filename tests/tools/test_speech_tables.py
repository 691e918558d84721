"""The tables and the goals, from what fake engines heard."""

import pytest
from tools.measure.bands import Band
from tools.measure.engines import Engine
from tools.measure.figures import Mean, Report, Share, bootstrap
from tools.measure.material import Material, Recording
from tools.measure.reading import Heard
from tools.measure.speech import report
from tools.measure.speech_goals import goals_table
from tools.measure.speech_plan import Job
from tools.measure.speech_tables import errors, false_alarms, lost_names_table, phrases_found
from tools.measure.spotting import PhraseList

from mamori.monitor.recognition.port import LOW_CONFIDENCE, Transcript

TEXT = "가나다라마바사아자차카타파하거너더러머버서어저처커"
"""Twenty-five letters: one wrong is .04."""
PHRASE = "거너더러머버서어저처커"
LURE = "거너더러머버서어을까요"
PHRASES = PhraseList("ko", (PHRASE,), (LURE,))


def heard(text, *, said=TEXT, name="clip", marks=(), is_abusive=False, **found):
    return Heard(
        recording=Recording(name=name, path=None, text=said, is_abusive=is_abusive),
        transcripts=[Transcript(text=text, marks=marks)],
        audio_s=2.0,
        cpu_s=0.1,
        **found,
    )


def job(engine=Engine.QUICK, *, part="texts", line=Band.MULAW, name="set", phrases=PHRASES):
    language = phrases.language if phrases else "ko"
    material = Material(name=name, language=language, recordings=())
    return Job(part=part, engine=engine, line=line, material=material, phrases=phrases)


def wrong(letters, of=TEXT):
    """``of`` with so many letters replaced."""
    return "히" * letters + of[letters:]


def verdicts(results):
    return {name: row[2] for name, row in goals_table(results).rows.items()}


def test_the_mean_is_over_recordings_and_the_corpus_over_letters():
    mean = Mean.of_errors([1, 0], [10, 30])
    assert mean.mean == pytest.approx(0.05)
    assert mean.corpus == pytest.approx(1 / 40)
    assert mean.low <= mean.mean <= mean.high
    assert mean.as_text() == ".050 (.000-.100), corpus .025, of 2"


@pytest.mark.parametrize(("edits", "letters"), [([], []), ([0], [0])])
def test_nothing_said_has_no_error(edits, letters):
    with pytest.raises(ValueError, match="letters"):
        Mean.of_errors(edits, letters)


def test_the_bootstrap_is_the_same_every_time_and_holds_the_mean():
    values = [0.0, 0.1, 0.2, 0.4, 0.0, 0.3, 0.1, 0.0]
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(values)
    assert 0 < low < sum(values) / len(values) < high < 0.4
    assert bootstrap([0.2]) == (0.2, 0.2)


def test_spaces_signs_and_digits_are_no_errors():
    assert errors([heard("30명, 입니다!", said="삼십 명입니다.")], "ko").mean == 0
    assert errors([heard("", said="네")], "ko").mean == 1


def test_a_phrase_counts_once_for_each_recording_that_holds_it():
    many = [heard(TEXT, found={PHRASE}), heard(TEXT, found_again={PHRASE}), heard(TEXT)]
    found = phrases_found(many, PHRASES)
    assert (found.first, found.second) == (Share(1, 3), Share(2, 3))
    assert false_alarms(many, PHRASES).second == Share(0, 3)


def test_a_phrase_with_a_pause_in_it_is_found_in_the_utterances_joined_alone():
    cut = heard(TEXT[:18])
    cut.transcripts.append(Transcript(text=TEXT[18:]))
    found = phrases_found([cut], PHRASES)
    assert (found.second, found.joined) == (Share(0, 1), Share(1, 1))


def test_false_is_what_the_recording_does_not_hold():
    many = [heard(TEXT, found_again={LURE}), heard("네", said="네", found={PHRASE}, lured={LURE})]
    false = false_alarms(many, PHRASES)
    assert (false.first, false.second, false.lured) == (Share(1, 3), Share(2, 3), Share(2, 3))


@pytest.mark.parametrize(
    ("engine", "letters", "is_met"),
    [
        (Engine.QUICK, 4, True),  # .16
        (Engine.QUICK, 5, False),
        (Engine.THOROUGH, 3, True),  # .12
        (Engine.THOROUGH, 4, False),
    ],
)
def test_korean_error_has_a_goal_for_each_depth(engine, letters, is_met):
    results = [(job(engine), [heard(wrong(letters))])]
    assert verdicts(results)[f"{engine}, µ-law: Korean"] is is_met


@pytest.mark.parametrize(("found", "is_met"), [(16, False), (17, True), (18, True)])
def test_seventeen_of_twenty_phrases_are_enough(found, is_met):
    many = [heard(TEXT, found={PHRASE} if n < found else set()) for n in range(20)]
    met = verdicts([(job(), many)])
    assert met["whisper, quick, µ-law: Korean, phrases found"] is is_met


@pytest.mark.parametrize(("field", "row"), [("found", 0), ("found_again", 0), ("lured", 1)])
def test_one_phrase_that_nobody_said_is_too_many(field, row):
    names = [
        "whisper, quick, µ-law: Korean, phrases nobody said",
        "whisper, quick, µ-law: Korean, the same with look-alikes alone shown",
    ]
    met = verdicts([(job(), [heard(TEXT, was_tempted=True, **{field: {LURE}})])])
    assert met[names[row]] is False


def test_who_was_not_tempted_has_no_goal_for_it():
    assert not [name for name in verdicts([(job(), [heard(TEXT)])]) if "look-alikes" in name]


@pytest.mark.parametrize(("letters", "is_met"), [(2, True), (3, False)])
def test_synthesised_japanese_is_judged_within_the_telephone_band(letters, is_met):
    said = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふ"
    phrases = PhraseList("ja", ("さしすせそたちつてと",), ())
    many = [heard("ん" * letters + said[letters:], said=said)]
    met = verdicts([(job(line=Band.TELEPHONE, phrases=phrases), many)])
    assert met["whisper, quick, telephone band: synthesised Japanese"] is is_met


def test_one_sound_with_words_and_one_clip_lost_without_a_mark_are_too_many():
    sounds = job(part="sounds", name="sounds", phrases=None)
    shouting = job(part="shouting", name="shouted", phrases=None)
    quiet, marked = heard("", said=""), heard("", marks=(LOW_CONFIDENCE,), is_abusive=True)
    assert all(verdicts([(sounds, [quiet]), (shouting, [marked])]).values())
    lost = heard("", is_abusive=True)
    assert not any(verdicts([(sounds, [quiet, heard("네")]), (shouting, [marked, lost])]).values())


def test_lost_recordings_are_named_each_time():
    rows = {"a": [heard("", name="x", said="")], "b": [heard("", name="x", said=""), heard("네")]}
    assert list(lost_names_table(rows).rows) == ["x", "x (b)"]


def test_the_report_has_a_table_for_each_thing_measured_and_says_what_both_engines_give():
    results = [
        (job(Engine.VOSK), [heard(wrong(9))]),
        (job(Engine.QUICK), [heard(TEXT, found={PHRASE}, read_again=1, again_cpu_s=0.1)]),
        (job(part="sounds", name="sounds", phrases=None), [heard("", said="")]),
        (job(part="shouting", name="shouted", phrases=None), [heard("", is_abusive=True)]),
    ]
    text = report(results).markdown()
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert titles == [
        "### Character error, set, 1 recordings",
        "### Phrases, Korean: 1 spoken, 1 with another ending that nobody spoke",
        "### Processor time, seconds for a second of audio",
        "### Words in music, tones, crying, silence and noise, 1 recordings",
        "### Abuse, shouting and anger that give no words",
        "### Lost without a mark",
        "### Goals",
    ]
    assert text.startswith("Vosk and whisper together")
    assert "| whisper, quick, µ-law: Korean | .000 (.000-.000), corpus .000, of 1 |" in text
    assert "**not met**" in text


def test_nothing_measured_is_an_empty_report():
    assert report([]).markdown() == Report().markdown() == ""
