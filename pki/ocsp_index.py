"""The status of every certificate of an authority, in memory: what an OCSP responder of a large register looks up.

A look-up in the register takes twice as long as a signature where a request is answered after a pause, since nothing
of it is in the processor's caches. Here it is one step, and the register is only asked what has happened since.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from .status import CertificateState, CertificateStatus, RevocationReason
from .store import Store, serial_content

CERTIFICATES_MAX: Final = 4_000_000
"""A register of more is asked each time. One certificate takes about 130 bytes."""
FRESH_SECONDS: Final = 0.1
"""So long the register is not asked again."""

_GOOD: Final = CertificateStatus(CertificateState.GOOD)
_UNKNOWN: Final = CertificateStatus(CertificateState.UNKNOWN)


class StatusIndex:
    """Tells the status of an authority's certificates by their serial numbers, as it was FRESH_SECONDS ago at most.

    It is a `pki.ocsp.StatusSource`; the first call reads the register, about a second for a million certificates.
    Raise NotIssued if there is no such authority, StoreFailed if the register can't be read.
    """

    def __init__(
        self,
        store: Store,
        authority: str,
        *,
        certificates_max: int = CERTIFICATES_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        store.authority(authority)
        self._store = store
        self._authority = authority
        self._certificates_max = certificates_max
        self._monotonic = monotonic
        self._fresh_until = float("-inf")
        self._newest = (-1, -1)
        self._issued: set[bytes] = set()
        self._revoked: dict[bytes, CertificateStatus] = {}
        self._too_many = False

    def __call__(self, serial: int) -> CertificateStatus:
        """The status of a certificate, UNKNOWN if there is none of this serial number."""
        if self._monotonic() >= self._fresh_until:
            self._refresh()
        if self._too_many:
            return self._store.status(self._authority, serial)
        content = serial_content(serial)
        if content not in self._issued:
            return _UNKNOWN
        return self._revoked.get(content, _GOOD)

    def _refresh(self) -> None:
        """Read what is new. What comes in meanwhile may be read twice, which changes nothing."""
        newest = self._store.newest()
        certificate, change = self._newest
        if newest[0] > self._certificates_max:
            self._too_many = True
            self._issued, self._revoked = set(), {}
        elif newest != self._newest:
            self._issued.update(self._store.serials(self._authority, certificate))
            for content, at, reason in self._store.events(self._authority, change):
                if reason == RevocationReason.REMOVE_FROM_CRL:
                    self._revoked.pop(content, None)
                else:
                    moment = datetime.fromtimestamp(at, UTC)
                    self._revoked[content] = CertificateStatus(
                        CertificateState.REVOKED, moment, RevocationReason(reason)
                    )
        self._newest = newest
        self._fresh_until = self._monotonic() + FRESH_SECONDS
