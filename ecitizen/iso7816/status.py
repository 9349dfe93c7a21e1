"""Status words: what SW1-SW2 at the end of each response mean (ISO/IEC 7816-4:2020, 5.6).

A status word travels through the toolkit as an `int`, because a card may answer any of them; `StatusWord`
names those that the standard gives a fixed value, and compares equal to the `int`.
"""

from enum import IntEnum, unique

from ..errors import NotSupported, PinBlocked, PinIncorrect, SecurityStatusNotSatisfied, StatusError


@unique
class StatusWord(IntEnum):
    """The status words with a fixed value (ISO/IEC 7816-4:2020, 5.6)."""

    NO_ERROR = 0x9000

    # Warnings; the non-volatile memory is as it was.
    WARNING_MEMORY_UNCHANGED = 0x6200
    DATA_MAY_BE_CORRUPTED = 0x6281
    END_REACHED_BEFORE_NE_BYTES = 0x6282
    SELECTED_FILE_DEACTIVATED = 0x6283
    CONTROL_INFORMATION_NOT_FORMATTED = 0x6284
    SELECTED_FILE_IN_TERMINATION_STATE = 0x6285
    NO_INPUT_FROM_SENSOR = 0x6286
    REFERENCED_RECORD_DEACTIVATED = 0x6287

    # Warnings; the non-volatile memory may have changed.
    WARNING_MEMORY_CHANGED = 0x6300
    UNSUCCESSFUL_COMPARISON = 0x6340
    FILE_FILLED_UP = 0x6381

    # Execution errors.
    EXECUTION_ERROR_MEMORY_UNCHANGED = 0x6400
    IMMEDIATE_RESPONSE_REQUIRED = 0x6401
    LOGICAL_CHANNEL_SHARED_ACCESS_DENIED = 0x6481
    LOGICAL_CHANNEL_OPENING_DENIED = 0x6482
    EXECUTION_ERROR_MEMORY_CHANGED = 0x6500
    MEMORY_FAILURE = 0x6581
    SECURITY_ISSUE = 0x6600

    # Checking errors.
    WRONG_LENGTH = 0x6700
    COMMAND_FORMAT_NOT_COMPLIANT = 0x6701
    UNEXPECTED_LC = 0x6702
    CLASS_FUNCTION_NOT_SUPPORTED = 0x6800
    LOGICAL_CHANNEL_NOT_SUPPORTED = 0x6881
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    LAST_COMMAND_OF_CHAIN_EXPECTED = 0x6883
    COMMAND_CHAINING_NOT_SUPPORTED = 0x6884
    COMMAND_NOT_ALLOWED = 0x6900
    COMMAND_INCOMPATIBLE_WITH_FILE_STRUCTURE = 0x6981
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    REFERENCE_DATA_NOT_USABLE = 0x6984
    CONDITIONS_OF_USE_NOT_SATISFIED = 0x6985
    COMMAND_NOT_ALLOWED_NO_CURRENT_EF = 0x6986
    SECURE_MESSAGING_OBJECTS_MISSING = 0x6987
    SECURE_MESSAGING_OBJECTS_INCORRECT = 0x6988
    WRONG_PARAMETERS = 0x6A00
    INCORRECT_DATA_FIELD = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_OR_APPLICATION_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    NOT_ENOUGH_MEMORY = 0x6A84
    NC_INCONSISTENT_WITH_TLV_STRUCTURE = 0x6A85
    INCORRECT_PARAMETERS_P1_P2 = 0x6A86
    NC_INCONSISTENT_WITH_P1_P2 = 0x6A87
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    FILE_ALREADY_EXISTS = 0x6A89
    DF_NAME_ALREADY_EXISTS = 0x6A8A
    WRONG_PARAMETERS_P1_P2 = 0x6B00
    INSTRUCTION_NOT_SUPPORTED = 0x6D00
    CLASS_NOT_SUPPORTED = 0x6E00
    NO_PRECISE_DIAGNOSIS = 0x6F00


