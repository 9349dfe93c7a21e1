"""Target: encrypted messages that somebody sends."""

import io
from collections.abc import Iterator

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import EcitizenError
from pki.envelope import ContentCipher, EnvelopeBounds, decrypt, recipients_of
from tests.unit.enveloped import holder, sealed

from .target import Target

CONTENT = b"what was encrypted " * 3
BOUNDS = EnvelopeBounds(recipients_max=20, part_max_len=100_000, content_max_len=100_000, strings_max=1000)
KINDS = (KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048)


def check_message(data: bytes) -> None:
    """A message is refused, or opens to what was encrypted; without authentication, to anything."""
    with_keys = [holder(kind).key for kind in KINDS]
    try:
        recipients_of(io.BytesIO(data), BOUNDS)
        out = io.BytesIO()
        about = decrypt(io.BytesIO(data), out, with_keys, bounds=BOUNDS)
    except EcitizenError:
        return
    assert len(out.getvalue()) == about.content_len
    # Keys of this run are nobody else's, so whoever changes a seed can't make another message for them.
    assert not about.authenticated or out.getvalue() == CONTENT


def message_seeds() -> Iterator[bytes]:
    for kind in KINDS:
        for cipher in ContentCipher:
            for told in (True, False):
                yield sealed(CONTENT, [holder(kind)], cipher, told=told)
    yield sealed(CONTENT, [holder(kind) for kind in KINDS])


TARGETS = (Target("encrypted_message", check_message, message_seeds, max_len=4000, weight=10),)
