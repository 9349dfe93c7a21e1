"""A sealed application read in whole: all its data groups, and the security object that its agency put over them."""

from ecitizen.apps import installed_drivers
from ecitizen.errors import UsageError
from ecitizen.ports import SealedDriver
from ecitizen.session import CardSession
from ecitizen.usecases.read_card import read_card
from pki.certificates import certified_key
from pki.exchange_package import SealedApplication

from .seal_files import SFI_APPLICATION_CERTIFICATE, SFI_SECURITY_OBJECT
from .seal_files_driver import read_seal
from .sealing import binding_groups, data_groups

_CHIP_SERIAL = "card_admin.chip_serial"


def can_be_sealed(name: str) -> bool:
    """Whether there is such an application, and agencies seal it."""
    return any(isinstance(driver, SealedDriver) and driver.name == name for driver in installed_drivers())


def read_sealed(session: CardSession, name: str) -> SealedApplication:
    """An application of this card as its agency sealed it. Whether seal and data fit is not asked here.

    Raise UsageError if the card does not have it, or nobody has sealed it there, Malformed for a certificate that can't
    be read, and what reading a card can raise.
    """
    for driver in installed_drivers():
        if driver.name == name and isinstance(driver, SealedDriver):
            reading = read_card(session, apps=[name], fields=[_CHIP_SERIAL])
            record, admin = reading.applications.get(name), reading.card_admin
            if record is None:
                raise UsageError(f"the card has no {name}")
            session.select(driver.aid)
            security_object = read_seal(session, SFI_SECURITY_OBJECT)
            certificate = read_seal(session, SFI_APPLICATION_CERTIFICATE)
            if security_object is None or certificate is None or admin is None or admin.chip_serial is None:
                raise UsageError(f"nobody has sealed {name} on this card; hand its fields over without the seal")
            bound = binding_groups(certified_key(certificate), bytes.fromhex(admin.chip_serial))
            return SealedApplication(security_object, {**data_groups(driver, record), **bound})
    raise UsageError(f"{name} is no application that agencies seal")
