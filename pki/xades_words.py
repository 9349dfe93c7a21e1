"""What checking signed XML has to say besides `signed_words`, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

from .signed import Finding, Result

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        "xml_refused": BilingualText("ไม่สามารถอ่านเอกสาร XML นี้อย่างปลอดภัยได้", "the XML document can't be read safely"),
        "transform_refused": BilingualText(
            "ลายมือชื่อแปลงเอกสารด้วยวิธีที่ไม่รองรับ", "the signature transforms the document in a way that is not followed here"
        ),
        "reference_refused": BilingualText(
            "ลายมือชื่ออ้างถึงสิ่งที่อยู่นอกเอกสาร",
            "what was signed is not in the document, and is not fetched",
        ),
        "file_missing": BilingualText("ไม่มีไฟล์ที่ลงนามไว้", "a file that was signed is not beside the signature any more"),
        "no_file": BilingualText("ลายมือชื่อไม่ครอบคลุมไฟล์ใดเลย", "the signature is over none of the files beside it"),
        "reference_missing": BilingualText(
            "ไม่พบส่วนที่ลายมือชื่ออ้างถึง", "an element that was signed is not in the document any more"
        ),
        "reference_twice": BilingualText(
            "มีหลายส่วนที่ใช้ชื่อซึ่งลายมือชื่ออ้างถึง",
            "several elements have the name that was signed; nobody can tell which one was",
        ),
        "properties_elsewhere": BilingualText(
            "คุณลักษณะที่ลงนามไม่ได้อยู่ในลายมือชื่อนี้",
            "the signature's own properties were moved: what was signed is not what it shows",
        ),
        "properties_unsigned": BilingualText(
            "คุณลักษณะของลายมือชื่อไม่ได้ลงนามไว้", "the signer's time and certificate are not among what was signed"
        ),
        "part_only": BilingualText(
            "ลายมือชื่อครอบคลุมเพียงบางส่วนของเอกสาร", "only a part of the document was signed; the rest can be anybody's"
        ),
        "manifest": BilingualText(
            "ลายมือชื่อครอบคลุมเพียงรายการของสิ่งอื่น", "what was signed is a list of other things, which were not checked"
        ),
        "nested": BilingualText("มีลายมือชื่ออื่นซ้อนอยู่ ซึ่งไม่ได้ตรวจสอบ", "another signature inside this one was not checked"),
        "higher_level": BilingualText(
            "มีหลักฐานระยะยาวซึ่งไม่ได้ตรวจสอบทั้งหมด",
            "there is evidence for keeping; archive timestamps were not checked",
        ),
        "comments": BilingualText(
            "เอกสารมีหมายเหตุ (comment) ซึ่งลายมือชื่อไม่ครอบคลุม", "the document has comments, which nobody signed"
        ),
        "plain": BilingualText("เป็นลายมือชื่อ XML ทั่วไป ไม่ใช่ XAdES", "this is a plain XML signature, not XAdES"),
    }
)


def finding(check: str, result: Result, word: str, **evidence: str) -> Finding:
    """A finding with the text of that name."""
    return Finding(check, result, _WORDS[word], evidence)
