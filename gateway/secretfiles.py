"""Settings from files named as their variables: credentials of systemd, secrets of Docker."""

import os
from pathlib import Path

from pydantic_settings import NestedSecretsSettingsSource, PydanticBaseSettingsSource

from gateway.errors import BadInputError, Fault

PREFIX = "COINBOX_"
NOT_SHOWN = "(not shown)"
DOCKER = Path("/run/secrets")


class SecretFiles(NestedSecretsSettingsSource):
    """Reads ``coinbox_http__token`` and the like, in folders that others use, too."""

    def __init__(self, file_secret_settings: PydanticBaseSettingsSource) -> None:
        super().__init__(file_secret_settings, secrets_dir=_folders())

    @classmethod
    def load_secrets(cls, path: Path) -> dict[str, str]:
        """Read what is ours, and nothing else: it may be unreadable, or no text."""
        return {file.name: read_secret(file) for file in _files(path)}


def secret_files() -> list[Path]:
    """Give the files of settings; of two for the same one, the later holds."""
    return [file for folder in _folders() for file in _files(folder)]


def read_secret(file: Path) -> str:
    """Read a file without the newline that an editor ends it with. Raises BadInputError."""
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise BadInputError([Fault(str(file), "file", "", str(error))]) from error
    except UnicodeError as error:
        # Which shows a part of what it could not read.
        raise BadInputError([Fault(str(file), "file", NOT_SHOWN, "must be UTF-8")]) from error


def concerns(one: str, other: str) -> bool:
    """Tell whether one of two variables is the other, or sets a part of it, in whatever case."""
    one, other = f"{one}__".upper(), f"{other}__".upper()
    return one.startswith(other) or other.startswith(one)


def _folders() -> list[Path]:
    # systemd gives each service a folder of its own, with what its LoadCredential names.
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    folders = [DOCKER, *([Path(credentials)] if credentials else [])]
    # One that we may not list has nothing for us.
    return [folder for folder in folders if os.access(folder, os.R_OK | os.X_OK)]


def _files(folder: Path) -> list[Path]:
    files = (file for file in folder.iterdir() if file.name.upper().startswith(PREFIX))
    return sorted(file for file in files if file.is_file())
