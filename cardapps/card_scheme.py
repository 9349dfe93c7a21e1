"""What our cards are made of, for whoever issues them (entry point group `ecitizen.issuer`)."""

from typing import Final

from ecitizen.apps import installed_drivers
from ecitizen.issuing_ports import CardScheme
from ecitizen.ports import IssuableDriver
from ecitizen.session import CardSession

from .domains import AGENCIES, ISSUER, LOAD_FILE_APPLICATIONS
from .piv.issuing import PivIssuing
from .seal_files import (
    FID_APPLICATION_CERTIFICATE,
    FID_SECURITY_OBJECT,
    SFI_APPLICATION_CERTIFICATE,
    SFI_SECURITY_OBJECT,
)
from .seal_files_driver import read_seal

PRINTED_ISSUER: Final = "ecitizen"
"""As it is printed on cards unless the office names itself."""

_SFI_OF: Final = {
    FID_APPLICATION_CERTIFICATE: SFI_APPLICATION_CERTIFICATE,
    FID_SECURITY_OBJECT: SFI_SECURITY_OBJECT,
}


def card_scheme(issuer: str = PRINTED_ISSUER) -> CardScheme:
    """The domains and applications of our cards, all that are installed here."""
    drivers = {driver.name: driver for driver in installed_drivers() if isinstance(driver, IssuableDriver)}
    return CardScheme(
        (ISSUER, *AGENCIES),
        LOAD_FILE_APPLICATIONS,
        drivers,
        PivIssuing(),
        FID_APPLICATION_CERTIFICATE,
        FID_SECURITY_OBJECT,
        issuer,
        _read_file,
    )


def _read_file(session: CardSession, fid: int) -> bytes | None:
    return read_seal(session, _SFI_OF[fid])
