"""An officer's desk in a folder: an office's file, a master key, a record, a blank card, and where codes go."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections
from ecitizen.iso7816.apdu import CardProtocol
from tests.cli.conftest import Outcome, Run

RECORD: Final[dict[str, Any]] = {
    "schema_version": 1,
    "applications": {
        "citizen_id": {
            "layout_version": "0003",
            "cid": "1999900100425",
            "sex": "male",
            "name_th": {"prefix": "นาย", "first": "สมชาย", "last": "ใจงาม"},
            "name_en": {"prefix": "Mr.", "first": "Somchai", "last": "Chaingam"},
            "birth_date": "25280415",
            "issue_date": "25690418",
            "expiry_date": "99999999",
            "card_type": "01",
            "address": {"house_no": "42", "moo": "หมู่ที่ 5", "province": "จังหวัดขอนแก่น"},
        },
        "card_admin": {"laser_number": "JT9000000017"},
    },
}
OFFICE: Final = 'authorities = "test"\nkeys = "master.json"\njournal = "journal.sqlite"\n'


@dataclass(frozen=True)
class Codes:
    """What was delivered."""

    pin: str
    puk: str | None


class Issuing:
    """Runs `ecitizen card ...` with this office on this card."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.image = folder / "card.json"
        self.reader = f"virtual:{self.image}"
        self.journal = folder / "journal.sqlite"
        self.office = ["--office", str(folder / "office.toml")]
        self.serial = hashlib.sha256(str(folder).encode()).hexdigest()[:16].upper()
        """Another chip for each test: the authorities are the same for all, and remember."""
        self._run = run

    def __call__(
        self, command: str, *arguments: str, yes: bool = True, pin_out: bool = True, before: Sequence[str] = ()
    ) -> Outcome:
        line = [*before, "card", command, *arguments, "--reader", self.reader]
        if "--office" not in arguments:
            line += self.office
        if yes:
            line.append("--yes")
        if not pin_out:
            return self._run(*line)
        number = os.open(self._letter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            return self._run(*line, "--pin-out", str(number))
        finally:
            with suppress(OSError):  # the command has closed it, so that whoever reads sees the end
                os.close(number)

    @property
    def _letter(self) -> Path:
        return self.folder / "letter"

    def codes_written(self) -> bytes:
        """What the last command has written of codes."""
        return self._letter.read_bytes()

    def codes(self) -> Codes:
        """The codes that were delivered last."""
        lines = dict(line.split(" ") for line in self.codes_written().decode("ascii").splitlines())
        return Codes(lines["PIN"], lines.get("PUK"))

    def record(self, content: object = RECORD, **more: Any) -> str:
        """The name of a file with this record."""
        assert isinstance(content, dict)
        path = self.folder / "record.json"
        path.write_text(json.dumps({**content, **more}), encoding="utf-8")
        return str(path)

    def put_in_a_blank_card(self, protocol: CardProtocol = CardProtocol.T1) -> None:
        """A new card as it comes from its maker."""
        CardImage.create(self.image, blank_sections(protocol, bytes.fromhex(self.serial)), overwrite=True).close()


def everything_below(folder: Path) -> dict[str, bytes]:
    """The content of all files, by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}
