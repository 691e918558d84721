"""Recognition: words heard, phrases found, sounds that are no words, shouting that is not lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from typing import Final

from tools.measure.bands import Band
from tools.measure.engines import Engine, Models, Worker, find_models
from tools.measure.figures import Report, Table
from tools.measure.reading import Heard, read
from tools.measure.speech_goals import LANGUAGES, goals_table
from tools.measure.speech_plan import (
    PARTS,
    VOSK_LANGUAGES,
    WHISPER_LANGUAGES,
    Job,
    Plan,
    lacks_everything,
    plan,
)
from tools.measure.speech_tables import (
    costs_table,
    errors,
    errors_table,
    false_table,
    lost_names_table,
    lost_table,
    phrases_table,
    words_table,
)

Results = Sequence[tuple[Job, Sequence[Heard]]]
Tell = Callable[[str], None]

_SOUNDS: Final = {
    "sounds": "Words in music, tones, crying, silence and noise",
    "announcements": "Words in English announcements",
}
_BOTH: Final = (
    "Vosk and whisper together: whisper gives the finals, the same as alone; Vosk the live words."
)


def measure(parts: Sequence[str] = PARTS, *, tell: Tell, every: int = 1) -> tuple[Report, Plan]:
    """Everything that can be measured here, on as many processes as there are cores.

    ``every`` n takes one recording in n.
    """
    nothing = lacks_everything()
    if nothing is not None:
        tell(nothing)
        return Report(), Plan(jobs=(), absent=(nothing,))
    models = find_models(VOSK_LANGUAGES, WHISPER_LANGUAGES)
    todo = plan(parts, models, every=every)
    for line in todo.absent:
        tell(line)
    if not todo.jobs:
        return Report(), todo
    # One thread a worker, as in a node; libraries read it when they are loaded.
    os.environ["OMP_NUM_THREADS"] = "1"
    processes = min(len(os.sched_getaffinity(0)), len(todo.jobs))
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_start, initargs=(models,)
    ) as pool:
        found = report(_all(pool, todo.jobs, tell))
    found.notes += [] if every == 1 else [f"One recording in {every}: a quick look, no result."]
    found.notes += [line.split("\n")[0] for line in todo.absent]
    return found, todo


_worker: Worker | None = None


def _start(models: Models) -> None:
    global _worker  # noqa: PLW0603 - a process of the pool has one set of engines
    _worker = Worker(models)


def _do(job: Job) -> list[Heard]:
    assert _worker is not None
    ask, is_new = _worker.ask(job.engine, job.line, job.material.language)
    if is_new:
        # What is set up at the first question is no cost of reading; nobody's voice is learnt.
        nobody = replace(job.material.recordings[0], name="nobody")
        read(replace(job.material, recordings=(nobody,)), job.line, ask, None)
    return read(
        job.material,
        job.line,
        ask,
        job.phrases,
        reads_again=job.engine.reads_again,
        tempts=job.tempts,
    )


def _all(pool: Executor, jobs: Sequence[Job], tell: Tell) -> Results:
    """The results in the order of ``jobs``; the long ones are begun first."""
    order = sorted(range(len(jobs)), key=lambda index: -_weight(jobs[index]))
    running = {pool.submit(_do, jobs[index]): index for index in order}
    done: dict[int, list[Heard]] = {}
    for number, future in enumerate(as_completed(running), start=1):
        index = running[future]
        done[index] = future.result()
        tell(f"{number} of {len(jobs)}: {_progress(jobs[index], done[index])}")
    return [(job, done[index]) for index, job in enumerate(jobs)]


def _progress(job: Job, heard: Sequence[Heard]) -> str:
    """Which job ended, and its first figure."""
    name = f"{job.material.name}, {job.material.language}, {job.engine}, {job.line}"
    if job.part == "texts":
        return f"{name}: error {errors(heard, job.material.language).as_text()}"
    return f"{name}: words in {sum(each.has_words for each in heard)} of {len(heard)}"


def _weight(job: Job) -> int:
    return len(job.material.recordings) * (2 if job.engine is Engine.THOROUGH else 1)


def report(results: Results) -> Report:
    """The tables of what was heard."""
    texts = [each for each in results if each[0].part == "texts"]
    tables = [*_errors_tables(texts), *_phrases_tables(texts)]
    if texts:
        tables.append(costs_table(_by_engine(texts)))
    for name, title in _SOUNDS.items():
        heard = {f"{j.engine}, {j.material.language}": h for j, h in results if _is(j, name)}
        if heard:
            tables.append(words_table(f"{title}, {_most(heard.values())} recordings", heard))
    abuse = _abuse(results)
    if abuse:
        tables += [lost_table(abuse), lost_names_table(abuse)]
    tables.append(goals_table(results))
    engines = {job.engine for job, _ in results}
    notes = [_BOTH] if {Engine.VOSK, Engine.QUICK} <= engines else []
    return Report([table for table in tables if table.rows], notes=notes)


def _errors_tables(texts: Results) -> Iterable[Table]:
    for name in dict.fromkeys(job.material.name for job, _ in texts):
        of_set = [each for each in texts if each[0].material.name == name]
        yield errors_table(name, of_set[0][0].material.language, _by_engine(of_set))


def _phrases_tables(texts: Results) -> Iterable[Table]:
    for language, name in LANGUAGES.items():
        asked = [each for each in texts if each[0].material.language == language]
        asked = [each for each in asked if each[0].phrases is not None]
        if asked:
            phrases = asked[0][0].phrases
            assert phrases is not None
            title = (
                f"Phrases, {name}: {len(phrases.spoken)} spoken,"
                f" {len(phrases.altered)} with another ending that nobody spoke"
            )
            yield phrases_table(title, phrases, _by_engine(asked))
            lines = {f"{job.material.name}, {job.engine}, {job.line}": h for job, h in asked}
            yield false_table(lines, phrases)


def _abuse(results: Results) -> dict[str, list[Heard]]:
    """What must not be lost, by set and engine, over all lines."""
    found: dict[str, list[Heard]] = {}
    for job, heard in results:
        abusive = [each for each in heard if each.recording.is_abusive]
        if abusive:
            found.setdefault(f"{job.material.name}, {job.engine}", []).extend(abusive)
    return found


def _is(job: Job, name: str) -> bool:
    return job.part == "sounds" and job.material.name == name


def _most(heard: Iterable[Sequence[Heard]]) -> int:
    return max(map(len, heard))


def _by_engine(results: Results) -> dict[str, dict[Band, list[Heard]]]:
    found: dict[str, dict[Band, list[Heard]]] = {}
    for job, heard in results:
        found.setdefault(str(job.engine), {}).setdefault(job.line, []).extend(heard)
    return found
