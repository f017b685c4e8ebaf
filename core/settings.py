"""Settings: the environment and `hospital.toml`, read once at the start and never changed.

A wrong, unknown or missing value raises SettingsError, whose text is one sentence per problem: where it
stands, what was found, what is allowed. Secrets are never repeated in it.
"""

import os
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from core import problems
from core.crypto import Keyring, parse_data_key
from core.hospital import (
    Calling,
    Desk,
    Escalation,
    Followup,
    Hospital,
    HospitalFile,
    Hotline,
    Qa,
    Recordings,
    Reminders,
    Sms,
    Speech,
    Tickets,
)
from core.values import e164

DEFAULT_HOSPITAL_FILE: Final = "hospital.toml"
SECRET_CHARACTERS: Final = 32
"""The shortest SECRET_KEY that is taken."""

_SHIPPED_HOSPITAL_FILE: Final = Path(__file__).resolve().parent.parent / DEFAULT_HOSPITAL_FILE
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")


class SettingsError(Exception):
    """The settings cannot be used; `str()` is one sentence a line, `problems` the same as a tuple."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _url(value: str) -> str:
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError:
        port = 0
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("it must be an absolute address that begins with http:// or https://")
    if "_" in host:
        raise ValueError("its host name must not hold an underscore: carriers refuse to call such a host")
    if not value.isascii() or not (_HOST_NAME.fullmatch(host) or value.split("//", 1)[1].startswith("[")):
        raise ValueError("its host name must be written in plain letters, digits, dots and hyphens")
    if parts.username is not None or parts.query or parts.fragment or value.endswith(("/", "?", "#")):
        raise ValueError("it must have no user name, no query, no # part and no slash at its end")
    return value


def _database_url(value: str) -> str:
    scheme, found, rest = value.partition("://")
    if not found or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError("it must be a PostgreSQL address such as postgresql://user:password@host:5432/carecall")
    return f"postgresql+psycopg://{rest}"


def _data_key(value: object) -> object:
    return parse_data_key(value) if isinstance(value, str) else value


def _secret(value: str) -> str:
    if len(value) < SECRET_CHARACTERS:
        raise ValueError(f"it has {len(value)} characters and needs {SECRET_CHARACTERS}; make one with `carecall key`")
    return value


def _number(value: str) -> str:
    return e164(value)


def _env(name: str, *, secret: bool = False, description: str = "") -> Any:
    """One optional environment variable."""
    return Field(None, validation_alias=name, repr=not secret, description=description)


Url = Annotated[str, AfterValidator(_url)]


class _Given(EnvSettingsSource):
    """Reads the environment that was handed to `load` instead of the process's own."""

    def __init__(self, settings_cls: type[BaseSettings], env: Mapping[str, str]) -> None:
        self._given = {name: value for name, value in env.items() if value}
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


class Environment(BaseSettings):
    """What the environment says. Attributes are the variables' names in small letters, except `home`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=True)

    home: Path = Field(Path("var"), validation_alias="CARECALL_HOME", description="a folder")
    database_url: Annotated[str, AfterValidator(_database_url)] | None = _env("DATABASE_URL", secret=True)
    public_url: Url | None = _env("PUBLIC_URL")
    twilio_account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")] | None = _env(
        "TWILIO_ACCOUNT_SID", description="AC and 32 hexadecimal digits"
    )
    twilio_auth_token: str | None = _env("TWILIO_AUTH_TOKEN", secret=True)
    twilio_auth_token_secondary: str | None = _env("TWILIO_AUTH_TOKEN_SECONDARY", secret=True)
    twilio_from: Annotated[str, AfterValidator(_number)] | None = _env("TWILIO_FROM")
    twilio_region: str | None = _env("TWILIO_REGION")
    twilio_edge: str | None = _env("TWILIO_EDGE")
    carrier_url: Url | None = _env("CARRIER_URL")
    heartbeat_url: Url | None = _env("HEARTBEAT_URL")
    hospital_file: Path | None = _env("HOSPITAL_FILE")
    secret_key: Annotated[str, AfterValidator(_secret)] | None = _env("SECRET_KEY", secret=True)
    data_key: Annotated[bytes, BeforeValidator(_data_key)] | None = _env("DATA_KEY", secret=True)
    data_key_previous: Annotated[bytes, BeforeValidator(_data_key)] | None = _env("DATA_KEY_PREVIOUS", secret=True)
    lookup_key: Annotated[bytes, BeforeValidator(_data_key)] | None = _env("LOOKUP_KEY", secret=True)
    host: str = Field("127.0.0.1", validation_alias="HOST", description="an address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, validation_alias="PORT", description="a whole number from 0 (any free port) to 65535"
    )
    test_clock: bool = Field(False, validation_alias="CARECALL_TEST_CLOCK", description="1 or 0 (true or false)")

    @model_validator(mode="after")
    def _check(self) -> Self:
        pairs = (("TWILIO_REGION", self.twilio_region), ("TWILIO_EDGE", self.twilio_edge))
        regional = [name for name, value in pairs if value]
        if self.carrier_url and regional:
            raise ValueError(
                f"{' and '.join(regional)} must not be set together with CARRIER_URL: "
                "they would change the host name in CARRIER_URL; unset one or the other"
            )
        if self.twilio_auth_token_secondary and not self.twilio_auth_token:
            raise ValueError("TWILIO_AUTH_TOKEN_SECONDARY is set without TWILIO_AUTH_TOKEN: set both")
        if self.data_key_previous and not self.lookup_key:
            # without it nobody would be found by number or record number any more
            raise ValueError(
                "DATA_KEY_PREVIOUS is set without LOOKUP_KEY: set LOOKUP_KEY to the first DATA_KEY "
                "this house ever had, and leave it there for good"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the environment that `load` hands over as `environ`: no .env file found by chance."""
        assert isinstance(init_settings, InitSettingsSource)
        return (_Given(settings_cls, init_settings.init_kwargs["environ"]),)


