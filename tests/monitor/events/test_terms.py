"""Categories: the policy's own, and a firm's."""

import pytest

from mamori.monitor.events import is_category


@pytest.mark.parametrize("name", ["threat", "violence", "custom:late_rent", "custom:a"])
def test_categories_of_the_policy_and_of_a_firm_are_known(name):
    assert is_category(name)


@pytest.mark.parametrize("name", ["", "anger", "custom:", "custom:Bad", "custom:a b", "Threat"])
def test_anything_else_is_no_category(name):
    assert not is_category(name)
