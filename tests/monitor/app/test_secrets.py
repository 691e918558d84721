"""Tenants and their keys: what must not be wrong before a node starts."""

import pytest

from mamori.config.settings import load_settings
from mamori.errors import ConfigError
from mamori.monitor.app.secrets import tenant_keys

KEY = "0123456789abcdef"


def settings(tmp_path, **variables):
    environ = {"MAMORI_NODE__DATA_DIR": str(tmp_path), **variables}
    return load_settings(None, environ)


@pytest.mark.parametrize(("vosk_tenant", "accepted"), [("tokyo", True), ("default", False)])
def test_calls_without_a_key_belong_to_a_tenant_that_exists(tmp_path, vosk_tenant, accepted):
    configured = settings(
        tmp_path,
        MAMORI_TENANTS__TOKYO__KEYS=KEY,
        MAMORI_TELEPHONY__VOSK_LISTEN_PORT="2700",
        MAMORI_TELEPHONY__VOSK_TENANT=vosk_tenant,
    )
    if accepted:
        assert tenant_keys(configured)[0] == {"tokyo": (KEY,)}
    else:
        with pytest.raises(ConfigError, match=r"vosk_tenant: 'default'.*allowed: tokyo"):
            tenant_keys(configured)


def test_a_tenant_without_a_key_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"tenants\.tokyo: needs keys"):
        tenant_keys(settings(tmp_path, MAMORI_TENANTS__TOKYO__LANGUAGE="ja"))