@dataclass(frozen=True)
class Settings:
    """All settings, checked. `home` is absolute; the rest is as `Environment` and `core.hospital` say."""

    environment: Environment
    file: HospitalFile
    home: Path
    hospital_file: Path

    @property
    def hospital(self) -> Hospital:
        return self.file.hospital

    @property
    def calling(self) -> Calling:
        return self.file.calling

    @property
    def followup(self) -> Followup:
        return self.file.followup

    @property
    def escalation(self) -> Escalation:
        return self.file.escalation

    @property
    def hotline(self) -> Hotline:
        return self.file.hotline

    @property
    def tickets(self) -> Tickets:
        return self.file.tickets

    @property
    def desk(self) -> Desk:
        return self.file.desk

    @property
    def qa(self) -> Qa:
        return self.file.qa

    @property
    def sms(self) -> Sms:
        return self.file.sms

    @property
    def reminders(self) -> Reminders:
        return self.file.reminders

    @property
    def recordings(self) -> Recordings:
        return self.file.recordings

    @property
    def speech(self) -> Mapping[str, Speech]:
        """By language, every known language present."""
        return typing.cast("Mapping[str, Speech]", self.file.speech)

    @property
    def database_url(self) -> str | None:
        """SQLAlchemy URL with the psycopg driver; None means the embedded database under `home`."""
        return self.environment.database_url

    @property
    def public_url(self) -> str | None:
        """Where the carrier reaches us, without a slash at its end."""
        return self.environment.public_url

    @property
    def heartbeat_url(self) -> str | None:
        """Rung every minute while everything works: a watcher outside that misses it calls for help."""
        return self.environment.heartbeat_url

    @property
    def account_sid(self) -> str | None:
        return self.environment.twilio_account_sid

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The carrier's tokens a signature may be made with: none, the one, or both while rotating."""
        both = (self.environment.twilio_auth_token, self.environment.twilio_auth_token_secondary)
        return tuple(token for token in both if token)

    @property
    def webhooks_open(self) -> bool:
        """Whether carrier requests can be checked at all; if not, every one of them is refused."""
        return bool(self.auth_tokens)

    @property
    def twilio_from(self) -> str | None:
        """The number we ring from, E.164."""
        return self.environment.twilio_from

    @property
    def carrier_url(self) -> str | None:
        """Base address of a Twilio-compatible carrier; None means Twilio itself."""
        return self.environment.carrier_url

    @property
    def host(self) -> str:
        return self.environment.host

    @property
    def port(self) -> int:
        return self.environment.port

    @property
    def test_clock(self) -> bool:
        return self.environment.test_clock

    @property
    def secret_key(self) -> str | None:
        """The key that signs the console's sessions; without it nobody can sign in."""
        return self.environment.secret_key

    @cached_property
    def keyring(self) -> Keyring:
        """The key that encrypts patients' data; SettingsError if it was not given."""
        here = self.environment
        if here.data_key is None:
            raise SettingsError([_missing_key("DATA_KEY")])
        return Keyring(here.data_key, previous=here.data_key_previous, lookup=here.lookup_key)

    def home_dir(self, name: str) -> Path:
        """The folder `name` under `home`, made with mode 0700 if absent."""
        folder = self.home / name
        # 0711, not 0700: the embedded database may run as another user and must be able to pass through.
        self.home.mkdir(parents=True, exist_ok=True, mode=0o711)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def load(env: Mapping[str, str] | None = None, *, require_keys: bool = True) -> Settings:
    """Read the settings from `env` (default: the process's environment) and the hospital file it names.

    `require_keys=False` lets DATA_KEY be absent, for commands that touch no data. SECRET_KEY may always be absent: then
    nobody can sign in to the console, and everything else works.
    SettingsError lists every problem found, not only the first.
    """
    given = dict(os.environ if env is None else env)
    wrong = problems.misspelt(given, problems.variables(Environment))
    environment = hospital = None
    try:
        environment = Environment(environ=given)
    except ValidationError as error:
        wrong += problems.of_environment(error, Environment)
    if require_keys:
        wrong += [_missing_key("DATA_KEY")] if not given.get("DATA_KEY") else []
    path = _hospital_path(given.get("HOSPITAL_FILE"))
    try:
        hospital = HospitalFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        wrong.append(f"{path}: the hospital file (HOSPITAL_FILE) cannot be read: {error.strerror}.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        wrong.append(f"{path}: this is not a well-formed TOML file: {error}.")
    except ValidationError as error:
        wrong += problems.of_file(error, HospitalFile, path)
    if wrong or environment is None or hospital is None:
        raise SettingsError(wrong)
    return Settings(environment=environment, file=hospital, home=environment.home.absolute(), hospital_file=path)


def _hospital_path(named: str | None) -> Path:
    """The named file, else hospital.toml here, else the one that came with the program (all defaults)."""
    if named:
        return Path(named)
    here = Path(DEFAULT_HOSPITAL_FILE)
    return here if here.exists() else _SHIPPED_HOSPITAL_FILE


def _missing_key(name: str) -> str:
    return f"{name} is not set: make one with `carecall key`, keep it safe, and set it in the environment."
