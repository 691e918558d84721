"""What callers say and their numbers never reach a log; secrets never reach repr."""

import ast
import dataclasses

import pytest

from mamori.monitor import events
from mamori.monitor.events import CallStarted, Channel, Party
from mamori.monitor.recognition import port

# Every key that a log line may carry, by what it is. A new one is looked at by a person first:
# none of them may hold a caller's words, name or number, or a secret.
HARMLESS_KEYS = {
    "after_s": "a time",
    "address": "where we listen or connect, without user and password",
    "at": "file and line of our own code",
    "attempt": "a count",
    "attempts": "a count",
    "call_id": "the telephone system's id of the call",
    "calls": "a count",
    "channel": "customer, agent or mixed",
    "close_code": "a number of the protocol",
    "code": "a stable machine word",
    "count": "a count",
    "delay_s": "a time",
    "dialect": "a protocol's name",
    "duration_ms": "a time",
    "engine": "an engine's name",
    "entries": "a count",
    "error_type": "a class name",
    "event_id": "an alert's id and revision",
    "exit_code": "a number",
    "file": "a path of this machine",
    "group": "a reader's name in the store",
    "host": "where we listen",
    "language": "a language code",
    "log": "a path of this machine",
    "lost": "a count",
    "model": "a model's name",
    "part": "a part of the node",
    "pid": "a process number",
    "port": "a port",
    "processes": "a count",
    "ran_s": "a time",
    "reason": "a stable machine word",
    "records": "a count",
    "restarts": "a count",
    "retry_s": "a time",
    "row": "a row number",
    "seconds": "a time",
    "since": "a time",
    "stage": "a stage's name",
    "status": "a state",
    "tenant": "a tenant's id",
    "tls": "whether the line is encrypted",
    "version": "a version",
    "worker": "a count",
}
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "bind"}
LOG_NAMES = {"log", "_log", "logger", "_logger"}


def log_calls(repository):
    for path in sorted((repository / "src" / "mamori").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LOG_METHODS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in LOG_NAMES
            ):
                yield f"{path.relative_to(repository)}:{node.lineno}", node


def test_there_are_log_lines_to_guard(repository):
    assert len(list(log_calls(repository))) > 5


def test_a_log_line_is_a_constant_word_with_known_keys(repository):
    problems = []
    for place, call in log_calls(repository):
        if not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant)):
            problems.append(f"{place}: the message must be one constant word")
        problems += [
            f"{place}: {keyword.arg!r} is not classified"
            for keyword in call.keywords
            if keyword.arg != "exc_info" and keyword.arg not in HARMLESS_KEYS
        ]

    assert problems == []


@pytest.mark.parametrize("value", ["09012345678", "山田太郎"])
def test_a_partys_number_and_name_are_not_in_repr(value):
    started = CallStarted(
        call_id="c",
        tenant="t",
        dialect="native",
        channels=(Channel.MIXED,),
        encoding="mulaw",
        sample_rate_hz=8000,
        language="ja",
        customer=Party(number=value, name=value),
    )

    assert value not in repr(started)


# Fields that hold what a caller said, or how it sounded; PhraseHint's phrase was heard in it.
WORDS_AND_VOICE = {"hints", "pcm", "phrase", "phrases", "quote", "record_quote", "text", "words"}


def test_what_a_caller_said_is_not_in_the_repr_of_events_and_jobs():
    holders = {
        (kind.__name__, field.name): field.repr
        for module in (events, port)
        for kind in vars(module).values()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
        for field in dataclasses.fields(kind)
        if field.name in WORDS_AND_VOICE
    }

    assert len(holders) > 15
    assert [holder for holder, is_shown in holders.items() if is_shown] == []
