"""What a path validation has to say to people, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        "form": BilingualText("ใบรับรองผิดรูปแบบ", "the certificate is not well formed"),
        "form_other": BilingualText(
            "ใบรับรองที่ให้มาด้วยผิดรูปแบบ จึงไม่ได้ใช้", "a certificate that came along is not well formed, and was left out"
        ),
        "revocation_form": BilingualText(
            "ข้อมูลการเพิกถอนผิดรูปแบบ จึงไม่ได้ใช้", "revocation data are not well formed, and were left out"
        ),
        "bounds": BilingualText(
            "ข้อมูลมากเกินกว่าจะตรวจสอบได้ทั้งหมด", "there is more than will be checked; the rest was left out"
        ),
        "no_path": BilingualText(
            "ไม่มีเส้นทางไปยังผู้ออกใบรับรองที่เชื่อถือ", "no path leads to a trusted authority; add its root, or what is between"
        ),
        "search_ended": BilingualText(
            "หมดเวลาก่อนค้นหาเส้นทางเสร็จ จึงบอกไม่ได้ว่าเชื่อถือได้หรือไม่",
            "time ran out before a path was found; whether one leads to a trusted authority can't be told",
        ),
        "anchor": BilingualText("ใบรับรองนี้เป็นรากที่เชื่อถือเอง", "this certificate is itself a trusted root"),
        "valid": BilingualText("เส้นทางใบรับรองถูกต้อง", "the certification path is valid"),
        "expired": BilingualText("ใบรับรองหมดอายุ", "a certificate of the path has expired"),
        "not_yet_valid": BilingualText("ใบรับรองยังไม่เริ่มใช้ได้", "a certificate of the path is not valid yet"),
        "revoked": BilingualText("ใบรับรองถูกเพิกถอน", "a certificate of the path is revoked"),
        "on_hold": BilingualText("ใบรับรองถูกระงับชั่วคราว", "a certificate of the path is suspended"),
        "not_revoked": BilingualText("ไม่ถูกเพิกถอนตามข้อมูลที่มี", "nothing in the path is revoked, by the data at hand"),
        "status_unknown": BilingualText(
            "ไม่ทราบสถานะการเพิกถอน ต้องมี CRL หรือ OCSP ที่ยังใช้ได้",
            "whether it is revoked can't be told: a current CRL or OCSP response is missing",
        ),
        "status_stale": BilingualText(
            "ข้อมูลการเพิกถอนเก่าเกินไป ต้องใช้ข้อมูลใหม่",
            "the revocation data are too old, or of another time; get current ones",
        ),
        "without_delta": BilingualText(
            "ไม่มีรายการเปลี่ยนแปลงล่าสุด (delta CRL) ที่ใช้ได้ จึงใช้รายการเต็มซึ่งยังไม่หมดอายุ",
            "no current delta CRL is at hand; the full list, itself current, was used without it",
        ),
        "revocation_off": BilingualText("ไม่ได้ตรวจสอบการเพิกถอน ตามที่สั่ง", "revocation was not checked, as was asked"),
        "revocation_if_named": BilingualText(
            "ตรวจสอบการเพิกถอนเฉพาะใบรับรองที่ระบุแหล่งข้อมูล",
            "revocation was checked only for certificates that name a source",
        ),
        "weak": BilingualText("ใช้อัลกอริทึมที่อ่อนแอเกินไป", "an algorithm or key in the path is too weak"),
        "usage": BilingualText("ใบรับรองไม่ได้ออกให้ใช้ในงานนี้", "the certificate is not for this use"),
        "wrong_authority": BilingualText(
            "ผู้ออกใบรับรองไม่มีสิทธิ์ออกให้แอปพลิเคชันนี้", "the authority is trusted, but does not speak for this application"
        ),
        "invalid": BilingualText("เส้นทางใบรับรองไม่ผ่านการตรวจสอบ", "the certification path does not hold"),
        "out_of_time": BilingualText("หมดเวลาตรวจสอบ", "the time for checking is over"),
    }
)


def words(name: str) -> BilingualText:
    """The text of that name."""
    return _WORDS[name]
