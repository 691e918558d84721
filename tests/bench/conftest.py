"""Lets the tests import ``bench``, which is run from the checkout and never installed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture
def sent_every_20_ms():
    """One second of 8 kHz audio in chunks of 20 ms, the first of which left at 100 s."""
    from bench.figures import SendTimes

    return SendTimes(
        chunk_samples=160, sample_rate_hz=8000, sent_s=[100 + n * 0.02 for n in range(50)]
    )
