"""Where the command keeps what is its user's."""

from pathlib import Path

import pytest

from cli.folders import sample_hierarchy_folder, trust_folder


def test_folders_are_those_of_the_desktop_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sample_hierarchy_folder() == tmp_path / ".local/state/ecitizen/test-hierarchy"
    assert trust_folder() == tmp_path / ".config/ecitizen/trust"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # which the standard says is to be ignored
    assert sample_hierarchy_folder() == tmp_path / ".local/state/ecitizen/test-hierarchy"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert sample_hierarchy_folder() == tmp_path / "local/ecitizen/test-hierarchy"
    assert trust_folder() == tmp_path / "roaming/ecitizen/trust"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert sample_hierarchy_folder() == tmp_path / "state/ecitizen/test-hierarchy"
    assert trust_folder() == tmp_path / "config/ecitizen/trust"
