"""Settings: one file, the environment over it, every error at once, secrets never shown."""

import pytest

from mamori.config.settings import is_loopback, load_settings
from mamori.errors import ConfigError

KEY = "0123456789abcdef"


def problems_of(tmp_path, toml="", environ=None):
    path = tmp_path / "mamori.toml"
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(path, environ or {})
    return raised.value.problems


def test_without_a_file_and_variables_a_node_listens_on_this_machine_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    settings = load_settings(None, {})

    assert is_loopback(settings.telephony.listen_host)
    assert is_loopback(settings.health.listen_host)
    assert settings.telephony.vosk_listen_port is None
    assert settings.recognition.engine == "auto"
    assert settings.recognition.fetch is False


def test_the_environment_overrides_the_file(tmp_path):
    path = tmp_path / "mamori.toml"
    path.write_text('[telephony]\nlisten_port = 1\nlisten_host = "::1"\n')

    settings = load_settings(path, {"MAMORI_TELEPHONY__LISTEN_PORT": "2"})

    assert settings.telephony.listen_port == 2
    assert settings.telephony.listen_host == "::1"


def test_the_file_in_the_working_directory_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mamori.toml").write_text("[telephony]\nlisten_port = 7\n")

    assert load_settings(None, {}).telephony.listen_port == 7


def test_the_file_may_be_named_by_a_variable(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text("[telephony]\nlisten_port = 8\n")

    assert load_settings(None, {"MAMORI_CONFIG": str(path)}).telephony.listen_port == 8


@pytest.mark.parametrize("name", ["MAMORI_CONFIG", "MAMORI_KEY", "mamori_key"])
def test_what_a_command_is_told_by_the_environment_is_no_setting(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").touch()

    assert load_settings(None, {name: "other.toml"}) == load_settings(None, {})


def test_a_variable_that_only_looks_like_the_key_is_refused():
    with pytest.raises(ConfigError, match="MAMORI_KEYS: unknown section 'keys'"):
        load_settings(None, {"MAMORI_KEYS": KEY})


def test_lists_come_from_the_environment_with_commas_or_line_breaks():
    settings = load_settings(
        None,
        {
            "MAMORI_RECOGNITION__LANGUAGES": "ja, ko",
            "MAMORI_TENANTS__ACME__KEYS": f"{KEY}-one\n{KEY}-two",
        },
    )

    assert settings.recognition.languages == ("ja", "ko")
    assert [key.get_secret_value() for key in settings.tenants["acme"].keys] == [
        f"{KEY}-one",
        f"{KEY}-two",
    ]


def test_every_problem_is_reported_at_once_with_its_place(tmp_path):
    problems = problems_of(
        tmp_path,
        '[telephony]\nlisten_prt = 1\nidle_timeout_ms = 5\n[tenants.default]\nkeys = ["short"]\n',
        {
            "MAMORI_NODE__LOG_LEVL": "x",
            "MAMORI_FOO__A": "1",
            "MAMORI_RECOGNITION__ENGINE": "sphinx",
        },
    )

    assert len(problems) == 6
    text = "\n".join(problems)
    assert "mamori.toml: telephony.listen_prt: unknown key; did you mean 'listen_port'?" in text
    assert "telephony.idle_timeout_ms: input should be greater than or equal to 1000" in text
    assert "tenants.default.keys: each key needs at least 16 characters" in text
    assert "MAMORI_NODE__LOG_LEVL: unknown key 'log_levl'; did you mean 'log_level'?" in text
    assert "MAMORI_FOO__A: unknown section 'foo'" in text
    assert "MAMORI_RECOGNITION__ENGINE: recognition.engine" in text
    assert "'auto'" in text


@pytest.mark.parametrize(("length", "accepted"), [(15, False), (16, True), (17, True)])
def test_a_key_needs_sixteen_characters(tmp_path, length, accepted):
    path = tmp_path / "mamori.toml"
    path.write_text(f'[tenants.a]\nkeys = ["{"k" * length}"]\n')
    if accepted:
        assert load_settings(path, {}).tenants["a"].keys
    else:
        with pytest.raises(ConfigError, match="16 characters"):
            load_settings(path, {})


def test_secrets_are_not_in_repr_nor_in_errors(tmp_path):
    settings = load_settings(
        None,
        {
            "MAMORI_TENANTS__A__KEYS": KEY,
            "MAMORI_STORE__REDIS_URL": "redis://u:hunter2hunter2@h/0",
        },
    )
    problems = problems_of(tmp_path, '[tenants.a]\nkeys = ["hunter2"]\n')

    assert KEY not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in "\n".join(problems)


@pytest.mark.parametrize("tenant", ["", "-a", "a b", "A", "a" * 65, "{a}", "a:b"])
def test_a_tenant_id_that_could_not_be_a_key_in_the_store_is_refused(tmp_path, tenant):
    assert "tenant id" in problems_of(tmp_path, f'[tenants."{tenant}"]\nkeys = ["{KEY}"]\n')[0]


def test_a_text_that_is_no_toml_is_named(tmp_path):
    assert "not a TOML file" in problems_of(tmp_path, "[telephony\n")[0]


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5_000, "a = " + "1" * 5_000, "a = 1" + "0" * 5_000 + "x"]
)
def test_a_text_made_to_break_the_reader_is_named(tmp_path, text):
    assert "not a TOML file" in problems_of(tmp_path, text)[0]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such settings file"):
        load_settings(tmp_path / "none.toml", {})


def test_the_open_vosk_address_stays_on_this_machine_unless_allowed(tmp_path):
    toml = '[telephony]\nvosk_listen_port = 2700\nvosk_listen_host = "0.0.0.0"\n'

    assert "vosk_allow_network" in problems_of(tmp_path, toml)[0]
    (tmp_path / "mamori.toml").write_text(toml + "vosk_allow_network = true\n")
    assert load_settings(tmp_path / "mamori.toml", {}).telephony.vosk_listen_port == 2700


def test_a_certificate_without_its_key_is_refused(tmp_path):
    problems = problems_of(tmp_path, '[telephony]\ntls_certificate_file = "c.pem"\n')

    assert "both or not at all" in problems[0]


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("pbx", False)],
)
def test_which_hosts_are_this_machine_alone(host, alone):
    assert is_loopback(host) is alone
