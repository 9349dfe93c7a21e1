"""`ecitizen piv info`: what a signing card is, and what is in its slots."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..exit_codes import ExitCode
from ..options import add_reader
from .work import card, selected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cardapps.piv.driver import KeyMetadata, PivSession
    from cardapps.piv.layout import Slot
    from ecitizen.model import LinkStats, Problem
    from ecitizen.ports import PinState

    from ..language import Words

T = TypeVar("T")

APPLICATION = "piv"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What people want to know of a certificate."""

    subject: str
    """RFC 4514, as are all names."""
    issuer: str
    serial_number: str
    """Upper-case hex."""
    not_before: str
    """ISO 8601, UTC."""
    not_after: str
    sha256: str
    """Of the DER, in lower-case hex."""


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """A slot that has a key or a certificate; None is what the card does not tell."""

    slot: str
    algorithm: str | None
    origin: str | None
    pin_policy: str | None
    touch_policy: str | None
    certificate: CertificateFacts | None


@dataclass(frozen=True, slots=True)
class ManagementKeyFacts:
    """The key that lets one change what is on the card."""

    algorithm: str | None
    is_default: bool | None


@dataclass(frozen=True, slots=True)
class PivFacts:
    """A signing card; None is what it does not tell."""

    aid: str
    label: str | None
    version: str | None
    """Of the extensions."""
    serial: int | None
    guid: str | None
    expiration_date: str | None
    """YYYY-MM-DD."""
    pin: "PinState"
    puk: "PinState"
    management_key: ManagementKeyFacts
    slots: tuple[SlotFacts, ...]
    problems: "tuple[Problem, ...]"
    link: "LinkStats"


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = show_info.__doc__
    add_reader(parser)
    parser.set_defaults(run=show_info)


def show_info(arguments: argparse.Namespace) -> ExitCode:
    """Say what the signing card is: tries left, management key, and the key and certificate in each slot."""
    from ecitizen.jsonio import plain

    from ..output import print_json, printable

    with card(arguments) as session, selected(session) as piv:
        facts = _Look(piv).facts()
    if arguments.json:
        print_json({"schema_version": 1, **plain(facts)})
    else:
        print("\n".join(map(printable, _lines(facts, arguments.words))))
    return ExitCode.PROBLEMS if facts.problems else ExitCode.OK


class _Look:
    """One look at a card. What goes wrong with a part of it is noted, and the rest still told."""

    def __init__(self, piv: "PivSession") -> None:
        self._piv = piv
        self._problems: list[Problem] = []

    def facts(self) -> PivFacts:
        piv = self._piv
        begun = piv.session.stats
        version = piv.version()
        chuid = self._try("chuid", piv.chuid)
        date = chuid.expiration_date if chuid else ""
        return PivFacts(
            aid=piv.properties.aid.hex().upper(),
            label=piv.properties.label or None,
            version=".".join(map(str, version)) if version else None,
            serial=piv.serial(),
            guid=chuid.guid.hex().upper() if chuid else None,
            expiration_date=f"{date[:4]}-{date[4:6]}-{date[6:]}" if date.isdecimal() and len(date) == 8 else None,
            pin=piv.pin_state(),
            puk=piv.puk_state(),
            management_key=self._management_key(),
            slots=tuple(self._slots()),
            problems=tuple(self._problems),
            link=piv.session.stats_since(begun),
        )

    def _management_key(self) -> ManagementKeyFacts:
        metadata = self._try("management_key", self._piv.management_metadata)
        if metadata is None:
            return ManagementKeyFacts(None, None)
        algorithm = metadata.algorithm
        known = getattr(algorithm, "name", None)  # a bare number has none
        return ManagementKeyFacts(known.lower() if known else None, metadata.is_default)

    def _slots(self) -> "Iterator[SlotFacts]":
        from cardapps.piv.layout import Slot

        order = sorted(Slot, key=lambda slot: (slot.is_retired, slot is Slot.ATTESTATION, slot))
        for slot in order:
            metadata = self._try(f"{slot}.key", partial(self._piv.metadata, slot))
            der = self._try(f"{slot}.certificate", partial(self._piv.certificate, slot))
            if metadata is None and der is None:
                continue
            certificate = self._try(f"{slot}.certificate", partial(certificate_facts, der)) if der else None
            yield _slot_facts(slot, metadata, certificate)

    def _try(self, part: str, look: Callable[[], T | None]) -> T | None:
        from ecitizen.errors import CardError, CardProtocolError
        from ecitizen.model import Problem
        from pki.errors import PkiError

        try:
            return look()
        except (CardError, CardProtocolError, PkiError) as error:
            self._problems.append(Problem(APPLICATION, part, error.code, str(error)))
            return None


