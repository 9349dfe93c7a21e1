"""What was changed in a PDF after a signature, revision by revision, and where.

pyHanko's difference analysis decides whether everything in a revision is explained by what may be done to a signed
document: signing in turn, filling in forms, adding evidence. This module tells people what it was, and adds one rule:
a field that was filled when somebody signed must not say something else afterwards, unless a certification allows it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import islice
from typing import Any, Final

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, Reference, StreamObject
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, ModificationLevel, SuspiciousModification
from pyhanko.sign.diff_analysis.rules.form_field_rules import is_field_visible
from pyhanko.sign.fields import MDPPerm, enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from .pdf_library import HOSTILE

_PAGES_MAX: Final = 2000
_FIELDS_MAX: Final = 2000
_PLACE_MAX: Final = 80
_DEPTH_MAX: Final = 16
"""How deep fields may lie in others."""
_SHOWS_SOMETHING: Final = re.compile(rb"\b(Tj|TJ|Do|BI|sh|f|F|B|b|S|s)\b|['\"]")
"""Operators that leave a mark (ISO 32000-2, table A.1)."""

_SAYS_NOTHING: Final = frozenset({"/Filter", "/DecodeParms", "/Length", "/Ff", "/M", "/P", "/Parent", "/Type"})
"""How a stream is packed, that a field can't be filled any more, when it was changed, and what lies above it."""


@unique
class ChangeKind(StrEnum):
    """What a revision did, as people think of it."""

    EVIDENCE = "evidence"
    """Certificates, revocation data or timestamps were added: nothing that is seen."""
    SIGNED = "signed"
    """Somebody else signed."""
    FILLED = "filled"
    """A form field was filled in that was empty."""
    REFILLED = "refilled"
    """A form field that was filled says something else."""
    ANNOTATED = "annotated"
    """Remarks or other things that lie over the page."""
    PAGE = "page"
    """The content of a page, or what it is drawn with."""
    PAGES = "pages"
    """Pages were added, removed or put in another order."""
    FORM = "form"
    """The form itself: fields were added, removed or made to look different."""
    OTHER = "other"
    """Something in the structure of the file that nothing explains."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed."""

    revision: int
    """From 1."""
    kind: ChangeKind
    place: str
    """A page's number, a field's name, or nothing."""
    allowed: bool
    """By what may be done to a signed document, and by the signature's own permissions."""


def changes_since(reader: PdfFileReader, signature: EmbeddedPdfSignature) -> Iterator[Change]:
    """All changes in the revisions behind a signature's."""
    signed = reader.get_historical_resolver(signature.signed_revision)
    fields = None
    for number in range(signature.signed_revision + 1, reader.xrefs.total_revisions):
        fields = _fields(signed) if fields is None else fields
        yield from _changes(signature, signed, fields, reader.get_historical_resolver(number))


def _changes(
    signature: EmbeddedPdfSignature, signed: HistoricalResolver, before: Mapping[str, Any], later: HistoricalResolver
) -> Iterator[Change]:
    revision, permission = later.revision + 1, signature.docmdp_level
    try:
        result = DEFAULT_DIFF_POLICY.apply(
            signed, later, field_mdp_spec=signature.fieldmdp, doc_mdp=_for_analysis(permission)
        )
    except (SuspiciousModification, *HOSTILE):
        yield from (Change(revision, kind, place, allowed=False) for kind, place in _located(signed, later))
        return
    level = result.modification_level
    allowed = permission is None or level.value <= permission.value
    if level > ModificationLevel.FORM_FILLING:
        yield from (Change(revision, kind, place, allowed=False) for kind, place in _located(signed, later))
        return
    signers = _signed_in(later)
    if signers or level <= ModificationLevel.LTA_UPDATES:
        kind = ChangeKind.SIGNED if signers else ChangeKind.EVIDENCE
        yield Change(revision, kind, _shown(", ".join(signers)), allowed)
    names = sorted(map(str, result.changed_form_fields))[:_FIELDS_MAX]
    after = _fields(later) if names else {}
    for name in names:
        if (filling := _filling(before.get(name), after.get(name))) is not None:
            fits = filling is ChangeKind.FILLED or (filling is ChangeKind.REFILLED and permission is not None)
            yield Change(revision, filling, _shown(name), allowed and fits)


