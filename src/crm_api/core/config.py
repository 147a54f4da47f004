"""Every setting: read from the environment, checked, and explained when it is wrong."""

import difflib
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from crm_api.core.private_files import passable_directory
from crm_api.core.setting_types import (
    DirectoryPath,
    Host,
    LogLevel,
    Networks,
    Origins,
    Password,
    PostgresUrl,
    SigningKey,
    WebUrl,
    checked_key,
)

PREFIX = "CRM_"
# The embedded server takes 200 connections; some are left for migrations, backups and people.
EMBEDDED_CONNECTIONS = 180
# What a process that does queued work holds at most: two operations, their leases, the listener.
JOB_CONNECTIONS = 8


class SettingsError(Exception):
    """The settings do not hold. The text names the variables, never the value of one."""


def _default_data_dir() -> Path:
    return Path.cwd() / ".data"


def _unknown() -> tuple[str, ...]:
    """A warning for each CRM_ variable that is no setting: a misspelt one would do nothing."""
    known = [_variable(name, field) for name, field in Settings.model_fields.items()]
    warnings = []
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.75)
            hint = f"; did you mean {near[0]}?" if near else "."
            warnings.append(f"{name} is not a setting{hint}")
    return tuple(warnings)


class Settings(BaseSettings):
    """Immutable. An empty variable counts as absent, as compose files pass such ones."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )
    _warnings: tuple[str, ...] = PrivateAttr(default_factory=_unknown)

    host: Host = Field(
        default="127.0.0.1",
        description="Address to listen on; `0.0.0.0` is every IPv4 interface.",
        examples=["127.0.0.1"],
    )
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port to listen on; 0 is any free one.",
        examples=["8000"],
    )
    public_url: WebUrl | None = Field(
        default=None,
        description="URL under which callers reach the API, when a proxy stands before it.",
        examples=["https://crm.example.org"],
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that serve requests.", examples=["2"]
    )
    job_workers: int = Field(
        default=1,
        ge=0,
        le=16,
        description="Processes that do queued work, run by `crm-api serve`; 0 where "
        "`crm-api worker` runs by itself.",
        examples=["1"],
    )
    data_dir: DirectoryPath = Field(
        default_factory=_default_data_dir,
        description="Directory of the embedded database, the stored files and the generated "
        "secret.",
        examples=["/var/lib/crm"],
    )
    database_url: PostgresUrl | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL 15 or newer, as the role that owns the schema; without it an "
        "embedded server is run.",
        examples=["postgresql://crm:password@db.example.org:5432/crm"],
    )
    app_database_url: PostgresUrl | None = Field(
        default=None,
        description="The same database as the role that serves requests, which owns nothing; "
        "without it that role is derived from `DATABASE_URL`.",
        examples=["postgresql://crm_app:password@db.example.org:5432/crm"],
    )
    pool_size: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Database connections of each worker.",
        examples=["10"],
    )
    list_pool_size: int = Field(
        default=6,
        ge=1,
        le=100,
        description="Further connections of each worker, for lists and searches.",
        examples=["6"],
    )
    statement_timeout_ms: int = Field(
        default=5000,
        ge=100,
        le=600_000,
        description="Milliseconds after which a statement is ended.",
        examples=["5000"],
    )
    lock_timeout_ms: int = Field(
        default=2000,
        ge=10,
        le=600_000,
        description="Milliseconds that a statement waits for a lock.",
        examples=["2000"],
    )
    secret_key: SigningKey | None = Field(
        default=None,
        description="Signs tokens and cursors: 32 bytes or more, random, the same on every "
        "machine; without it one is made in `CRM_DATA_DIR/secret`.",
        examples=["$(openssl rand -hex 32)"],
    )
    secret_key_previous: SigningKey | None = Field(
        default=None,
        description="The former key, still accepted while the key is being replaced.",
        examples=["<the former CRM_SECRET_KEY>"],
    )
    access_token_seconds: int = Field(
        default=900,
        ge=30,
        le=900,
        description="Life of an access token in seconds.",
        examples=["900"],
    )
    refresh_token_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="Life of a session without use, in days.",
        examples=["30"],
    )
    demo_password: Password | None = Field(
        default=None,
        description="Password of the demo accounts, 15 characters or more; without it one is "
        "generated and shown.",
        examples=["<15 characters or more>"],
    )
    bootstrap_password: Password | None = Field(
        default=None,
        description="Password of the administrator that `crm-api bootstrap` makes, 15 characters "
        "or more; without it one is generated and shown.",
        examples=["<15 characters or more>"],
    )
    max_body_bytes: int = Field(
        default=1_048_576,
        ge=1024,
        le=1_073_741_824,
        description="Largest request body that is read, in bytes.",
        examples=["1048576"],
    )
    max_upload_bytes: int = Field(
        default=33_554_432,
        ge=1024,
        le=1_073_741_824,
        description="Largest list that is imported over HTTP, in bytes.",
        examples=["33554432"],
    )
    max_file_bytes: int = Field(
        default=52_428_800,
        ge=1024,
        le=1_073_741_824,
        description="Largest file that is stored, in bytes.",
        examples=["52428800"],
    )
    file_quota_bytes: int = Field(
        default=10_737_418_240,
        ge=0,
        le=1_125_899_906_842_624,
        description="Bytes that the files of one organization may come to, all versions and "
        "deleted ones included.",
        examples=["10737418240"],
    )
    file_kept_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days after which a deleted file goes for good, with its bytes.",
        examples=["30"],
    )
    files_dir: DirectoryPath | None = Field(
        default=None,
        description="Directory of the stored files, the same one for every process; "
        "`CRM_DATA_DIR/files` unless set.",
        examples=["/var/lib/crm/files"],
    )
    s3_bucket: str | None = Field(
        default=None,
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]+$",
        description="Bucket of S3, or of what speaks its protocol, that holds the files instead "
        "of a directory.",
        examples=["crm-files"],
    )
    s3_endpoint: WebUrl | None = Field(
        default=None,
        description="Where that bucket is, if not at AWS.",
        examples=["https://s3.example.org"],
    )
    s3_region: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Its region; `AWS_REGION` unless set.",
        examples=["eu-central-1"],
    )
    s3_access_key_id: SecretStr | None = Field(
        default=None,
        description="The key to it; without one AWS's own variables, or the machine's role.",
        examples=["<access key id>"],
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None,
        description="The secret of that key.",
        examples=["<secret access key>"],
    )
    request_timeout_seconds: int = Field(
        default=30,
        ge=1,
        le=600,
        description="Seconds after which a request is ended.",
        examples=["30"],
    )
    cors_origins: Origins = Field(
        default=(),
        description="Web origins whose pages may call the API, separated by commas.",
        examples=["https://app.example.org,http://localhost:5173"],
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks whose `X-Forwarded-*` headers are believed, separated "
        "by commas.",
        examples=["10.0.0.0/8,127.0.0.1"],
    )
    log_level: LogLevel = Field(
        default="INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`.", examples=["INFO"]
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        connections = self.workers * (self.pool_size + self.list_pool_size)
        connections += self.job_workers * JOB_CONNECTIONS
        if self.app_database_url is not None and self.database_url is None:
            fault = "CRM_APP_DATABASE_URL is set without DATABASE_URL. Write both, or neither"
        elif self.lock_timeout_ms >= self.statement_timeout_ms:
            fault = "CRM_LOCK_TIMEOUT_MS must be below CRM_STATEMENT_TIMEOUT_MS"
        elif self.statement_timeout_ms >= 1000 * self.request_timeout_seconds:
            fault = "CRM_STATEMENT_TIMEOUT_MS must be below 1000 x CRM_REQUEST_TIMEOUT_SECONDS"
        elif self.database_url is None and connections > EMBEDDED_CONNECTIONS:
            total = "CRM_WORKERS x (CRM_POOL_SIZE + CRM_LIST_POOL_SIZE)"
            total += f" + {JOB_CONNECTIONS} x CRM_JOB_WORKERS"
            fault = f"{total} must be at most {EMBEDDED_CONNECTIONS}, or DATABASE_URL set"
        elif (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            fault = "CRM_S3_ACCESS_KEY_ID and CRM_S3_SECRET_ACCESS_KEY go together: write both"
        elif self.s3_bucket is not None and self.files_dir is not None:
            fault = "CRM_S3_BUCKET and CRM_FILES_DIR are both set: files are in one of them"
        elif self.secret_key is not None and self.secret_key == self.secret_key_previous:
            fault = "CRM_SECRET_KEY_PREVIOUS must differ from CRM_SECRET_KEY, or be absent"
        else:
            return self
        raise ValueError(fault)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Warnings about CRM_ variables that are no settings."""
        return self._warnings

    @property
    def base_url(self) -> str:
        """Where callers reach the API, without a trailing slash."""
        if self.public_url is not None:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 compared
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def files_home(self) -> Path:
        """Where files are kept, if in no bucket."""
        return self.files_dir or self.data_dir / "files"

    def signing_keys(self) -> tuple[bytes, ...]:
        """One or two live keys; the first signs, all verify.

        Without CRM_SECRET_KEY the first call on a machine writes `data_dir/secret`; any number of
        processes may make that call at once, and all get the same key.
        """
        first = self.secret_key.get_secret_value() if self.secret_key else _key_file(self.data_dir)
        keys = [first.encode()]
        if self.secret_key_previous is not None:
            keys.append(self.secret_key_previous.get_secret_value().encode())
        return tuple(dict.fromkeys(keys))


