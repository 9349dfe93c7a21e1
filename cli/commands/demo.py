"""`ecitizen demo`: one card, four applications, read and verified over real PC/SC, and a letter signed with it."""

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from ecitizen.emulator.card import Card
    from ecitizen.session import CardSession
    from ecitizen.transport.virtual import VirtualReader
    from pki.signed import DocumentReport

    from ..language import Words

PERSONA = "wanida"
DEFAULT_OUT = "ecitizen-demo"
LETTER = (
    "Dear colleague,",
    "",
    "this letter was signed with the card of a fictional official.",
    "Change a letter of it, and ecitizen verify --test will tell.",
)
"""What the official signs."""


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = run.__doc__
    parser.add_argument("--out", metavar="DIR", default=DEFAULT_OUT, help=f"where to save (default: {DEFAULT_OUT})")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Insert a fictional official's card into a virtual reader, read, show and verify it; sign a letter (PDF) with it.

    The way is the real one: a private PC/SC daemon with a virtual reader. Where that can't be had, the card is
    read inside this process, and the demo says so.
    """
    import json
    from pathlib import Path

    from ecitizen.apps import installed_drivers
    from ecitizen.errors import FileFailed
    from ecitizen.jsonio import to_json
    from ecitizen.usecases.open_card import open_card
    from ecitizen.usecases.read_card import read_card
    from ecitizen.usecases.verify_card import verify_card
    from ecitizen.verdict import CardVerdict
    from pki.signed import DocumentVerdict

    from ..output import reading_lines, talk
    from ..photo import photo_of, save, write_file
    from ..verdicts import verdict_line

    _ = arguments.words.translate
    folder = Path(arguments.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailed(f"can't make the folder {folder}: {error.strerror}; choose another with --out") from None
    card, trust = _sealed_card()
    with _inserted(card, arguments.words) as reader, open_card(reader, wait=5.0, wrap=arguments.wrap) as session:
        reading = read_card(session)
        print("\n".join(reading_lines(reading, installed_drivers(), arguments.words)))
        verification = verify_card(session, trust=trust, offline=True)
        print(f"\n{verdict_line(verification, arguments.words)}")
        letter = _signed_letter(session, trust, folder / f"{PERSONA}.pdf", arguments.words)
    photo = photo_of(reading)
    if photo is not None:
        save(photo, folder / f"{PERSONA}.jpg")
    write_file(folder / f"{PERSONA}.json", json.dumps(to_json(reading), ensure_ascii=False, indent=2).encode() + b"\n")
    saved = _("Saved: {name}.jpg (the portrait) and {name}.json (the same facts for programs).")
    talk(f"\n{saved.format(name=folder / PERSONA)}")
    if letter is not None:
        path = folder / f"{PERSONA}.pdf"
        talk(_("Saved: {path} (the letter). Check it: ecitizen verify {path} --test").format(path=path))
    good = letter is None or letter.verdict is DocumentVerdict.VALID
    return (
        ExitCode.OK if good and reading.complete and verification.verdict is CardVerdict.GENUINE else ExitCode.PROBLEMS
    )


def _signed_letter(session: "CardSession", trust: "Path", path: "Path", words: "Words") -> "DocumentReport | None":
    """Have the card sign a letter, check it, and show who signed; None where the packages for PDF are missing."""
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import DEFAULT_PIN, Slot
    from ecitizen.errors import ConfigError
    from ecitizen.secret import Pin
    from pki import pdf
    from pki.signed_files import write_whole
    from pki.trust import TrustStore

    from ..letter import letter_pdf
    from ..output import talk
    from ..signing.keys import chain_of
    from ..signing.reports import signer_name, verdict_line
    from ..signing.trusting import now

    _ = words.translate
    store, moment = TrustStore.open(trust), now()
    signer = PivSession.select(session).signer(Slot.SIGNATURE, lambda _state: Pin(DEFAULT_PIN))
    assert signer.certificate is not None
    chain = chain_of(signer.certificate, store)
    try:
        signed = pdf.sign(letter_pdf(LETTER), signer, signer.certificate, chain, moment=moment, reason="Demo")
        report = pdf.verify(signed, store, moment)
    except ConfigError as error:
        talk(f"\n{words.error(error)}")
        return None
    write_whole(path, [signed])
    (signature,) = report.signatures
    assert signature.signer is not None
    print(f"\n{_('A letter, signed with the card:')}")
    print(f"{_('Signed by')}: {signer_name(signature.signer, words)}")
    print(verdict_line(report.verdict, words, test=store.policy.test))
    return report


def _sealed_card() -> "tuple[Card, Path]":
    """The official's card, signed by the test hierarchy, and the trust directory by which it is genuine."""
    from cardapps.hierarchy import Hierarchy
    from cardapps.sample_cards import sealed_card
    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.persona import find_persona
    from ecitizen.emulator.personalise import card_from_image
    from ecitizen.iso7816.apdu import CardProtocol

    from ..folders import sample_hierarchy_folder

    with Hierarchy.open(sample_hierarchy_folder()) as hierarchy:
        sections = sealed_card(find_persona(PERSONA), CardProtocol.T0, hierarchy)
        return card_from_image(CardImage.in_memory(sections)), hierarchy.trust_folder


def _inserted(card: "Card", words: "Words") -> "AbstractContextManager[str | VirtualReader]":
    """The card in a reader: a PC/SC one where that can be had."""
    from ecitizen.emulator.pcscd import missing
    from ecitizen.testing import virtual_reader

    from ..output import talk

    _ = words.translate
    lacking = missing() + _lacking_binding()
    if lacking:
        text = _("Real PC/SC can't be had here (missing: {lacking}), so the card is read in this process.")
        talk(f"{text.format(lacking=', '.join(lacking))}\n")
        return virtual_reader(card)
    return _in_real_reader(card, words)


def _lacking_binding() -> list[str]:
    from importlib.util import find_spec

    return [] if find_spec("smartcard") else ["pyscard"]


@contextmanager
def _in_real_reader(card: "Card", words: "Words") -> Iterator[str]:
    """A private PC/SC daemon with a virtual reader, and the card in it; gives the reader's name."""
    import os

    from ecitizen.emulator.pcscd import PrivatePcscd
    from ecitizen.testing import pcsc_reader

    from ..output import talk

    _ = words.translate
    with PrivatePcscd() as daemon:
        os.environ.update(daemon.environment)  # libpcsclite looks here for the daemon's socket
        talk(_("A PC/SC daemon of our own runs, with the reader {name!r}.").format(name=daemon.reader_names[0]))
        with pcsc_reader(card, port=daemon.ports[0]):
            talk(_("The card of {persona} is in it. Reading through PC/SC…").format(persona=PERSONA) + "\n")
            yield daemon.reader_names[0]
