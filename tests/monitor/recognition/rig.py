"""One channel's recogniser worked by hand: the clock is turned, jobs are begun and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from mamori.monitor.events import (
    Channel,
    FinalHypothesis,
    MediaDropped,
    PartialHypothesis,
    SpeechAudio,
    SpeechEndCause,
    SpeechEnded,
    SpeechStarted,
    StageFailed,
)
from mamori.monitor.recognition.channel import ChannelState
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.leases import Lease, Leases
from mamori.monitor.recognition.port import (
    Depth,
    Job,
    LiveText,
    ReadJob,
    RecognitionError,
    StreamJob,
    StreamReply,
    Transcript,
    WorkerLostError,
)
from mamori.monitor.recognition.recogniser import ChannelRecogniser
from mamori.monitor.recognition.strikes import EngineState
from mamori.monitor.recognition.tasks import Allowance, Task, Work

RATE_HZ = 8_000
MS = RATE_HZ // 1_000

CRASH = WorkerLostError("crashed", "gone")
HICCUP = RecognitionError("engine_failed", "a hiccup", recoverable=True)
BROKEN = RecognitionError("engine_broken", "no use", recoverable=False)


@dataclass
class Around:
    """Surroundings: a clock, workers' slots, and phrases that are suspected in every final."""

    clock_s: float = 100.0
    suspects: Sequence[str] = ()
    leases: Leases = field(default_factory=lambda: Leases(slots_per_worker=4))
    lent: dict[Lease, str] = field(default_factory=dict)

    def now_s(self) -> float:
        return self.clock_s

    def candidates(self, text: str, language: str) -> Sequence[str]:
        assert text
        assert language == "ja"
        return self.suspects

    def lend(self, worker_id: int, voice: str) -> Lease:
        lease = self.leases.take(worker_id, voice=voice, kind="ja 8000")
        assert lease not in self.lent
        self.lent[lease] = voice
        return lease

    def give_back(self, lease: Lease, voice: str) -> None:
        # One of a worker that is gone may come back late, but only to the voice that had it.
        assert self.lent.pop(lease, voice) == voice
        self.leases.give_back(lease, voice=voice)


