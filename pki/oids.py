"""Object identifiers that profiles name, and the toolkit's own arc.

Own identifiers are under a UUID (ITU-T X.667), so that nobody had to be asked for them:
43d57696-a924-4c2f-9c5d-e83dd3329194, written as a decimal number.
"""

import re
from types import MappingProxyType

from cryptography.x509 import ObjectIdentifier

OWN_ARC = "2.25.90166640209361737573623263581298659732"
OWN_PURPOSES = f"{OWN_ARC}.1"
"""Below it, purposes of keys (extended key usage)."""

PURPOSES = MappingProxyType(
    {
        # RFC 5280, 4.2.1.12
        "server_authentication": "1.3.6.1.5.5.7.3.1",
        "client_authentication": "1.3.6.1.5.5.7.3.2",
        "email_protection": "1.3.6.1.5.5.7.3.4",
        "time_stamping": "1.3.6.1.5.5.7.3.8",
        "ocsp_signing": "1.3.6.1.5.5.7.3.9",
        # RFC 9336
        "document_signing": "1.3.6.1.5.5.7.3.36",
        # FIPS 201-3, and the PIV certificate profiles
        "piv_card_authentication": "2.16.840.1.101.3.6.8",
        # Vouching for keys that were made on the same card
        "key_attestation": f"{OWN_PURPOSES}.1",
        # Acting for the issuer at a desk
        "officer": f"{OWN_PURPOSES}.2",
        # Sealing the data of one application on cards
        "citizen_id_data": f"{OWN_PURPOSES}.3.1",
        "civil_servant_data": f"{OWN_PURPOSES}.3.2",
        "health_insurance_data": f"{OWN_PURPOSES}.3.3",
        "card_admin_data": f"{OWN_PURPOSES}.3.4",
        # That one application is on this card
        "citizen_id_card": f"{OWN_PURPOSES}.4.1",
        "civil_servant_card": f"{OWN_PURPOSES}.4.2",
        "health_insurance_card": f"{OWN_PURPOSES}.4.3",
        "card_admin_card": f"{OWN_PURPOSES}.4.4",
    }
)
"""Purposes of keys by the names that profiles use; each with its source."""

TIMESTAMP_POLICY = f"{OWN_ARC}.2.1"
"""How timestamps are made here: by this machine's clock, within a second of it."""

POLICIES = MappingProxyType(
    {
        # RFC 5280, 4.2.1.4
        "any": "2.5.29.32.0",
    }
)
"""Certificate policies by the names that profiles use."""

_DOTTED = re.compile(r"(?:[01]\.[1-3]?[0-9]|2\.(?:0|[1-9][0-9]{0,37}))(?:\.(?:0|[1-9][0-9]{0,38}))+")
"""At most 38 digits where 80 is added to the number before it is encoded, and 39, a UUID's, elsewhere."""


def is_object_identifier(dotted: str) -> bool:
    """Whether this is an identifier, in dotted decimal, of three arcs or more (ITU-T X.660) that can be encoded."""
    if not _DOTTED.fullmatch(dotted):
        return False
    try:
        ObjectIdentifier(dotted)
    except ValueError:  # too long
        return False
    return True