# ISO/IEC 7816-4:2020, 5.6.
_MEANINGS: dict[int, str] = {
    StatusWord.NO_ERROR: "no error",
    StatusWord.WARNING_MEMORY_UNCHANGED: "warning, memory unchanged",
    StatusWord.DATA_MAY_BE_CORRUPTED: "part of the returned data may be corrupted",
    StatusWord.END_REACHED_BEFORE_NE_BYTES: "end of file or record reached before the bytes asked for",
    StatusWord.SELECTED_FILE_DEACTIVATED: "selected file deactivated",
    StatusWord.CONTROL_INFORMATION_NOT_FORMATTED: "control information not formatted as the standard has it",
    StatusWord.SELECTED_FILE_IN_TERMINATION_STATE: "selected file in termination state",
    StatusWord.NO_INPUT_FROM_SENSOR: "no input from a sensor on the card",
    StatusWord.REFERENCED_RECORD_DEACTIVATED: "a referenced record is deactivated",
    StatusWord.WARNING_MEMORY_CHANGED: "warning, memory may have changed",
    StatusWord.UNSUCCESSFUL_COMPARISON: "unsuccessful comparison",
    StatusWord.FILE_FILLED_UP: "file filled up by the last write",
    StatusWord.EXECUTION_ERROR_MEMORY_UNCHANGED: "execution error, memory unchanged",
    StatusWord.IMMEDIATE_RESPONSE_REQUIRED: "the card wants an immediate response",
    StatusWord.LOGICAL_CHANNEL_SHARED_ACCESS_DENIED: "shared access by logical channels denied",
    StatusWord.LOGICAL_CHANNEL_OPENING_DENIED: "opening of a logical channel denied",
    StatusWord.EXECUTION_ERROR_MEMORY_CHANGED: "execution error, memory may have changed",
    StatusWord.MEMORY_FAILURE: "memory failure",
    StatusWord.SECURITY_ISSUE: "security-related issue",
    StatusWord.WRONG_LENGTH: "wrong length",
    StatusWord.COMMAND_FORMAT_NOT_COMPLIANT: "the form of the command is not that of the standard",
    StatusWord.UNEXPECTED_LC: "Lc is not the one expected",
    StatusWord.CLASS_FUNCTION_NOT_SUPPORTED: "a function in the class byte is not supported",
    StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED: "logical channel not supported",
    StatusWord.SECURE_MESSAGING_NOT_SUPPORTED: "secure messaging not supported",
    StatusWord.LAST_COMMAND_OF_CHAIN_EXPECTED: "last command of the chain expected",
    StatusWord.COMMAND_CHAINING_NOT_SUPPORTED: "command chaining not supported",
    StatusWord.COMMAND_NOT_ALLOWED: "command not allowed",
    StatusWord.COMMAND_INCOMPATIBLE_WITH_FILE_STRUCTURE: "command incompatible with the file structure",
    StatusWord.SECURITY_STATUS_NOT_SATISFIED: "security status not satisfied",
    StatusWord.AUTHENTICATION_METHOD_BLOCKED: "authentication method blocked",
    StatusWord.REFERENCE_DATA_NOT_USABLE: "reference data not usable",
    StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED: "conditions of use not satisfied",
    StatusWord.COMMAND_NOT_ALLOWED_NO_CURRENT_EF: "command not allowed, no current file",
    StatusWord.SECURE_MESSAGING_OBJECTS_MISSING: "secure messaging objects missing",
    StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT: "secure messaging objects incorrect",
    StatusWord.WRONG_PARAMETERS: "wrong parameters P1-P2",
    StatusWord.INCORRECT_DATA_FIELD: "incorrect parameters in the command data",
    StatusWord.FUNCTION_NOT_SUPPORTED: "function not supported",
    StatusWord.FILE_OR_APPLICATION_NOT_FOUND: "file or application not found",
    StatusWord.RECORD_NOT_FOUND: "record not found",
    StatusWord.NOT_ENOUGH_MEMORY: "not enough memory in the file",
    StatusWord.NC_INCONSISTENT_WITH_TLV_STRUCTURE: "Nc inconsistent with the TLV structure",
    StatusWord.INCORRECT_PARAMETERS_P1_P2: "incorrect parameters P1-P2",
    StatusWord.NC_INCONSISTENT_WITH_P1_P2: "Nc inconsistent with P1-P2",
    StatusWord.REFERENCED_DATA_NOT_FOUND: "referenced data not found",
    StatusWord.FILE_ALREADY_EXISTS: "file already exists",
    StatusWord.DF_NAME_ALREADY_EXISTS: "DF name already exists",
    StatusWord.WRONG_PARAMETERS_P1_P2: "wrong parameters P1-P2, perhaps an offset outside the file",
    StatusWord.INSTRUCTION_NOT_SUPPORTED: "instruction not supported or invalid",
    StatusWord.CLASS_NOT_SUPPORTED: "class not supported",
    StatusWord.NO_PRECISE_DIAGNOSIS: "no precise diagnosis",
}

