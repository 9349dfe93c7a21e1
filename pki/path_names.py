"""Certificates and CRLs whose names remember what they are compared by (RFC 5280, 7.1).

To prepare a name for comparison takes asn1crypto a tenth of a millisecond and more, and certvalidator compares the
names of a path again and again.
"""

from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509


class _Name(asn1_x509.Name):  # type: ignore[misc]  # asn1crypto has no types
    """A name that is only read."""

    _known: tuple[str, tuple[int, ...]] | None = None

    @property
    def _prepared(self) -> tuple[str, tuple[int, ...]]:
        """The text that names are looked up by, and the counts of values side by side, of which it does not tell."""
        if self._known is None:
            self._known = str(super().hashable), tuple(len(each) for each in self.chosen)
        return self._known

    @property
    def hashable(self) -> str:
        """The same text for names that are the same."""
        return self._prepared[0]

    def __eq__(self, other: object) -> bool:
        return self._prepared == other._prepared if isinstance(other, _Name) else bool(super().__eq__(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # as that of all that asn1crypto compares by value


def _naming(fields: list[Any], kinds: dict[type, type]) -> list[Any]:
    """The fields of a SEQUENCE, of other kinds where there is one."""
    return [(name, kinds.get(kind, kind), *options) for name, kind, *options in fields]


class _TbsCertificate(asn1_x509.TbsCertificate):  # type: ignore[misc]
    _fields = _naming(asn1_x509.TbsCertificate._fields, {asn1_x509.Name: _Name})


class Certificate(asn1_x509.Certificate):  # type: ignore[misc]
    """An X.509 certificate."""

    _fields = _naming(asn1_x509.Certificate._fields, {asn1_x509.TbsCertificate: _TbsCertificate})


class _TbsCertList(asn1_crl.TbsCertList):  # type: ignore[misc]
    _fields = _naming(asn1_crl.TbsCertList._fields, {asn1_x509.Name: _Name})


class CertificateList(asn1_crl.CertificateList):  # type: ignore[misc]
    """A CRL."""

    _fields = _naming(asn1_crl.CertificateList._fields, {asn1_crl.TbsCertList: _TbsCertList})
