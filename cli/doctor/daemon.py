"""Asking pcscd itself whether it serves this user, without pyscard and with a time limit.

pcsc-lite's own protocol over its socket (src/winscard_msg.h, version 4.4): a header of the body's length and the
command, then the body, in the machine's byte order. The answer is the body with its results filled in.
"""

import socket
import struct
from enum import Enum, auto, unique

SECONDS = 3.0
SYSTEM_SOCKET = "/run/pcscd/pcscd.comm"

_CMD_ESTABLISH_CONTEXT = 0x01
_CMD_VERSION = 0x11
_PROTOCOL_VERSION = (4, 4)
_VERSION_BODY = struct.Struct("=iiI")  # major, minor, result
_CONTEXT_BODY = struct.Struct("=III")  # scope, context, result
_SCOPE_SYSTEM = 2
_NO_ERROR = 0
_SECURITY_VIOLATION = 0x8010006A
"""SCARD_W_SECURITY_VIOLATION: polkit says no."""


@unique
class Answer(Enum):
    """What the daemon has to say."""

    SERVES = auto()
    REFUSES = auto()
    """This user may not use it."""
    SILENT = auto()
    """It does not answer, or hangs up."""
    ABSENT = auto()
    """No daemon listens."""
    FORBIDDEN = auto()
    """This user may not open the socket."""


def ask(path: str, seconds: float = SECONDS) -> Answer:
    """Greet the daemon behind a socket and ask for a context, as every PC/SC program does first."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(seconds)
        try:
            client.connect(path)
        except PermissionError:
            return Answer.FORBIDDEN
        except TimeoutError:
            return Answer.SILENT
        except OSError:
            return Answer.ABSENT
        try:
            result = _exchange(client, _CMD_VERSION, _VERSION_BODY, *_PROTOCOL_VERSION, 0)
            if result == _NO_ERROR:
                result = _exchange(client, _CMD_ESTABLISH_CONTEXT, _CONTEXT_BODY, _SCOPE_SYSTEM, 0, 0)
        except (OSError, struct.error):
            return Answer.SILENT
    return Answer.REFUSES if result == _SECURITY_VIOLATION else Answer.SERVES


def _exchange(client: socket.socket, command: int, body: struct.Struct, *values: int) -> int:
    """Send one command and give its result. Raise OSError or struct.error if no whole answer comes."""
    client.sendall(struct.pack("=II", body.size, command) + body.pack(*values))
    result: int = body.unpack(client.recv(body.size, socket.MSG_WAITALL))[-1]
    return result
