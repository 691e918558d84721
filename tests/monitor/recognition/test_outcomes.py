"""Whatever happens in whatever order: every utterance ends in exactly one way, and sums hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.monitor.recognition.rig import BROKEN, CRASH, HICCUP, Rig

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    MediaDropped,
    PartialHypothesis,
    RecognitionScope,
)
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.port import Depth, Job, LiveText, StreamJob, StreamReply, Transcript
from mamori.monitor.recognition.tasks import Task, Work

# Without the one that explains a failure, which takes minutes for so long a story.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


@dataclass
class Line:
    """A call's channel under random speech, workers, answers and load."""

    rig: Rig
    draw: st.DrawFn
    jobs: dict[int, tuple[Task, Job]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    starts_ms: dict[int, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    workers: list[int] = field(default_factory=lambda: [1, 2])
    open_id: str | None = None

    def step(self) -> None:
        action = self.draw(st.sampled_from(ACTIONS))
        action(self)

    # Speech

    def speak(self) -> None:
        if self.open_id is None or self.draw(st.integers(0, 19)) == 0:
            self.rig.media_ms += 100
            self.starts_ms[self.rig.media_ms] = self.open_id = self.rig.start()
            self.lengths[self.open_id] = 0
        before = self.rig.submitted_samples
        length_ms = self.draw(st.sampled_from([20, 180, 200, 700, 2_500, 12_000]))
        quiet_ms = self.draw(st.sampled_from([0, 0, 200, 400]))
        hole_ms = self.draw(st.sampled_from([0, 0, 60])) if self.lengths[self.open_id] else 0
        self.rig.audio(length_ms, quiet_ms=min(quiet_ms, length_ms), hole_ms=hole_ms)
        self.lengths[self.open_id] += self.rig.submitted_samples - before

    def end(self) -> None:
        if self.open_id is None:
            return
        utterance = self.rig.state.queue[-1]
        self.rig.end()
        self.open_id = None
        early = utterance.early
        if utterance.is_settled and early and early.transcript and not early.transcript.text:
            self.silent.add(utterance.utterance_id)

    # Workers

    def begin(self) -> None:
        """An idle worker takes a job."""
        idle = [worker_id for worker_id in self.workers if worker_id not in self.jobs]
        tasks = [task for task in self.rig.tasks() if task.worker_id in (None, *idle)]
        if not idle or not tasks:
            return
        task = self.draw(st.sampled_from(tasks))
        worker_id = task.worker_id or self.draw(st.sampled_from(idle))
        lease = None
        if task.needs_slot:
            lease = self.rig.around.lend(worker_id, task.voice)
        self.jobs[worker_id] = task, self.rig.lane.begin(task, lease, Depth.QUICK)

    def answer(self) -> None:
        """Some worker's job comes to an end."""
        if not self.jobs:
            return
        worker_id = self.draw(st.sampled_from(sorted(self.jobs)))
        task, job = self.jobs.pop(worker_id)
        error = self.draw(st.sampled_from([None] * 8 + [HICCUP, BROKEN]))
        if error is not None:
            self.rig.lane.fail(task, error)
        else:
            self.reply(task, job, self.draw(st.sampled_from(["words", "words", ""])))

    def reply(self, task: Task, job: Job, text: str) -> None:
        utterance = task.utterance
        was_settled = utterance.is_settled
        if isinstance(job, StreamJob):
            transcript = Transcript(text=text) if job.finishes else None
            self.rig.lane.finish(
                task, StreamReply(live=LiveText(text=str(len(job.pcm))), transcript=transcript)
            )
        else:
            self.rig.lane.finish(task, Transcript(text=text))
        if not text and utterance.is_settled and not was_settled:
            self.silent.add(utterance.utterance_id)

    def lose(self) -> None:
        """A worker is lost, over its job or just after its answer; another one takes its place."""
        worker_id = self.draw(st.sampled_from(self.workers))
        task, job = self.jobs.pop(worker_id, (None, None))
        order = self.draw(st.sampled_from(["loss first", "loss last", "after its answer"]))
        if task and order == "loss last":
            self.rig.lane.fail(task, CRASH)
        self.rig.lose_worker(worker_id)
        if task and order == "loss first":
            self.rig.lane.fail(task, CRASH)
        elif task and job and order == "after its answer":
            self.reply(task, job, "words")
        self.workers.remove(worker_id)
        self.workers.append(max([*self.workers, worker_id]) + 1)
        self.rig.around.leases.add_worker(self.workers[-1])

    # Load

    def pass_time(self) -> None:
        self.rig.wait(self.draw(st.sampled_from([0.1, 1.0, 10.0])))
        self.rig.lane.expire()

    def rescope(self) -> None:
        self.rig.lane.scope = self.draw(st.sampled_from(list(RecognitionScope)))

    # The end

    def finish(self) -> None:
        """The call ends: all that waits is read."""
        self.end()
        while self.jobs or any(task.work is not Work.EARLY for task in self.rig.tasks()):
            for worker_id in self.workers:
                for task in self.rig.tasks():
                    if worker_id not in self.jobs and task.worker_id in (None, worker_id):
                        lease = None
                        if task.needs_slot:
                            lease = self.rig.around.lend(worker_id, task.voice)
                        self.jobs[worker_id] = task, self.rig.lane.begin(task, lease, Depth.QUICK)
            for task, job in self.jobs.values():
                self.reply(task, job, "words")
            self.jobs.clear()


ACTIONS = [
    *[Line.speak] * 6,
    *[Line.end] * 2,
    *[Line.begin] * 6,
    *[Line.answer] * 6,
    Line.lose,
    Line.pass_time,
    Line.rescope,
]


@st.composite
def lines(draw: st.DrawFn) -> Line:
    stream, reader = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    rig = Rig(
        channel=draw(st.sampled_from([Channel.CUSTOMER, Channel.AGENT])),
        stream=stream,
        reader=reader,
        config=RecognitionConfig(offline=draw(st.sampled_from([False, False, True]))),
        suspects=draw(st.sampled_from([(), ("die",)])),
    )
    line = Line(rig, draw)
    for _ in range(draw(st.integers(1, 80))):
        line.step()
    return line


def outcomes(line: Line) -> dict[str, list[str]]:
    """What became of every utterance."""
    found: dict[str, list[str]] = {uid: [] for uid in line.lengths}
    for event in line.rig.said:
        if isinstance(event, FinalHypothesis):
            found[event.utterance_id].append("final")
        elif isinstance(event, MediaDropped) and event.stage == "recognition":
            found[line.starts_ms[event.offset_ms]].append(event.code)
    return found


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(lines())
def test_every_utterance_ends_in_exactly_one_way_and_no_recogniser_is_kept(line):
    line.finish()

    found = outcomes(line)
    for uid, ways in found.items():
        assert len(ways) == 1 or (not ways and uid in line.silent), (uid, ways)
    assert line.rig.is_done
    assert not line.rig.state.rereads
    shed = sum(line.lengths[uid] for uid, ways in found.items() if ways and ways[0] != "final")
    read = sum(line.lengths[uid] for uid, ways in found.items() if ways in ([], ["final"]))
    assert line.rig.lane.shed_samples == shed
    assert shed + read == line.rig.submitted_samples


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(lines())
def test_abandoned_at_any_moment_every_utterance_ends_in_exactly_one_way(line):
    line.rig.lane.abandon("shutdown")
    assert not line.rig.state.queue
    said = len(line.rig.said)
    for task, job in line.jobs.values():
        line.reply(task, job, "late")

    assert len(line.rig.said) == said
    for uid, ways in outcomes(line).items():
        assert len(ways) == 1 or (not ways and uid in line.silent), (uid, ways)
    assert line.rig.is_done


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(lines())
def test_finals_are_in_order_and_no_partial_comes_after_an_utterance_is_over(line):
    line.finish()
    order = list(line.lengths)
    finals = [event for event in line.rig.said if isinstance(event, FinalHypothesis)]
    places = [order.index(event.utterance_id) for event in finals]
    assert places == sorted(places)

    over: set[str] = set()
    for event in line.rig.said:
        if isinstance(event, FinalHypothesis):
            over.add(event.utterance_id)
        elif isinstance(event, MediaDropped) and event.stage == "recognition":
            over.add(line.starts_ms[event.offset_ms])
        elif isinstance(event, PartialHypothesis):
            assert event.utterance_id not in over
