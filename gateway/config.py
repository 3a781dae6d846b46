"""Settings: safe defaults, and over them a TOML file, files of secrets and the environment.

All wrong keys are named at once.
"""

import os
import re
import secrets
import ssl
import tomllib
from base64 import b64decode, b64encode
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from gateway import names
from gateway.errors import BadInputError, Fault
from gateway.secretfiles import (
    NOT_SHOWN,
    PREFIX,
    SecretFiles,
    concerns,
    read_secret,
    secret_files,
)

Port = Annotated[int, Field(ge=1, le=65535)]

_STORE_URL = re.compile(r"(?:rediss?|unix)://.+")
_SECRET_BYTES = 24
# Keys whose values belong on no screen.
_SECRET = re.compile(
    r"pbx\..*\.secret|http\.token|mail\.password|(?:payments|notices)\.webhook_secret"
    r"|stripe(?:\..*)?"
)
_LOGIN = re.compile(r"(?<=//)[^/]*@|\?.*")


def share(name: str) -> Path:
    """Give a folder that comes with the package: from the wheel, else from the checkout."""
    package = Path(__file__).parent
    installed = package / "share" / name
    return installed if installed.exists() else package.parent / name


def _is_webhook_secret(text: str) -> str:
    encoded = text.removeprefix("whsec_")
    if text and (encoded in ("", text) or not b64decode(encoded, validate=True)):
        message = "must be whsec_ and base64"
        raise ValueError(message)
    return text


def _is_store_url(text: str) -> str:
    if text and not _STORE_URL.fullmatch(text):
        message = "must be redis://, rediss:// or unix://, or empty for the embedded store"
        raise ValueError(message)
    return text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgiSettings(_Section):
    """Where the FastAGI server listens."""

    host: str = "127.0.0.1"
    port: Port = 4573


class PbxSettings(_Section):
    """Where a PBX's AMI is, and our user there. Its name is what COINBOX_PBX has there."""

    host: str = "127.0.0.1"
    port: Port = 5038
    username: str = "coinbox"
    secret: str = ""


class HttpSettings(_Section):
    """Where the API listens, and the token it asks for."""

    host: str = "127.0.0.1"
    port: Port = 8080
    token: str = ""