# What SW1 alone says, for a SW2 that has no meaning in the standard (ISO/IEC 7816-4:2020, 5.6).
_MEANINGS_OF_SW1 = {
    0x62: "unlisted warning, memory unchanged",
    0x63: "unlisted warning, memory may have changed",
    0x64: "unlisted execution error, memory unchanged",
    0x65: "unlisted execution error, memory may have changed",
    0x66: "unlisted security-related issue",
    0x67: "unlisted wrong length",
    0x68: "an unlisted function in the class byte is not supported",
    0x69: "command not allowed for an unlisted reason",
    0x6A: "unlisted fault in the parameters",
    0x6B: "unlisted fault in the parameters P1-P2",
    0x6D: "unlisted fault in the instruction",
    0x6E: "unlisted fault in the class",
    0x6F: "unlisted fault without diagnosis",
}


def describe(sw: int) -> str:
    """Say in a few words what the status word `sw` means.

    Every `int` has an answer: proprietary words (9001 to 9FFF) and values that are no status word are called
    just that. Source: ISO/IEC 7816-4:2020, 5.6.
    """
    if sw in _MEANINGS:
        return _MEANINGS[sw]
    return _describe_by_sw1(*divmod(sw, 0x100)) if is_valid(sw) else "not a status word"


def _describe_by_sw1(sw1: int, sw2: int) -> str:
    if sw1 == 0x61:
        return f"{sw2} more response bytes are waiting" if sw2 else "256 or more response bytes are waiting"
    if sw1 == 0x6C:
        return f"wrong Le, the right one is {sw2 or 256}"
    if sw1 in (0x62, 0x64) and 0x02 <= sw2 <= 0x80:
        return f"the card has a query of {sw2} bytes for the terminal"
    if sw1 == 0x63 and 0xC0 <= sw2 <= 0xCF:
        return f"counter at {sw2 & 0x0F}"
    return _MEANINGS_OF_SW1.get(sw1, "proprietary status word")


def is_success(sw: int) -> bool:
    """Tell whether the command was carried out: 9000, or 61xx, where response bytes are still waiting."""
    return sw == 0x9000 or sw >> 8 == 0x61


def is_warning(sw: int) -> bool:
    """Tell whether the command was carried out with a warning: 62xx or 63xx, also a failed VERIFY (63Cx)."""
    return sw >> 8 in (0x62, 0x63)


def is_valid(sw: int) -> bool:
    """Tell whether `sw` can be a status word at all: 6100 to 6FFF or 9000 to 9FFF."""
    return 0x6100 <= sw <= 0x6FFF or 0x9000 <= sw <= 0x9FFF


_KINDS: dict[int, type[StatusError]] = {
    StatusWord.SECURITY_STATUS_NOT_SATISFIED: SecurityStatusNotSatisfied,
    StatusWord.INSTRUCTION_NOT_SUPPORTED: NotSupported,
    StatusWord.FUNCTION_NOT_SUPPORTED: NotSupported,
}

_REMEDIES = {"PIN": "unblock it with the PUK"}
_REMEDY = "only whoever issued the card can help"


def retries_left(sw: int) -> int | None:
    """Tries that a PIN has left by the answer to a VERIFY; None where the status word tells no number.

    63Cx is the standard's (ISO/IEC 7816-4:2020, 5.6), 6983 says none; 630x, x not 0, is what some older cards say
    instead (OpenSC calls it CI_VERIFY_630X).
    """
    if sw == StatusWord.AUTHENTICATION_METHOD_BLOCKED:
        return 0
    if sw >> 4 == 0x63C or (sw >> 4 == 0x630 and sw & 0x0F):
        return sw & 0x0F
    return None


def status_error(sw: int, doing: str = "", *, shown: str = "") -> StatusError:
    """Make the error for a card that refused with `sw`; the caller raises it.

    `doing` is what the command was for, as in "reading the record"; it begins the message and must hold no
    personal data. 6982 gives SecurityStatusNotSatisfied, 6D00 and 6A81 NotSupported. `shown` is
    "PIN" or "PUK" if the command showed one to the card; then 63Cx gives PinIncorrect, 63C0 and 6983 PinBlocked.
    All else is a plain StatusError: only the sender of a SELECT knows that 6A82 means a missing application.
    """
    beginning = f"{doing}: " if doing else ""
    left = retries_left(sw) if shown else None
    if left == 0:
        how = "is blocked" if sw == StatusWord.AUTHENTICATION_METHOD_BLOCKED else "is wrong, and now blocked"
        return PinBlocked(f"{beginning}the {shown} {how}; {_REMEDIES.get(shown, _REMEDY)}", sw)
    if left is not None:
        tries = "1 try is" if left == 1 else f"{left} tries are"
        return PinIncorrect(f"{beginning}the {shown} is wrong; {tries} left", sw, left)
    kind = _KINDS.get(sw, StatusError)
    return kind(f"{beginning}the card answered {sw:04X} ({describe(sw)})", sw)
