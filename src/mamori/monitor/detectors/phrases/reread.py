"""Phrases in a second reading of an utterance, which was made with them before the reader's eyes.

What is shown is what tends to be read. So nothing counts but the phrases that were suspected, as
closely as in any first reading, and the words around them speak in both readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rapidfuzz import fuzz

from mamori.monitor.detectors.phrases.compiled import FiledRule
from mamori.monitor.detectors.phrases.index import PhraseIndex, Span
from mamori.monitor.detectors.phrases.matches import (
    FUZZY_THRESHOLD_RATIO,
    Found,
    Seen,
    strongest,
)
from mamori.monitor.detectors.phrases.misheard import MisheardIndex
from mamori.monitor.detectors.phrases.texts import Language
from mamori.monitor.detectors.phrases.wordings import Wording


def find_again(
    filed: FiledRule,
    wordings: Iterable[Wording],
    language: Language,
    *,
    first: Seen,
    second: Seen,
    taken: Sequence[Span] = (),
) -> Found | None:
    """The strongest of one rule's suspected ``wordings`` in the second reading.

    As spelled, as heard, or misheard under the terms of a first reading. A context that surrounds
    the words counts in either reading: the second one may have lost the と言われた that makes a
    threat a quotation. Wordings whose place in the first reading overlaps one of ``taken``, which
    was found there already, are left out.
    """
    judged = []
    for wording in wordings:
        record = _place_in_record(wording, first, language)
        if record is not None and any(
            start < record[1] and record[0] < end for start, end in taken
        ):
            continue
        for start, end, similarity in _places(filed, wording, second, language):
            contexts = second.contexts(filed, start, end)
            if record is not None:
                contexts += first.contexts(filed, *record)
            said = first.text[slice(*record)] if record is not None else ""
            found = Found("reread", start, end, similarity, record_quote=said)
            judged.append(found.lowered(contexts))
    return strongest(judged)


def _places(
    filed: FiledRule, wording: Wording, seen: Seen, language: Language
) -> Iterator[tuple[int, int, float]]:
    """Where the wording stands in the original text, and how closely."""
    looked = seen.sight.looked
    units = language.units(wording.parts)
    spelled = [language.spell(part) for part in wording.parts]
    index = PhraseIndex(language)
    phrase = index.add([[each] for each in zip(spelled, units, strict=True)])
    exact = [
        looked.surface.original_span(*span) for span in index.look(looked.surface).spans(phrase)
    ]
    sounds = language.read(wording.parts)
    if sounds and looked.reading is not None:
        index = PhraseIndex(language)
        phrase = index.add([[each] for each in zip(sounds, units, strict=True)])
        exact += [
            looked.reading.original_span(*span) for span in index.look(looked.reading).spans(phrase)
        ]
    yield from ((*span, 1.0) for span in exact)
    least = language.fuzzy_units
    if not exact and filed.rule.fuzzy and least is not None and wording.units >= least:
        yield from _misheard(wording, seen, language)


def _misheard(wording: Wording, seen: Seen, language: Language) -> Iterator[tuple[int, int, float]]:
    view = seen.sight.looked.reading or seen.sight.looked.surface
    letters, positions = language.letters(view.text)
    index = MisheardIndex([(0, wording.letters)], FUZZY_THRESHOLD_RATIO)
    for hit in index.find(letters):
        span = view.original_span(positions[hit.start], positions[hit.end - 1] + 1)
        yield (*span, hit.similarity_ratio)


def _place_in_record(wording: Wording, first: Seen, language: Language) -> Span | None:
    """The stretch of the first reading that is most like the wording; None in an empty one."""
    view = first.sight.looked.reading or first.sight.looked.surface
    letters, positions = language.letters(view.text)
    if not letters:
        return None
    start, end = 0, len(letters)
    if len(letters) > len(wording.letters):
        place = fuzz.partial_ratio_alignment(wording.letters, letters)
        if place is not None:
            start, end = place.dest_start, max(place.dest_end, place.dest_start + 1)
    return view.original_span(positions[start], positions[end - 1] + 1)
