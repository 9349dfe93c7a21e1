"""`ecitizen emulator`: cards that are not plastic."""

import argparse
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cardapps.piv.layout import Slot
    from ecitizen.algorithms import KeyAlgorithm
    from ecitizen.emulator.image import Value
    from ecitizen.emulator.persona import Persona
    from ecitizen.emulator.slot import VirtualSlot
    from ecitizen.iso7816.apdu import CardProtocol

DEFAULT_VPCD = "localhost:35963"
ANNOUNCE_SECONDS = 1.0
"""How long `run` waits for pcscd to power the card before it says that the card is attached."""
POLL_SECONDS = 0.2
PIV_ATRS = MappingProxyType({"T=0": "3B1B1180F9A00000030800001000", "T=1": "3B9B118131FE4580F9A0000003080000100043"})
"""Answers to reset whose historical bytes name the PIV application, by which OpenSC knows it (card-stack.md, 0)."""
PORT_DIGITS = 5


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen emulator")
    new = group.add_parser("new", help="make a card image", description=new_image.__doc__)
    new.add_argument("file", metavar="FILE", help="the card image to write")
    whose = new.add_mutually_exclusive_group(required=True)
    whose.add_argument("--persona", metavar="NAME", help="whose card it is; see `emulator personas`")
    whose.add_argument("--blank", action="store_true", help="nobody's card yet, with the published test keys")
    new.add_argument("--serial", metavar="HEX", help="chip serial of a blank card, 8 bytes (default: random)")
    new.add_argument("--protocol", choices=["t0", "t1"], default="t0", help="what the card speaks (default: t0)")
    new.add_argument("--force", action="store_true", help="replace the file if there is one")
    new.add_argument("--no-piv", action="store_true", help="leave the signing application (PIV) out")
    new.add_argument(
        "--key", action="append", metavar="SLOT=ALGORITHM", help="a key of this kind there, as 9C=rsa3072 (repeatable)"
    )
    new.add_argument("--no-extensions", action="store_true", help="PIV as the standard has it, and nothing more")
    new.add_argument("--atr", metavar="ATR", default="thai", help="answer to reset: thai, piv or hex (default: thai)")
    new.set_defaults(run=new_image)

    personas = group.add_parser("personas", help="list the fictional holders", description=list_personas.__doc__)
    personas.set_defaults(run=list_personas)

    show = group.add_parser("show", help="say what a card image is", description=show_image.__doc__)
    show.add_argument("file", metavar="FILE", help="a card image")
    show.set_defaults(run=show_image)

    run = group.add_parser("run", help="put the card into pcscd's virtual reader", description=run_image.__doc__)
    run.add_argument("file", metavar="FILE", help="a card image")
    run.add_argument(
        "--vpcd", metavar="HOST:PORT", default=DEFAULT_VPCD, help=f"where vpcd listens (default: {DEFAULT_VPCD})"
    )
    run.add_argument(
        "--fault",
        action="append",
        metavar="FAULT",
        help="play this fault, as remove@5 (may be repeated); docs/faults.md",
    )
    run.add_argument("--control", metavar="PATH", help="let `emulator control` in, over a socket at PATH")
    run.set_defaults(run=run_image)

    control = group.add_parser("control", help="control a running emulator", description=control_emulator.__doc__)
    control.add_argument("path", metavar="PATH", help="what --control of `emulator run` says")
    _add_control_commands(control)


def _add_control_commands(control: argparse.ArgumentParser) -> None:
    commands = control.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in (
        ("status", "say what is in the slot"),
        ("insert", "put the card in again, or another card image"),
        ("remove", "pull the card out"),
        ("swap", "put another card image in instead"),
        ("fault", "play these faults from now on"),
        ("clear", "play no more faults"),
    ):
        command = commands.add_parser(name, help=text, description=control_emulator.__doc__)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(run=control_emulator, request=name, file=None, fault=())
        if name in {"insert", "swap"}:
            command.add_argument("file", metavar="FILE", nargs="?" if name == "insert" else None, help="a card image")
        if name == "fault":
            command.add_argument("fault", metavar="FAULT", nargs="+", help="a fault, as remove@5; docs/faults.md")


