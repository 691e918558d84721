"""How recognition shares the machine: what is due when, what may wait, what gives way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionConfig:
    """Defaults with their reasons; ValueError for a value out of range.

    ``offline`` is for recordings: nothing is ever shed, read early or read quickly, so that the
    same recording gives the same events on any machine.
    """

    offline: bool = False
    # Faster than a reader needs; a decoder costs 4 % more when asked every 20 ms.
    partial_interval_ms: int = 200
    # One job of a stream engine: at the slowest rate measured (0.3 of real time) it takes 0.6 s,
    # which is what a final may have to wait for.
    longest_live_job_ms: int = 2_000
    # With 400 ms of hangover a final is there 0.8 s after the end of speech.
    final_due_s: float = 0.4
    # Nobody is protected sooner by the agent's own words; they serve as a record.
    agent_final_due_s: float = 1.2
    live_due_s: float = 0.6
    # What somebody has just said is more urgent than what was nearly understood before; at 0.8 s
    # second readings held up the finals of a machine that is full.
    reread_due_s: float = 2.0
    # Half of the hangover: what is read by then needs no second reading if nothing more is said.
    early_read_ms: int = 200
    # Words that come more than 10 s late no longer help the person on the phone.
    longest_wait_s: float = 10.0
    # Audio of ended utterances that wait, of one channel: four of the longest (8 s), nearly.
    longest_backlog_ms: int = 30_000
    # Speech without a pause costs both engines 0.15 to 0.3 s of processor time a second.
    lane_cpu_ratio: float = 0.3
    lane_cpu_burst_s: float = 2.0
    # Of 20 calls eight speak at a time; a recogniser takes 30 to 250 MB.
    slots_per_worker: int = 8

    def __post_init__(self) -> None:
        limits: list[tuple[str, float, float, float]] = [
            ("partial_interval_ms", self.partial_interval_ms, 20, 5_000),
            ("longest_live_job_ms", self.longest_live_job_ms, self.partial_interval_ms, 10_000),
            ("final_due_s", self.final_due_s, 0, 10),
            ("agent_final_due_s", self.agent_final_due_s, 0, 10),
            ("live_due_s", self.live_due_s, 0, 10),
            ("reread_due_s", self.reread_due_s, 0, 10),
            ("early_read_ms", self.early_read_ms, 20, 5_000),
            ("longest_wait_s", self.longest_wait_s, 1, 60),
            ("longest_backlog_ms", self.longest_backlog_ms, 1_000, 60_000),
            ("lane_cpu_ratio", self.lane_cpu_ratio, 0.01, 8),
            ("lane_cpu_burst_s", self.lane_cpu_burst_s, 0.1, 60),
            ("slots_per_worker", self.slots_per_worker, 1, 256),
        ]
        for name, value, low, high in limits:
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low:g} to {high:g}, not {value}")
