"""What the documents say is what the program does: commands, links, settings, promises."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mamori.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
DOCUMENTS = [README, *DOCS]

# The commands of the README that take seconds, each with what it must print.
QUICK = {
    "mamori --version": r"^mamori \d+\.\d+",
    "mamori replay src/mamori/monitor/demo/calls/broken_boiler.wav --engine none": "raised_voice",
    "mamori replay src/mamori/monitor/demo/calls/dismissal_demand.jsonl --json": '"alert_raised"',
    "echo '夜道には気をつけたほうがいいよ' | mamori explain": r"threat\.",
    "mamori doctor --local": "Python",
    "mamori models list": "vosk-model-small-ja-0.22",
}
# What a line of the README may begin with: all of them are looked into below.
README_PROGRAMS = {"make", "mamori", "pip", "docker", "source", "echo"}
# Folders of somebody's own machine.
PRIVATE_PATH = re.compile(r"(?<![\w.])/(work|home|root|Users|mnt|tmp|private)/|\b[A-Z]:\\")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def name_of(path):
    return str(path.relative_to(REPOSITORY))


def read(path):
    return path.read_text("utf-8")


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", read(path), re.MULTILINE | re.DOTALL)


def shell_lines(path):
    return [line for block in blocks(path, "sh") for line in block.splitlines() if line.strip()]


def commands(line):
    """Each command of a line as its words, without sudo, variables and the program's folder."""
    words = []
    for word in [*shlex.split(line), "|"]:
        if word not in {"|", "&&", ";"}:
            words.append(word)
            continue
        while words and (words[0] in {"sudo", "--user"} or re.match(r"[A-Z_]+=", words[0])):
            del words[: 2 if words[0] == "--user" else 1]
        if words:
            yield [words[0].rpartition("/")[2], *words[1:]]
        words = []


def commands_of(program):
    return [
        pytest.param(command[1:], id=f"{name_of(path)}: {shlex.join(command)}")
        for path in DOCUMENTS
        for line in shell_lines(path)
        for command in commands(line)
        if command[0] == program
    ]


def mamori_help(*words):
    from typer.testing import CliRunner

    from mamori.monitor.cli.main import app

    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def subcommands(help_text):
    _, _, listed = help_text.partition("Commands:")
    return re.findall(r"^  ([a-z]+)\b", listed, re.MULTILINE)


def make_targets():
    return set(re.findall(r"^([a-z-]+):", read(REPOSITORY / "Makefile"), re.MULTILINE))


# Commands


def test_every_program_of_the_readme_is_one_that_is_looked_into():
    programs = {command[0] for line in shell_lines(README) for command in commands(line)}

    assert programs <= README_PROGRAMS


@pytest.mark.parametrize("words", commands_of("make"))
def test_a_make_target_exists(words):
    assert {word for word in words if "=" not in word} <= make_targets()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_make_target_named_in_a_sentence_exists(path):
    assert set(re.findall(r"`make ([a-z-]+)", read(path))) <= make_targets()


@pytest.mark.parametrize("words", commands_of("mamori"))
def test_a_mamori_command_and_its_options_exist(words):
    path, help_text = [], mamori_help()
    for word in words:
        if word not in subcommands(help_text):
            break
        path.append(word)
        help_text = mamori_help(*path)

    assert path or words == ["--version"], f"no command {words[0]}"
    for word in words[len(path) :]:
        if word.startswith("-") and word != "-":
            assert re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", help_text)


def test_every_command_is_in_the_readme_or_the_documents():
    text = "\n".join(read(path) for path in DOCUMENTS)

    missing = [name for name in subcommands(mamori_help()) if f"mamori {name}" not in text]

    assert missing == []


@pytest.mark.parametrize("words", commands_of("pip"))
def test_what_pip_installs_is_an_extra(words):
    project = tomllib.loads(read(REPOSITORY / "pyproject.toml"))["project"]
    extras = set(project["optional-dependencies"])
    asked = {extra for word in words for extra in re.findall(r"\[(.*)\]", word)}

    assert {name for names in asked for name in names.split(",")} <= extras


