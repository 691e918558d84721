"""How long to wait before starting anew what has ended."""

from __future__ import annotations


class Backoff:
    """Nothing after a steady life; after a short one a delay that doubles up to ``longest_s``."""

    def __init__(
        self, *, longest_s: float, first_s: float = 0.25, steady_after_s: float = 10.0
    ) -> None:
        if not 0 < first_s <= longest_s:
            raise ValueError(f"first_s must be above 0 and at most {longest_s}, not {first_s}")
        self._first_s = first_s
        self._longest_s = longest_s
        self._steady_after_s = steady_after_s
        self._short_lives = 0

    def delay_s(self, *, lived_s: float) -> float:
        """The delay after a life of ``lived_s``; each call counts one life."""
        if lived_s >= self._steady_after_s:
            self._short_lives = 0
            return 0.0
        delay_s = min(self._first_s * 2.0 ** min(self._short_lives, 32), self._longest_s)
        self._short_lives += 1
        return delay_s
