"""What checking a package or a holder's credential has to say to people besides `signed_words`, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

from .signed_words import words as signed_words

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        # Verdicts
        "verdict_refused": BilingualText("ไม่รับ: ผิดข้อกำหนด", "refused: it breaks the rules of exchange"),
        "verdict_altered": BilingualText("ถูกแก้ไข หรือลายมือชื่อไม่ถูกต้อง", "altered, or a signature does not hold"),
        "verdict_wrong-recipient": BilingualText("ส่งถึงผู้รับรายอื่น", "made for another recipient"),
        "verdict_wrong-purpose": BilingualText("ใช้เพื่อวัตถุประสงค์อื่นไม่ได้", "made for another purpose"),
        "verdict_replayed": BilingualText("เคยรับชุดข้อมูลนี้แล้ว", "taken before"),
        "verdict_revoked": BilingualText("ใบรับรองถูกเพิกถอน", "a signer's certificate is revoked"),
        "verdict_untrusted": BilingualText("ไม่น่าเชื่อถือ", "not trusted"),
        "verdict_expired": BilingualText("หมดอายุ", "expired"),
        "verdict_not-yet-valid": BilingualText("ยังไม่เริ่มใช้ได้", "not valid yet"),
        "verdict_cannot-tell": BilingualText("บอกไม่ได้", "cannot tell"),
        "verdict_valid": BilingualText("ถูกต้อง ใช้ได้", "valid"),
        # Form
        "form_wrong": BilingualText(
            "ชุดข้อมูลผิดรูปแบบหรือผิดข้อกำหนด กรุณาขอใหม่จากผู้ส่ง",
            "it is not well formed, or breaks a rule of exchange; ask the sender for a new one",
        ),
        "form_right": BilingualText("ชุดข้อมูลถูกต้องตามแบบที่ประกาศ", "it is as the published schema has it"),
        # Signatures
        "roles_wrong": BilingualText(
            "ต้องมีลายมือชื่อของบัตรและของหน่วยงานผู้ส่ง อย่างละหนึ่ง",
            "there must be exactly one signature of each who has to sign: the card and the desk",
        ),
        "same_key": BilingualText("บัตรและหน่วยงานลงนามด้วยกุญแจเดียวกัน", "the card and the desk signed with the same key"),
        "not_a_card": BilingualText(
            "ใบรับรองนี้ไม่ใช่ของผู้ถือบัตร",
            "the certificate is not one of a holder: for signing in (9A) or for signatures (9C)",
        ),
        "sender_other": BilingualText(
            "ใบรับรองของผู้ส่งระบุหน่วยงานอื่น", "the sender's certificate names another agency than the package does"
        ),
        # Terms
        "recipient_right": BilingualText("ส่งถึงหน่วยงานนี้", "it is for this recipient"),
        "recipient_wrong": BilingualText(
            "ส่งถึงหน่วยงานอื่น ห้ามใช้ข้อมูลนี้", "it is for another recipient; do not use the data"
        ),
        "purpose_wrong": BilingualText(
            "วัตถุประสงค์ไม่ตรงกับที่จะใช้ ห้ามใช้ข้อมูลนี้", "it is for another purpose; do not use the data for this one"
        ),
        "in_time": BilingualText("อยู่ในระยะเวลาที่ใช้ได้", "it is valid at this time"),
        "out_of_date": BilingualText("หมดอายุแล้ว กรุณาขอใหม่", "it has expired; ask for a new one"),
        "too_early": BilingualText("ยังไม่เริ่มใช้ได้ กรุณาตรวจสอบนาฬิกา", "it is not valid yet; check the clocks"),
        "first_time": BilingualText("รับชุดข้อมูลนี้เป็นครั้งแรก", "it was not taken before"),
        "replayed": BilingualText(
            "เคยรับชุดข้อมูลนี้แล้ว กรุณาขอใหม่จากผู้ส่ง", "it was taken before; ask the sender for a new one"
        ),
        "replay_unchecked": BilingualText("ไม่ได้ตรวจสอบว่าเคยรับแล้วหรือไม่", "whether it was taken before was not checked"),
        "consent_given": BilingualText("มีความยินยอมซึ่งลงนามด้วยบัตร", "consent was given, and signed with the card"),
        "consent_told": BilingualText(
            "ผู้ส่งแจ้งว่ามีความยินยอม แต่ไม่ได้ลงนามด้วยบัตร", "the sender tells of consent; no card signed it"
        ),
        "consent_none": BilingualText("ไม่มีข้อความยินยอม", "it tells of no consent"),
        # Seals
        "seal_valid": BilingualText(
            "ข้อมูลเป็นไปตามที่หน่วยงานเจ้าของข้อมูลรับรองไว้บนบัตร", "the data groups are as their agency sealed them on the card"
        ),
        "seal_wrong": BilingualText(
            "ลายมือชื่อของหน่วยงานเจ้าของข้อมูลไม่ถูกต้อง", "the seal of the data's agency does not hold"
        ),
        "seal_untrusted": BilingualText(
            "ผู้รับรองข้อมูลไม่มีสิทธิรับรองแอปพลิเคชันนี้", "who sealed the data is not trusted for this application"
        ),
        "seal_unknown": BilingualText(
            "ตรวจสอบใบรับรองของผู้รับรองข้อมูลไม่ได้", "whether the sealer may be believed can't be told"
        ),
        # The holder's credential
        "issuer_valid": BilingualText("หน่วยงานผู้ออกเป็นผู้ลงนาม", "the issuing desk signed it"),
        "holder_present": BilingualText(
            "ผู้ถือบัตรแสดงด้วยตนเอง", "the holder presents it with the card that it was issued to"
        ),
    }
)


def words(name: str) -> BilingualText:
    """The text of that name; those of `signed_words` too."""
    return _WORDS.get(name) or signed_words(name)
