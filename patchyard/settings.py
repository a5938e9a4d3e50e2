"""Settings of this installation, from the environment (`PATCHYARD_HOME` and its like)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from patchyard.domain.credential import is_reference
from patchyard.errors import ConfigurationError, Problem

PREFIX = "PATCHYARD_"
DATABASE_FILE = "patchyard.db"


class Settings(BaseSettings):
    """Where this installation keeps its things. A database URL, with its password, is masked."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, validate_default=True
    )

    home: Path = Field(
        Path("~/.local/share/patchyard"),
        description="Folder for the database, the reports and the logs.",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="SQLAlchemy URL of the database; empty means SQLite in `home`.",
    )
    prefect_port: int = Field(
        4200, ge=1, le=65535, description="Port of the Prefect server on this machine."
    )
    hotpatch_table: Path | None = Field(
        None,
        description="Your own table of baselines and hotpatches of Windows Server (YAML); "
        "empty means the one that comes with Patchyard.",
    )
    advisories: Path | None = Field(
        None,
        description="Your table of advisories for Debian and Ubuntu: what Debian's security "
        "tracker publishes (JSON), or your own (YAML); plain, .gz or .xz.",
    )

    smtp_host: str = Field("", description="Mail server that takes notices.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none is for a server on this machine; no password is sent then."
    )
    smtp_user: str = Field("", description="Name to log in there with; no log-in where empty.")
    smtp_password: str = Field(
        "", description="Reference to the password: env:, file: or prefect-block:."
    )
    mail_from: str = Field("", description="Address that notices come from.")

    @field_validator("smtp_password")
    @classmethod
    def _reference(cls, text: str) -> str:
        if text and not is_reference(text):
            raise ValueError("must be a reference such as env:SMTP_PASSWORD, not a password")
        return text

    @field_validator("home", "hotpatch_table", "advisories")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path is not None else None

    @field_validator("hotpatch_table")
    @classmethod
    def _usable(cls, path: Path | None) -> Path | None:
        """What is wrong in the operator's table is told at once, and not in the middle of a run."""
        if path is not None:
            from patchyard._windows_tables import hotpatch_table  # noqa: PLC0415 - few want it

            hotpatch_table(path)
        return path

    @field_validator("advisories")
    @classmethod
    def _known_form(cls, path: Path | None) -> Path | None:
        """A table of the operator's own is read at once; one of 70 MB only when it is needed."""
        if path is not None:
            from patchyard._advisory_tables import check  # noqa: PLC0415 - few want it

            check(path)
        return path

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: dict[str, object]) -> dict[str, object]:
        """A variable that is set but empty counts as not set."""
        return {name: value for name, value in given.items() if value != ""}

    @model_validator(mode="after")
    def _default_database(self) -> Settings:
        if not self.database_url.get_secret_value():
            url = SecretStr(f"sqlite:///{self.home / DATABASE_FILE}")
            object.__setattr__(self, "database_url", url)
        return self


def settings() -> Settings:
    """Read the settings from the environment as it is now.

    Raises:
        ConfigurationError: a variable cannot be used, or the file that it names.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(
            [
                Problem(problem["msg"], field=PREFIX + str(problem["loc"][0]).upper())
                for problem in error.errors(include_input=False)
            ]
        ) from None
