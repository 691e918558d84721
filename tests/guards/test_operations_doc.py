"""docs/operations.md says what a node shows and does: metrics, health, log, load, workers."""

import ast
import inspect
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OPERATIONS = REPOSITORY / "docs" / "operations.md"
SOURCE = REPOSITORY / "src" / "mamori"


def table(heading):
    """The part of the operations document under a heading."""
    return OPERATIONS.read_text("utf-8").partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def calls_of(*attributes):
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in attributes
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                yield node, node.args[0].value


def test_every_metric_is_documented_and_every_documented_metric_exists():
    from mamori.monitor.app.metrics import NodeMetrics

    known = {name for _, name in calls_of("gauge")}
    for family in NodeMetrics().registry.collect():
        known.add(f"{family.name}_total" if family.type == "counter" else family.name)
    written = re.findall(r"`(mamori_[a-z_]+)`", OPERATIONS.read_text("utf-8"))

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in written} == known


def function_of_the_node(name):
    tree = ast.parse((SOURCE / "monitor" / "app" / "node.py").read_text("utf-8"))
    return next(
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name
    )


def health_rows():
    """Each row of the table of the health page: its part, and the words in it."""
    rows = re.findall(r"^\| `([a-z]+)` \| [a-z]+ (.*)\|$", table("## Health"), re.MULTILINE)
    return {part: set(re.findall(r"`([a-z_]+)`", text)) for part, text in rows}


def test_every_part_of_the_health_page_is_documented():
    [parts] = [
        {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
        for node in ast.walk(function_of_the_node("_parts"))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    ]

    assert parts
    assert parts == set(health_rows())


def test_every_hint_of_recognitions_health_is_documented():
    from mamori.monitor.recognition.load import Level

    hints = {
        node.value.value
        for node in ast.walk(function_of_the_node("_recognition_health"))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value
    }
    hints |= {f"narrowed_to_{level.name.lower()}" for level in Level if level > Level.QUICK}

    assert hints == health_rows()["recognition"]


def test_every_level_of_service_is_documented_in_order():
    from mamori.monitor.recognition.load import Level

    rows = re.findall(
        r"^\| (\d) ([a-z]+) \|", table("## When the machine is full"), flags=re.MULTILINE
    )

    assert rows == [(str(int(level)), level.name.lower()) for level in Level]


def test_every_reason_for_which_words_were_given_up_is_documented():
    from mamori.monitor.recognition import codes

    known = {value for name, value in vars(codes).items() if name.isupper()}
    reasons = table("## When the machine is full").partition("### What got no words")[2]

    assert set(re.findall(r"^\| `([a-z_]+)` \|", reasons, re.MULTILINE)) == known


def test_the_times_and_memory_of_workers_are_the_defaults():
    from mamori.monitor.recognition.load import GovernorConfig
    from mamori.monitor.recognition.workers.pool import WorkerPool
    from mamori.monitor.recognition.workers.spec import EngineSpec

    text = " ".join(table("## Processor and memory").split())
    hung_after_s = inspect.signature(WorkerPool).parameters["hung_after_s"].default
    assert f"did not answer for {hung_after_s:g} s" in text
    assert f"more than {EngineSpec().memory_cap_bytes / 1e9:g} GB of its own" in text
    full = " ".join(table("## When the machine is full").split())
    governor = GovernorConfig()
    assert f"try again after {governor.retry_after_s} s" in full
    assert f"more than {governor.late_s:g} s for a worker" in full
    assert f"{governor.longest_ease_s:g} s at most" in full
    assert f"more than {governor.node_use_ratio:g} of a core" in full
    assert f"of the cores ({governor.use_ratio:g})" in full
    assert f"level 0 at most {governor.thorough_use_ratio:g}" in full


def test_every_word_of_the_log_is_documented_and_every_documented_word_is_logged():
    logged = {
        word
        for node, word in calls_of("info", "warning", "error", "exception")
        if getattr(node.func.value, "id", "") in {"log", "_log"}
    }
    levels = [
        line
        for line in table("## Logs").splitlines()
        if line.startswith(("| info", "| warning", "| error"))
    ]
    documented = set(re.findall(r"`([a-z_]+)`", "\n".join(levels)))

    assert documented == logged
