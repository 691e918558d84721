"""The tables of what the engines heard. Pure: no file but the readings' dictionary, no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.measure.bands import Band
from tools.measure.figures import Mean, Share, Table, count, letter_edits, mean, ratio
from tools.measure.reading import Heard
from tools.measure.spotting import PhraseList, hits, written

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
    """Phrases found and phrases that nobody said, after the first reading and after the second."""
    table = Table(
        title=title,
        rows_are="engine, line",
        columns=[
            ("found, first reading", ratio),
            ("found, after the second", ratio),
            ("false, first reading", count),
            ("false, after the second", count),
            ("utterances read again", ratio),
        ],
    )
    for engine, bands in by_engine.items():
        for band, heard in bands.items():
            found, false = phrases_found(heard, phrases), false_alarms(heard, phrases)
            again = sum(each.read_again for each in heard)
            spoken = sum(bool(each.text) for one in heard for each in one.transcripts)
            table.rows[f"{engine}, {band}"] = [
                found[0],
                found[1] if again else None,
                false[0],
                false[1] if again else None,
                Share(again, spoken) if again else None,
            ]
    return table


def phrases_found(heard: Sequence[Heard], phrases: PhraseList) -> tuple[Share, Share]:
    """Spoken phrases found of all that were spoken, after the first reading and the second."""
    return _shares(heard, phrases, said=True)


def false_alarms(heard: Sequence[Heard], phrases: PhraseList) -> tuple[Share, Share]:
    """Phrases found in recordings that do not hold them, after the first reading and the second."""
    return _shares(heard, phrases, said=False)


def _shares(heard: Sequence[Heard], phrases: PhraseList, *, said: bool) -> tuple[Share, Share]:
    first = second = asked = 0
    for each in heard:
        in_it = set(phrases.said_in(each.recording.text))
        of = in_it if said else set(phrases.all) - in_it
        texts = [transcript.text for transcript in each.transcripts]
        found = hits(sorted(of), texts, phrases.language)
        first += len(found)
        second += len(found | (_again(each, phrases) & of))
        asked += len(of)
    return Share(first, asked), Share(second, asked)


def _again(heard: Heard, phrases: PhraseList) -> set[str]:
    """What a second reading confirmed of the phrases that it was asked for."""
    return {
        phrase
        for second in heard.again
        for phrase in hits(second.phrases, [second.text], phrases.language)
    }


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


def lost_table(title: str, rows: Mapping[str, Sequence[Heard]]) -> Table:
    """Recordings of speech in which no words were heard, and why; or only doubtful ones."""
    table = Table(
        title=title,
        rows_are="set, engine",
        columns=[
            ("without words", count),
            ("of these no speech found", str),
            ("all words marked as unsure", count),
        ],
    )
    for name, heard in rows.items():
        unsure = sum(each.has_words and not each.has_sure_words for each in heard)
        table.rows[name] = [
            Share(sum(not each.has_words for each in heard), len(heard)),
            sum(not each.transcripts for each in heard),
            Share(unsure, len(heard)),
        ]
    return table
