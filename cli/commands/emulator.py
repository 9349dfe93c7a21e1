"""`ecitizen emulator`: cards that are not plastic."""

import argparse

from ..exit_codes import ExitCode

DEFAULT_VPCD = "localhost:35963"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    group = commands.add_parser("emulator", help="emulated cards for tests and training").add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )
    new = group.add_parser("new", help="make a card image", description=new_image.__doc__)
    new.add_argument("file", metavar="FILE", help="the card image to write")
    new.add_argument("--persona", metavar="NAME", required=True, help="whose card it is; see `emulator personas`")
    new.add_argument("--protocol", choices=["t0", "t1"], default="t0", help="what the card speaks (default: t0)")
    new.add_argument("--force", action="store_true", help="replace the file if there is one")
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
    run.set_defaults(run=run_image)


def new_image(arguments: argparse.Namespace) -> ExitCode:
    """Make the card of a fictional holder and save it as a card image."""
    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.persona import find_persona
    from ecitizen.emulator.personalise import sections_for
    from ecitizen.iso7816.apdu import CardProtocol

    from ..output import talk

    persona = find_persona(arguments.persona)
    sections = sections_for(persona, CardProtocol[arguments.protocol.upper()])
    CardImage.create(arguments.file, sections, overwrite=arguments.force).close()
    talk(
        f"{arguments.file} is the card of {persona.name}. Read it: ecitizen card read --reader virtual:{arguments.file}"
    )
    return ExitCode.OK


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

    with CardImage.open(arguments.file) as image:
        card = card_from_image(image)
        print(f"Card image for tests, not for real data: {arguments.file}")
        print(f"Persona: {show(image.read(SECTION_CARD).get('persona'))}")
        print(f"Protocol: {card.protocol}")
        print(f"ATR: {card.atr.hex().upper()}")
        for applet in card.applets:
            print(f"Application: {applet.aid.hex().upper()} [{applet.name}]")
    return ExitCode.OK


def run_image(arguments: argparse.Namespace) -> ExitCode:
    """Put the card into pcscd's virtual reader (vpcd), for programs in any language, until stopped with Ctrl-C."""
    import signal
    import threading

    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.personalise import card_from_image
    from ecitizen.emulator.vpcd import VpcdClient

    from ..output import talk

    host, port = _address(arguments.vpcd)
    stop = threading.Event()
    with CardImage.open(arguments.file) as image:
        client = VpcdClient(card_from_image(image), host, port)

        def on_signal(*_: object) -> None:
            stop.set()
            client.detach()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        talk(f"Waiting for vpcd at {arguments.vpcd}; Ctrl-C stops.")
        client.run(stop, on_attached=lambda: print(f"attached to {arguments.vpcd}", flush=True))
    return ExitCode.OK


def _address(text: str) -> tuple[str, int]:
    from ecitizen.errors import UsageError

    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise UsageError(f"--vpcd takes HOST:PORT, as in {DEFAULT_VPCD}")
    return host.strip("[]"), int(port)