def new_image(arguments: argparse.Namespace) -> ExitCode:
    """Make the card of a fictional holder, or a blank card to be issued, and save it as a card image."""
    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.persona import find_persona
    from ecitizen.emulator.personalise import sections_for
    from ecitizen.errors import UsageError
    from ecitizen.iso7816.apdu import CardProtocol

    from ..output import talk

    _ = arguments.words.translate
    protocol = CardProtocol[arguments.protocol.upper()]
    atr = _answer_to_reset(arguments.atr, protocol)
    if arguments.blank:
        return _new_blank_image(arguments, protocol, atr)
    if arguments.serial is not None:
        raise UsageError("--serial is for blank cards; a persona's card has the chip of its persona")
    persona = find_persona(arguments.persona)
    if arguments.no_piv:
        if arguments.key or arguments.no_extensions:
            raise UsageError("--key and --no-extensions are about the signing application, which --no-piv leaves out")
        sections = sections_for(persona, protocol, atr=atr)
    else:
        sections = _sealed_card(persona, protocol, atr, arguments)
    CardImage.create(arguments.file, sections, overwrite=arguments.force).close()
    text = _("{file} is the card of {persona}. Read it: ecitizen card read --reader virtual:{file}")
    talk(text.format(file=arguments.file, persona=persona.name))
    if not arguments.no_piv:
        from cardapps.piv.layout import DEFAULT_PIN, DEFAULT_PUK

        talk(_("It can sign: PIN {pin}, PUK {puk}, as all such test cards.").format(pin=DEFAULT_PIN, puk=DEFAULT_PUK))
    return ExitCode.OK


def _new_blank_image(arguments: argparse.Namespace, protocol: "CardProtocol", atr: bytes | None) -> ExitCode:
    """A card with nothing on it but the issuer's domain and the published test keys."""
    import os

    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.personalise import blank_sections
    from ecitizen.errors import UsageError

    from ..output import talk

    _ = arguments.words.translate
    if arguments.key or arguments.no_extensions or arguments.no_piv:
        raise UsageError(
            "--key, --no-extensions and --no-piv are about a persona's card; a blank one has no application"
        )
    try:
        serial = os.urandom(8) if arguments.serial is None else bytes.fromhex(arguments.serial)
    except ValueError:
        raise UsageError("--serial takes 8 bytes in hex, as 1122334455667788") from None
    CardImage.create(arguments.file, blank_sections(protocol, serial, atr=atr), overwrite=arguments.force).close()
    talk(_("{file} is a blank card, chip serial {serial}.").format(file=arguments.file, serial=serial.hex().upper()))
    talk(_("Its keys are the published test keys, which everybody knows: only for tests."))
    return ExitCode.OK


def _sealed_card(
    persona: "Persona", protocol: "CardProtocol", atr: bytes | None, arguments: argparse.Namespace
) -> "dict[str, dict[str, Value]]":
    """The card with its signing application, signed by the test hierarchy."""
    from cardapps.hierarchy import Hierarchy
    from cardapps.sample_cards import sealed_card

    from ..folders import sample_hierarchy_folder

    keys = dict(_slot_and_algorithm(text) for text in arguments.key or ())
    with Hierarchy.open(sample_hierarchy_folder()) as hierarchy:
        return sealed_card(persona, protocol, hierarchy, keys=keys, extensions=not arguments.no_extensions, atr=atr)


def _slot_and_algorithm(text: str) -> "tuple[Slot, KeyAlgorithm]":
    from ecitizen.errors import UsageError

    from ..piv.work import key_algorithm, slot

    place, equals, algorithm = text.partition("=")
    if not equals:
        raise UsageError("--key takes SLOT=ALGORITHM, as in 9C=rsa3072")
    try:
        return slot(place), key_algorithm(algorithm)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--key {text}: {error}") from None


def _answer_to_reset(text: str, protocol: "CardProtocol") -> bytes | None:
    """What `--atr` means; None for the persona's own."""
    from ecitizen.errors import UsageError

    if text == "thai":
        return None
    if text == "piv":
        return bytes.fromhex(PIV_ATRS[str(protocol)])
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError("--atr takes thai, piv, or an answer to reset in hex") from None


