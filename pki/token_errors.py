"""Why a token is not accepted though it can be read: SD-JWTs (`sd_jwt`) and sign-in by card (`web_eid`).

PkiError
└─ TokenRefused(problem)     the token is not for this, not for here, not for now, or not by whom it must be

What can't be read is Malformed, a signature that does not hold SignatureInvalid, as everywhere.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

from .errors import PkiError


@unique
class TokenProblem(StrEnum):
    """What is wrong with a token, for programs."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_TYPE = "wrong-type"
    DISCLOSURE = "disclosure"
    BINDING_MISSING = "binding-missing"
    BINDING_WRONG = "binding-wrong"
    BINDING_STALE = "binding-stale"
    AUDIENCE = "audience"
    NONCE = "nonce"
    NONCE_UNKNOWN = "nonce-unknown"
    PURPOSE = "purpose"
    POLICY = "policy"
    REVOKED = "revoked"
    UNTRUSTED = "untrusted"
    CERTIFICATE_EXPIRED = "certificate-expired"
    STATUS_UNKNOWN = "status-unknown"


_WORDS: Final[Mapping[TokenProblem, BilingualText]] = MappingProxyType(
    {
        TokenProblem.EXPIRED: BilingualText(
            "เอกสารหมดอายุแล้ว กรุณาขอใหม่", "the token is no longer valid; ask for a new one"
        ),
        TokenProblem.NOT_YET_VALID: BilingualText(
            "เอกสารยังไม่เริ่มใช้ได้ กรุณาตรวจสอบนาฬิกา", "the token is not valid yet; check the clocks of both sides"
        ),
        TokenProblem.WRONG_TYPE: BilingualText(
            "เอกสารเป็นคนละประเภทกับที่ต้องการ", "the token is of another kind than is wanted"
        ),
        TokenProblem.DISCLOSURE: BilingualText(
            "ข้อมูลที่เปิดเผยไม่ตรงกับที่ผู้ออกลงนามไว้", "what is disclosed is not what the issuer signed for; do not use it"
        ),
        TokenProblem.BINDING_MISSING: BilingualText(
            "ไม่มีหลักฐานว่าผู้แสดงเป็นเจ้าของบัตร กรุณาให้ลงนามด้วยบัตร",
            "nothing shows that the holder presents it; have it presented with the holder's card",
        ),
        TokenProblem.BINDING_WRONG: BilingualText(
            "หลักฐานของผู้แสดงไม่ได้ลงนามข้อมูลชุดนี้", "the holder's proof is not over what is presented; do not use it"
        ),
        TokenProblem.BINDING_STALE: BilingualText(
            "หลักฐานของผู้แสดงเก่าเกินไป หรือนาฬิกาไม่ตรง กรุณาแสดงใหม่",
            "the holder's proof is too old, or from the future; present it again, and check the clocks",
        ),
        TokenProblem.AUDIENCE: BilingualText("เอกสารทำขึ้นให้ผู้รับรายอื่น", "the token was made for another recipient"),
        TokenProblem.NONCE: BilingualText(
            "เอกสารไม่ได้ตอบคำถามของครั้งนี้ กรุณาแสดงใหม่", "the token does not answer this challenge; present it again"
        ),
        TokenProblem.NONCE_UNKNOWN: BilingualText(
            "คำถามหมดเวลา ใช้ไปแล้ว หรือไม่เคยถาม กรุณาเริ่มเข้าสู่ระบบใหม่",
            "the challenge has run out, was used, or was never given; begin signing in again",
        ),
        TokenProblem.PURPOSE: BilingualText(
            "ใบรับรองไม่ได้ออกให้ใช้เข้าสู่ระบบ กรุณาใช้ใบรับรองสำหรับยืนยันตัวตน",
            "the certificate is not for signing in; use the one for authentication",
        ),
        TokenProblem.POLICY: BilingualText(
            "ไม่รับใบรับรองตามนโยบายนี้ เช่น บนโทรศัพท์",
            "certificates of this policy, such as those on phones, are not accepted here",
        ),
        TokenProblem.REVOKED: BilingualText(
            "ใบรับรองถูกเพิกถอนหรือระงับ กรุณาติดต่อผู้ออกบัตร", "the certificate is revoked or suspended; ask the card's issuer"
        ),
        TokenProblem.UNTRUSTED: BilingualText(
            "ไม่เชื่อถือผู้ออกใบรับรอง", "no trusted authority vouches for the certificate; add its root if it should"
        ),
        TokenProblem.CERTIFICATE_EXPIRED: BilingualText(
            "ใบรับรองหมดอายุหรือยังไม่เริ่มใช้ได้", "the certificate has expired, or is not valid yet"
        ),
        TokenProblem.STATUS_UNKNOWN: BilingualText(
            "ไม่ทราบว่าใบรับรองถูกเพิกถอนหรือไม่ ต้องมี CRL หรือ OCSP ที่ยังใช้ได้",
            "whether the certificate is revoked can't be told; get current revocation data and try again",
        ),
    }
)


class TokenRefused(PkiError):
    """The token can be read, and is not accepted; `problem` says why, `text` in Thai and English."""

    code = "token_refused"

    def __init__(self, problem: TokenProblem, **evidence: str) -> None:
        self.problem = problem
        self.text = _WORDS[problem]
        self.evidence = evidence
        super().__init__(self.text.en)
