"""Where ``send`` and ``doctor`` look for the node, and with which key."""

import pytest

from mamori.config.settings import load_settings
from mamori.errors import ConfigError
from mamori.monitor.cli.target import in_url, target

KEYS = {"MAMORI_TENANTS__OSAKA__KEYS": "osaka-key-0123456", "MAMORI_TENANTS__TOKYO__KEYS": "t" * 16}


def settings_with(monkeypatch, tmp_path, **environ):
    monkeypatch.chdir(tmp_path)
    return load_settings(None, {"MAMORI_NODE__DATA_DIR": str(tmp_path), **environ})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("fd00::5", "[fd00::5]"),
        ("mamori.example", "mamori.example"),
    ],
)
def test_the_address_is_one_that_can_be_connected_to(monkeypatch, tmp_path, host, expected):
    settings = settings_with(monkeypatch, tmp_path, MAMORI_TELEPHONY__LISTEN_HOST=host)

    address, _ = target(settings, None, "key")

    assert address == f"ws://{expected}:8765/v1/native/default"


def test_with_a_certificate_the_line_is_encrypted(monkeypatch, tmp_path):
    settings = settings_with(
        monkeypatch,
        tmp_path,
        MAMORI_TELEPHONY__TLS_CERTIFICATE_FILE="c.pem",
        MAMORI_TELEPHONY__TLS_KEY_FILE="k.pem",
    )

    assert target(settings, None, "key")[0].startswith("wss://127.0.0.1:")


def test_what_is_given_is_taken(monkeypatch, tmp_path):
    settings = settings_with(monkeypatch, tmp_path)

    assert target(settings, "ws://pbx/v1/native/x", "k") == ("ws://pbx/v1/native/x", "k")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (None, "osaka-key-0123456"),
        ("ws://h/v1/native/tokyo", "t" * 16),
        ("ws://h/v1/native/elsewhere", "osaka-key-0123456"),
    ],
)
def test_the_key_is_that_of_the_tenant_that_the_address_names(monkeypatch, tmp_path, url, key):
    settings = settings_with(monkeypatch, tmp_path, **KEYS)

    assert target(settings, url, None)[1] == key


def test_a_tenant_without_a_key_is_named(monkeypatch, tmp_path):
    settings = settings_with(monkeypatch, tmp_path, MAMORI_TENANTS__OSAKA__LANGUAGE="ja")

    with pytest.raises(ConfigError, match=r"tenants\.osaka: needs keys"):
        target(settings, None, None)


@pytest.mark.parametrize(("host", "shown"), [("::1", "[::1]"), ("10.0.0.1", "10.0.0.1")])
def test_an_ipv6_address_stands_in_brackets(host, shown):
    assert in_url(host) == shown