class StoreSettings(_Section):
    """The store: embedded, or a Redis or Valkey by URL, which may be a cluster of them.

    The URL of a cluster names some of its nodes, separated by commas.
    """

    url: Annotated[str, AfterValidator(_is_store_url)] = ""
    shards: Annotated[int, Field(ge=1, le=256)] = 16
    cluster: Annotated[bool, Field(validate_default=True)] = False
    strict: bool = True

    @field_validator("cluster")
    @classmethod
    def _has_nodes(cls, cluster: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - as pydantic calls it
        url = info.data.get("url")
        if url is None:
            return cluster  # it is wrong itself
        if cluster and not url.startswith("redis"):
            message = "store.url must name nodes of the cluster: redis://one:6379,two:6379"
            raise ValueError(message)
        if not cluster and "," in urlsplit(url).netloc.rpartition("@")[2]:
            message = "must be true, where store.url has more than one host"
            raise ValueError(message)
        return cluster


class RateSettings(_Section):
    """What is published: rate cards, which hold together, and plans."""

    cards: Annotated[tuple[Path, ...], Field(min_length=1)] = Field(
        default_factory=lambda: (
            share("ratecards") / "outbound.csv",
            share("ratecards") / "tollfree-in.csv",
        )
    )
    plans: Path = Field(default_factory=lambda: share("ratecards") / "plans.toml")
    public: bool = False


class DialingSettings(_Section):
    """How the PBXes dial."""

    country: str = ""
    international: tuple[Annotated[str, Field(pattern=r"^[0-9]{1,6}$")], ...] = ()


class CallSettings(_Section):
    """How calls are sliced, and what becomes of those that cannot be priced."""

    slice_seconds: Annotated[int, Field(ge=1, le=300)] = 60
    renew_before_seconds: Annotated[int, Field(ge=1, le=120)] = 35
    warn_seconds: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(validate_default=True)
    ] = (30, 10)
    on_unknown: Literal["hang_up", "adopt"] = "hang_up"
    on_rating_fault: Literal["deny", "free"] = "deny"

    @field_validator("warn_seconds")
    @classmethod
    def _are_known_in_time(cls, warn: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        before = info.data.get("renew_before_seconds")
        if before is not None and any(seconds >= before for seconds in warn):
            message = f"must be less than calls.renew_before_seconds, which is {before}"
            raise ValueError(message)
        return warn


class PaymentSettings(_Section):
    """The payment provider, and the secret that signs both ways."""

    url: Annotated[str, Field(pattern=r"^$|^https?://.+$")] = ""
    webhook_secret: Annotated[str, AfterValidator(_is_webhook_secret)] = ""
    retry_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60


class StripeSettings(_Section):
    """Stripe as the payment provider: our key there, and the secret that signs its events."""

    key: Annotated[str, Field(pattern=r"^$|^[sr]k_\S+$")] = ""
    webhook_secret: Annotated[str, Field(pattern=r"^$|^whsec_\S+$", validate_default=True)] = ""
    url: Annotated[str, Field(pattern=r"^$|^https?://.+$")] = ""

    @field_validator("webhook_secret")
    @classmethod
    def _is_set_with_the_key(cls, secret: str, info: ValidationInfo) -> str:
        if info.data.get("key") and not secret:
            message = "must be set where stripe.key is: Stripe shows it with the endpoint"
            raise ValueError(message)
        return secret


def _is_address(text: str) -> str:
    if text and not names.ADDRESS.fullmatch(parseaddr(text)[1]):
        message = "must be a mail address, as coinbox@example.com or Coinbox <coinbox@example.com>"
        raise ValueError(message)
    return text


def _has_certificates(file: Path | None) -> Path | None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ValueError(f"must be a file of certificates: {error}") from error
    return file


class MailSettings(_Section):
    """The server that takes our mails; ``ca_file`` is whom to trust if not the system's."""

    host: str = ""
    port: Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    sender: Annotated[
        str, AfterValidator(_is_address), Field(pattern=r"^[^\r\n]*$", validate_default=True)
    ] = ""
    ca_file: Annotated[Path | None, AfterValidator(_has_certificates)] = None

    @field_validator("password")
    @classmethod
    def _is_not_sent_in_the_clear(cls, password: str, info: ValidationInfo) -> str:
        if password and info.data.get("tls") == "none":
            message = 'must be empty with mail.tls = "none", which sends it in the clear'
            raise ValueError(message)
        return password

    @field_validator("sender")
    @classmethod
    def _is_there(cls, sender: str, info: ValidationInfo) -> str:
        if not sender and info.data.get("host"):
            message = "must be set where mail.host is"
            raise ValueError(message)
        return sender


class NoticeSettings(_Section):
    """Who is told of all accounts, and the secret that signs what programs are told."""

    operator: str = ""
    webhook_secret: Annotated[str, AfterValidator(_is_webhook_secret)] = ""


class LogSettings(_Section):
    """How much is logged, and how."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings. In the environment: ``COINBOX_HTTP__PORT`` and the like, also as files."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Path("coinbox-data")
    agi: AgiSettings = AgiSettings()
    pbx: Annotated[
        dict[Annotated[str, Field(pattern=f"^{names.PBX.pattern}$")], PbxSettings],
        Field(min_length=1),
    ] = Field(default_factory=lambda: {"pbx": PbxSettings()})
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
    rates: RateSettings = Field(default_factory=RateSettings)
    dialing: DialingSettings = DialingSettings()
    calls: CallSettings = CallSettings()
    payments: PaymentSettings = PaymentSettings()
    stripe: StripeSettings = StripeSettings()
    mail: MailSettings = MailSettings()
    notices: NoticeSettings = NoticeSettings()
    log: LogSettings = LogSettings()

    @field_validator("stripe")
    @classmethod
    def _is_the_only_provider(cls, stripe: StripeSettings, info: ValidationInfo) -> StripeSettings:
        payments = info.data.get("payments")
        if stripe.key and payments is not None and payments.url:
            message = "stripe.key and payments.url are both set: there is one provider"
            raise ValueError(message)
        return stripe

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment and secrets go before the TOML file, whose values are passed in."""
        del settings_cls, dotenv_settings
        return env_settings, SecretFiles(file_secret_settings), init_settings


def load(file: Path | None) -> Settings:
    """Read the settings. Raises BadInputError that names every wrong key."""
    values = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise BadInputError([Fault(str(file), "file", "", str(error))]) from error
    try:
        return Settings(**values)
    except ValidationError as error:
        raise BadInputError([_fault(file, fault) for fault in error.errors()]) from error
    except SettingsError as error:
        # A variable that is no JSON, where a list or a section is wanted.
        text = getattr(error.__cause__, "doc", None)
        secrets = ", ".join(str(file) for file in secret_files() if read_secret(file) == text)
        why = f'{error}: a list is written as JSON, such as ["a.csv"]'
        fault = Fault(secrets or "environment", "COINBOX_...", "", why)
        raise BadInputError([fault]) from error


def _fault(file: Path | None, fault: ErrorDetails) -> Fault:
    keys = [str(key) for key in fault["loc"]]
    name = ".".join(keys)
    variable = PREFIX + "__".join(key for key in keys if key != "[key]")
    where, hidden = str(file or "settings"), _SECRET.fullmatch(name) is not None
    if any(concerns(variable, other) for other in os.environ):
        where = "environment"
    elif secrets := [file for file in secret_files() if concerns(variable, file.name)]:
        where, hidden = str(secrets[-1]), True
    value = NOT_SHOWN if hidden else without_login(str(fault["input"]))
    return Fault(where, name, value, fault["msg"])


def without_login(url: str) -> str:
    """Write a URL without the parts that may hold a password."""
    return _LOGIN.sub("", url)


def ami_secret(settings: Settings, pbx: PbxSettings) -> str:
    """Give the secret of our AMI user: the one that was set, else one of our own for all PBXes."""
    return pbx.secret or _generated(ami_secret_file(settings))


def known_ami_secret(settings: Settings, pbx: PbxSettings) -> str:
    """Give the secret of our AMI user if there is one already, else nothing; none is made."""
    file = ami_secret_file(settings)
    return pbx.secret or (file.read_text() if file.exists() else "")


def ami_secret_file(settings: Settings) -> Path:
    """Give the file that keeps a secret of our own."""
    return settings.data_dir / "ami-secret"


def http_token(settings: Settings) -> str:
    """Give the API's bearer token: the one that was set, else one of our own."""
    return settings.http.token or _generated(settings.data_dir / "http-token")


def webhook_secret(settings: Settings) -> str:
    """Give the secret that signs payments: the one that was set, else one of our own."""
    if settings.payments.webhook_secret:
        return settings.payments.webhook_secret
    encoded = b64encode(_generated(settings.data_dir / "webhook-secret").encode()).decode()
    return f"whsec_{encoded}"


def notice_secret(settings: Settings) -> str:
    """Give the secret that signs notices: the one that was set, else one of our own."""
    made = f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
    return settings.notices.webhook_secret or _generated(settings.data_dir / "notice-secret", made)


def _generated(file: Path, made: str = "") -> str:
    """Make a secret once, and keep it for the gateway's own user alone."""
    with suppress(FileNotFoundError):
        return file.read_text()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside: one that is half written, on a full disk, must not stay.
    aside = file.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_text(made or secrets.token_urlsafe(_SECRET_BYTES))
    aside.rename(file)
    return file.read_text()
