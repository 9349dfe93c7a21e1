"""Where this command keeps what belongs to its user: the only place that asks the environment for folders."""

import os
from pathlib import Path

NAME = "ecitizen"


def sample_hierarchy_folder() -> Path:
    """The authorities that sign the cards of fictional holders, with their keys: state, made anew if it is lost."""
    return _state_folder() / "test-hierarchy"


def trust_folder() -> Path:
    """The trust directory of this user: whom to believe, unless a command is given another one."""
    return _folder("XDG_CONFIG_HOME", "APPDATA", ".config") / NAME / "trust"


def office_file() -> Path:
    """What this user's issuing office consists of, unless a command is given another file."""
    return _folder("XDG_CONFIG_HOME", "APPDATA", ".config") / NAME / "office.toml"


def journal_file() -> Path:
    """The journal of issuing, unless the office's file names another one."""
    return _state_folder() / "issuing" / "journal.sqlite"


def taken_packages_file() -> Path:
    """Which data packages this user has taken, so that none is taken twice."""
    return _state_folder() / "exchange" / "taken.sqlite"


def _state_folder() -> Path:
    return _folder("XDG_STATE_HOME", "LOCALAPPDATA", ".local/state") / NAME


def _folder(variable: str, on_windows: str, otherwise: str) -> Path:
    """As the XDG Base Directory Specification 0.8 has it; on Windows in the user's profile."""
    for name in (variable, on_windows):
        value = os.environ.get(name, "")
        if value and Path(value).is_absolute():
            return Path(value)
    return Path.home() / otherwise
