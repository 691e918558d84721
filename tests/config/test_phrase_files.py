"""Phrase rules as files: what ships keeps its promises, and a firm's mistakes are all named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mamori.config.phrase_files import load_phrase_book, load_phrase_matcher
from mamori.errors import ConfigError
from mamori.monitor.detectors.phrases import Language, PhraseMatcher, create_language
from mamori.monitor.events import Category, Severity

SHARED_TEXT = Path(__file__).parents[3] / "shared" / "data" / "text"
needs_shared_text = pytest.mark.skipif(not SHARED_TEXT.is_dir(), reason="needs ../shared/data")

GOOD = """
language = "ja"

[[rule]]
id = "custom.parking"
category = "custom:parking"
severity = "warning"
phrases = ["無断駐車(してやる|するぞ)"]
unless = ["quoted"]
examples = ["毎日無断駐車してやる", "無断駐車するぞ"]
counter_examples = ["無断駐車するぞと言われました"]
"""


@pytest.fixture(scope="module")
def eyes() -> Language:
    return create_language("ja")


@pytest.fixture(scope="module")
def japanese(eyes: Language) -> PhraseMatcher:
    return load_phrase_matcher("ja", eyes=eyes)


def _problems(tmp_path: Path, text: str, language: str = "ja") -> list[str]:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_phrase_book(language, [path])
    assert error.value.code == "bad_phrases"
    return error.value.problems


@pytest.mark.parametrize("language", ["ja", "ko", "en"])
def test_what_ships_covers_the_words_of_the_policy_and_keeps_its_promises(language: str) -> None:
    book = load_phrase_book(language)
    sound_and_clock = {Category.RAISED_VOICE, Category.LONG_CALL}
    assert {rule.category for rule in book.rules} == {
        category.value for category in Category if category not in sound_and_clock
    }
    for rule in book.rules:
        assert len(rule.examples) >= 2
        assert rule.counter_examples


def test_threats_violence_extortion_and_sexual_remarks_are_serious_and_an_insult_begins_low(
    japanese: PhraseMatcher,
) -> None:
    worst: dict[str, Severity] = {}
    for rule in japanese.book.rules:
        worst[rule.category] = max(worst.get(rule.category, rule.severity), rule.severity)
    for category in ("threat", "violence", "extortion", "sexual"):
        assert worst[category] is Severity.CRITICAL
    insults = [rule.severity for rule in japanese.book.rules if rule.category == "insult"]
    assert Severity.ATTENTION in insults
    assert Severity.CRITICAL not in insults


@pytest.mark.parametrize(
    "text",
    [
        "弁護士に相談します",
        "消費者センターに相談することも考えています",
        "責任者に代わってください",
        "上の人を出してください",
        "返金してください、お願いします",
        "早く直してくれよ、仕事にならないんだ",
        "お金を返してほしいだけなんです",
        "ふざけんなよ、先週も言ったよな",
        "死ぬほど好評だと聞きました",
        "土下座するほど感謝しています",
        "スマホの電池がすぐ死んでしまうんです",
        "ゴキブリを殺すスプレーが欲しい",
        "クビになった場合の手続きを教えてください",
        "私がバカでした、すみません",
        "バカンスの予約",
        "アホウドリ",
        "殺虫剤",
        "くずもち",
        "警察に届け出るときに必要な番号を教えてください",
        "訴えるとかそういう話じゃないんだ、原因が知りたいだけで",
    ],
)
def test_a_fair_caller_raises_nothing(japanese: PhraseMatcher, text: str) -> None:
    assert japanese.match(text) == []


@pytest.mark.parametrize(
    ("text", "category", "least"),
    [
        ("ぶっ殺すぞこの野郎", "threat", Severity.CRITICAL),
        ("お前ほんま、しばくぞ", "violence", Severity.CRITICAL),
        ("今からそちらに伺って全部燃やして差し上げます", "violence", Severity.CRITICAL),
        ("どつきまわしたろか、しばいたる", "violence", Severity.CRITICAL),
        ("アホちゃうか自分", "insult", Severity.ATTENTION),
        ("土下座して謝れ", "coercion", Severity.WARNING),
        ("ころしてやるからな", "threat", Severity.CRITICAL),
        ("ネットに晒してやるからな", "sns_threat", Severity.WARNING),
    ],
)
def test_plain_blunt_and_kansai_abuse_is_found(
    japanese: PhraseMatcher, text: str, category: str, least: Severity
) -> None:
    found = {match.category: match.severity for match in japanese.match(text)}
    assert found[category] >= least


def test_a_firm_adds_its_own_category_with_the_contexts_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD, encoding="utf-8")
    book = load_phrase_book("ja", [path])
    assert book.rules[-1].category == "custom:parking"


def test_every_mistake_is_named_at_once_with_what_is_allowed(tmp_path: Path) -> None:
    problems = _problems(
        tmp_path,
        """
        language = "ja"
        rules = 1
        [[rule]]
        id = "bad"
        category = "threats"
        severity = "high"
        phrase = ["a"]
        phrases = ["(a"]
        unless = ["qouted"]
        fuzzy = "yes"
        examples = ["a"]
        [[context]]
        id = "empty"
        effect = "hide"
        """,
    )
    text = "\n".join(problems)
    for expected in (
        "rules: unknown key (did you mean 'rule'?)",
        "rule bad: category: 'threats' (did you mean 'threat'?)",
        "rule bad: severity: 'high'; allowed: attention, warning, critical",
        "rule bad: phrase: unknown key (did you mean 'phrases'?)",
        "rule bad: phrases: '(a' has a '(' without ')'",
        "rule bad: unless: no context 'qouted' (did you mean 'quoted'?)",
        "rule bad: fuzzy: 'yes'; allowed: true, false",
        "rule bad: examples: needs at least 2",
        "rule bad: counter_examples: needs at least 1",
        "context empty: effect: 'hide'; allowed: drop, lower",
        "context empty: needs at least one of",
    ):
        assert expected in text
    assert all(str(tmp_path) in problem for problem in problems)


def test_a_rule_that_breaks_its_promises_is_refused(tmp_path: Path) -> None:
    problems = _problems(
        tmp_path,
        GOOD.replace('"無断駐車するぞ"]', '"こんにちは"]').replace(
            '["無断駐車するぞと言われました"]', '["無断駐車するぞ"]'
        ),
    )
    assert any("custom.parking: examples: 'こんにちは' does not match" in each for each in problems)
    assert any("counter_examples: '無断駐車するぞ' matches" in each for each in problems)


def test_a_taken_id_is_refused(tmp_path: Path) -> None:
    problems = _problems(tmp_path, GOOD.replace("custom.parking", "threat.kill"))
    assert any("threat.kill: id: is already taken" in each for each in problems)


def test_a_file_of_another_language_is_passed_over(tmp_path: Path, japanese: PhraseMatcher) -> None:
    path = tmp_path / "own.toml"
    path.write_text('language = "ko"', encoding="utf-8")

    assert load_phrase_book("ja", [path]) == japanese.book


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("language = ", "is not TOML"),
        ('language = "xx"', "language: 'xx'"),
        ('language = "ja"\nrule = 3', "rule: must be tables [[rule]]"),
        ('language = "ja"\n[[rule]]\nid = ""', "id: must be a non-empty text"),
        (GOOD.replace('examples = ["毎日', 'examples = [1, "毎日'), "must be a list of texts"),
    ],
)
def test_a_file_that_is_no_phrase_file_says_so(tmp_path: Path, text: str, message: str) -> None:
    assert any(message in each for each in _problems(tmp_path, text))


def test_a_missing_and_an_unreadable_file_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "latin.toml"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as error:
        load_phrase_book("ja", [tmp_path / "none.toml", bad])
    assert "none.toml: no such file" in error.value.problems[0]
    assert "cannot be read as UTF-8" in error.value.problems[1]


def test_a_language_without_phrases_is_named() -> None:
    with pytest.raises(ConfigError, match="allowed: ja, ko, en"):
        load_phrase_book("fr")


@needs_shared_text
def test_fair_lines_of_every_style_stay_almost_silent(japanese: PhraseMatcher) -> None:
    lines: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    for path in sorted(SHARED_TEXT.glob("ja_*.jsonl")):
        if path.name == "ja_calls.jsonl":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            style = entry.get("style", "plain")
            if entry["category"] == "none" and style != "agent":
                lines[style] += 1
                alarms[style] += bool(japanese.match(entry["text"]))
    for style, count in lines.items():
        assert alarms[style] / count < 0.01, style
