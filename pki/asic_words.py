"""What checking a container of signed files has to say to people, in Thai and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.model import BilingualText

from .path import Finding, Result

_WORDS: Final[Mapping[str, BilingualText]] = MappingProxyType(
    {
        "not_container": BilingualText(
            "ไฟล์นี้ไม่ใช่กล่องเอกสาร ASiC ที่อ่านได้", "this file is no ASiC container that can be read"
        ),
        "hidden_data": BilingualText(
            "กล่องเอกสารมีข้อมูลซ่อนอยู่นอกไฟล์ที่ระบุไว้", "the container hides data outside the files that it lists"
        ),
        "mimetype": BilingualText(
            "ชนิดของกล่องเอกสารไม่ได้อยู่ในไฟล์แรกตามมาตรฐาน",
            "the container does not begin with its type, as the standard wants it",
        ),
        "comment": BilingualText("กล่องเอกสารมีหมายเหตุ", "the container has a comment"),
        "no_signature": BilingualText("ไม่พบลายมือชื่อในกล่องเอกสาร", "there is no signature in the container"),
        "not_covered": BilingualText("มีไฟล์ที่ไม่มีลายมือชื่อใดครอบคลุม", "no signature covers a file that is in the container"),
        "file_changed": BilingualText("ไฟล์ไม่ใช่ไฟล์ที่ลงนามไว้", "a file is not the one that was signed"),
        "file_missing": BilingualText("ไม่มีไฟล์ที่ลงนามไว้", "a file that was signed is not in the container"),
        "file_unchanged": BilingualText("ไฟล์ไม่ถูกแก้ไขตั้งแต่ลงนาม", "the file is as it was signed"),
        "several_files": BilingualText(
            "กล่องเอกสารแบบ ASiC-S มีมากกว่าหนึ่งไฟล์", "a container of one file (ASiC-S) has several"
        ),
        "manifest_missing": BilingualText(
            "ไม่พบรายการไฟล์ที่ลายมือชื่อนี้ครอบคลุม", "the list of files that this signature is over is not there"
        ),
        "manifest_wrong": BilingualText(
            "รายการไฟล์ผิดรูปแบบ", "a list of files is not well formed, or uses what is not known here"
        ),
        "xades_unknown": BilingualText(
            "ลายมือชื่อ XAdES ในกล่องเอกสารตรวจสอบที่นี่ไม่ได้",
            "the XAdES signatures of the container can't be read here",
        ),
        "other_evidence": BilingualText(
            "มีหลักฐานอื่นในกล่องเอกสารที่ไม่ได้ตรวจสอบ", "the container has other evidence, which was not checked"
        ),
    }
)


def found(check: str, result: Result, word: str, **evidence: str) -> Finding:
    """A finding with the text of that name."""
    return Finding(check, result, _WORDS[word], evidence)