def load_settings() -> Settings:
    """The settings of this process. Creates nothing.

    Raises SettingsError, one line for each fault, fit to be printed as it is.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [_explained(fault["loc"], fault["msg"]) for fault in error.errors()]
    raise SettingsError("\n".join(faults))  # outside: the original shows what was given


def settings_table() -> list[tuple[str, str, str]]:
    """Name, default and meaning of each setting, in the order of declaration."""
    return [
        (_variable(name, field), _shown_default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{name.upper()}"


def _shown_default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "./.data"
    return "" if field.default in (None, ()) else str(field.default)


def _explained(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    message = message.replace("Input should be", "should be", 1)
    for name, field in Settings.model_fields.items():
        variable = _variable(name, field)
        if place and place[0] in (name, variable):
            example = (field.examples or [""])[0]
            return f"{variable} {message}. Write for example: {variable}={example}"
    return f"{message}."


def _key_file(data_dir: Path) -> str:
    path = data_dir / "secret"
    try:
        if not path.exists():
            _create_key_file(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} can be read by others. Run: chmod 600 {path}")
        return checked_key(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        message = f"{path} cannot be used: {error.strerror}."
        raise SettingsError(
            f"{message} Make CRM_DATA_DIR a directory of yours, or write CRM_SECRET_KEY."
        ) from None
    except ValueError as error:  # also of bytes that are no UTF-8; the text quotes no content
        reason = str(error) if not isinstance(error, UnicodeError) else "is no text"
        message = f"The key in {path} {reason}."
        raise SettingsError(f"{message} Delete the file to have a new one made.") from None


def _create_key_file(path: Path) -> None:
    """Written under another name, then linked: nobody reads half a key, and the first one wins."""
    passable_directory(path.parent)
    descriptor, fresh = tempfile.mkstemp(prefix="secret.", dir=path.parent)  # made with mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 it opens a descriptor
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            Path(path).hardlink_to(fresh)
    finally:
        Path(fresh).unlink()
