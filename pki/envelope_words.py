"""What there is to say about an encrypted message, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        "not_authenticated": BilingualText(
            "ข้อความนี้เข้ารหัสแบบ CBC ซึ่งตรวจไม่ได้ว่าถูกแก้ไขหรือไม่",
            "the message was encrypted with CBC: nobody can tell whether it was altered on the way",
        ),
        "weak_derivation": BilingualText(
            "ผู้ส่งใช้ SHA-1 ในการสร้างกุญแจ", "the sender's software derived the key with SHA-1; it should be updated"
        ),
        "old_padding": BilingualText(
            "ผู้ส่งใช้การเข้ารหัส RSA แบบเก่า (PKCS #1 v1.5)",
            "the sender's software used RSA's old padding (PKCS #1 v1.5); it should be updated",
        ),
        "not_plain_data": BilingualText(
            "สิ่งที่ถอดรหัสได้เป็นข้อความ CMS อีกชั้นหนึ่ง", "what was inside is another CMS message; open or check that next"
        ),
    }
)


def words(name: str) -> BilingualText:
    """The text of that name."""
    return _WORDS[name]
