"""CAdES: signatures over any file, in CMS (ETSI EN 319 122-1; RFC 5652).

`sign` makes one, `add_signature` puts another person's beside it, `extend` raises its level, `verify` checks it;
`signing` is `sign` for files that are too long for memory.
"""

from .cms_signing import Raising, add_signature, extend, sign, signing
from .cms_verifying import COUNTERSIGNATURE_FORMAT, FORMAT, verify

__all__ = ["COUNTERSIGNATURE_FORMAT", "FORMAT", "Raising", "add_signature", "extend", "sign", "signing", "verify"]
