"""PC/SC: the binding, the service, the readers, and what is in them."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import daemon
from .child import run_python
from .daemon import Answer
from .finding import Finding, Severity, Translate

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
"""Where libpcsclite finds its daemon, if not in the usual place (pcscd(8))."""
_SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # pcscd is not on a plain user's PATH
_POLKIT_RULE = """\
echo 'polkit.addRule(function (action, subject) { if (action.id.indexOf("org.debian.pcsc-lite.access_") === 0 \
&& subject.user === "'$(id -un)'") { return polkit.Result.YES; } });' | sudo tee /etc/polkit-1/rules.d/40-pcscd.rules"""


def binding(_: Translate) -> Iterator[Finding]:
    """pyscard is there and can be imported."""
    try:
        installed = version("pyscard")
    except PackageNotFoundError:
        text = _("pyscard is not installed, so no PC/SC reader can be used.")
        yield Finding("pyscard_missing", Severity.ERROR, text, _install_pyscard())
        return
    outcome = run_python("-c", "import smartcard.scard")
    if outcome.code == 0:
        yield Finding("pyscard", Severity.OK, _("pyscard {version} works.").format(version=installed))
        return
    text = _("pyscard {version} is installed, but can't be imported ({error}).")
    cure = "pip install --force-reinstall --no-binary pyscard --no-cache-dir pyscard"
    yield Finding("pyscard_broken", Severity.ERROR, text.format(version=installed, error=outcome.last_words), cure)


def _install_pyscard() -> str:
    if sys.platform != "linux":
        return "pip install pyscard"
    return "sudo apt install swig gcc python3-dev libpcsclite-dev && pip install pyscard"


def service(_: Translate) -> Iterator[Finding]:
    """The daemon of pcsc-lite runs and serves this user; Windows and macOS have services of their own."""
    if sys.platform != "linux":
        return
    path = os.environ.get(SOCKET_VARIABLE)
    if path:
        text = _("{variable} is set: programs here talk to the daemon at {path}, not to the machine's own.")
        cure = f"unset {SOCKET_VARIABLE}"
        yield Finding("pcscd_elsewhere", Severity.WARNING, text.format(variable=SOCKET_VARIABLE, path=path), cure)
    yield _daemon(_, daemon.ask(path or daemon.SYSTEM_SOCKET))


def _daemon(_: Translate, answer: Answer) -> Finding:
    restart = restart_command()
    match answer:
        case Answer.SERVES:
            return Finding("pcscd", Severity.OK, _("The PC/SC service (pcscd) serves this user."))
        case Answer.REFUSES:
            text = _("The PC/SC service (pcscd) does not serve this user (polkit, 0x8010006A).")
            return Finding("pcscd_refuses", Severity.ERROR, text, f"{_POLKIT_RULE} && {restart}")
        case Answer.FORBIDDEN:
            text = _("This user may not open the socket of the PC/SC service (pcscd).")
            return Finding("pcscd_forbidden", Severity.ERROR, text, restart)
        case Answer.SILENT:
            text = _("The PC/SC service (pcscd) does not answer.")
            return Finding("pcscd_silent", Severity.ERROR, text, restart)
        case Answer.ABSENT:
            if not shutil.which("pcscd", path=_SEARCH_PATH):
                text = _("The PC/SC service (pcscd) is not installed.")
                return Finding("pcscd_missing", Severity.ERROR, text, "sudo apt install pcscd")
            text = _("The PC/SC service (pcscd) does not run.")
            cure = "sudo systemctl enable --now pcscd.socket" if _has_systemd() else "sudo pcscd"
            return Finding("pcscd_stopped", Severity.ERROR, text, cure)


def restart_command() -> str:
    """What starts the machine's daemon again."""
    return "sudo systemctl restart pcscd.socket pcscd" if _has_systemd() else "sudo pkill -x pcscd; sudo pcscd"


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()  # as sd_booted(3) says


def readers(_: Translate) -> Iterator[Finding]:
    """The readers, as our own command sees them, and what is in each."""
    outcome = run_python("-m", "cli", "reader", "list", "--json")
    if outcome.code is None:
        text = _("The PC/SC service does not say which readers there are.")
        yield Finding("readers_silent", Severity.ERROR, text, _("Unplug the readers, plug them in, and try again."))
        return
    try:
        answer: dict[str, Any] = json.loads(outcome.out)
    except ValueError:
        text = _("Listing the readers failed ({error}).").format(error=outcome.last_words)
        yield Finding("readers_failed", Severity.ERROR, text, "ecitizen reader list")
        return
    if "error" in answer:
        text = _("Listing the readers failed ({error}).").format(error=answer["error"]["message"])
        yield Finding("readers_failed", Severity.ERROR, text, _("Cure the errors above first."))
        return
    if not answer["readers"]:
        text = _("There is no card reader.")
        cure = _("Plug one in. A USB reader needs a driver: sudo apt install libccid")
        yield Finding("no_reader", Severity.WARNING, text, cure)
    for reader in answer["readers"]:
        yield _reader(_, reader["name"], present=reader["card_present"], atr=reader["atr"])


def _reader(_: Translate, name: str, *, present: bool, atr: str | None) -> Finding:
    if not present:
        return Finding("reader", Severity.OK, _("{reader} is empty.").format(reader=name))
    if atr is None:
        text = _("{reader} has a card that does not answer.").format(reader=name)
        cure = _("Turn the card over; clean its contacts with a dry cloth; try another card.")
        return Finding("card_mute", Severity.WARNING, text, cure)
    return Finding("reader", Severity.OK, _("{reader} has a card ({atr}).").format(reader=name, atr=atr))
