"""What reaches the log of an error: its class and place, never what a caller said."""

import json
import subprocess
import sys
import textwrap

import pytest

WORDS = "CALLER WORDS 090-1234"
LOST_TASK = """
    import asyncio, gc
    from mamori.monitor.app.logs import configure_logging

    async def fail():
        raise ValueError("CALLER WORDS 090-1234")

    async def main():
        configure_logging("info", {log_format!r})
        asyncio.create_task(fail(), name="lost")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
"""
OWN_ERROR = """
    import structlog
    from mamori.monitor.app.logs import configure_logging
    from mamori.monitor.events import event_from_dict

    configure_logging("info", {log_format!r})
    try:
        event_from_dict({{"type": "CALLER WORDS 090-1234"}})
    except ValueError:
        structlog.get_logger().error("refused", exc_info=True)
"""
OUR_ERROR = """
    import logging
    from mamori.monitor.app.logs import configure_logging
    from mamori.monitor.alerts.messages import message_fields

    configure_logging("info", {log_format!r})
    try:
        message_fields('["CALLER WORDS 090-1234"]')
    except ValueError as error:
        logging.getLogger("somebody").warning("it said %s", error, exc_info=True)
    logging.getLogger("somebody").info("CALLER WORDS 090-1234")
"""


def logged(program, log_format):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program).format(log_format=log_format)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("program", [LOST_TASK, OWN_ERROR, OUR_ERROR])
def test_the_text_of_an_error_does_not_reach_the_log(program, log_format):
    written = logged(program, log_format)

    assert len(written.splitlines()) == 1
    assert "CALLER" not in written
    assert "090" not in written


def test_a_lost_task_is_known_by_the_class_and_place_of_its_error():
    written = logged(LOST_TASK, "text")

    assert "asyncio" in written
    assert "ValueError at <string>:6" in written


def test_the_place_of_an_error_is_the_last_step_in_our_own_code():
    record = json.loads(logged(OUR_ERROR, "json"))

    assert record["level"] == "warning"
    assert record["logger"] == "somebody"
    assert record["error"].startswith("ValueError at monitor/alerts/messages.py:")


def test_an_error_of_our_own_log_has_its_class_and_place():
    record = json.loads(logged(OWN_ERROR, "json"))

    assert record["event"] == "refused"
    assert record["error_type"] == "ValidationError"
    assert record["at"].startswith("monitor/events/wire.py:")
