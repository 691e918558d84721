"""The utterances of one channel in order, and what is to be done with them next. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mamori.monitor.events import Channel, RecognitionScope
from mamori.monitor.recognition.config import RecognitionConfig
from mamori.monitor.recognition.leases import Lease
from mamori.monitor.recognition.port import Depth, ReadJob, StreamJob
from mamori.monitor.recognition.rereads import Rereads
from mamori.monitor.recognition.strikes import EngineState
from mamori.monitor.recognition.tasks import Allowance, Task, Work
from mamori.monitor.recognition.utterance import EarlyReading, Utterance


class Surroundings(Protocol):
    """What a recogniser needs of the service it belongs to."""

    def now_s(self) -> float:
        """The clock of deadlines."""
        ...

    def give_back(self, lease: Lease, voice: str) -> None:
        """A recogniser is free again."""
        ...

    def candidates(self, text: str, language: str) -> Sequence[str]:
        """Phrases, at most six, that a second reading should look for."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class ChannelState:
    """What is known of a channel; ``tasks`` says what could be begun, at most a job an engine.

    ``queue`` holds the utterances that have no final yet, in order; the last may be open.
    ``voice`` names the channel among all of the process.
    """

    channel: Channel
    language: str
    sample_rate_hz: int
    voice: str
    config: RecognitionConfig
    stream: EngineState
    reader: EngineState
    allowance: Allowance
    scope: RecognitionScope = RecognitionScope.FULL
    queue: deque[Utterance] = field(default_factory=deque)
    rereads: Rereads = field(default_factory=Rereads)
    reading: Task | None = None
    hearing: Task | None = None

    @property
    def block_samples(self) -> int:
        """How much audio the stream engine hears at a time."""
        return self.config.partial_interval_ms * self.sample_rate_hz // 1000

    @property
    def wants_partials(self) -> bool:
        """Whether utterances that begin now get partials."""
        return self.scope is RecognitionScope.FULL

    @property
    def wants_finals(self) -> bool:
        """Whether utterances that end now get finals."""
        return self.scope is not RecognitionScope.CUSTOMER or self.channel is not Channel.AGENT

    @property
    def final_due_s(self) -> float:
        """How soon after an utterance's end its final is due."""
        config = self.config
        return config.agent_final_due_s if self.channel is Channel.AGENT else config.final_due_s

    def is_at_work(self, utterance: Utterance) -> bool:
        """Whether a worker has it."""
        tasks = (self.reading, self.hearing)
        return any(task is not None and task.utterance is utterance for task in tasks)

    def is_to_be_heard(self, utterance: Utterance) -> bool:
        """Whether the stream engine has still something to do for it."""
        if not self.stream.is_on or utterance.is_settled or utterance.lost_code is not None:
            return False
        if utterance.end is not None:
            return utterance.by_stream
        return utterance.live_wanted or (utterance.by_stream and self.wants_finals)

    def lag_s(self, now_s: float) -> float:
        """How long the oldest speech has waited for its words, on the wall."""
        waits_s = [now_s - each.ended_s for each in self.queue if each.end is not None]
        waits_s += [now_s - each.unfed_since_s for each in self.queue if self._is_behind(each)]
        return max(waits_s, default=0.0)

    def late_s(self, now_s: float) -> float:
        """How long the oldest utterance that nobody reads yet has waited since its end.

        Time that it may wait longer than a customer's does not count: an agent's, and of a channel
        that took more than its share.
        """
        waits_s = [
            now_s - each.ended_s
            for each in self.queue
            if each.end is not None and not self.is_at_work(each)
        ]
        more_s = self.final_due_s - self.config.final_due_s + self._put_back_s(now_s)
        return max(0.0, max(waits_s, default=0.0) - more_s)

    def overdue(self, now_s: float) -> list[Utterance]:
        """Utterances that have waited too long, or beyond what may wait, and that nobody reads."""
        ended = [each for each in self.queue if each.end is not None]
        most = self.config.longest_backlog_ms * self.sample_rate_hz // 1000
        waiting = sum(each.heard_samples for each in ended)
        found = []
        for utterance in ended:
            is_late = now_s - utterance.ended_s >= self.config.longest_wait_s
            if (is_late or waiting > most) and not self.is_at_work(utterance):
                waiting -= utterance.heard_samples
                found.append(utterance)
        return [] if self.config.offline else found

    # What is to be done

    def tasks(self, now_s: float) -> list[Task]:
        """What could be begun now, the channel's overdraft of the processor counted in."""
        if not self.queue and not self.rereads:
            return []
        found = [self._reading_wanted(now_s), self._hearing_wanted()]
        put_back_s = self._put_back_s(now_s)
        return [task.later(put_back_s) for task in found if task is not None]

    def _put_back_s(self, now_s: float) -> float:
        # Ten seconds back for each second taken too much: behind every channel that waits.
        return 10 * self.allowance.overdraft_s(now_s)

    def _reading_wanted(self, now_s: float) -> Task | None:
        if self.reading is not None or not self.reader.is_on:
            return None
        config = self.config
        head = self.queue[0] if self.queue else None
        if head is not None and head.end is not None and not head.by_stream:
            return self._task(Work.FINAL, head, head.ended_s, self.final_due_s)
        if self.rereads:
            reread = self.rereads.first
            return self._task(
                Work.REREAD,
                reread.utterance,
                reread.since_s,
                config.reread_due_s,
                phrases=reread.phrases,
            )
        if head is not None and self._can_read_early(head):
            return self._task(Work.EARLY, head, now_s, config.longest_wait_s)
        return None

    def _can_read_early(self, utterance: Utterance) -> bool:
        if utterance.by_stream or utterance.end is not None or self.config.offline:
            return False
        if not self.wants_finals or utterance.lost_code is not None or utterance.crashes:
            return False
        early = utterance.early
        if early is not None and early.voiced_samples == utterance.voiced_samples:
            return False
        quiet = utterance.span_samples - utterance.voiced_samples
        return quiet >= self.config.early_read_ms * self.sample_rate_hz // 1000

    def _hearing_wanted(self) -> Task | None:
        if self.hearing is not None or not self.queue:
            return None
        # In order where the stream engine reads; partials are the last one's.
        utterance = self.queue[0] if self.queue[0].by_stream else self.queue[-1]
        if not self.is_to_be_heard(utterance):
            return None
        if utterance.end is not None:
            wanted_s, within_s = utterance.ended_s, self.final_due_s
        elif utterance.unfed_samples >= self.block_samples:
            wanted_s, within_s = utterance.unfed_since_s, self.config.live_due_s
        else:
            return None
        worker_id = utterance.lease.worker_id if utterance.lease else None
        return self._task(
            Work.LIVE,
            utterance,
            wanted_s,
            within_s,
            worker_id=worker_id,
            needs_slot=worker_id is None,
        )

    def _is_behind(self, utterance: Utterance) -> bool:
        is_open = utterance.end is None and self.is_to_be_heard(utterance)
        return is_open and utterance.unfed_samples >= self.block_samples

    def _task(
        self,
        work: Work,
        utterance: Utterance,
        wanted_s: float,
        within_s: float,
        *,
        worker_id: int | None = None,
        needs_slot: bool = False,
        phrases: tuple[str, ...] = (),
    ) -> Task:
        return Task(
            work=work,
            utterance=utterance,
            wanted_s=wanted_s,
            due_s=wanted_s + within_s,
            voice=self.voice,
            worker_id=worker_id,
            needs_slot=needs_slot,
            phrases=phrases,
        )

    # What is begun

    def begin_reading(self, task: Task, depth: Depth) -> ReadJob:
        """The job of a reading that a worker takes now."""
        utterance = task.utterance
        self.reading = task
        if task.work is Work.EARLY:
            utterance.early = EarlyReading(voiced_samples=utterance.voiced_samples)
        return ReadJob(
            pcm=utterance.audio(),
            language=self.language,
            sample_rate_hz=self.sample_rate_hz,
            depth=depth,
            phrases=task.phrases,
        )

    def begin_hearing(self, task: Task, lease: Lease, now_s: float) -> StreamJob:
        """The job of the next stretch; everything that waits goes with it, up to the longest job.

        Audio that is not the utterance's last goes in whole blocks, so that the text does not
        depend on how it was cut.
        """
        utterance = task.utterance
        self.hearing = task
        utterance.lease = lease
        utterance.had_live = utterance.had_live or utterance.end is None
        start = utterance.fed_samples
        most = self.config.longest_live_job_ms * self.sample_rate_hz // 1000
        samples = min(utterance.unfed_samples, most)
        finishes = utterance.end is not None and samples == utterance.unfed_samples
        if not finishes:
            samples -= samples % self.block_samples
        utterance.fed_samples = start + samples
        utterance.unfed_since_s = now_s
        return StreamJob(
            slot=lease.slot,
            voice=self.voice,
            pcm=utterance.audio(start, start + samples),
            language=self.language,
            sample_rate_hz=self.sample_rate_hz,
            begins=start == 0,
            finishes=finishes,
        )
