"""The SCP03 keys of a security domain in a card's memory: versions, counters, and how many wrong hosts they stand.

Each version is one value of the domain's section, named `keys_30` for version 0x30, so that a rotation is one write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from ..errors import ImageDamaged
from ..secret import KeyBytes
from ..secure_channel.handshake import KEY_LENS, KVN_MAX, SEQUENCE_MAX, Scp03Keys
from .domain_applet import KEYS_PREFIX as PREFIX
from .image import Section, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIES_MAX: Final = 10
"""Failed authentications before a key version locks itself. The standard leaves the number to the issuer."""

VERSIONS_MAX: Final = 8
"""As many key versions as a domain has room for."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """One key version: its keys, how many channels they opened, and how many failures are left."""

    keys: Scp03Keys
    sequence: int = 0
    tries: int = TRIES_MAX

    @property
    def usable(self) -> bool:
        """Whether a channel can be opened with it."""
        return self.tries > 0 and self.sequence <= SEQUENCE_MAX

    def to_value(self) -> Value:
        """The set as memory holds it."""
        secrets = {name: getattr(self.keys, name).reveal() for name in ("enc", "mac", "dek")}
        return {**secrets, "sequence": self.sequence, "tries": self.tries}

    @classmethod
    def from_value(cls, kvn: int, value: Value) -> "KeySet":
        """Read a set; raise ImageDamaged if it is none."""
        if isinstance(value, dict):
            secrets = [value.get(name) for name in ("enc", "mac", "dek")]
            sequence, tries = value.get("sequence"), value.get("tries")
            lengths = {len(each) if isinstance(each, bytes) else 0 for each in secrets}
            counters = type(sequence) is int and type(tries) is int and 0 <= sequence <= SEQUENCE_MAX + 1
            if len(lengths) == 1 and lengths <= set(KEY_LENS) and counters and 0 <= cast("int", tries) <= TRIES_MAX:
                enc, mac, dek = (KeyBytes(cast("bytes", each)) for each in secrets)
                return cls(Scp03Keys(enc, mac, dek, kvn), cast("int", sequence), cast("int", tries))
        raise ImageDamaged("the image's management keys are broken; make a new one with `ecitizen emulator new`")


def key_memory(keys: Scp03Keys) -> dict[str, Value]:
    """What goes into a domain's section for a new key version."""
    return {_name(keys.kvn): KeySet(keys).to_value()}


class DomainKeys:
    """The key versions of one domain; a live view of its memory. Raise ImageDamaged for what can't be keys."""

    def __init__(self, memory: Mapping[str, Value]) -> None:
        self._memory = memory

    def __iter__(self) -> "Iterator[KeySet]":
        return (self._read(name) for name in sorted(self._memory) if name.startswith(PREFIX))

    def find(self, kvn: int) -> KeySet | None:
        """The set of that version, or for 0 the lowest one."""
        if kvn == 0:
            return next(iter(self), None)
        return self._read(_name(kvn)) if _name(kvn) in self._memory else None

    def count_failure(self, kvn: int) -> None:
        """Take one try before it is known whether the host is right: a card pulled out then has lost it."""
        found = self._get(kvn)
        self._write({_name(kvn): replace(found, tries=found.tries - 1).to_value()})

    def count_success(self, kvn: int) -> None:
        """Give the tries back, and make the next challenge another one."""
        found = self._get(kvn)
        self._write({_name(kvn): replace(found, tries=TRIES_MAX, sequence=found.sequence + 1).to_value()})

    def put(self, keys: Scp03Keys, instead_of: int = 0) -> None:
        """Add a version, or put it in the place of another, in one write."""
        old: dict[str, Value] = {_name(instead_of): None} if instead_of else {}
        self._write({**old, **key_memory(keys)})

    def delete(self, kvn: int) -> None:
        """Remove a version."""
        self._write({_name(kvn): None})

    def _get(self, kvn: int) -> KeySet:
        return self._read(_name(kvn))

    def _read(self, name: str) -> KeySet:
        try:
            kvn = int(name.removeprefix(PREFIX), 16)
        except ValueError:
            kvn = 0
        if not 0 < kvn <= KVN_MAX or name != _name(kvn):
            raise ImageDamaged(
                "the image's management keys have a wrong name; make a new one with `ecitizen emulator new`"
            )
        return KeySet.from_value(kvn, self._memory.get(name))

    def _write(self, changes: Mapping[str, Value]) -> None:
        cast("Section", self._memory).write(changes)  # only a card image has keys


def _name(kvn: int) -> str:
    return f"{PREFIX}{kvn:02X}"
