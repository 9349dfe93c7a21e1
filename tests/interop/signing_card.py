"""What the foreign judges of the signing card share: the card, its PIN, and a way to run other people's programs."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ecitizen.emulator.card import Card
from ecitizen.iso7816.apdu import CardProtocol

Insert = Callable[..., AbstractContextManager[tuple[str, ...]]]

PIN = "123456"
PUK = "12345678"
PATIENCE = 30.0
"""Seconds that a program may take."""


class CardKind(Enum):
    """A protocol and an ATR; None is the ATR of a Thai card, in which nothing tells of PIV."""

    THAI_T0 = (CardProtocol.T0, None)
    THAI_T1 = (CardProtocol.T1, None)
    PIV_T0 = (CardProtocol.T0, "3B1B1180F9A00000030800001000")
    PIV_T1 = (CardProtocol.T1, "3B9B118131FE4580F9A0000003080000100043")
    YUBIKEY_T1 = (CardProtocol.T1, "3BFD1300008131FE158073C021C057597562694B657940")
    """T0 begins with F: `yubikit` takes it for a contact card and sends extended APDUs."""

    @property
    def protocol(self) -> CardProtocol:
        """What the card speaks."""
        protocol: CardProtocol = self.value[0]
        return protocol

    @property
    def atr(self) -> bytes | None:
        """Its answer to reset, None for the persona's."""
        return bytes.fromhex(self.value[1]) if self.value[1] else None

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


BOTH_PROTOCOLS = [CardKind.THAI_T0, CardKind.THAI_T1]
KINDS_FOR_OPENSC = [*BOTH_PROTOCOLS, CardKind.PIV_T0, CardKind.PIV_T1]


class CardInPlace:
    """A card that stays in its reader while the test puts another one of its kind in its place, quickly."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def replace(self, card: Card) -> None:
        """From now on it is this card, with power and nothing selected."""
        card.power_on()
        self._card = card

    @property
    def atr(self) -> bytes:
        """As the card's, and so on."""
        return self._card.atr

    def power_on(self) -> bytes:
        """The card's."""
        return self._card.power_on()

    def power_off(self) -> None:
        """The card's."""
        self._card.power_off()

    def reset(self) -> bytes:
        """The card's."""
        return self._card.reset()

    def transmit(self, command: bytes) -> bytes:
        """The card's."""
        return self._card.transmit(command)


@dataclass(frozen=True)
class Programs:
    """Runs other people's programs; `find` gives the path of one, or says that the machine lacks it."""

    find: Callable[[str], str]
    folder: Path
    """Where they run, and where relative names of files lead to."""

    def run(self, name: str, *arguments: str, stdin: str = "", **environment: str) -> str:
        """What the program prints to standard output; it must end well."""
        done = self.attempt(name, *arguments, stdin=stdin, **environment)
        assert done.returncode == 0, f"{name} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(
        self, name: str, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The same, however it ends."""
        return subprocess.run(
            [self.find(name), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**os.environ, **environment},
            timeout=PATIENCE,
        )

    def write(self, name: str, content: bytes | str) -> str:
        """Make a file; gives its name."""
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.folder / name).read_bytes()

    def public_key(self, key_id: str) -> str:
        """A file with the public key (PEM) of the certificate that OpenSC shows under an id."""
        certificate = self.write(f"{key_id}.crt", self.run("pkcs15-tool", "--read-certificate", key_id))
        return self.write(f"{key_id}.pub", self.run("openssl", "x509", "-in", certificate, "-pubkey", "-noout"))

    def loaded_public_key(self, key_id: str) -> PublicKeyTypes:
        """The same as an object of `cryptography`."""
        return load_pem_public_key(self.read(self.public_key(key_id)))


@dataclass(frozen=True)
class TestAuthority:
    """An authority that `openssl` runs in a folder: `ca.pem` is its certificate."""

    __test__ = False  # it is no test, whatever its name begins with
    programs: Programs

    @classmethod
    def found(cls, programs: Programs) -> "TestAuthority":
        """Make its key and certificate."""
        options = ["-x509", "-days", "2", "-subj", "/CN=Judges' authority", *_NEW_KEY, "-keyout", "ca.key"]
        programs.run("openssl", "req", *options, "-out", "ca.pem")
        return cls(programs)

    def certify(self, request: str, certificate: str) -> str:
        """Issue a certificate for what a request says; gives the name of its file."""
        issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", "1", "-copy_extensions", "copy"]
        self.programs.run("openssl", "x509", "-req", "-in", request, *issuer, "-out", certificate)
        return certificate

    def server_certificate(self) -> None:
        """Make `server.key` and `server.pem` for localhost."""
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        self.programs.run("openssl", "req", *_NEW_KEY, "-keyout", "server.key", *subject, "-out", "server.csr")
        self.certify("server.csr", "server.pem")


_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]


@contextmanager
def tls_server(programs: Programs, trusted: str) -> Iterator[int]:
    """`openssl s_server` on loopback, which lets in those only whose certificates lead to the ones in `trusted`.

    Gives its port. It needs `server.key` and `server.pem` in the folder. To a request it answers with a page that
    says who has signed in.
    """
    options = ["-Verify", "2", "-verify_return_error", "-CAfile", trusted, "-cert", "server.pem", "-key", "server.key"]
    command = [programs.find("openssl"), "s_server", "-accept", "127.0.0.1:0", *options, "-www"]
    with subprocess.Popen(
        command,
        cwd=programs.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        try:
            ports = (re.match(r"ACCEPT .*:(\d+)$", line) for line in process.stdout)
            found = next(filter(None, ports), None)
            assert found, "openssl s_server did not start"
            yield int(found[1])
        finally:
            process.kill()


REQUEST = "GET / HTTP/1.0\r\n\r\n"
"""What makes the server answer with its page and close the connection."""
