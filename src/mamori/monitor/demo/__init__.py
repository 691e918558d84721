"""The bundled demo calls: written and synthesised for Mamori, with nobody's real voice or words.

Made by ``tools/make_demo_calls.py``; each is stereo, 8 kHz mu-law, with its transcript beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from mamori.monitor.events import Category, Channel

DEMO_CHANNELS: Final = (Channel.CUSTOMER, Channel.AGENT)
"""The order of the channels in every demo call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCall:
    """One demo call and what Mamori must say of it.

    ``file``: the WAV, in the channels of DEMO_CHANNELS. ``expected``: an alert of each of these
    categories must come, and others may; where it is empty, any alert would be a false alarm.
    """

    file: Path
    call_id: str
    language: str
    title_ja: str
    title_en: str
    agent_id: str
    expected: frozenset[Category]

    @property
    def transcript(self) -> Path:
        """The words as written: JSON lines ``{"channel", "start_s", "end_s", "text"}``."""
        return self.file.with_suffix(".jsonl")


def demo_calls() -> tuple[DemoCall, ...]:
    """The demo calls, the worst first."""
    calls = Path(str(files(__name__).joinpath("calls")))
    return (
        DemoCall(
            file=calls / "broken_boiler.wav",
            call_id="demo-broken-boiler",
            language="ja",
            title_ja="お湯が出ない：同じ要求の繰り返し、暴言、脅迫、大声",
            title_en="No hot water: the same demand again and again, insults, a threat, shouting",
            agent_id="takahashi",
            expected=frozenset(
                {
                    Category.THREAT,
                    Category.VIOLENCE,
                    Category.INSULT,
                    Category.RAISED_VOICE,
                    Category.REPEATED_DEMAND,
                }
            ),
        ),
        DemoCall(
            file=calls / "dismissal_demand.wav",
            call_id="demo-dismissal-demand",
            language="ja",
            title_ja="担当者への不満：穏やかな口調での解雇要求とネット拡散の予告",
            title_en="A calm voice that demands a dismissal and announces exposure on the internet",
            agent_id="ito",
            expected=frozenset({Category.DISMISSAL_DEMAND, Category.SNS_THREAT}),
        ),
        DemoCall(
            file=calls / "deposit_refund.wav",
            call_id="demo-deposit-refund",
            language="ja",
            title_ja="退去精算の誤り：率直だが正当な苦情（アラートは出ない想定）",
            title_en="A wrong bill after moving out: blunt but fair, must stay silent",
            agent_id="mori",
            expected=frozenset(),
        ),
    )
