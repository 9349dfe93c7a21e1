"""What a signature by the card costs: our driver against the bare operation, and against OpenSC on the same card.

Aims (issue 4): our driver, in this process, adds less than 1 ms to the bare operation; it never needs more exchanges
than OpenSC. Rates are of one run on one machine. Exchanges are counted by the card, and are the same everywhere.
Parts that need what this machine lacks say so and are left out.
"""

import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_ubyte, c_ulong, c_void_p
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import DEFAULT_MANAGEMENT_KEY, DEFAULT_PIN, Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.pcscd import PrivatePcscd, missing
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, record_for, sections_for
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.ports import PinState
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.testing import pcsc_reader
from ecitizen.transport import pcsc
from ecitizen.transport.virtual import VirtualReader
from pki import keys

DIGEST = bytes(range(32))
AIM_SECONDS = 0.001
SLOT = Slot.AUTHENTICATION
BATCHES, BATCH_SECONDS = 9, 0.1
MODULE = next(Path("/usr/lib").glob("*/opensc-pkcs11.so"), None)  # where Debian's opensc-pkcs11 puts it
TOOL = shutil.which("pkcs11-tool")
TOOL_MECHANISMS = {KeyAlgorithm.P_256: "ECDSA", KeyAlgorithm.RSA_2048: "SHA256-RSA-PKCS"}
TOOL_RUNS = 10
IN_PROCESS = (
    KeyAlgorithm.P_256,
    KeyAlgorithm.P_384,
    KeyAlgorithm.RSA_2048,
    KeyAlgorithm.RSA_4096,
    KeyAlgorithm.ED25519,
)
CERTIFICATE_SLOTS = (Slot.AUTHENTICATION, Slot.SIGNATURE, Slot.KEY_MANAGEMENT, Slot.CARD_AUTHENTICATION)


class RecordingCard:
    """A card that remembers what it was asked."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.commands: list[bytes] = []
        self.atr, self.protocol = card.atr, card.protocol
        self.power_on, self.power_off, self.reset = card.power_on, card.power_off, card.reset

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        return self.card.transmit(command)

    @contextmanager
    def counting(self, counts: dict[str, int], what: str) -> Iterator[None]:
        self.commands.clear()
        yield
        counts[what] = len(self.commands)


def sections(algorithm: KeyAlgorithm, protocol: CardProtocol) -> Any:
    persona = find_persona("somchai")
    return sections_for(persona, protocol, further={"piv": record_for("piv", persona, keys={SLOT: algorithm})})


def made_card(algorithm: KeyAlgorithm, protocol: CardProtocol = CardProtocol.T1) -> Card:
    return card_from_image(CardImage.in_memory(sections(algorithm, protocol)))


def type_pin(_: PinState) -> Pin:
    return Pin(DEFAULT_PIN)


def medians(
    contenders: dict[str, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds per call, by the median of batches taken in turn."""
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(BATCHES):
        for name, call in contenders.items():
            count, begun = 0, clock()
            while (took := clock() - begun) < BATCH_SECONDS:
                call()
                count += 1
            spent[name].append(took / count)
    return {name: statistics.median(each) for name, each in spent.items()}


