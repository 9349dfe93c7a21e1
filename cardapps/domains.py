"""The security domains of an issued card: which agency writes which application.

Each agency's domain has keys of its own, so that no agency can write another's application (GlobalPlatform Card
Specification 2.3.1, 7.1). Names are those of the authorities in hierarchy.toml, where there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ecitizen.iso7816.globalplatform import AID_LOAD_FILE_OF_DOMAINS, AID_MODULE_OF_DOMAINS
from ecitizen.model import BilingualText

from .card_admin import layout as card_admin
from .citizen_id import layout as citizen_id
from .civil_servant import layout as civil_servant
from .health_insurance import layout as health_insurance
from .piv import layout as piv


@dataclass(frozen=True, slots=True)
class Domain:
    """A security domain, and the applications that it alone personalises."""

    name: str
    aid: bytes
    applications: tuple[str, ...]
    title: BilingualText

    @property
    def is_issuer(self) -> bool:
        """The card's own domain, which installs and locks everything."""
        return self is ISSUER


ISSUER: Final = Domain(
    "issuer",
    bytes.fromhex("A000000151000000"),
    (card_admin.NAME,),
    BilingualText("ผู้ออกบัตร", "Card issuer"),
)
"""The AID is GlobalPlatform's (Card Specification 2.3.1, H.6)."""

# The agencies' AIDs are of the proprietary category, not registered: first half-byte F (ISO/IEC 7816-5:2004, 8.2.1).
AGENCIES: Final = (
    Domain("interior", b"\xf0ECITIZEN-SD-MOI", (citizen_id.NAME,), BilingualText("กระทรวงมหาดไทย", "Interior")),
    Domain(
        "health",
        b"\xf0ECITIZEN-SD-NHS",
        (health_insurance.NAME,),
        BilingualText("หลักประกันสุขภาพ", "Health insurance"),
    ),
    Domain(
        "civil-service",
        b"\xf0ECITIZEN-SD-OCS",
        (civil_servant.NAME,),
        BilingualText("ข้าราชการพลเรือน", "Civil service"),
    ),
    Domain("persons", b"\xf0ECITIZEN-SD-PKI", (piv.NAME,), BilingualText("ใบรับรองบุคคล", "Personal certificates")),
)
"""The supplementary security domains, in the order in which they are installed."""

DOMAINS: Final[Mapping[str, Domain]] = MappingProxyType({each.name: each for each in (ISSUER, *AGENCIES)})
"""All domains by name."""

LOAD_FILE_DOMAINS: Final = AID_LOAD_FILE_OF_DOMAINS
MODULE_DOMAIN: Final = AID_MODULE_OF_DOMAINS
"""What supplementary domains are installed from: GlobalPlatform's own load file and module."""
LOAD_FILE_APPLICATIONS: Final = b"\xf0ECITIZEN-APPS"
"""What applications are installed from; each module has its application's AID."""

_BY_APPLICATION: Final = {name: each for each in DOMAINS.values() for name in each.applications}


def domain_of(application: str) -> Domain:
    """The domain that personalises an application; the issuer's, if none claims it."""
    return _BY_APPLICATION.get(application, ISSUER)
