"""What the check of a card's seals has to say to people, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        "not_sealed": BilingualText("ไม่มีการลงลายมือชื่อข้อมูล", "the data are not signed"),
        "not_sealable": BilingualText(
            "แอปพลิเคชันนี้ไม่อยู่ในการตรวจสอบ", "nobody signs the data of this application; don't rely on them"
        ),
        "seal_missing": BilingualText(
            "ไม่มีลายมือชื่อกำกับข้อมูล ทั้งที่ส่วนอื่นของบัตรมี",
            "the signature over the data is missing, though other parts of the card have one",
        ),
        "certificate_missing": BilingualText(
            "ไม่มีใบรับรองของแอปพลิเคชัน", "the application's certificate for this card is missing"
        ),
        "unreadable": BilingualText(
            "อ่านข้อมูลความปลอดภัยจากบัตรไม่ได้ ลองใหม่อีกครั้ง", "the card did not give its security data; try again"
        ),
        "seal_malformed": BilingualText("ลายมือชื่อกำกับข้อมูลผิดรูปแบบ", "the security object is not well formed"),
        "signature_wrong": BilingualText("ลายมือชื่อกำกับข้อมูลไม่ถูกต้อง", "the signature over the data is not the signer's"),
        "signature_right": BilingualText("ลายมือชื่อกำกับข้อมูลถูกต้อง", "the signature over the data is right"),
        "data_altered": BilingualText("ข้อมูลถูกแก้ไข", "data were changed after they were signed"),
        "data_unread": BilingualText(
            "อ่านข้อมูลบางส่วนไม่ได้ จึงเทียบไม่ครบ", "some data could not be read, and so not compared"
        ),
        "data_right": BilingualText("ข้อมูลตรงตามที่ลงลายมือชื่อไว้", "the data are as they were signed"),
        "signer": BilingualText("ผู้ลงลายมือชื่อข้อมูล", "who signed the data"),
        "certificate": BilingualText("ใบรับรองของแอปพลิเคชันในบัตร", "the application's certificate"),
        "certificate_malformed": BilingualText(
            "ใบรับรองของแอปพลิเคชันผิดรูปแบบ", "the application's certificate is not well formed"
        ),
        "not_bound": BilingualText("ลายมือชื่อไม่ได้ผูกกับบัตรใด", "the signed data name no card, so they could be on any"),
        "other_key": BilingualText("ข้อมูลเป็นของบัตรที่มีกุญแจอื่น", "the signed data are of a card with another key"),
        "other_chip": BilingualText("ข้อมูลเป็นของบัตรที่มีชิปอื่น", "the signed data are of a card with another chip"),
        "no_chip_serial": BilingualText("บัตรไม่บอกหมายเลขชิป", "the card does not tell its chip's serial number"),
        "bound": BilingualText("ข้อมูลเป็นของบัตรนี้", "the signed data are of this card"),
        "no_key": BilingualText("บัตรไม่มีกุญแจสำหรับพิสูจน์ตัวบัตร", "the card has no key to prove itself with"),
        "challenge_failed": BilingualText(
            "บัตรพิสูจน์ไม่ได้ว่าเป็นใบจริง", "the card could not prove that it has the key that its data name"
        ),
        "challenge_passed": BilingualText("บัตรพิสูจน์ตัวเองได้", "the card has proven that it has its key"),
        "challenge_unasked": BilingualText(
            "ไม่ทราบว่าต้องพิสูจน์ด้วยกุญแจใด", "the card could not be challenged: no key is known to ask for"
        ),
    }
)


def words(name: str) -> BilingualText:
    """The text of that name."""
    return _WORDS[name]
