"""The tables of what the engines heard. Pure: no file but the readings' dictionary, no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.measure.bands import Band
from tools.measure.figures import Mean, Share, Table, count, letter_edits, mean, ratio
from tools.measure.listening import ears
from tools.measure.reading import Heard
from tools.measure.spotting import PhraseList, written

ByBand = Mapping[Band, Sequence[Heard]]


def errors_table(name: str, language: str, by_engine: Mapping[str, ByBand]) -> Table:
    """Character error of one set by engine and line; ``ja``: of the kana of the readings."""
    of = {len(heard) for bands in by_engine.values() for heard in bands.values()}
    unit = "Kana error" if language == "ja" else "Character error"
    table = Table(
        title=f"{unit}, {name}, {max(of)} recordings",
        rows_are="engine",
        columns=[(band.value, mean) for band in Band],
    )
    for engine, bands in by_engine.items():
        table.rows[engine] = [
            errors(bands[band], language) if band in bands else None for band in Band
        ]
    return table


def errors(heard: Sequence[Heard], language: str) -> Mean:
    """The error against the transcripts."""
    pairs = [
        letter_edits(written(each.text, language), written(each.recording.text, language))
        for each in heard
    ]
    return Mean.of_errors(*map(list, zip(*pairs, strict=True)))


def phrases_table(title: str, phrases: PhraseList, by_engine: Mapping[str, ByBand]) -> Table:
    """Phrases found, and phrases that nobody said, after the first reading and after the second.

    The first row is what the same matcher makes of the true transcripts: no engine can do better.
    A node looks at each utterance alone, so a pause within a phrase hides it: joined they show how
    many that costs.
    """
    table = Table(
        title=title,
        rows_are="engine, line",
        columns=[
            ("found, first reading", ratio),
            ("found, after the second", ratio),
            ("found with the utterances joined", ratio),
            ("false, first reading", count),
            ("false, after the second", count),
            ("false, look-alikes alone shown", count),
            ("utterances read again", ratio),
        ],
    )
    recordings = {
        each.recording.name: each.recording
        for bands in by_engine.values()
        for heard in bands.values()
        for each in heard
    }
    listed = ears(phrases).listed
    told = [Heard(recording=r, found=set(listed.found(r.text))) for r in recordings.values()]
    hits, false = phrases_found(told, phrases), false_alarms(told, phrases)
    table.rows["the transcripts themselves"] = [
        hits.first,
        None,
        None,
        false.first,
        None,
        None,
        None,
    ]
    for engine, bands in by_engine.items():
        for band, heard in bands.items():
            hits, false = phrases_found(heard, phrases), false_alarms(heard, phrases)
            again = sum(each.read_again for each in heard)
            spoken = sum(bool(each.text) for one in heard for each in one.transcripts)
            table.rows[f"{engine}, {band}"] = [
                hits.first,
                hits.second if again else None,
                hits.joined,
                false.first,
                false.second if again else None,
                false.lured if any(each.was_tempted for each in heard) else None,
                Share(again, spoken) if again else None,
            ]
    return table


@dataclass(frozen=True, slots=True)
class Found:
    """``joined``: after the second, or in the first readings taken as one text."""

    first: Share
    second: Share
    lured: Share
    joined: Share


def phrases_found(heard: Sequence[Heard], phrases: PhraseList) -> Found:
    """Of the phrases that were spoken; once for each recording that holds one."""
    return _found(heard, phrases, said=True)


def false_alarms(heard: Sequence[Heard], phrases: PhraseList) -> Found:
    """Of the listed phrases that a recording does not hold; once for each recording."""
    return _found(heard, phrases, said=False)


def _found(heard: Sequence[Heard], phrases: PhraseList, *, said: bool) -> Found:
    first = second = lured = joined = asked = 0
    listed = ears(phrases).listed
    for each in heard:
        in_it = set(phrases.said_in(each.recording.text))
        of = in_it if said else set(phrases.all) - in_it
        first += len(each.found & of)
        second += len((each.found | each.found_again) & of)
        lured += len((each.found | each.lured) & of)
        in_all = listed.found(each.text) if len(each.transcripts) > 1 else frozenset()
        joined += len((each.found | each.found_again | in_all) & of)
        asked += len(of)
    return Found(*(Share(hits, asked) for hits in (first, second, lured, joined)))


def false_table(rows: Mapping[str, Sequence[Heard]], phrases: PhraseList) -> Table:
    """Each phrase that was found and not said, in what, and what the first reading was."""
    table = Table(
        title=f"Phrases found that nobody said, {phrases.language}",
        rows_are="engine, line, recording",
        columns=[("said", str), ("first reading", str), ("found", str), ("when", str)],
    )
    for name, heard in rows.items():
        for each in heard:
            said = set(phrases.said_in(each.recording.text))
            for when, found in (
                ("first reading", each.found),
                ("second", each.found_again - each.found),
                ("look-alikes alone", each.lured - each.found - each.found_again),
            ):
                for number, phrase in enumerate(sorted(found - said)):
                    row = f"{name}, {each.recording.name}, {when}" + ("'" * number)
                    table.rows[row] = [each.recording.text, each.text, phrase, when]
    return table


def costs_table(by_engine: Mapping[str, ByBand]) -> Table:
    """Processor seconds for a second of an utterance's audio."""
    table = Table(
        title="Processor time, seconds for a second of audio",
        rows_are="engine",
        columns=[(f"{band}", _cost) for band in Band] + [("one second reading", _cost)],
    )
    for engine, bands in by_engine.items():
        again = [each for heard in bands.values() for each in heard if each.read_again]
        table.rows[engine] = [
            *(_cpu_ratio(bands[band]) if band in bands else None for band in Band),
            _again_s(again) if again else None,
        ]
    return table