class Rig:
    """A channel with a stream engine ``ears`` and an utterance engine ``eyes``, on workers 1 and 2.

    Times are ms of media for what is heard; the wall clock moves only by ``wait``.
    """

    def __init__(
        self,
        *,
        channel: Channel = Channel.CUSTOMER,
        stream: bool = True,
        reader: bool = True,
        config: RecognitionConfig | None = None,
        suspects: Sequence[str] = (),
    ) -> None:
        self.around = Around(suspects=suspects)
        self.config = config or RecognitionConfig()
        self.state = ChannelState(
            channel=channel,
            language="ja",
            sample_rate_hz=RATE_HZ,
            voice="v1",
            config=self.config,
            stream=EngineState("ears" if stream else None),
            reader=EngineState("eyes" if reader else None),
            allowance=Allowance(ratio=0.3, burst_s=2.0, now_s=self.around.clock_s),
        )
        self.lane = ChannelRecogniser(self.state, call_id="c1", around=self.around)
        self.channel = channel
        self.media_ms = 0
        self.submitted_samples = 0
        self._ids = count(1)
        self._open_id = ""
        self._open_ms = 0
        for worker_id in (1, 2):
            self.around.leases.add_worker(worker_id)

    # What is heard

    def start(self) -> str:
        """An utterance begins; its id."""
        self._open_id, self._open_ms = f"u{next(self._ids)}", self.media_ms
        self.lane.take(
            SpeechStarted(
                call_id="c1",
                channel=self.channel,
                utterance_id=self._open_id,
                offset_ms=self.media_ms,
            )
        )
        return self._open_id

    def audio(self, duration_ms: int, *, quiet_ms: int = 0, hole_ms: int = 0) -> bool:
        """The next stretch, whose last ``quiet_ms`` are silence, after a hole in the line."""
        self.media_ms += hole_ms
        piece = SpeechAudio(
            call_id="c1",
            channel=self.channel,
            utterance_id=self._open_id,
            offset_samples=self.media_ms * MS,
            sample_rate_hz=RATE_HZ,
            pcm=np.full(duration_ms * MS, 7, np.int16),
            quiet_samples=quiet_ms * MS,
        )
        self.media_ms += duration_ms
        self.submitted_samples += len(piece.pcm)
        return self.lane.take(piece)

    def end(self) -> None:
        self.lane.take(
            SpeechEnded(
                call_id="c1",
                channel=self.channel,
                utterance_id=self._open_id,
                offset_ms=self._open_ms,
                end_offset_ms=self.media_ms,
                cause=SpeechEndCause.SILENCE,
            )
        )

    def say(self, duration_ms: int = 1_000) -> str:
        """A whole utterance; its id."""
        utterance_id = self.start()
        self.audio(duration_ms)
        self.end()
        return utterance_id

    def wait(self, seconds: float) -> None:
        self.around.clock_s += seconds

    # What is done

    def wants(self) -> list[Work]:
        return [task.work for task in self.tasks()]

    def tasks(self) -> list[Task]:
        return self.state.tasks(self.around.clock_s)

    def begin(
        self, work: Work, *, worker_id: int = 1, depth: Depth = Depth.THOROUGH
    ) -> tuple[Task, Job]:
        """A worker takes the wanted job of this kind."""
        task = next(task for task in self.tasks() if task.work is work)
        lease = None
        if task.needs_slot:
            lease = self.around.lend(worker_id, task.voice)
        return task, self.lane.begin(task, lease, depth)

    def begin_live(self, *, worker_id: int = 1) -> tuple[Task, StreamJob]:
        task, job = self.begin(Work.LIVE, worker_id=worker_id)
        assert isinstance(job, StreamJob)
        return task, job

    def begin_reading(self, work: Work = Work.FINAL) -> tuple[Task, ReadJob]:
        task, job = self.begin(work)
        assert isinstance(job, ReadJob)
        return task, job

    def read(self, text: str = "words", *, work: Work = Work.FINAL) -> ReadJob:
        """A reading begins and ends."""
        task, job = self.begin_reading(work)
        self.lane.finish(task, Transcript(text=text))
        return job

    def hear(
        self, text: str = "wor", *, worker_id: int = 1, hints: tuple[str, ...] = ()
    ) -> StreamJob:
        """A live job begins and ends; one that finishes the utterance says ``text``."""
        task, job = self.begin_live(worker_id=worker_id)
        self.answer_live(task, job, text, hints)
        return job

    def answer_live(
        self, task: Task, job: StreamJob, text: str, hints: tuple[str, ...] = ()
    ) -> None:
        transcript = Transcript(text=text) if job.finishes else None
        live = LiveText(text=text, hints=hints)
        self.lane.finish(task, StreamReply(live=live, transcript=transcript))

    def fail(
        self, work: Work, error: RecognitionError | WorkerLostError, *, worker_id: int = 1
    ) -> None:
        """The wanted job of this kind begins and fails."""
        task, _ = self.begin(work, worker_id=worker_id)
        self.lane.fail(task, error)

    def lose_worker(self, worker_id: int) -> None:
        self.around.leases.remove_worker(worker_id)
        self.lane.worker_lost(worker_id)
        for lease in [lease for lease in self.around.lent if lease.worker_id == worker_id]:
            del self.around.lent[lease]

    # What was said

    @property
    def said(self) -> list[object]:
        return list(self.lane.outbox)

    @property
    def finals(self) -> list[tuple[str, str, str]]:
        """Utterance, text and engine of every final."""
        return [
            (event.utterance_id, event.text, event.engine)
            for event in self.lane.outbox
            if isinstance(event, FinalHypothesis)
        ]

    @property
    def partials(self) -> list[tuple[str, str, int]]:
        """Utterance, text and revision of every partial."""
        return [
            (event.utterance_id, event.text, event.revision)
            for event in self.lane.outbox
            if isinstance(event, PartialHypothesis)
        ]

    @property
    def drops(self) -> list[tuple[int, str]]:
        """Where audio was given up that gets no final, in ms, and why."""
        return [(event.offset_ms, event.code) for event in self._dropped("recognition")]

    @property
    def live_drops(self) -> list[tuple[int, str]]:
        """Where audio was given up that got no partials, in ms, and why."""
        return [(event.offset_ms, event.code) for event in self._dropped("live_words")]

    @property
    def failures(self) -> list[tuple[str, bool]]:
        """Code of every failure, and whether recognition goes on."""
        return [
            (event.code, event.recoverable)
            for event in self.lane.outbox
            if isinstance(event, StageFailed)
        ]

    @property
    def is_done(self) -> bool:
        """Whether nothing waits and no recogniser is held."""
        return not self.state.queue and not self.around.lent

    def _dropped(self, stage: str) -> list[MediaDropped]:
        return [
            event
            for event in self.lane.outbox
            if isinstance(event, MediaDropped) and event.stage == stage
        ]
