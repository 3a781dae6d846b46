import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import config, secretfiles
from gateway.config import Settings
from gateway.errors import BadInputError


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("COINBOX_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setattr(secretfiles, "DOCKER", tmp_path / "run-secrets")


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As systemd gives them to a service."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


@pytest.fixture
def docker_secrets() -> Path:
    secretfiles.DOCKER.mkdir()
    return secretfiles.DOCKER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "coinbox.toml"


def faults(file: Path) -> list[tuple[str, str, str]]:
    """Give where, which key and which value is wrong."""
    with pytest.raises(BadInputError) as refused:
        config.load(file)
    return [(fault.where, fault.field, fault.value) for fault in refused.value.faults]


def test_without_a_file_every_setting_has_a_safe_default() -> None:
    settings = config.load(None)
    hosts = {settings.agi.host, settings.pbx["pbx"].host, settings.http.host}
    assert hosts == {"127.0.0.1"}
    assert all(file.is_file() for file in (*settings.rates.cards, settings.rates.plans))


def test_the_environment_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[http]\nport = 8081\n[agi]\nport = 4574\n")
    monkeypatch.setenv("COINBOX_HTTP__PORT", "8082")
    settings = config.load(file)
    assert (settings.http.port, settings.agi.port) == (8082, 4574)


def test_any_setting_can_come_from_a_file_that_is_named_as_its_variable(
    file: Path, credentials: Path
) -> None:
    file.write_text("[pbx.pbx]\nport = 5039\n")
    for name, text in (
        ("coinbox_pbx__pbx__secret", " s3cret \n"),
        ("COINBOX_HTTP__TOKEN", "t0ken\r\n"),
        ("coinbox_store__url", "redis://:hush@store:6379/0"),
        ("coinbox_calls__warn_seconds", "[20]\n"),
        ("coinbox_stripe", '{"key": "sk_live_1", "webhook_secret": "whsec_1"}\n'),
    ):
        (credentials / name).write_text(text)
    settings = config.load(file)
    # Only the newline that an editor writes is none of a secret.
    assert (settings.pbx["pbx"].secret, settings.pbx["pbx"].port) == (" s3cret ", 5039)
    assert (settings.http.token, settings.stripe.key) == ("t0ken", "sk_live_1")
    assert settings.store.url == "redis://:hush@store:6379/0"
    assert settings.calls.warn_seconds == (20,)


def test_the_environment_goes_before_credentials_docker_and_the_file(
    file: Path, credentials: Path, docker_secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[http]\ntoken = "file"\n')
    tokens = [config.load(file).http.token]
    (docker_secrets / "coinbox_http__token").write_text("docker")
    tokens.append(config.load(file).http.token)
    # Whatever the case that another one wrote it in.
    (credentials / "COINBOX_HTTP__TOKEN").write_text("credential")
    tokens.append(config.load(file).http.token)
    monkeypatch.setenv("COINBOX_HTTP__TOKEN", "environment")
    tokens.append(config.load(file).http.token)
    assert tokens == ["file", "docker", "credential", "environment"]


def test_secrets_of_others_are_not_opened(docker_secrets: Path) -> None:
    (docker_secrets / "keytab").write_bytes(b"\xff\x00")
    os.mkfifo(docker_secrets / "coinbox_queue")
    (docker_secrets / "coinbox_http__token").mkdir()
    (docker_secrets / "coinbox").write_text("[")
    (docker_secrets / "http__token").write_text("another's")
    assert config.load(None) == Settings()
    assert not config.load(None).http.token


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("coinbox_http__port", b"hush", "http.port"),
        ("COINBOX_STORE__URL", b"redi://store:6379", "store.url"),
        ("coinbox_payments__webhook_secret", b"hush!", "payments.webhook_secret"),
        ("coinbox_http__tokn", b"hush", "http.tokn"),
        ("coinbox_log", b'{"level": "hush"}', "log.level"),
        ("coinbox_pbx__a-b__secret", b"hush", "pbx.a-b.[key]"),
        ("coinbox_http__token", b"hush\xff", "file"),
    ],
)
def test_a_secret_that_is_wrong_is_named_by_its_file_and_not_shown(
    file: Path, credentials: Path, name: str, content: bytes, key: str
) -> None:
    file.write_text("[http]\nhost = '127.0.0.2'")
    secret = credentials / name
    secret.write_bytes(content)
    with pytest.raises(BadInputError) as refused:
        config.load(file)
    [fault] = refused.value.faults
    assert (fault.where, fault.field, fault.value) == (str(secret), key, "(not shown)")
    assert "hush" not in str(fault)