def _cpu_ratio(heard: Sequence[Heard]) -> float:
    return round(sum(each.cpu_s for each in heard) / sum(each.audio_s for each in heard), 4)


def _again_s(heard: Sequence[Heard]) -> float:
    return round(
        sum(each.again_cpu_s for each in heard) / sum(each.read_again for each in heard), 4
    )


def _cost(value: float) -> str:
    return f"{value:.3f}"


def words_table(title: str, rows: Mapping[str, Sequence[Heard]]) -> Table:
    """Recordings in which words were heard, with and without the mark of doubt."""
    table = Table(
        title=title,
        rows_are="engine, language",
        columns=[("with words", count), ("with words not marked as unsure", count)],
    )
    for name, heard in rows.items():
        table.rows[name] = [
            Share(sum(each.has_words for each in heard), len(heard)),
            Share(sum(each.has_sure_words for each in heard), len(heard)),
        ]
    return table


def lost_table(rows: Mapping[str, Sequence[Heard]]) -> Table:
    """Recordings of abuse or anger in which no words were heard, and whether anything says so."""
    table = Table(
        title="Abuse, shouting and anger that give no words",
        rows_are="set, engine",
        columns=[
            ("without words", count),
            ("of these without a mark", str),
            ("of these no speech found", str),
            ("all words marked as unsure", count),
        ],
    )
    for name, heard in rows.items():
        unsure = sum(each.has_words and not each.has_sure_words for each in heard)
        table.rows[name] = [
            Share(sum(not each.has_words for each in heard), len(heard)),
            sum(each.is_lost for each in heard),
            sum(not each.transcripts for each in heard),
            Share(unsure, len(heard)),
        ]
    return table


def lost_names_table(rows: Mapping[str, Sequence[Heard]]) -> Table:
    """Which recordings those are."""
    table = Table(
        title="Lost without a mark",
        rows_are="recording",
        columns=[("set, engine", str), ("utterances", str)],
    )
    for name, heard in rows.items():
        for each in heard:
            if each.is_lost:
                row = f"{each.recording.name} {each.recording.text}".strip()
                row = row if row not in table.rows else f"{row} ({name})"
                table.rows[row] = [name, len(each.transcripts)]
    return table
