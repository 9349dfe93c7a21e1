"""Certificates and CRLs that are signed rightly and wrong all the same: each by its name, made of a good one.

They are put together from DER by hand, for no library would write them (RFC 5280, 4.1 and 4.2; ITU-T X.690).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pki import der
from tests.unit.small_pki import Party

ECDSA_SHA_256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
ECDSA_SHA_384 = der.sequence(der.oid("1.2.840.10045.4.3.3"))
EC_PUBLIC_KEY = der.oid("1.2.840.10045.2.1")
RSA = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL)
P_256 = der.oid("1.2.840.10045.3.1.7")
BASIC_CONSTRAINTS = der.oid("2.5.29.19")
KEY_USAGE = der.oid("2.5.29.15")

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
A, B = P - 3, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
"""The curve P-256 (SEC 2, version 2, 2.4.2), for those who write its parameters out."""


@dataclass(frozen=True)
class Parts:
    """The values of a certificate, each whole in DER; what is wrong takes the place of one of them."""

    version: bytes
    serial_number: bytes
    algorithm: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    key: bytes
    extensions: bytes
    further: bytes = b""
    """Behind the extensions."""
    outer_algorithm: bytes = ECDSA_SHA_256

    @property
    def body(self) -> bytes:
        return b"".join(
            (
                *(self.version, self.serial_number, self.algorithm, self.issuer, self.validity),
                *(self.subject, self.key, self.extensions, self.further),
            )
        )


def parts_of(certificate: bytes) -> Parts:
    tbs = der.Reader(certificate).inside().inside()
    tags = (0xA0, der.TAG_INTEGER, *[der.TAG_SEQUENCE] * 5, 0xA3)
    found = Parts(*(tbs.element(tag) for tag in tags))
    tbs.close()
    return found


def signed(tbs: bytes, issuer: Party, algorithm: bytes = ECDSA_SHA_256, unused: int = 0) -> bytes:
    signature = issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    while unused and signature[-1] & 1:  # bits that don't count are zero
        signature = issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return der.sequence(tbs, algorithm, der.bit_string(signature, unused))


def crafted(good: bytes, issuer: Party) -> dict[str, bytes]:
    """What is wrong with a certificate, and it; all are signed by `issuer` with SHA-256."""
    parts = parts_of(good)
    sign = partial(signed, issuer=issuer)
    found = {
        name: sign(der.sequence(wrong.body), algorithm=wrong.outer_algorithm)
        for source in (_heads, _algorithms, _times, _keys, _extensions)
        for name, wrong in source(parts)
    }
    body = parts.body
    found |= {
        "body of indefinite length": sign(b"\x30\x80" + body + b"\0\0"),
        "body with a length of three bytes": sign(b"\x30\x83" + len(body).to_bytes(3, "big") + body),
        "body longer than its content": sign(der.head(0x30, len(body) + 1) + body),
        "unused bits in the signature": sign(der.sequence(body), unused=1),
        "a byte behind": good + b"\0",
        "a NULL inside behind the signature": der.sequence(_content(good), der.NULL),
        "without a signature": der.sequence(der.sequence(body), ECDSA_SHA_256),
        "of indefinite length": b"\x30\x80" + _content(good) + b"\0\0",
        "twice": good * 2,
        "an empty signature": der.sequence(der.sequence(body), ECDSA_SHA_256, der.bit_string(b"")),
    }
    assert good not in found.values()
    return found


def _content(value: bytes) -> bytes:
    return der.Reader(value).content(der.TAG_SEQUENCE)


def _heads(good: Parts) -> Iterator[tuple[str, Parts]]:
    """Versions, serial numbers, names, and what is at the end."""
    for name, version in (
        ("version 1 with extensions", b""),
        ("version 1 written out", der.explicit(0, der.integer(0))),
        ("version 2 with extensions", der.explicit(0, der.integer(1))),
        ("version 4", der.explicit(0, der.integer(3))),
        ("a negative version", der.explicit(0, der.integer(-1))),
        ("a version of two bytes", der.explicit(0, b"\x02\x02\x00\x02")),
        ("version twice", good.version * 2),
    ):
        yield name, replace(good, version=version)
    for name, serial_number in (
        ("serial number zero", der.integer(0)),
        ("a negative serial number", der.integer(-5)),
        ("a serial number with a zero too many", b"\x02\x02\x00\x05"),
        ("a serial number with a long length", b"\x02\x81\x01\x05"),
        ("an empty serial number", b"\x02\x00"),
        ("no serial number", b""),
        ("a serial number of 21 bytes", der.integer(1 << 165)),
        ("a serial number as OCTET STRING", der.octet_string(b"\x05")),
    ):
        yield name, replace(good, serial_number=serial_number)
    yield "an empty issuer", replace(good, issuer=der.sequence())
    yield "no issuer", replace(good, issuer=b"")
    yield "an issuer that is no name", replace(good, issuer=der.sequence(der.integer(1)))
    yield "a subject that is no name", replace(good, subject=der.sequence(der.der(der.TAG_SET)))
    yield "a subject in bytes that are no UTF-8", replace(good, subject=_common_name(b"\xff\xfe\xfd"))
    yield "extensions twice", replace(good, further=good.extensions)
    yield "a NULL behind the extensions", replace(good, further=der.NULL)
    yield "an unknown part behind the extensions", replace(good, further=der.explicit(4, der.NULL))


def _common_name(content: bytes) -> bytes:
    attribute = der.sequence(der.oid("2.5.4.3"), der.der(der.TAG_UTF8_STRING, content))
    return der.sequence(der.der(der.TAG_SET, attribute))


def _algorithms(good: Parts) -> Iterator[tuple[str, Parts]]:
    with_null = der.sequence(der.oid("1.2.840.10045.4.3.2"), der.NULL)
    for name, inner, outer in (
        ("another algorithm inside", ECDSA_SHA_384, ECDSA_SHA_256),
        ("another algorithm outside", ECDSA_SHA_256, ECDSA_SHA_384),
        ("parameters inside only", with_null, ECDSA_SHA_256),
        ("parameters outside only", ECDSA_SHA_256, with_null),
    ):
        yield name, replace(good, algorithm=inner, outer_algorithm=outer)
    for name, both in (
        ("RSA named for ECDSA", der.sequence(der.oid("1.2.840.113549.1.1.11"), der.NULL)),
        ("MD5", der.sequence(der.oid("1.2.840.113549.1.1.4"), der.NULL)),
        ("SHA-1", der.sequence(der.oid("1.2.840.10045.4.1"))),
        ("an unknown algorithm", der.sequence(der.oid("1.2.3.4"))),
        ("Ed25519 named for ECDSA", der.sequence(der.oid("1.3.101.112"))),
        ("no algorithm", der.sequence()),
    ):
        yield name, replace(good, algorithm=both, outer_algorithm=both)


def _times(good: Parts) -> Iterator[tuple[str, Parts]]:
    begin, end = (der.der(der.TAG_UTC_TIME, text) for text in (b"260101000000Z", b"270101000000Z"))
    for name, validity in (
        ("validity backwards", der.sequence(end, begin)),
        ("no end", der.sequence(begin)),
        ("three times", der.sequence(begin, end, end)),
        ("a time without seconds", der.sequence(der.der(der.TAG_UTC_TIME, b"2601010000Z"), end)),
        ("a time with an offset", der.sequence(der.der(der.TAG_UTC_TIME, b"260101000000+0700"), end)),
        ("a time with fractions", der.sequence(begin, der.der(der.TAG_GENERALIZED_TIME, b"20270101000000.5Z"))),
        ("a local time", der.sequence(begin, der.der(der.TAG_GENERALIZED_TIME, b"20270101000000"))),
        ("the 13th month", der.sequence(begin, der.der(der.TAG_UTC_TIME, b"271301000000Z"))),
        ("the 30th of February", der.sequence(begin, der.der(der.TAG_UTC_TIME, b"270230000000Z"))),
        ("a time as text", der.sequence(begin, der.der(der.TAG_UTF8_STRING, b"270101000000Z"))),
    ):
        yield name, replace(good, validity=validity)


def _keys(good: Parts) -> Iterator[tuple[str, Parts]]:
    """Keys of the subject that are none."""
    x, y = (each.to_bytes(32, "big") for each in G)
    for name, point in (
        ("the point at infinity", b"\x00"),
        ("infinity, padded", bytes(65)),
        ("a point beside the curve", b"\x04" + x + y[:-1] + bytes((y[-1] ^ 1,))),
        ("a coordinate beyond the field", b"\x04" + P.to_bytes(32, "big") + y),
        ("a point of one coordinate", b"\x04" + x),
        ("a point too long", b"\x04" + x + y + b"\0"),
        ("a hybrid point", bytes((6 + y[-1] % 2,)) + x + y),
        ("a point of unknown form", b"\x05" + x + y),
        ("an empty point", b""),
    ):
        yield name, replace(good, key=der.sequence(der.sequence(EC_PUBLIC_KEY, P_256), der.bit_string(point)))
    point = b"\x04" + x + y
    for name, parameters in (
        ("explicit parameters", _explicit(G)),
        ("explicit parameters with another generator", _explicit((G[0], P - G[1]))),
        ("parameters left to the issuer", der.NULL),
        ("no parameters", b""),
        ("an unknown curve", der.oid("1.2.3.4")),
        ("a curve too small", der.oid("1.3.132.0.6")),
    ):
        yield name, replace(good, key=der.sequence(der.sequence(EC_PUBLIC_KEY, parameters), der.bit_string(point)))
    modulus = (1 << 2047) + 1
    for name, number, exponent in (
        ("a negative modulus", -modulus, 65537),
        ("a modulus of zero", 0, 65537),
        ("an even modulus", modulus + 1, 65537),
        ("a negative exponent", modulus, -65537),
        ("exponent one", modulus, 1),
        ("an even exponent", modulus, 65536),
        ("an exponent beyond the modulus", modulus, modulus + 2),
        ("RSA of 512 bits", (1 << 511) + 1, 65537),
        ("RSA of 100,000 bits", (1 << 99_999) + 1, 65537),
    ):
        info = der.sequence(der.integer(number), der.integer(exponent))
        yield name, replace(good, key=der.sequence(RSA, der.bit_string(info)))
    yield (
        "unused bits in the key",
        replace(good, key=der.sequence(der.sequence(EC_PUBLIC_KEY, P_256), der.bit_string(point, 3))),
    )
    yield "no key", replace(good, key=b"")
    yield "an empty key", replace(good, key=der.sequence())
    yield (
        "Ed25519 of 31 bytes",
        replace(good, key=der.sequence(der.sequence(der.oid("1.3.101.112")), der.bit_string(bytes(31)))),
    )


def _explicit(generator: tuple[int, int]) -> bytes:
    """P-256 written out (SEC 1, C.2), or what seems to be P-256."""
    field = der.sequence(der.oid("1.2.840.10045.1.1"), der.integer(P))
    curve = der.sequence(*(der.octet_string(each.to_bytes(32, "big")) for each in (A, B)))
    base = b"\x04" + b"".join(each.to_bytes(32, "big") for each in generator)
    return der.sequence(der.integer(1), field, curve, der.octet_string(base), der.integer(N), der.integer(1))


def _extensions(good: Parts) -> Iterator[tuple[str, Parts]]:
    inside = der.Reader(good.extensions).inside(0xA3).inside()
    kept = []
    while inside.more:
        kept.append(inside.element(der.TAG_SEQUENCE))
    constraints = [each for each in kept if BASIC_CONSTRAINTS in each]
    others = [each for each in kept if each not in constraints]
    for name, extensions in (
        ("an extension twice", [*kept, constraints[0]]),
        ("an unknown extension twice", [*kept, *[der.sequence(der.oid("1.2.3.4"), der.octet_string(b""))] * 2]),
        ("an unknown critical extension", [*kept, _extension(der.oid("1.2.3.4"), b"", der.TRUE)]),
        ("no extension in the list", []),
        ("critical FALSE written out", [*others, _extension(BASIC_CONSTRAINTS, der.sequence(), b"\x01\x01\x00")]),
        ("critical as 01", [*others, _extension(BASIC_CONSTRAINTS, der.sequence(), b"\x01\x01\x01")]),
        ("an extension without a value", [*kept, der.sequence(der.oid("1.2.3.4"))]),
        ("an extension that is no sequence", [*kept, der.integer(1)]),
        ("basic constraints with more behind", [*others, _extension(BASIC_CONSTRAINTS, der.sequence() + der.NULL)]),
        ("cA FALSE written out", [*others, _extension(BASIC_CONSTRAINTS, der.sequence(b"\x01\x01\x00"))]),
        ("cA as 01", [*others, _extension(BASIC_CONSTRAINTS, der.sequence(b"\x01\x01\x01"))]),
        ("a negative path length", [*others, _extension(BASIC_CONSTRAINTS, der.sequence(der.TRUE, der.integer(-1)))]),
        ("basic constraints of indefinite length", [*others, _extension(BASIC_CONSTRAINTS, b"\x30\x80\0\0")]),
        ("empty basic constraints", [*others, _extension(BASIC_CONSTRAINTS, b"")]),
        ("key usage that is no BIT STRING", [*_without(kept, KEY_USAGE), _extension(KEY_USAGE, der.NULL)]),
    ):
        yield name, replace(good, extensions=der.explicit(3, der.sequence(*extensions)))
    yield "extensions that are no list", replace(good, extensions=der.explicit(3, der.NULL))
    yield "extensions with more behind", replace(good, extensions=der.explicit(3, der.sequence(*kept), der.NULL))


def _without(extensions: list[bytes], oid: bytes) -> list[bytes]:
    return [each for each in extensions if oid not in each]


def _extension(oid: bytes, value: bytes, critical: bytes = der.TRUE) -> bytes:
    return der.sequence(oid, critical, der.octet_string(value))


def crafted_crls(good: bytes, issuer: Party) -> dict[str, bytes]:
    """What is wrong with a CRL that has extensions and nobody on it, and it; all are signed by `issuer`."""
    tbs = der.Reader(good).inside().inside()
    version, algorithm, name = (
        tbs.element(der.TAG_INTEGER),
        tbs.element(der.TAG_SEQUENCE),
        tbs.element(der.TAG_SEQUENCE),
    )
    times = tbs.element(der.TAG_UTC_TIME), tbs.element(der.TAG_UTC_TIME)
    extensions = tbs.element(0xA0)
    tbs.close()
    number = der.sequence(der.oid("2.5.29.20"), der.octet_string(der.integer(7)))
    entry = der.sequence(der.integer(5), times[0])
    unknown = der.sequence(der.oid("1.2.3.4"), der.TRUE, der.octet_string(der.NULL))

    def body(
        *,
        version: bytes = version,
        algorithm: bytes = algorithm,
        name: bytes = name,
        times: tuple[bytes, ...] = times,
        revoked: bytes = b"",
        extensions: bytes = extensions,
    ) -> bytes:
        return der.sequence(version, algorithm, name, *times, revoked, extensions)

    wrong = {
        "version 1 with extensions": body(version=b""),
        "version 1 written out": body(version=der.integer(0)),
        "version 3": body(version=der.integer(2)),
        "another algorithm inside": body(algorithm=ECDSA_SHA_384),
        "no issuer": body(name=der.sequence()),
        "no time": body(times=()),
        "no end": body(times=times[:1]),
        "times exchanged": body(times=times[::-1]),
        "three times": body(times=(*times, times[0])),
        "an end without seconds": body(times=(times[0], der.der(der.TAG_UTC_TIME, b"3001010000Z"))),
        "an entry that is none": body(revoked=der.sequence(der.integer(5))),
        "an entry without a date": body(revoked=der.sequence(der.sequence(der.integer(5)))),
        "entries of indefinite length": body(revoked=b"\x30\x80" + entry + b"\0\0"),
        "extensions that are no list": body(extensions=der.explicit(0, der.NULL)),
        "an empty list of extensions": body(extensions=der.explicit(0, der.sequence())),
        "an extension twice": body(extensions=der.explicit(0, der.sequence(number, number))),
        "an unknown critical extension": body(extensions=der.explicit(0, der.sequence(number, unknown))),
        "extensions with more behind": body(extensions=extensions + der.NULL),
    }
    found = {title: signed(tbs, issuer) for title, tbs in wrong.items()}
    return found | {
        "another algorithm outside": signed(body(), issuer, ECDSA_SHA_384),
        "unused bits in the signature": signed(body(), issuer, unused=1),
        "a byte behind": good + b"\0",
        "cut": good[:-1],
        "a NULL inside behind the signature": der.sequence(_content(good), der.NULL),
        "of indefinite length": b"\x30\x80" + _content(good) + b"\0\0",
        "without a signature": der.sequence(body(), algorithm),
    }