@pytest.mark.parametrize("line", QUICK)
def test_a_quick_command_of_the_readme_works_as_it_stands(line, tmp_path):
    assert line in shell_lines(README)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MAMORI_", "XDG_"))}
    environ |= {
        "HOME": str(tmp_path),
        # Looking for engines would join the pieces of whisper-base in the new home: 150 MB.
        "MAMORI_RECOGNITION__ENGINE": "none",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    result = subprocess.run(
        ["bash", "-c", line],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert result.returncode == 0, result.stderr
    assert re.search(QUICK[line], result.stdout, re.MULTILINE), result.stdout


# Links and paths


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(path):
    targets = [target.partition("#")[0] for target in LINK.findall(read(path))]
    relative = [target for target in targets if target and "://" not in target]

    broken = [target for target in relative if not (path.parent / target).exists()]

    assert broken == []


@pytest.mark.parametrize(
    "path",
    [*DOCUMENTS, *sorted((REPOSITORY / "docs").glob("*.toml")), REPOSITORY / "CHANGELOG.md"],
    ids=name_of,
)
def test_no_document_names_a_folder_of_somebodys_machine(path):
    assert [line for line in read(path).splitlines() if PRIVATE_PATH.search(line)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_file_that_is_named_exists(path):
    named = re.findall(r"`((?:src|tests|tools|bench|docs)/[\w./-]+)", read(path))

    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_readme_is_read_in_a_minute_or_two():
    assert len(read(README).splitlines()) <= 165


@pytest.mark.parametrize("name", ["demo-output", "figures"])
def test_the_readme_has_its_measured_blocks(name):
    block = re.search(rf"<!-- {name} -->\n(.+?)<!-- /{name} -->", read(README), re.DOTALL)

    assert block is not None
    assert len(block[1].strip()) > 20


# Settings


def section_model(field) -> Any:
    """The model of a section, also of one that each tenant has."""
    return getattr(field.annotation, "__args__", (None, field.annotation))[1]


def test_the_settings_reference_is_current():
    script = REPOSITORY / "tools" / "write_settings_reference.py"

    result = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, f"run {name_of(script)}\n{result.stdout}{result.stderr}"


def test_every_setting_is_documented_with_its_variable():
    from mamori.config.settings import Settings

    text = read(REPOSITORY / "docs" / "settings.md")
    for section, field in Settings.model_fields.items():
        model = section_model(field)
        tenant = "<TENANT>__" if section == "tenants" else ""
        for key in model.model_fields:
            assert f"`MAMORI_{section.upper()}__{tenant}{key.upper()}`" in text


def test_every_setting_can_be_given_by_its_variable():
    from mamori.config.settings import Settings, load_settings

    example = read(REPOSITORY / "docs" / "mamori.example.toml")
    values = tomllib.loads(re.sub(r"^#(?=[a-z_]+ = |\[)", "", example, flags=re.MULTILINE))
    problems = []
    for section in Settings.model_fields:
        tenant = "default" if section == "tenants" else None
        for key, value in (values[section][tenant] if tenant else values[section]).items():
            name = "__".join(part for part in (section, tenant, key) if part).upper()
            text = ",".join(value) if isinstance(value, list) else str(value)
            pair = {"tls_certificate_file": "TLS_KEY_FILE", "tls_key_file": "TLS_CERTIFICATE_FILE"}
            environ = {f"MAMORI_{name}": text}
            if key in pair:
                environ[f"MAMORI_{section.upper()}__{pair[key]}"] = text
            try:
                load_settings(None, environ)
            except ConfigError as error:
                problems.append(str(error))

    assert problems == []


def test_the_example_settings_hold_as_they_stand_and_with_every_key_switched_on(tmp_path):
    from mamori.config.settings import Settings, load_settings

    example = read(REPOSITORY / "docs" / "mamori.example.toml")
    switched_on = re.sub(r"^#(?=[a-z_]+ = |\[)", "", example, flags=re.MULTILINE)
    for name, text in (("plain.toml", example), ("all.toml", switched_on)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        load_settings(tmp_path / name, {})

    tree = tomllib.loads(switched_on)
    for section, field in Settings.model_fields.items():
        model = section_model(field)
        given = tree[section]["default"] if section == "tenants" else tree[section]
        assert set(given) == set(model.model_fields), section


# Promises, policy and models


def test_every_guarantee_names_tests_that_exist():
    text = read(REPOSITORY / "docs" / "guarantees.md")
    promised = text.partition("## Not promised")[0]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", promised)
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (REPOSITORY / "tests" / file).is_file()
        or not re.search(rf"def {test}\(", read(REPOSITORY / "tests" / file))
    ]

    assert missing == []
    assert len(re.findall(r"^\*\*[A-Z]\d+\. ", promised, re.MULTILINE)) > 15
    for promise in re.split(r"^(?=\*\*[A-Z]\d+\. )", promised, flags=re.MULTILINE)[1:]:
        assert "::test_" in promise, promise


def test_every_key_of_the_policy_is_documented_in_both_languages():
    from mamori.config.policy_file import Policy

    japanese, _, english = read(REPOSITORY / "docs" / "policy.md").partition("\n## English\n")
    for text in (japanese, english):
        for key in Policy.model_fields:
            assert re.search(rf"`\[*{key}[\]`.]", text), key


def test_the_documented_phrase_rule_is_accepted_and_finds_its_words(tmp_path):
    from mamori.config.phrase_files import load_phrase_matcher

    rule = next(b for b in blocks(REPOSITORY / "docs" / "policy.md", "toml") if "[[rule]]" in b)
    (tmp_path / "phrases.toml").write_text(rule, encoding="utf-8")
    matcher = load_phrase_matcher("ja", [tmp_path / "phrases.toml"])

    found = matcher.match("毎日夜中に電話してやるからな")

    assert [match.category for match in found] == ["custom:late_night"]


def test_the_catalogue_of_models_is_the_documented_one():
    from mamori.config.models import load_catalogue

    rows = [
        f"| `{spec.name}` | {spec.engine} | {', '.join(spec.languages)} | {size(spec)} "
        f"| {spec.licence} | {spec.error_figures} | {'yes' if spec.auto_fetch else 'no'} |"
        for spec in load_catalogue()
    ]
    lines = read(REPOSITORY / "docs" / "models.md").splitlines()

    assert [line for line in lines if line.startswith("| `")] == rows


def size(spec):
    return f"{spec.size_bytes / 1e6:.0f} MB" if spec.size_bytes else spec.size_listed


def test_the_documented_transcript_line_is_one_that_replay_takes():
    from mamori.monitor.app.replay import parse_transcript

    text = read(REPOSITORY / "docs" / "policy.md")
    line = next(part for part in re.findall(r"`(\{.*?\})`", text) if "start_s" in part)

    [turn] = parse_transcript([line], "policy.md")

    assert turn.text == json.loads(line)["text"]
