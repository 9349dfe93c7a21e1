"""What checking a PDF has to say to people besides `signed_words`, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        # About the whole
        "verdict_valid": BilingualText("ถูกต้อง", "valid"),
        "verdict_altered": BilingualText("ถูกแก้ไข หรือลายมือชื่อไม่ถูกต้อง", "altered, or the signature does not hold"),
        "verdict_revoked": BilingualText("ใบรับรองถูกเพิกถอน", "the certificate was revoked"),
        "verdict_untrusted": BilingualText("ไม่น่าเชื่อถือ", "not trusted"),
        "verdict_expired": BilingualText(
            "ใบรับรองหมดอายุ ไม่มีหลักฐานเวลาลงนาม", "the certificate has expired, without proof of the time of signing"
        ),
        "verdict_cannot-tell": BilingualText("บอกไม่ได้", "cannot tell"),
        "report_about": BilingualText(
            "รายงานนี้บอกผลการตรวจสอบ ณ เวลาข้างต้นเท่านั้น ผู้ที่ต้องการความแน่ใจควรตรวจสอบเอกสารต้นฉบับเอง",
            "This report tells what was found as of the time above, and no more. "
            "Whoever needs to be sure checks the document itself.",
        ),
        # About the file
        "too_large": BilingualText("ไฟล์ใหญ่เกินกว่าจะตรวจสอบได้", "the file is larger than will be checked"),
        "not_pdf": BilingualText("ไฟล์นี้ไม่ใช่ PDF", "the file is not a PDF"),
        "damaged": BilingualText(
            "ไฟล์ PDF เสียหาย หรือไม่ครบ จึงตรวจสอบไม่ได้", "the PDF is damaged or cut short, and can't be checked"
        ),
        "encrypted": BilingualText(
            "ไฟล์ PDF เข้ารหัสไว้ ต้องเปิดด้วยรหัสผ่านก่อนจึงจะตรวจสอบได้",
            "the PDF is encrypted; what is in it can't be checked without its password",
        ),
        "bounds": BilingualText(
            "เอกสารมีข้อมูลมากเกินกว่าจะตรวจสอบได้ทั้งหมด",
            "the document holds more than will be checked; the rest was left out",
        ),
        "not_strict": BilingualText(
            "ไฟล์ไม่เป็นไปตามข้อกำหนดของ PDF โปรแกรมอื่นอาจแสดงเนื้อหาต่างออกไป",
            "the file breaks rules of PDF: other programs may show something else than what was checked",
        ),
        "hybrid": BilingualText(
            "ไฟล์มีสารบัญสองชุด โปรแกรมอื่นอาจแสดงเนื้อหาต่างออกไป",
            "the file has two tables of contents for its objects: programs may show different documents",
        ),
        "outside_form": BilingualText(
            "มีลายมือชื่อที่ไม่ได้อยู่ในช่องลงนามของเอกสาร จึงตรวจสอบไม่ได้",
            "there is a signature that belongs to no signature field, and can't be checked",
        ),
        # About what a signature covers
        "covers_all": BilingualText("ลายมือชื่อครอบคลุมเอกสารทั้งฉบับ", "the signature covers the whole document"),
        "covers_then": BilingualText(
            "ลายมือชื่อครอบคลุมเอกสารฉบับที่ {revision} จากทั้งหมด {total} ฉบับ หลังจากนั้นมีการเพิ่มเติม",
            "the signature covers revision {revision} of {total}; more was added later",
        ),
        "in_field": BilingualText("ลายมือชื่อในช่องลงนามของเอกสาร", "a signature in a field of the document"),
        "range_wrong": BilingualText(
            "ลายมือชื่อไม่ครอบคลุมเอกสารตามที่ต้องเป็น มีส่วนที่ถูกเว้นไว้",
            "the signature does not cover the document as it must: parts of it are left out",
        ),
        "not_whole": BilingualText(
            "ลายมือชื่อไม่ครอบคลุมเอกสารทั้งฉบับในขณะที่ลงนาม",
            "the signature does not cover the whole document as it was when it was signed",
        ),
        "stray_bytes": BilingualText(
            "มีข้อมูลแปลกปลอมต่อท้ายเอกสารหลังลงนาม",
            "something was written behind the signed document that belongs to no revision",
        ),
        "lock_unread": BilingualText(
            "อ่านข้อกำหนดการแก้ไขหลังลงนามไม่ได้", "what the signature allows afterwards can't be read"
        ),
        "signature_unread": BilingualText(
            "ลายมือชื่อผิดรูปแบบหรือเป็นแบบที่ไม่รู้จัก", "the signature is not well formed, or of a kind that is not known"
        ),
        # About certifications
        "certifies_1": BilingualText(
            "เป็นการรับรองเอกสาร ไม่อนุญาตให้แก้ไขใด ๆ", "it certifies the document, and allows no changes"
        ),
        "certifies_2": BilingualText(
            "เป็นการรับรองเอกสาร อนุญาตให้กรอกแบบฟอร์มและลงนาม",
            "it certifies the document, and allows filling in forms and signing",
        ),
        "certifies_3": BilingualText(
            "เป็นการรับรองเอกสาร อนุญาตให้กรอกแบบฟอร์ม ลงนาม และใส่หมายเหตุ",
            "it certifies the document, and allows filling in forms, signing and remarks",
        ),
        "remarks": BilingualText(
            "มีหมายเหตุเพิ่มหลังการรับรอง ซึ่งอนุญาตไว้ แต่หมายเหตุอาจบังเนื้อหาที่ลงนาม โปรดดูเอกสารฉบับที่ลงนาม",
            "remarks were added, as the certification allows; they may hide what was signed: look at what was signed",
        ),
        # About changes
        "changed_in": BilingualText("{what} (ฉบับที่ {revision}{place})", "{what} (revision {revision}{place})"),
        "place_page": BilingualText(" หน้า {place}", ", page {place}"),
        "place_field": BilingualText(" ช่อง {place}", ", field {place}"),
        "change_evidence": BilingualText(
            "มีการเพิ่มหลักฐานหรือการประทับเวลาภายหลัง เนื้อหาไม่เปลี่ยน",
            "evidence or a timestamp was added later; the content is the same",
        ),
        "change_signed": BilingualText("มีผู้อื่นลงนามเพิ่มภายหลัง", "somebody signed later"),
        "change_filled": BilingualText(
            "มีการกรอกช่องที่ว่างในแบบฟอร์มภายหลัง", "a form field that was empty was filled in later"
        ),
        "change_refilled": BilingualText(
            "ข้อมูลในช่องที่กรอกไว้แล้วถูกเปลี่ยนหลังลงนาม", "a form field that was filled says something else now"
        ),
        "change_annotated": BilingualText(
            "มีการเพิ่มหรือเปลี่ยนหมายเหตุหรือสิ่งที่วางทับหน้าเอกสารหลังลงนาม",
            "remarks or other things that lie over a page were added or changed",
        ),
        "change_page": BilingualText("เนื้อหาของหน้าเอกสารถูกเปลี่ยนหลังลงนาม", "the content of a page was changed"),
        "change_pages": BilingualText("มีการเพิ่ม ลบ หรือสลับหน้าเอกสารหลังลงนาม", "pages were added, removed or moved"),
        "change_form": BilingualText("แบบฟอร์มถูกเปลี่ยนหลังลงนาม", "the form itself was changed"),
        "change_other": BilingualText(
            "โครงสร้างของเอกสารถูกเปลี่ยนหลังลงนามโดยไม่มีเหตุอธิบาย",
            "the structure of the document was changed, and nothing explains why",
        ),
    }
)


def words(name: str, **parts: object) -> BilingualText:
    """The text of that name, with these parts in it; one that is bilingual itself goes in language by language."""
    text = _WORDS[name]
    if not parts:
        return text
    thai = {key: part.th if isinstance(part, BilingualText) else part for key, part in parts.items()}
    english = {key: part.en if isinstance(part, BilingualText) else part for key, part in parts.items()}
    return BilingualText(text.th.format(**thai), text.en.format(**english))
