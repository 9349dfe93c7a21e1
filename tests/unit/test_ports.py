"""The ports have all their names in one place, and reading a card brings only those that it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from cardapps.piv.applet import PivApplet
from ecitizen import ports
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.iso7816.apdu import CardProtocol

SLOW = (
    "cardapps.piv.layout",
    "ecitizen.issuing_ports",
    "ecitizen.secret",
    "ecitizen.secure_channel",
    "ecitizen.signing_ports",
    "ecitizen.trust_ports",
    "asn1crypto",
    "cryptography",
    "hashlib",
    "pki",
)


def test_every_name_is_there() -> None:
    assert {name for name in ports.__all__ if getattr(ports, name).__name__ != name} == {"PhotoCache", "Reading"}
    assert set(ports._ELSEWHERE) < set(ports.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute Signers"):
        ports.Signers  # noqa: B018 - the access is the test


def test_reading_a_card_that_can_sign_imports_nothing_of_signing(tmp_path: Path) -> None:
    """All of it would take longer than reading."""
    sections = sections_for(find_persona("wanida"), CardProtocol.T0)
    applets = sections["card"]["applets"]
    assert isinstance(applets, list)
    sections["card"]["applets"] = [*applets, "piv"]
    sections["piv"] = PivApplet.blank_memory(bytes(8))
    path = tmp_path / "wanida.card"
    CardImage.create(path, sections).close()
    script = (
        "import sys\n"
        "from cli.main import main\n"
        "try:\n"
        f"    main(['card', 'read', '--reader', 'virtual:{path}', '--json', '--no-photo'])\n"
        "finally:\n"
        f"    print([name for name in {SLOW} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.stderr == "[]\n"
    assert '"citizen_id"' in done.stdout