def test_a_secret_that_is_no_list_is_named_by_its_file_and_not_shown(credentials: Path) -> None:
    secret = credentials / "coinbox_rates__cards"
    secret.write_text("hush.csv\n")
    with pytest.raises(BadInputError) as refused:
        config.load(None)
    [fault] = refused.value.faults
    assert fault.where == str(secret)
    assert '"rates"' in fault.why
    assert "hush" not in str(fault)


def test_a_secret_that_cannot_be_read_is_named(credentials: Path) -> None:
    secret = credentials / "coinbox_http__token"
    secret.symlink_to("/proc/self/mem")  # a file, of which nobody can read the first byte
    with pytest.raises(BadInputError) as refused:
        config.load(None)
    assert [(fault.where, fault.field) for fault in refused.value.faults] == [(str(secret), "file")]


def test_each_pbx_has_a_section_and_a_name_that_call_ids_can_begin_with(file: Path) -> None:
    file.write_text('[pbx.berlin]\nport = 5039\n[pbx."pbx.2"]\nsecret = "x"\n')
    assert {name: (pbx.port, pbx.secret) for name, pbx in config.load(file).pbx.items()} == {
        "berlin": (5039, ""),
        "pbx.2": (5038, "x"),
    }
    file.write_text('[pbx.a-b]\nsecret = "hidden"\n[pbx.b]\nport = 0\nsecret = 5\n')
    assert [(key, value) for _, key, value in faults(file)] == [
        ("pbx.a-b.[key]", "a-b"),
        ("pbx.b.port", "0"),
        ("pbx.b.secret", "(not shown)"),
    ]


def test_a_warning_that_could_not_be_given_in_time_is_a_fault(file: Path) -> None:
    file.write_text("[calls]\nrenew_before_seconds = 10\n")
    assert faults(file) == [(str(file), "calls.warn_seconds", "(30, 10)")]
    file.write_text("[calls]\nrenew_before_seconds = 10\nwarn_seconds = [5]\n")
    assert config.load(file).calls.warn_seconds == (5,)


def test_three_faults_in_the_file_are_named_at_once(file: Path) -> None:
    file.write_text('[agi]\nport = 0\n[calls]\nslice_seconds = "soon"\n[store]\nurl = "mysql://x"')
    assert faults(file) == [
        (str(file), "agi.port", "0"),
        (str(file), "store.url", "mysql://x"),
        (str(file), "calls.slice_seconds", "soon"),
    ]


def test_a_fault_of_the_environment_is_named_beside_those_of_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[agi]\nport = 70000\n[calls]\nslice_second = 60\n")
    monkeypatch.setenv("COINBOX_HTTP__PORT", "http")
    assert faults(file) == [
        (str(file), "agi.port", "70000"),
        ("environment", "http.port", "http"),
        (str(file), "calls.slice_second", "60"),
    ]


@pytest.mark.parametrize(
    ("store", "wrong"),
    [
        ('url = "redis://one:7000,two"\ncluster = true', []),
        ('url = "redis://:a,b@one,two"\ncluster = true', []),
        ('url = "redis://:a,b@one"\ncluster = true', []),
        ("cluster = true", ["true"]),
        ('url = "unix:///run/store.sock"\ncluster = true', ["true"]),
        ('url = "redis://one,two"', ["false"]),
    ],
)
def test_a_cluster_is_named_by_the_hosts_of_its_nodes(
    file: Path, store: str, wrong: list[str]
) -> None:
    file.write_text(f"[store]\n{store}")
    if wrong:
        assert faults(file) == [(str(file), "store.cluster", value.title()) for value in wrong]
    else:
        assert config.load(file).store.cluster


@pytest.mark.parametrize("secret", ["s3cret", "YWJj", "whsec_", "whsec_%%%", "xwhsec_YWJj"])
def test_a_webhook_secret_must_be_as_standard_webhooks_writes_them(file: Path, secret: str) -> None:
    file.write_text(f'[payments]\nwebhook_secret = "{secret}"')
    # Its value belongs on no screen.
    assert faults(file) == [(str(file), "payments.webhook_secret", "(not shown)")]


def test_stripe_is_set_by_a_key_and_the_secret_of_its_events(file: Path) -> None:
    file.write_text('[stripe]\nkey = "sk_live_1"\nwebhook_secret = "whsec_1"')
    stripe = config.load(file).stripe
    assert (stripe.key, stripe.webhook_secret, stripe.url) == ("sk_live_1", "whsec_1", "")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ('key = "hush"\nwebhook_secret = "whsec_1"', "stripe.key"),
        ('key = "pk_live_hush"\nwebhook_secret = "whsec_1"', "stripe.key"),
        ('webhook_secret = "hush"', "stripe.webhook_secret"),
        ('key = "sk_hush"', "stripe.webhook_secret"),
        ('key = "rk_hush"\nwebhook_secret = ""', "stripe.webhook_secret"),
        ('webhok_secret = "hush"', "stripe.webhok_secret"),
    ],
)
def test_what_is_wrong_about_stripe_is_named_and_not_shown(
    file: Path, section: str, key: str
) -> None:
    file.write_text(f"[stripe]\n{section}")
    assert faults(file) == [(str(file), key, "(not shown)")]