def _shown(name: str) -> str:
    """A name as it can be shown: signs that turn the direction of text, or move on the screen, are left out."""
    return "".join(letter for letter in name if letter.isprintable())[:_PLACE_MAX]


def _for_analysis(permission: MDPPerm | None) -> MDPPerm | None:
    """Remarks are what pyHanko's analysis can't judge: with leave for them it is asked about forms only."""
    return MDPPerm.FILL_FORMS if permission is MDPPerm.ANNOTATE else permission


def _signed_in(later: HistoricalResolver) -> list[str]:
    """Names of the fields that were signed in this revision; timestamps over the document are not among them."""
    changed = set(later.explicit_refs_in_revision())
    names = []
    for name, value, field in enumerate_sig_fields(later, filled_status=True):
        refs = {each.reference for each in (field, value) if isinstance(each, IndirectObject)}
        raw = field.get_object().raw_get("/V")
        if isinstance(raw, IndirectObject):
            refs.add(raw.reference)
        numbers = {each.idnum for each in refs}
        dictionary = raw.get_object()
        if numbers & {each.idnum for each in changed} and dictionary.get("/Type") != "/DocTimeStamp":
            names.append(str(name))
    return names


def _filling(before: Any, after: Any) -> ChangeKind | None:
    """Whether a changed field was empty when the signature was made; None if it still says the same.

    A signature in it has been told of with its own revision; but an empty field to sign in is a picture only.
    """
    if after is not None and _inherited(after, "/FT") == "/Sig":
        return None if "/V" in after or not is_field_visible(after) else ChangeKind.FORM
    if before is None or after is None:
        return ChangeKind.FORM
    was, now = _inherited(before, "/V"), _inherited(after, "/V")
    if str(was or "") == str(now or "") and _same(before, after):
        return None
    empty = (was is None or str(was) in {"", "/Off"}) and not any(map(_shows_something, _widgets(before)))
    return ChangeKind.FILLED if empty else ChangeKind.REFILLED


def _same(before: Any, after: Any) -> bool:
    """Two objects of two revisions say the same, and so does all that they lead to: values, looks, fonts, pictures."""
    seen: set[tuple[Reference, Reference]] = set()
    waiting = [(before, after)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, IndirectObject) and isinstance(other, IndirectObject):
            pair = (one.reference, other.reference)
            if pair in seen:
                continue
            seen.add(pair)
            one, other = one.get_object(), other.get_object()
        if isinstance(one, DictionaryObject) and isinstance(other, DictionaryObject):
            keys = (one.keys() | other.keys()) - _SAYS_NOTHING
            if not all(key in one and key in other for key in keys) or not _same_content(one, other):
                return False
            waiting += [(one.raw_get(key), other.raw_get(key)) for key in keys]
        elif isinstance(one, ArrayObject) and isinstance(other, ArrayObject):
            if len(one) != len(other):
                return False
            waiting += [(one.raw_get(index), other.raw_get(index)) for index in range(len(one))]
        elif isinstance(one, IndirectObject) or type(one) is not type(other) or one != other:
            return False
    return True


def _same_content(one: DictionaryObject, other: DictionaryObject) -> bool:
    """What is in two streams, however it is packed; of what is no stream nothing is."""
    if not isinstance(one, StreamObject) or not isinstance(other, StreamObject):
        return isinstance(one, StreamObject) == isinstance(other, StreamObject)
    try:
        return bool(one.data == other.data)
    except HOSTILE:
        packed = bool(one.encoded_data == other.encoded_data)
        return packed and all(str(one.get(key)) == str(other.get(key)) for key in ("/Filter", "/DecodeParms"))


def _widgets(field: Any) -> Iterator[Any]:
    """Where a field is drawn: itself, or several places below it."""
    yield field
    for each in islice(field.get("/Kids", ()), _FIELDS_MAX):
        if "/T" not in each.get_object():
            yield each.get_object()


def _shows_something(widget: Any) -> bool:
    """What is drawn in a field may say something though its value is empty; so may what can't be read."""
    with suppress(KeyError):
        look = widget["/AP"]["/N"]
        if not isinstance(look, StreamObject):  # one for each state
            look = look[widget.get("/AS", "/Off")]
        try:
            return bool(_SHOWS_SOMETHING.search(look.data))
        except HOSTILE:
            return True
    return False


