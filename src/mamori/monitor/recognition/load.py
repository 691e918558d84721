"""What recognition costs, what the machine can bear, and what gives way. Pure.

Costs are measured while calls run: processor time per second of audio for each kind of work, speech
per second of call, and what the node itself takes. From them follows what any number of calls would
take at any level of service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from mamori.monitor.events import Channel, RecognitionScope


class Level(IntEnum):
    """Levels of service, each narrower than the one before it."""

    THOROUGH = 0
    """Everything, and finals read as exactly as the engine can."""
    QUICK = 1
    """Everything; finals read with less than half the processor time."""
    SUSPECTED = 2
    """Partials only for calls that somebody watches or that something is suspected of."""
    FINALS = 3
    """No partials."""
    CUSTOMER = 4
    """No partials, and no finals of agents. Below this, new calls are refused."""


class Cost(StrEnum):
    """Kinds of work that cost differently."""

    THOROUGH = "thorough"
    QUICK = "quick"
    REREAD = "reread"
    LIVE = "live"


def scope_of(level: Level, *, is_looked_at: bool) -> RecognitionScope:
    """What a call gets at a level; ``is_looked_at``: somebody watches it, or something suspects."""
    if level <= Level.QUICK or (level == Level.SUSPECTED and is_looked_at):
        return RecognitionScope.FULL
    return RecognitionScope.CUSTOMER if level == Level.CUSTOMER else RecognitionScope.FINALS


# Assumed until measured, in seconds of processor time per second of audio: whisper-base at 3 s
# utterances and Vosk with warm recognisers on two virtual cores of a quick day (bench/README.md).
_ASSUMED_RATIO: Final = {
    Cost.THOROUGH: 0.3,
    Cost.QUICK: 0.05,
    Cost.REREAD: 0.01,
    Cost.LIVE: 0.12,
}
# An assumption weighs as much as this much measured audio.
_ASSUMED_AUDIO_S: Final = 20.0
# Half of a two-sided call is speech; the node takes 0.006 of a core a call (bench/README.md).
_ASSUMED_SPEECH_RATIO: Final = 0.25
_ASSUMED_NODE_RATIO: Final = 0.006
_ASSUMED_CALL_S: Final = 60.0
# Measurements lose half their weight in this time: the length of a few turns of talk.
_HALF_LIFE_S: Final = 30.0
# Those of work that is not done at present are kept longer. A level that was left because it cost
# too much must not look cheap again half a minute later; nor must what it cost in a bad hour be
# held against it for the rest of the day.
_KEPT_HALF_LIFE_S: Final = 600.0


@dataclass(slots=True)
class _Decaying:
    """A sum in which the past fades."""

    value: float = 0.0

    def fade(self, keep: float) -> None:
        self.value *= keep


@dataclass(slots=True)
class _Measured:
    """What one kind of work took and brought: old measurements give way to new ones."""

    cpu_s: float = 0.0
    audio_s: float = 0.0
    _since_s: float = 0.0

    def add(self, cpu_s: float, audio_s: float) -> None:
        # However long ago, the last measurements are worth half of what they were.
        self._fade(min(self._since_s, _HALF_LIFE_S) / _HALF_LIFE_S)
        self._since_s = 0.0
        self.cpu_s += cpu_s
        self.audio_s += audio_s

    def passed(self, wall_s: float) -> None:
        self._since_s += wall_s
        self._fade(wall_s / _KEPT_HALF_LIFE_S)

    def _fade(self, half_lives: float) -> None:
        keep = 0.5**half_lives
        self.cpu_s *= keep
        self.audio_s *= keep


@dataclass(slots=True)
class CostModel:
    """Measured costs. ``has_stream`` and ``has_utterance`` say which kinds of engine run."""

    has_stream: bool
    has_utterance: bool
    _work: dict[Cost, _Measured] = field(default_factory=lambda: {c: _Measured() for c in Cost})
    _customer_s: _Decaying = field(default_factory=_Decaying)
    _agent_s: _Decaying = field(default_factory=_Decaying)
    _call_s: _Decaying = field(default_factory=_Decaying)
    _node_cpu_s: _Decaying = field(default_factory=_Decaying)

    def heard(self, channel: Channel, audio_s: float) -> None:
        """So much speech came on a channel."""
        if channel is Channel.AGENT:
            self._agent_s.value += audio_s
            return
        self._customer_s.value += audio_s
        # Second readings are counted on all that the customers say, read twice or not.
        self._work[Cost.REREAD].add(0.0, audio_s)

    def worked(self, cost: Cost, cpu_s: float, audio_s: float) -> None:
        """So much processor time brought so much audio into words.

        Second readings bring none that was not there before.
        """
        self._work[cost].add(cpu_s, audio_s)

    def passed(self, wall_s: float, calls: int, node_cpu_s: float) -> None:
        """Time went by with so many calls, and the node itself took so much of the processor."""
        for measured in self._work.values():
            measured.passed(wall_s)
        keep = 0.5 ** (wall_s / _HALF_LIFE_S)
        for each in (self._customer_s, self._agent_s, self._call_s, self._node_cpu_s):
            each.fade(keep)
        self._call_s.value += wall_s * calls
        if calls:
            self._node_cpu_s.value += node_cpu_s

    def ratio(self, cost: Cost) -> float:
        """Processor time per second of audio."""
        measured = self._work[cost]
        assumed_s = _ASSUMED_RATIO[cost] * _ASSUMED_AUDIO_S
        return (assumed_s + measured.cpu_s) / (_ASSUMED_AUDIO_S + measured.audio_s)

    @property
    def node_ratio(self) -> float:
        """Processor time of the node itself per second of call."""
        return self._per_call_s(self._node_cpu_s.value, _ASSUMED_NODE_RATIO)

    def cores(self, calls: int, level: Level, *, looked_at_ratio: float = 1.0) -> float:
        """What ``calls`` would take at ``level``, in cores; of them ``looked_at_ratio`` looked at.

        An agent's second reading does not exist, so it is counted on the customer's speech.
        """
        customer = self._per_call_s(self._customer_s.value, _ASSUMED_SPEECH_RATIO)
        agent = self._per_call_s(self._agent_s.value, _ASSUMED_SPEECH_RATIO)
        read = customer if level == Level.CUSTOMER else customer + agent
        per_call = self.node_ratio
        if self.has_utterance:
            cost = Cost.THOROUGH if level == Level.THOROUGH else Cost.QUICK
            per_call += read * self.ratio(cost) + customer * self.ratio(Cost.REREAD)
            if self.has_stream and level <= Level.SUSPECTED:
                share = looked_at_ratio if level == Level.SUSPECTED else 1.0
                per_call += (customer + agent) * share * self.ratio(Cost.LIVE)
        elif self.has_stream:
            per_call += read * self.ratio(Cost.LIVE)
        return calls * per_call

    def _per_call_s(self, value: float, assumed: float) -> float:
        return (assumed * _ASSUMED_CALL_S + value) / (_ASSUMED_CALL_S + self._call_s.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorConfig:
    """How much of the machine may be used, and when service narrows and widens again."""

    # Above it waiting times grow steeply: at 0.7 of two workers a job waits as long as it takes.
    use_ratio: float = 0.7
    # Thorough reading takes several times as long; above this share a final would often wait for
    # another one's.
    thorough_use_ratio: float = 0.35
    # Finals that begin this late are told to be late: with 0.4 s of hangover and 0.2 s of reading
    # they come 1 s after the end of speech.
    late_s: float = 0.4
    in_time_s: float = 0.15
    # One step down after two seconds of late finals, one step up after ten good ones.
    narrow_after_s: float = 2.0
    widen_after_s: float = 10.0
    # Who had to be narrowed again within a minute waits twice as long the next time, up to this: a
    # load that the costs do not explain would otherwise swing every call to and fro.
    relapse_s: float = 60.0
    longest_ease_s: float = 160.0
    # What is to be widened must fit with this much to spare, or it would be narrowed again at once.
    widen_ratio: float = 0.85
    # The event loop is one thread; beyond this share of a core it would answer late.
    node_use_ratio: float = 0.8
    # When to try again: a call lasts minutes, and every tenth of them ends within this time.
    retry_after_s: int = 15


class Governor:
    """Decides the level of service and whether new calls are taken.

    ``tick`` about twice a second. Forward: the first level that fits the machine by measured costs.
    Back: where finals are late all the same, a step narrower at a time.
    """

    def __init__(self, costs: CostModel, *, cores: float, config: GovernorConfig) -> None:
        self.costs = costs
        self.level = Level.THOROUGH
        self._cores = cores
        self._looked_at_ratio = 1.0
        self._config = config
        self._pressure = 0
        self._ease_after_s = config.widen_after_s
        self._eased_s: float | None = None
        self._late_since_s: float | None = None
        self._good_since_s: float | None = None
        self._roomy_since_s: float | None = None

    @property
    def retry_after_s(self) -> int:
        """When a refused caller should try again."""
        return self._config.retry_after_s

    def tick(
        self, now_s: float, *, calls: int, looked_at: int, wait_s: float, cores: float | None = None
    ) -> Level:
        """Measure and decide.

        ``wait_s`` is the longest that a final has waited for a worker since the last tick;
        ``cores`` what the machine has for us now.
        """
        if cores is not None:
            self._cores = cores
        self._feel(now_s, wait_s)
        self._looked_at_ratio = looked_at / calls if calls else 1.0
        wanted = self._first_that_fits(calls, spare=1.0)
        if wanted >= self.level:
            self._roomy_since_s = None
            self.level = wanted
            return self.level
        better = self._first_that_fits(calls, spare=self._config.widen_ratio)
        if better >= self.level:
            self._roomy_since_s = None
        elif self._roomy_since_s is None:
            self._roomy_since_s = now_s
        elif now_s - self._roomy_since_s >= self._config.widen_after_s:
            self.level = Level(self.level - 1)
            self._roomy_since_s = None if self.level == better else now_s
        return self.level

    def use_ratio(self, calls: int) -> float:
        """The share of the budget that ``calls`` take at the present level."""
        needs = self.costs.cores(calls, self.level, looked_at_ratio=self._looked_at_ratio)
        # Others on the machine may have taken all of it.
        return needs / self._budget if self._budget > 0 else math.inf

    def admits(self, calls: int) -> bool:
        """Whether one more call fits beside ``calls`` at the narrowest service."""
        more = calls + 1
        if self._pressure > Level.CUSTOMER:
            return False
        if self.costs.node_ratio * more > self._config.node_use_ratio:
            return False
        return self.costs.cores(more, Level.CUSTOMER) <= self._budget

    @property
    def _budget(self) -> float:
        return self._config.use_ratio * self._cores

    def _first_that_fits(self, calls: int, *, spare: float) -> Level:
        for level in Level:
            limit = self._budget
            if level == Level.THOROUGH:
                limit = min(limit, self._config.thorough_use_ratio * self._cores)
            needs = self.costs.cores(calls, level, looked_at_ratio=self._looked_at_ratio)
            if level >= self._pressure and needs <= limit * spare:
                return level
        return Level.CUSTOMER

    def _feel(self, now_s: float, wait_s: float) -> None:
        """Step by step: pressure rises while finals wait long and falls when none does."""
        if wait_s > self._config.late_s:
            self._good_since_s = None
            if self._late_since_s is None:
                self._late_since_s = now_s
            elif now_s - self._late_since_s >= self._config.narrow_after_s:
                self._press(now_s)
            return
        self._late_since_s = None
        if wait_s > self._config.in_time_s or not self._pressure:
            self._good_since_s = None
        elif self._good_since_s is None:
            self._good_since_s = now_s
        elif now_s - self._good_since_s >= self._ease_after_s:
            self._pressure -= 1
            self._good_since_s = self._eased_s = now_s

    def _press(self, now_s: float) -> None:
        self._pressure = min(max(self._pressure, self.level) + 1, Level.CUSTOMER + 1)
        self._late_since_s = now_s
        if self._eased_s is not None:
            is_relapse = now_s - self._eased_s <= self._config.relapse_s
            longer_s = min(2 * self._ease_after_s, self._config.longest_ease_s)
            self._ease_after_s = longer_s if is_relapse else self._config.widen_after_s
            self._eased_s = None
