"""What checking a signature has to say to people, in Thai and English; for all kinds of signed documents."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        "no_signature": BilingualText("ไม่พบลายมือชื่ออิเล็กทรอนิกส์ในเอกสาร", "no signature was found in the document"),
        "not_readable": BilingualText(
            "ลายมือชื่อผิดรูปแบบ จึงตรวจสอบไม่ได้", "the signature is not well formed and can't be checked"
        ),
        "bounds": BilingualText(
            "เอกสารมีข้อมูลมากเกินกว่าจะตรวจสอบได้ทั้งหมด",
            "the document holds more than will be checked; the rest was left out",
        ),
        "out_of_time": BilingualText("หมดเวลาตรวจสอบ", "the time for checking is over"),
        "no_trust": BilingualText(
            "ไม่ได้กำหนดผู้ออกใบรับรองที่เชื่อถือ", "no trusted authorities were given, so nobody vouches for the signer"
        ),
        "no_certificate": BilingualText(
            "ไม่พบใบรับรองของผู้ลงนาม", "the signer's certificate is not there; get it and check again"
        ),
        "key_usage": BilingualText("ใบรับรองไม่ได้ออกให้ใช้ลงนาม", "the certificate is not for signing"),
        "signer_valid": BilingualText("ใบรับรองของผู้ลงนามใช้ได้", "the signer's certificate is good"),
        "valid_then": BilingualText(
            "ใบรับรองของผู้ลงนามใช้ได้ในเวลาที่พิสูจน์ได้ว่ามีลายมือชื่อแล้ว",
            "the signer's certificate was good at the time at which the signature is proven to have been there",
        ),
        "revoked_later": BilingualText(
            "ใบรับรองถูกเพิกถอนหลังจากลงนามแล้ว ลายมือชื่อยังใช้ได้",
            "the certificate was revoked after the proven time of signing; the signature stays good",
        ),
        "revoked": BilingualText(
            "ใบรับรองถูกเพิกถอนก่อนเวลาที่พิสูจน์ได้ว่ามีลายมือชื่อ",
            "the certificate was revoked before the signature is proven to have been there",
        ),
        "expired": BilingualText(
            "ใบรับรองหมดอายุ และไม่มีหลักฐานว่าลงนามก่อนนั้น",
            "the certificate has expired, and no timestamp proves that the signature is older",
        ),
        "evidence_expired": BilingualText(
            "หลักฐานการเพิกถอนไม่มีการประทับเวลาก่อนใบรับรองของผู้ออกหมดอายุ",
            "the revocation data were not timestamped before their issuer's certificate expired",
        ),
        "status_missing": BilingualText(
            "ไม่ทราบสถานะการเพิกถอนของใบรับรอง", "whether the certificate was revoked can't be told"
        ),
        "untrusted": BilingualText(
            "ไม่มีเส้นทางที่ถูกต้องไปยังผู้ออกใบรับรองที่เชื่อถือ", "no valid path leads to a trusted authority"
        ),
        "signature_valid": BilingualText("ลายมือชื่อถูกต้องตามกุญแจของใบรับรอง", "the signature fits the certificate's key"),
        "signature_wrong": BilingualText(
            "ลายมือชื่อไม่ตรงกับกุญแจของใบรับรอง", "the signature is not by the certificate's key over this"
        ),
        "content_unchanged": BilingualText("เนื้อหาไม่ถูกแก้ไขตั้งแต่ลงนาม", "the content is as it was signed"),
        "content_changed": BilingualText("เนื้อหาไม่ใช่สิ่งที่ลงนามไว้", "the content is not what was signed"),
        "content_missing": BilingualText(
            "ไม่มีไฟล์ที่ลงนามมาด้วย ต้องใช้ไฟล์นั้นในการตรวจสอบ",
            "what was signed is not in the signature; give the signed file too",
        ),
        "content_twice": BilingualText(
            "ไฟล์ที่ให้มาต่างจากเนื้อหาในลายมือชื่อ", "the file that was given is not the content in the signature"
        ),
        "algorithm_weak": BilingualText(
            "ใช้อัลกอริทึมที่อ่อนแอเกินไปหรือไม่รู้จัก", "the signature uses an algorithm that is too weak, or not known here"
        ),
        "algorithm_mismatch": BilingualText(
            "อัลกอริทึมในลายมือชื่อขัดแย้งกันเอง", "the signature contradicts itself about its algorithms"
        ),
        "attribute_missing": BilingualText("ขาดคุณลักษณะที่ต้องลงนาม", "a signed attribute that must be there is missing"),
        "attribute_twice": BilingualText("มีคุณลักษณะซ้ำ", "an attribute is there twice"),
        "attribute_wrong": BilingualText("คุณลักษณะผิดรูปแบบ", "an attribute is not well formed"),
        "certificate_other": BilingualText(
            "ใบรับรองไม่ใช่ใบที่ลงนามอ้างถึง", "the certificate is not the one that the signature names"
        ),
        "certificate_not_named": BilingualText(
            "ลายมือชื่อไม่ได้อ้างถึงใบรับรองของผู้ลงนาม",
            "the signature does not name its certificate among what is signed",
        ),
        "certificate_by_sha1": BilingualText(
            "ลายมือชื่ออ้างถึงใบรับรองด้วย SHA-1 เท่านั้น", "the signature names its certificate by SHA-1 only"
        ),
        "unsigned_attributes": BilingualText(
            "ลายมือชื่อไม่มีคุณลักษณะที่ลงนาม", "the signature has no signed attributes: it says nothing about itself"
        ),
        "timestamp_valid": BilingualText("การประทับเวลาถูกต้อง", "the timestamp holds"),
        "timestamp_wrong": BilingualText("การประทับเวลาไม่ใช่ของลายมือชื่อนี้", "the timestamp is not over this"),
        "timestamp_unread": BilingualText("การประทับเวลาผิดรูปแบบ", "the timestamp is not well formed"),
        "timestamp_untrusted": BilingualText(
            "ไม่เชื่อถือผู้ให้บริการประทับเวลา", "the timestamp is not by an authority that is trusted for it"
        ),
        "timestamp_unknown": BilingualText(
            "ตรวจสอบใบรับรองของผู้ประทับเวลาไม่ได้", "whether the timestamp can be believed can't be told"
        ),
        "timestamp_future": BilingualText("เวลาที่ประทับอยู่ในอนาคต", "the timestamp is of a time that is still to come"),
        "archive_valid": BilingualText(
            "การประทับเวลาเพื่อเก็บรักษาถูกต้อง", "the archive timestamp holds, and covers the whole signature"
        ),
        "archive_wrong": BilingualText(
            "การประทับเวลาเพื่อเก็บรักษาไม่ตรงกับลายมือชื่อ", "the archive timestamp is not over this signature and its evidence"
        ),
        "claimed_later": BilingualText(
            "เวลาที่ผู้ลงนามระบุอยู่หลังเวลาที่พิสูจน์ได้", "the signer's own time is later than the proven time"
        ),
        "unsigned_evidence": BilingualText(
            "มีหลักฐานเพิ่มเติมที่การประทับเวลาไม่ครอบคลุม", "there is evidence that the archive timestamp does not cover"
        ),
        "countersigned": BilingualText(
            "มีผู้ลงลายมือชื่อกำกับลายมือชื่อนี้", "somebody has countersigned the signature: see the signature over it"
        ),
    }
)


def words(name: str) -> BilingualText:
    """The text of that name."""
    return _WORDS[name]