def bare_operation(key: keys.PrivateKey) -> Callable[[], bytes]:
    """The same signature by the cryptography package alone."""
    hashed = Prehashed(hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        return lambda: key.sign(DIGEST, padding.PKCS1v15(), hashed)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return lambda: key.sign(DIGEST, ec.ECDSA(hashed))
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return lambda: key.sign(DIGEST)


def signing(piv: PivSession) -> Callable[[], bytes]:
    """A signature by the card's key, after the first one, for which the PIN was shown."""
    signer = piv.signer(SLOT, type_pin)
    algorithm = next(each for each in signer.algorithms if each.hash in {None, "sha256"})

    def sign() -> bytes:
        return signer.sign(DIGEST, algorithm) if algorithm.hash is None else signer.sign_digest(DIGEST, algorithm)

    sign()
    return sign


def in_process() -> dict[str, dict[str, float]]:
    """Processor seconds per signature: the bare operation, the emulated card alone, and our driver with that card.

    The key is imported, so that it is known and can be used bare too. The card alone is asked with the very bytes
    that the driver sent.
    """
    results = {}
    card = RecordingCard(made_card(KeyAlgorithm.P_256))
    piv = PivSession.select(CardSession(VirtualReader(card).connect()))
    for algorithm in IN_PROCESS:
        key = keys.generate_key(algorithm)
        piv.authenticate_management(KeyBytes(DEFAULT_MANAGEMENT_KEY))
        piv.import_key(SLOT, keys.private_key_info(key))
        sign = signing(piv)
        card.commands.clear()
        sign()
        contenders = {"bare": bare_operation(key), "card": replaying(card.card, card.commands[:]), "driver": sign}
        results[str(algorithm)] = medians(contenders, time.process_time)
    return results


def replaying(card: Card, commands: list[bytes]) -> Callable[[], object]:
    return lambda: [card.transmit(command) for command in commands]


@contextmanager
def card_in_its_own_process(algorithm: KeyAlgorithm, port: int) -> Iterator[None]:
    """The emulated card as other programs meet it; inside this process it would wait for our own interpreter lock."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "somchai.card"
        CardImage.create(image, sections(algorithm, CardProtocol.T1)).close()
        command = [sys.executable, "-m", "cli", "emulator", "run", str(image), "--vpcd", f"localhost:{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            process.stdout.readline()
            yield
            process.terminate()


def through_pcscd(daemon: PrivatePcscd, algorithm: KeyAlgorithm) -> dict[str, float]:
    """Seconds per signature of our driver, of OpenSC's PKCS#11 module, and of a pkcs11-tool for every signature."""
    with card_in_its_own_process(algorithm, daemon.ports[0]):
        with CardSession(pcsc.connect(daemon.reader_names[0], wait=5.0)) as session:
            result = medians({"driver": signing(PivSession.select(session))})
        if TOOL is None or MODULE is None:
            return result
        with pkcs11_signing(MODULE, algorithm) as sign:
            result |= medians({"OpenSC": sign})
        begun = time.perf_counter()
        for _ in range(TOOL_RUNS):
            tool_signature(TOOL, algorithm)
        result["pkcs11-tool"] = (time.perf_counter() - begun) / TOOL_RUNS
    return result


def tool_signature(tool: str, algorithm: KeyAlgorithm) -> None:
    arguments = ["--login", "--pin", DEFAULT_PIN, "--sign", "--id", "01", "-m", TOOL_MECHANISMS[algorithm]]
    subprocess.run([tool, *arguments], input=DIGEST, capture_output=True, check=True)


class Attribute(ctypes.Structure):
    """CK_ATTRIBUTE (PKCS#11 2.40, 3.4)."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class Mechanism(ctypes.Structure):
    """CK_MECHANISM (PKCS#11 2.40, 3.6)."""

    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


@contextmanager
def pkcs11_signing(path: Path, algorithm: KeyAlgorithm) -> Iterator[Callable[[], bytes]]:
    """A signature by OpenSC in one session, after C_Login: constants are those of PKCS#11 2.40."""
    module = ctypes.CDLL(str(path))

    def must(name: str, *arguments: Any) -> None:
        result = getattr(module, name)(*arguments)
        assert result == 0, f"{name}: {result:#x}"

    must("C_Initialize", None)
    count, slots, session = c_ulong(8), (c_ulong * 8)(), c_ulong()
    must("C_GetSlotList", c_ubyte(1), slots, byref(count))
    must("C_OpenSession", c_ulong(slots[0]), c_ulong(4), None, None, byref(session))  # CKF_SERIAL_SESSION
    must("C_Login", session, c_ulong(1), DEFAULT_PIN.encode(), c_ulong(len(DEFAULT_PIN)))  # CKU_USER
    kind, name = c_ulong(3), (c_ubyte * 1)(1)  # CKO_PRIVATE_KEY; the id that OpenSC gives to 9A
    template = (Attribute * 2)(
        Attribute(0, ctypes.cast(byref(kind), c_void_p), ctypes.sizeof(kind)),  # CKA_CLASS
        Attribute(0x102, ctypes.cast(name, c_void_p), 1),  # CKA_ID
    )
    key, found = c_ulong(), c_ulong()
    must("C_FindObjectsInit", session, template, c_ulong(2))
    must("C_FindObjects", session, byref(key), c_ulong(1), byref(found))
    must("C_FindObjectsFinal", session)
    assert found.value == 1
    rsa_key = algorithm is KeyAlgorithm.RSA_2048
    mechanism = Mechanism(0x1 if rsa_key else 0x1041, None, 0)  # CKM_RSA_PKCS, CKM_ECDSA
    message = bytes.fromhex("3031300D060960864801650304020105000420") * rsa_key + DIGEST
    signature = (c_ubyte * 512)()

    def sign() -> bytes:
        length = c_ulong(len(signature))
        must("C_SignInit", session, byref(mechanism), key)
        must("C_Sign", session, message, c_ulong(len(message)), signature, byref(length))
        return bytes(signature[: length.value])

    yield sign
    must("C_Finalize", None)


def exchanges(daemon: PrivatePcscd, protocol: CardProtocol) -> dict[str, int]:
    """What the card was asked, from the beginning of a program to its end, and for one signature more."""
    counts: dict[str, int] = {}
    for algorithm in TOOL_MECHANISMS:
        card = RecordingCard(made_card(algorithm, protocol))
        with pcsc_reader(card, port=daemon.ports[0]):
            with CardSession(pcsc.connect(daemon.reader_names[0], wait=5.0)) as session:
                with card.counting(counts, f"first {algorithm} signature, driver"):
                    sign = signing(PivSession.select(session))
                with card.counting(counts, f"next {algorithm} signature, driver"):
                    sign()
            if TOOL and MODULE:
                with card.counting(counts, f"first {algorithm} signature, OpenSC"):
                    tool_signature(TOOL, algorithm)
                with pkcs11_signing(MODULE, algorithm) as sign:
                    sign()
                    with card.counting(counts, f"next {algorithm} signature, OpenSC"):
                        sign()
    with CardSession(VirtualReader(card).connect()) as session, card.counting(counts, "all certificates, driver"):
        piv = PivSession.select(session)
        assert None not in {piv.certificate(slot) for slot in CERTIFICATE_SLOTS}
    if TOOL:
        with pcsc_reader(card, port=daemon.ports[0]), card.counting(counts, "all certificates, OpenSC"):
            subprocess.run([TOOL, "--list-objects", "--type", "cert"], capture_output=True, check=True)
    return counts


def main() -> None:
    """Print what was measured and write it beside this script."""
    results: dict[str, Any] = {"in process": in_process()}
    print("a signature in this process, milliseconds of the processor:")
    print("            bare operation  emulated card  driver and card  driver alone")
    for algorithm, times in results["in process"].items():
        added = times["driver"] - times["card"]
        verdict = "" if added < AIM_SECONDS else "  (the aim is 1)"
        shown = "".join(f"{1e3 * each:15.3f}" for each in (*times.values(), added))
        print(f"  {algorithm:8} {shown}{verdict}")
    if lacking := missing():
        print(f"through pcscd: can't be measured here, missing: {', '.join(lacking)}")
    else:
        if TOOL is None or MODULE is None:
            print("OpenSC can't be measured here: apt install opensc opensc-pkcs11")
        with PrivatePcscd() as daemon:
            os.environ.update(daemon.environment)
            rates = {str(each): through_pcscd(daemon, each) for each in TOOL_MECHANISMS}
            counts = {str(protocol): exchanges(daemon, protocol) for protocol in CardProtocol}
        results |= {"through pcscd": rates, "exchanges": counts}
        for algorithm, times in rates.items():
            shown = ", ".join(f"{name} {1 / seconds:,.0f}/s" for name, seconds in times.items())
            print(f"{algorithm} through pcscd and vpcd: {shown}")
        for protocol, counted in counts.items():
            for what, count in counted.items():
                print(f"  {protocol}  {what:36} {count:3} exchanges")
            for what in {each.rpartition(", ")[0] for each in counted if each.endswith("OpenSC")}:
                assert counted[f"{what}, driver"] <= counted[f"{what}, OpenSC"], f"{what}: more than OpenSC"
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