def test_two_providers_are_one_too_many(file: Path) -> None:
    file.write_text(
        '[payments]\nurl = "https://pay.example"\n'
        '[stripe]\nkey = "sk_hush"\nwebhook_secret = "whsec_1"'
    )
    with pytest.raises(BadInputError) as refused:
        config.load(file)
    [fault] = refused.value.faults
    assert "stripe.key and payments.url are both set" in str(fault)
    assert "hush" not in str(fault)


def test_an_address_that_is_wrong_is_shown_without_its_password(file: Path) -> None:
    file.write_text('[store]\nurl = "redi://gateway:hush@store:6379/0?password=hush"')
    assert faults(file) == [(str(file), "store.url", "redi://store:6379/0")]


@pytest.mark.parametrize("content", [b"[http\n", b"port = \xff", None])
def test_a_file_that_cannot_be_read_is_named(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    assert faults(file) == [(str(file), "file", "")]


def ami_secret(settings: Settings) -> str:
    return config.ami_secret(settings, settings.pbx["pbx"])


@pytest.mark.parametrize("secret", [ami_secret, config.http_token, config.webhook_secret])
def test_a_generated_secret_is_kept_for_the_gateway_alone(
    tmp_path: Path, secret: Callable[[Settings], str]
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first = secret(settings)
    assert secret(settings) == first
    assert secret(Settings(data_dir=tmp_path / "other")) != first
    [kept] = (tmp_path / "data").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_generated_webhook_secret_is_one_that_could_be_set(tmp_path: Path, file: Path) -> None:
    secret = config.webhook_secret(Settings(data_dir=tmp_path / "data"))
    file.write_text(f'[payments]\nwebhook_secret = "{secret}"')
    assert config.load(file).payments.webhook_secret == secret


@pytest.mark.parametrize(
    ("section", "secret"),
    [
        ('[pbx.pbx]\nsecret = "s3cret"', ami_secret),
        ('[http]\ntoken = "s3cret"', config.http_token),
        ('[payments]\nwebhook_secret = "whsec_YWJj"', config.webhook_secret),
    ],
)
def test_a_secret_that_is_set_is_used_and_none_is_made(
    file: Path, section: str, secret: Callable[[Settings], str]
) -> None:
    file.write_text(f'data_dir = "{file.parent / "data"}"\n{section}')
    assert secret(config.load(file)) in section
    assert not (file.parent / "data").exists()


def test_mail_needs_a_sender_and_sends_no_password_in_the_clear(file: Path) -> None:
    file.write_text('[mail]\nhost = "mail.example.com"\n')
    assert faults(file) == [(str(file), "mail.sender", "")]
    file.write_text('[mail]\ntls = "none"\npassword = "hidden"\nsender = "nobody"\n')
    assert faults(file) == [
        (str(file), "mail.password", "(not shown)"),
        (str(file), "mail.sender", "nobody"),
    ]
    file.write_text('[mail]\nhost = "mail"\nsender = "Coinbox <coinbox@example.com>"\n')
    assert config.load(file).mail.port == 587


def test_certificates_that_are_none_are_a_fault(file: Path) -> None:
    file.write_text(f'[mail]\nca_file = "{file}"\n')
    assert faults(file) == [(str(file), "mail.ca_file", str(file))]
    file.write_text('[mail]\nca_file = "nowhere.pem"\n')
    assert faults(file) == [(str(file), "mail.ca_file", "nowhere.pem")]


def test_the_secret_that_signs_notices_is_made_once_and_never_shown(
    file: Path, tmp_path: Path
) -> None:
    file.write_text('[notices]\nwebhook_secret = "hidden"\n')
    assert faults(file) == [(str(file), "notices.webhook_secret", "(not shown)")]
    settings = Settings(data_dir=tmp_path)
    made = config.notice_secret(settings)
    assert made.startswith("whsec_")
    assert made == (tmp_path / "notice-secret").read_text() == config.notice_secret(settings)
    assert made != config.webhook_secret(settings)
    file.write_text(f'[notices]\nwebhook_secret = "{made}"\n')
    assert config.notice_secret(config.load(file)) == made