def list_personas(_: argparse.Namespace) -> ExitCode:
    """List the fictional holders that cards can be made for: a name per line, then what is special about them."""
    from ecitizen.emulator.persona import installed_personas

    personas = sorted(installed_personas().values(), key=lambda persona: persona.name)
    width = max((len(persona.name) for persona in personas), default=0)
    for persona in personas:
        print(f"{persona.name:<{width}}  {persona.description}")
    return ExitCode.OK


def show_image(arguments: argparse.Namespace) -> ExitCode:
    """Say whose card an image is, what it speaks and which applications it has; nothing of their data."""
    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.personalise import SECTION_CARD, card_from_image

    from ..output import show

    _ = arguments.words.translate
    with CardImage.open(arguments.file) as image:
        card = card_from_image(image)
        print(f"{_('Card image for tests, not for real data')}: {arguments.file}")
        print(f"{_('Persona')}: {show(image.read(SECTION_CARD).get('persona'), arguments.words)}")
        print(f"{_('Protocol')}: {card.protocol}")
        print(f"ATR: {card.atr.hex().upper()}")
        for applet in card.applets:
            print(f"{_('Application')}: {applet.aid.hex().upper()} [{applet.name}]")
    return ExitCode.OK


def run_image(arguments: argparse.Namespace) -> ExitCode:
    """Put the card into pcscd's virtual reader (vpcd), for programs in any language, until stopped with Ctrl-C."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import nullcontext
    from time import sleep

    from ecitizen.emulator.faults import parse_fault
    from ecitizen.emulator.slot import VirtualSlot

    from ..output import talk
    from ..stopping import StopSignals

    _ = arguments.words.translate
    host, port = _address(arguments.vpcd)
    faults = [parse_fault(text) for text in arguments.fault or ()]

    def say_when_powered() -> None:
        slot.wait_powered(ANNOUNCE_SECONDS)
        print(f"attached to {arguments.vpcd}", flush=True)

    def announce() -> None:
        threads.submit(say_when_powered)

    slot = VirtualSlot(arguments.file, host, port, faults=faults, on_attached=announce)
    control = _control(slot, arguments.control) if arguments.control else nullcontext()
    with StopSignals() as signals, ThreadPoolExecutor() as threads, slot, control:
        slot.insert()
        talk(_("Waiting for vpcd at {address}; Ctrl-C stops.").format(address=arguments.vpcd))
        while not signals.came():
            slot.check()
            sleep(POLL_SECONDS)
    return ExitCode.OK


def _control(slot: "VirtualSlot", path: str) -> "AbstractContextManager[object]":
    from ecitizen.emulator.control import EmulatorControl  # late: only a controlled emulator needs it

    return EmulatorControl(slot, path)


def control_emulator(arguments: argparse.Namespace) -> ExitCode:
    """Control an emulator that was started with --control, and show what is in its slot afterwards."""
    from pathlib import Path

    from ecitizen.emulator.control import ask

    from ..output import print_json

    words = [arguments.request, *arguments.fault]
    if arguments.file is not None:
        words.append(str(Path(arguments.file).absolute()))  # the emulator may run in another folder
    status = ask(arguments.path, " ".join(words))
    if arguments.json:
        print_json({"schema_version": 1, **status})
        return ExitCode.OK
    _ = arguments.words.translate
    place = _("in the slot") if status["inserted"] else _("out")
    print(f"{_('Card')}: {place}{_(', powered') if status['powered'] else ''}")
    print(f"{_('Image')}: {status['image']}")
    print(f"{_('Exchanges')}: {status['exchanges']}")
    print(f"{_('Image writes')}: {status['writes']}")
    print(f"{_('Faults')}: {' '.join(status['faults']) or _('none')}")
    return ExitCode.OK


def _address(text: str) -> tuple[str, int]:
    from ecitizen.errors import UsageError

    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or len(port) > PORT_DIGITS:
        raise UsageError(f"--vpcd takes HOST:PORT, as in {DEFAULT_VPCD}")
    return host.strip("[]"), int(port)
