"""STORE DATA: what a domain keeps of its own, and what it brings into the applications that belong to it.

GlobalPlatform Card Specification 2.3.1, 7.3.3 and 11.11. Two ways lead into an application: its domain is selected,
and INSTALL [for personalization] names it; or it is selected itself, and the channel goes to its domain's keys. Both
end in `store_into`, which writes once, at the last block.
"""

from collections.abc import Mapping
from typing import Final

from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.globalplatform import TAG_CIN, TAG_IIN
from ..iso7816.status import StatusWord
from ..secret import KeyBytes
from .applet import Applet, DataGrouping, Refusal, Selection, ok
from .card import CLA_PROPRIETARY
from .card_registry import CardRegistry
from .domain_applet import DomainApplet
from .image import Section, Value
from .security_domain_channel import Channelled, ChannelSelection, OpenedBy
from .security_domain_install import NO_CONFIRMATION, InstallFields
from .security_domain_store import (
    ENCRYPTED,
    INS_STORE_DATA,
    P1_ENCRYPTION,
    P1_FORM,
    StoredBlocks,
    StoreForm,
    data_objects,
    with_form,
)

NUMBERS: Final = {TAG_IIN: "iin", TAG_CIN: "cin"}
"""What a host may store in a domain itself: issuer and card identification number (11.11.3, H.4)."""
NUMBER_MAX_LEN: Final = 64
DGI_OF_DOMAIN: Final = 0x0070


class PersonalisingCommands:
    """STORE DATA to a domain that is selected, and through it."""

    def __init__(self, applet: DomainApplet, registry: CardRegistry) -> None:
        self._applet = applet
        self._registry = registry
        self._blocks = StoredBlocks()
        self._target: Applet | None = None

    def forget(self) -> None:
        """Another command came, or the channel is over: what was collected is dropped, and for whom."""
        self._blocks.forget()
        self._target = None

    def begin(self, command: CommandApdu) -> ResponseApdu:
        """INSTALL [for personalization]: the next sequence of STORE DATA is for this application (11.5.2.3.6)."""
        if command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        fields = InstallFields.parse(command.data)
        if fields != InstallFields(b"", b"", fields.application, b"", b"", b""):
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        entry = self._registry.find(fields.application)
        if entry is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        if entry.domain != self._applet.aid or entry.is_domain or not entry.selectable:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        target = self._registry.applet(entry.aid)
        if not target.managed:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        self._target = target
        return ok(NO_CONFIRMATION)

    def store_data(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        """STORE DATA: to the application that was named, or to the domain itself (11.11)."""
        target, self._target = self._target, None  # an error ends the sequence
        data = self._blocks.take(command)
        if data is None:
            self._target = target
        elif target is None:
            self._store_own(command.p1, data, opened_by.keys.keys.dek)
        else:
            entry = self._registry.find(target.aid)
            if entry is None or entry.domain != self._applet.aid:  # by what went on on another channel
                raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
            store_into(target, self._registry, command.p1, data, opened_by.keys.keys.dek)
        return ok()

    def _store_own(self, p1: int, data: bytes, dek: KeyBytes) -> None:
        """The numbers of issuer and card, as tags 42 and 45, also in grouping 0070."""
        changes: dict[str, Value] = {}
        for tag, value in _numbers(p1, data, dek):
            if tag not in NUMBERS or not 0 < len(value) <= NUMBER_MAX_LEN:
                raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
            changes[NUMBERS[tag]] = value
        _write(self._applet, changes)


class PersonalisedApplication(Channelled):
    """An application that is selected, and takes its data through the channel of its domain."""

    def __init__(self, applet: Applet, selection: Selection, registry: CardRegistry) -> None:
        super().__init__(applet, registry)
        self._selection = selection
        self._blocks = StoredBlocks()

    def allows(self, ins: int) -> bool:  # noqa: ARG002 - a locked application answers nothing at all
        """Nothing, once the application or the card was locked from another channel."""
        return self.registry.permits(self.applet)

    def needs_channel(self, command: CommandApdu) -> bool:
        """STORE DATA; of all else the application is in charge."""
        return (command.cla, command.ins) == (CLA_PROPRIETARY, INS_STORE_DATA)

    def plain_command(self, command: CommandApdu) -> ResponseApdu:
        """As if there were no channel."""
        return self._selection.process(command)

    def secured_command(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        """STORE DATA, or a command of the application's own that the channel protects.

        Neither once the application went to another domain, or its domain got keys of its own.
        """
        if self.registry.key_holder(self.applet.aid) is not opened_by.holder:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        if not self.needs_channel(command):
            self._blocks.forget()
            return self.applet.secured_command(self._selection, command, opened_by.level)
        data = self._blocks.take(command)
        if data is not None:
            store_into(self.applet, self.registry, command.p1, data, opened_by.keys.keys.dek)
            self._selection = self.applet.reopen(self._selection)
        return ok()

    def forget(self) -> None:
        """The channel is over."""
        self._blocks.forget()


def guarded_application(applet: Applet, selection: Selection, registry: CardRegistry) -> ChannelSelection:
    """A selection of an application behind its domain's channel."""
    return ChannelSelection(PersonalisedApplication(applet, selection, registry))


def store_into(applet: Applet, registry: CardRegistry, p1: int, data: bytes, dek: KeyBytes) -> None:
    """Write personal data into an application: all of it in one transaction, or nothing.

    Refuse with 6985 if the application may not be selected, 6A86 for data in another form than data groupings, and as
    the application does.
    """
    if not registry.permits(applet):
        raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    p1 = with_form(p1, StoreForm.DGI)
    if p1 & P1_FORM != StoreForm.DGI:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    encrypted = p1 & P1_ENCRYPTION == ENCRYPTED
    groupings = [DataGrouping(dgi, value, encrypted) for dgi, value in data_objects(p1, data, dek)]
    if not groupings:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    _write(applet, applet.store(groupings))


def _write(applet: Applet, changes: Mapping[str, Value]) -> None:
    assert isinstance(applet.memory, Section)  # a card with keys is made of an image
    applet.memory.write(changes)


def _numbers(p1: int, data: bytes, dek: KeyBytes) -> list[tuple[int, bytes]]:
    """The data objects in what was stored in a domain, whatever the form."""
    p1 = with_form(p1, StoreForm.BER_TLV)
    found = data_objects(p1, data, dek)
    if p1 & P1_FORM != StoreForm.DGI:
        return found
    if any(dgi != DGI_OF_DOMAIN for dgi, _ in found):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    inside = (data_objects(StoreForm.BER_TLV, value, dek) for _, value in found)
    return [each for objects in inside for each in objects]
