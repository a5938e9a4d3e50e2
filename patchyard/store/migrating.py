"""Migrations, through Alembic. Imported only when the database is not up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

FOLDER = Path(__file__).parent / "migrations"


def configuration() -> Config:
    """Return Alembic's configuration, which needs no file."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return made


def knows(version: str) -> bool:
    """True where this Patchyard has the migration of that name."""
    script = ScriptDirectory.from_config(configuration())
    return version in {revision.revision for revision in script.walk_revisions()}


def upgrade(connection: Connection) -> None:
    """Apply all migrations that are missing, inside the connection's open transaction."""
    made = configuration()
    made.attributes["connection"] = connection
    command.upgrade(made, "head")
