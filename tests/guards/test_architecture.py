"""The dependency rules of the design, held by import-linter; and the shape of the code."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

# A folder is to be read file by file; a long file is two things.
MOST_LINES = 350


def sources(repository):
    return sorted((repository / "src" / "mamori").rglob("*.py"))


def test_the_dependency_rules_hold(repository):
    lint = Path(sys.executable).parent / "lint-imports"
    if not lint.exists():
        pytest.skip("import-linter is not installed in this environment")

    result = subprocess.run([lint], cwd=repository, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


def test_every_file_can_be_read_in_one_sitting(repository):
    long = {
        str(path.relative_to(repository)): lines
        for path in sources(repository)
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
    }

    assert long == {}


def test_only_the_application_and_the_command_line_read_configuration(repository):
    readers = {
        str(path.relative_to(repository / "src" / "mamori").parent)
        for path in sources(repository)
        if any(name.startswith("mamori.config") for name in imports(path))
    }

    assert readers <= {"config", "monitor/app", "monitor/cli"}


def test_the_environment_is_read_by_the_settings_alone(repository):
    readers = {
        str(path.relative_to(repository / "src" / "mamori"))
        for path in sources(repository)
        if "os.environ" in path.read_text("utf-8") or "os.getenv" in path.read_text("utf-8")
    }

    assert readers <= {"config/settings.py"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
