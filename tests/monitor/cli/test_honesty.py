"""What a command did not hear, it says."""

from typing import Any

import pytest

from mamori.monitor.cli.send import _say_losses
from mamori.monitor.texts import Texts
from mamori.telephony.client import SendReport


def report(*accounts: dict[str, Any]) -> SendReport:
    return SendReport(
        call_id="c",
        sent_samples=8000,
        elapsed_s=1.0,
        worst_lag_ms=0.0,
        stopped={"type": "stopped", "ledger": list(accounts)},
    )


def account(channel: str, gap: int, shed: int) -> dict[str, Any]:
    return {
        "channel": channel,
        "sample_rate_hz": 8000,
        "received_samples": 8000,
        "processed_samples": 8000 - gap - shed,
        "gap_samples": gap,
        "shed_samples": shed,
    }


@pytest.mark.parametrize(("gap", "shed"), [(4000, 0), (0, 4000), (1000, 3000)])
def test_send_says_how_much_of_a_channel_the_node_did_not_process(capsys, gap, shed):
    _say_losses(report(account("customer", gap, shed), account("agent", 0, 0)), Texts("en"))

    said = capsys.readouterr().err
    assert "0.5 s of the customer's audio" in said
    assert "agent" not in said


def test_send_says_nothing_where_nothing_was_lost(capsys):
    _say_losses(report(account("customer", 0, 0)), Texts("ja"))

    assert capsys.readouterr().err == ""