def _inherited(field: Any, key: str) -> Any:
    for _ in range(_DEPTH_MAX):
        if key in field:
            return field[key]
        if "/Parent" not in field:
            return None
        field = field["/Parent"]
    return None


def _fields(handler: HistoricalResolver) -> dict[str, Any]:
    """The dictionaries of all fields by their full names; of two with the same name the first."""
    found: dict[str, Any] = {}
    with suppress(*HOSTILE):
        waiting = [("", 0, each) for each in reversed(handler.root["/AcroForm"]["/Fields"])]
        while waiting and len(found) < _FIELDS_MAX:
            above, depth, reference = waiting.pop()
            field = reference.get_object()
            if "/T" in field and depth < _DEPTH_MAX:
                name = f"{above}{field['/T']}"
                found.setdefault(name, field)
                waiting += [(f"{name}.", depth + 1, each) for each in reversed(field.get("/Kids", ()))]
    return found


# Where something is that nothing explains


def _located(signed: HistoricalResolver, later: HistoricalResolver) -> Iterable[tuple[ChangeKind, str]]:
    """What a change that is not allowed has touched, as well as that can be told; never nothing."""
    found: dict[tuple[ChangeKind, str], None] = {}
    with suppress(*HOSTILE):
        for each in _touched(signed, later):
            found[each] = None
    return list(found) or [(ChangeKind.OTHER, "")]


def _touched(signed: HistoricalResolver, later: HistoricalResolver) -> Iterator[tuple[ChangeKind, str]]:
    changed = {each.idnum for each in (*later.explicit_refs_in_revision(), *later.refs_freed_in_revision())}
    before, after = _pages(signed), _pages(later)
    if [each.idnum for each in before] != [each.idnum for each in after]:
        yield ChangeKind.PAGES, ""
    for number, page in enumerate(after, start=1):
        old, new = (_page(signed, page) if page in before else DictionaryObject()), _page(later, page)
        if _differs(old, new, ("/Contents", "/Resources", "/MediaBox", "/CropBox", "/Rotate"), changed, later):
            yield ChangeKind.PAGE, str(number)
        if _differs(old, new, ("/Annots",), changed, later):
            yield ChangeKind.ANNOTATED, str(number)
    old_root, new_root = signed.root, later.root
    if _differs(old_root, new_root, ("/AcroForm",), changed, later):
        yield ChangeKind.FORM, ""


def _page(handler: HistoricalResolver, page: Reference) -> Any:
    return handler.get_object(Reference(page.idnum, page.generation, handler))


def _differs(old: Any, new: Any, keys: Iterable[str], changed: set[int], later: HistoricalResolver) -> bool:
    for key in keys:
        value = new.raw_get(key) if key in new else None
        if (key in old) != (key in new) or (value is not None and repr(old.raw_get(key)) != repr(value)):
            return True
        if value is not None and changed & {each.idnum for each in _reached(value, later)}:
            return True
    return False


def _reached(value: Any, later: HistoricalResolver) -> set[Reference]:
    """All objects that a value leads to, but not back up to pages."""
    seen: set[Reference] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, IndirectObject):
            if each.reference in seen:
                continue
            seen.add(each.reference)
            each = later.get_object(Reference(each.idnum, each.generation, later))
        if isinstance(each, DictionaryObject):
            waiting += [each.raw_get(key) for key in each if key not in {"/P", "/Parent", "/Dest", "/A"}]
        elif isinstance(each, ArrayObject):
            waiting += [each.raw_get(index) for index in range(len(each))]
    return seen


def _pages(handler: HistoricalResolver) -> list[Reference]:
    """The pages in their order, as far as they are counted here."""
    found: list[Reference] = []
    seen: set[Reference] = set()
    waiting: list[Any] = [handler.root.raw_get("/Pages")]
    while waiting and len(found) < _PAGES_MAX:
        each = waiting.pop()
        if not isinstance(each, IndirectObject) or each.reference in seen:
            continue
        seen.add(each.reference)
        node = handler.get_object(Reference(each.idnum, each.generation, handler))
        if "/Kids" in node:
            waiting += [node["/Kids"].raw_get(index) for index in reversed(range(len(node["/Kids"])))]
        else:
            found.append(each.reference)
    return found