def _slot_facts(slot: "Slot", metadata: "KeyMetadata | None", certificate: CertificateFacts | None) -> SlotFacts:
    from ecitizen.algorithms import KeyAlgorithm

    if metadata is None:
        return SlotFacts(str(slot), None, None, None, None, certificate)
    from cardapps.piv.layout import KEY_ALGORITHM_IDS

    names: dict[int | None, KeyAlgorithm] = {number: name for name, number in KEY_ALGORITHM_IDS.items()}
    algorithm = metadata.algorithm
    name = names.get(algorithm) or (f"{algorithm:02x}" if algorithm is not None else None)
    known = (metadata.origin, metadata.pin_policy, metadata.touch_policy)
    origin, pin_policy, touch_policy = (each.name.lower() if each is not None else None for each in known)
    return SlotFacts(str(slot), name, origin, pin_policy, touch_policy, certificate)


def certificate_facts(der: bytes) -> CertificateFacts:
    """What a certificate says. Raise Malformed if it is none."""
    import hashlib

    from cryptography.x509 import NameOID

    from pki.certificates import load_certificate

    certificate = load_certificate(der)
    short = {  # what the library's own table lacks, as openssl calls it
        NameOID.SERIAL_NUMBER: "serialNumber",
        NameOID.GIVEN_NAME: "GN",
        NameOID.SURNAME: "SN",
        NameOID.TITLE: "title",
    }
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(short),
        issuer=certificate.issuer.rfc4514_string(short),
        serial_number=f"{certificate.serial_number:X}",
        not_before=f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        not_after=f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        sha256=hashlib.sha256(der).hexdigest(),
    )


def _lines(facts: PivFacts, words: "Words") -> "Iterator[str]":
    from ..commands.pin import pin_text
    from ..output import NOTHING, problem_text

    _ = words.translate
    yield f"{_('Application')}: {facts.label or 'PIV'} ({facts.aid})"
    yield f"{_('Extensions')}: {facts.version or _('none')}"
    if facts.serial is not None:
        yield f"{_('Serial number')}: {facts.serial}"
    yield f"{_('Card number (GUID)')}: {facts.guid or NOTHING}"
    yield f"{_('Valid until')}: {facts.expiration_date or NOTHING}"
    yield f"PIN: {pin_text(facts.pin, words)}"
    yield f"PUK: {pin_text(facts.puk, words)}"
    key = facts.management_key
    known = _(", the one that everybody knows: change it") if key.is_default else ""
    yield f"{_('Management key')}: {key.algorithm or _('unknown')}{known}"
    for slot in facts.slots:
        yield ""
        yield from _slot_lines(slot, words)
    if facts.problems:
        yield ""
    for problem in facts.problems:
        yield f"! {problem_text(problem, words)}"


def _slot_lines(slot: SlotFacts, words: "Words") -> "Iterator[str]":
    _ = words.translate
    title = {
        "9A": _("Authentication"),
        "9C": _("Signature"),
        "9D": _("Key management"),
        "9E": _("Card authentication"),
        "F9": _("Attestation"),
    }.get(slot.slot) or _("Retired key")
    origins = {"generated": _("generated on the card"), "imported": _("imported")}
    policies = {"never": _("no PIN"), "once": _("PIN once"), "always": _("PIN for every use")}
    key = [slot.algorithm, origins.get(slot.origin or ""), policies.get(slot.pin_policy or "")]
    yield f"{slot.slot} {title}: {', '.join(each for each in key if each) or _('the card tells nothing of the key')}"
    if slot.certificate is None:
        yield f"  {_('No certificate')}"
        return
    yield f"  {_('Holder')}: {slot.certificate.subject}"
    yield f"  {_('Issuer')}: {slot.certificate.issuer}"
    yield f"  {_('Valid')}: {slot.certificate.not_before[:10]} – {slot.certificate.not_after[:10]}"
