"""A bare て is a request at the end of what is said, and where it is quoted as told before."""

from __future__ import annotations

import pytest

from mamori.monitor.detectors.demand_words import FINAL_PARTICLES
from mamori.monitor.detectors.demands import JapaneseDemands
from mamori.monitor.detectors.readings import create_reader


@pytest.fixture(scope="module")
def demands() -> JapaneseDemands:
    return JapaneseDemands(create_reader())


@pytest.mark.parametrize("particle", sorted(FINAL_PARTICLES))
def test_every_final_particle_makes_a_bare_te_a_request(
    demands: JapaneseDemands, particle: str
) -> None:
    (demand,) = demands.hear(f"早く直して{particle}").demands
    assert demand.key == "なおす"


@pytest.mark.parametrize(
    "text", ["早く直してって言ってる", "直してっていってるだろう", "直してという"]
)
def test_what_is_said_to_have_been_asked_for_is_asked_for(
    demands: JapaneseDemands, text: str
) -> None:
    (demand,) = demands.hear(text).demands
    assert demand.key == "なおす"


@pytest.mark.parametrize("text", ["直してって頼んだ", "直してって言うのは簡単だ", "直してから"])
def test_what_goes_on_otherwise_is_no_request(demands: JapaneseDemands, text: str) -> None:
    assert demands.hear(text).demands == ()
