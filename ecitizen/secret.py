"""PINs and keys in the hands of a program: values that never show themselves by accident.

A Pin or KeyBytes prints as its class name and dots, is no part of JSON, and compares in constant time. What Python
can't do is said in SECURITY.md: a copy that another library made stays in memory until it is used for something else.
"""

from typing import Final, Never

from .errors import PinMalformed, UsageError

PIN_MIN_LEN: Final = 6
PIN_MAX_LEN: Final = 8


class _Secret:
    """Bytes that are shown to nobody who did not ask by name."""

    __slots__ = ("_buffer",)

    def __init__(self, value: bytes) -> None:
        self._buffer = bytearray(value)

    def reveal(self) -> bytes:
        """The bytes themselves: call it at the last moment and keep no copy."""
        return bytes(self._buffer)

    def wipe(self) -> None:
        """Overwrite the bytes; the value is empty afterwards."""
        self._buffer[:] = bytes(len(self._buffer))
        self._buffer.clear()

    def __len__(self) -> int:
        return len(self._buffer)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        from hmac import compare_digest  # late: it brings hashlib, which most commands do without

        return compare_digest(self._buffer, other._buffer)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> Never:
        raise UsageError(f"a {type(self).__name__} is not copied or saved with pickle; reveal it on purpose")


class Pin(_Secret):
    """A PIN or PUK of 6 to 8 characters, as a person types it.

    Raise PinMalformed for another length, or for other characters than ASCII digits in a PIN and printable ASCII in
    a PUK: a slip of the finger must not cost a try (NIST SP 800-73-5 part 2, 2.4.3).
    """

    __slots__ = ()

    def __init__(self, text: str, *, digits_only: bool = True) -> None:
        if not PIN_MIN_LEN <= len(text) <= PIN_MAX_LEN:
            raise PinMalformed(f"a PIN has {PIN_MIN_LEN} to {PIN_MAX_LEN} characters; the card was not asked")
        allowed = text.isascii() and (text.isdigit() if digits_only else text.isprintable())
        if not allowed:
            kind = "digits" if digits_only else "plain letters, digits and signs"
            raise PinMalformed(f"this PIN may have {kind} only; the card was not asked")
        super().__init__(text.encode("ascii"))

    @classmethod
    def puk(cls, text: str) -> "Pin":
        """A PUK: printable ASCII."""
        return cls(text, digits_only=False)


class KeyBytes(_Secret):
    """A symmetric key."""

    __slots__ = ()
