"""Categories: the policy's own, and a firm's."""

import pytest

from mamori.monitor.events import is_category, primary_language


@pytest.mark.parametrize("name", ["threat", "violence", "custom:late_rent", "custom:a"])
def test_categories_of_the_policy_and_of_a_firm_are_known(name):
    assert is_category(name)


@pytest.mark.parametrize("name", ["", "anger", "custom:", "custom:Bad", "custom:a b", "Threat"])
def test_anything_else_is_no_category(name):
    assert not is_category(name)


@pytest.mark.parametrize(
    ("tag", "language"),
    [("ja", "ja"), ("ja-JP", "ja"), ("ja_JP", "ja"), ("KO-kr", "ko"), ("zh-Hant-TW", "zh")],
)
def test_the_primary_language_is_what_stands_before_region_and_script(tag, language):
    assert primary_language(tag) == language
