"""Keeps one template: started when it is wanted, and anew when it is lost, in ever longer waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from mamori.monitor.recognition.port import RecognitionError
from mamori.monitor.recognition.workers.backoff import Backoff
from mamori.monitor.recognition.workers.spec import EngineSpec
from mamori.monitor.recognition.workers.template_link import TemplateLink

log = structlog.get_logger(__name__)


class TemplateKeeper:
    """At most one template at a time. Callbacks run on the event loop.

    ``on_forked`` and ``on_ended`` as TemplateLink has them; ``on_lost(cpu_s)`` when a loaded
    template is gone, with the processor time that it told last. ``load_within_s`` is for its
    models.
    """

    def __init__(
        self,
        spec: EngineSpec,
        *,
        factory: str,
        niceness: int,
        load_within_s: float,
        on_forked: Callable[[int, int], None],
        on_ended: Callable[[int, int, float], None],
        on_lost: Callable[[float], None],
    ) -> None:
        self._spec = spec
        self._factory = factory
        self._niceness = niceness
        self._load_within_s = load_within_s
        self._on_forked = on_forked
        self._on_ended = on_ended
        self._on_lost = on_lost
        self._link: TemplateLink | None = None
        self._ending: TemplateLink | None = None
        self._since_s = 0.0
        self._from_s = 0.0
        self._backoff = Backoff(longest_s=30.0)

    @property
    def link(self) -> TemplateLink | None:
        """The template, None where none is loaded."""
        return self._link

    @property
    def cpu_s(self) -> float:
        """Processor time of the present template, as it last told."""
        return 0.0 if self._link is None else self._link.cpu_s

    async def ensure(self) -> TemplateLink:
        """The template; where there is none it is started, after the wait that is due.

        RecognitionError or OSError where it does not start; the next one waits longer.
        """
        if self._ending is not None:
            await self._ending.close()
            self._ending = None
        if self._link is not None:
            return self._link
        await asyncio.sleep(max(0.0, self._from_s - _now_s()))
        link = TemplateLink(on_forked=self._on_forked, on_ended=self._on_ended, on_lost=self._lose)
        began_s = _now_s()
        try:
            await link.start(
                self._spec,
                factory=self._factory,
                niceness=self._niceness,
                within_s=self._load_within_s,
            )
        except (RecognitionError, OSError) as error:
            code = error.code if isinstance(error, RecognitionError) else "template_lost"
            log.error("recognition_template_failed", code=code)
            self._from_s = _now_s() + self._backoff.delay_s(lived_s=0.0)
            raise
        self._link, self._since_s = link, _now_s()
        after_s = round(self._since_s - began_s, 3)
        log.info("recognition_template_loaded", pid=link.pid, after_s=after_s)
        return link

    async def stop(self) -> None:
        """End the template and its workers, within seconds; may be called twice."""
        if self._ending is not None:
            await self._ending.close()
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    def _lose(self) -> None:
        if self._link is None:
            return
        self._ending, self._link = self._link, None
        log.error("recognition_template_lost", pid=self._ending.pid)
        self._from_s = _now_s() + self._backoff.delay_s(lived_s=_now_s() - self._since_s)
        self._on_lost(self._ending.cpu_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
