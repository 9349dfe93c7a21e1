"""INSTALL and DELETE: what comes onto the card, whose it is, and what goes (Card Specification 2.3.1, 11.5, 11.2).

Content is managed by the issuer's domain alone: it installs from the modules in the chip, and gives each application
to its agency's domain (extradition). From then on the application is that domain's; the issuer can lock or delete it,
not take it back.
"""

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

from ..errors import DecodeError
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.globalplatform import (
    AID_LENS,
    AID_LOAD_FILE_OF_DOMAINS,
    AID_MODULE_OF_DOMAINS,
    TAG_AID,
    ApplicationLifeCycle,
)
from ..iso7816.status import StatusWord
from .applet import INSTALLED, Refusal, ok
from .card_registry import PRIVILEGES_DOMAIN, PRIVILEGES_NONE, CardRegistry, RegistryEntry
from .catalogue import LOAD_FILE_APPLICATIONS, load_files, modules_by_aid
from .domain_applet import DomainApplet, supplementary_domain
from .image import Value
from .security_domain_channel import OpenedBy

TAG_PARAMETERS: Final = 0xC9
"""The application's own install parameters; none of ours has any (11.5.2.3.7, table 11-49)."""
TAG_SYSTEM_PARAMETERS: Final = 0xEF
"""Memory quotas and the like, which this card does not keep."""

P2_DELETE_RELATED: Final = 0x80
"""DELETE: what belongs to the object goes with it (11.2.2.2, table 11-22)."""

NO_CONFIRMATION: Final = b"\x00"
"""The answer of a card that confirms nothing to a second party: the length of no confirmation."""


@unique
class InstallPurpose(IntEnum):
    """P1 of INSTALL, as far as this card knows it (11.5.2.1, table 11-41)."""

    LOAD = 0x02
    INSTALL = 0x04
    MAKE_SELECTABLE = 0x08
    INSTALL_AND_MAKE_SELECTABLE = 0x0C
    EXTRADITION = 0x10
    PERSONALIZATION = 0x20
    REGISTRY_UPDATE = 0x40


@dataclass(frozen=True, slots=True)
class InstallFields:
    """The data of INSTALL; what the fields mean depends on P1 (11.5.2.3)."""

    first: bytes
    """A load file, or the domain that an application goes to."""
    second: bytes
    """A module."""
    application: bytes
    privileges: bytes
    parameters: bytes
    token: bytes

    @classmethod
    def parse(cls, data: bytes) -> "InstallFields":
        """Six values, each behind its length; refuse with 6A80 if they are not that."""
        values = []
        for long_form in (False, False, False, False, True, True):
            value, data = _value(data, long_form=long_form)
            values.append(value)
        if data:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        return cls(*values)


class ContentCommands:
    """What one selection of a domain changes in what is on the card."""

    def __init__(self, applet: DomainApplet, registry: CardRegistry) -> None:
        self._applet = applet
        self._registry = registry

    # INSTALL

    def install(self, command: CommandApdu, _: OpenedBy) -> ResponseApdu:
        """INSTALL, but for personalisation (11.5)."""
        steps = {
            InstallPurpose.INSTALL: self._install,
            InstallPurpose.INSTALL_AND_MAKE_SELECTABLE: self._install_selectable,
            InstallPurpose.MAKE_SELECTABLE: self._make_selectable,
            InstallPurpose.EXTRADITION: self._extradite,
            InstallPurpose.REGISTRY_UPDATE: self._update,
        }
        if command.p1 == InstallPurpose.LOAD:
            raise Refusal(StatusWord.FUNCTION_NOT_SUPPORTED)
        if command.p1 not in steps or command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        fields = InstallFields.parse(command.data)
        self._require_right()
        if fields.token or len(fields.application) not in AID_LENS:  # a token is for who needs somebody's leave
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        steps[InstallPurpose(command.p1)](fields)
        return ok(NO_CONFIRMATION)

    def _require_right(self) -> None:
        """Authorized management is the issuer's domain's privilege alone."""
        if self._applet is not self._registry.issuer:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)

    def _install(self, fields: InstallFields, state: int = ApplicationLifeCycle.INSTALLED) -> None:
        _check_parameters(fields.parameters, required=True)
        known = {file.aid: file.modules for file in load_files()}
        if fields.second not in known.get(fields.first, ()):
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        issuer = self._registry.issuer
        if fields.application == issuer.aid or self._registry.find(fields.application) is not None:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        domain = fields.first == AID_LOAD_FILE_OF_DOMAINS
        privileges = _privileges(fields.privileges, domain=domain)
        if domain:
            memory: dict[str, Value] = {INSTALLED: True}
            name = supplementary_domain(fields.application).name
        elif fields.application != fields.second:  # readers know an application by the name of its module
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        else:
            module = modules_by_aid()[fields.second]
            memory, name = module.blank_memory(issuer.chip_serial), module.name
        entry = RegistryEntry(name, fields.application, issuer.aid, state, privileges)
        self._registry.write((*self._registry.entries, entry), added={name: memory})

    def _install_selectable(self, fields: InstallFields) -> None:
        self._install(fields, ApplicationLifeCycle.SELECTABLE)

    def _make_selectable(self, fields: InstallFields) -> None:
        entry = self._entry(fields.application)
        _check_parameters(fields.parameters)
        if fields.first or fields.second or _privileges(fields.privileges, domain=entry.is_domain) != entry.privileges:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        if entry.locked:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        if not entry.selectable:
            self._registry.set_states({entry.aid: ApplicationLifeCycle.SELECTABLE})

    def _extradite(self, fields: InstallFields) -> None:
        """Give an application to a domain. Domains themselves stay the issuer's."""
        _check_parameters(fields.parameters)
        if fields.second or fields.privileges:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        self._give(self._entry(fields.application), fields.first)

    def _update(self, fields: InstallFields) -> None:
        """Registry update: the domain, and privileges, of which none can change here (11.5.2.3.5)."""
        entry = self._entry(fields.application)
        _check_parameters(fields.parameters)
        if fields.second:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        if fields.privileges:
            _privileges(fields.privileges, domain=entry.is_domain)  # refuses all but what it has
        if fields.first:
            self._give(entry, fields.first)

    def _give(self, entry: RegistryEntry, domain: bytes) -> None:
        target = self._registry.find(domain)
        if domain != self._registry.issuer.aid and (target is None or not target.is_domain):
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        if entry.domain == domain:
            return
        if entry.is_domain or entry.domain != self._applet.aid or (target is not None and target.locked):
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        self._registry.give(entry.aid, domain)

    def _entry(self, aid: bytes) -> RegistryEntry:
        entry = self._registry.find(aid)
        if entry is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        return entry

    # DELETE

    def delete(self, command: CommandApdu, _: OpenedBy) -> ResponseApdu:
        """DELETE [card content]: an application, or a domain; one with applications only together with them (11.2).

        Nothing that is selected on a channel is deleted (9.5.1): whoever uses it there would be left with nothing.
        """
        if command.p1 or command.p2 not in {0, P2_DELETE_RELATED}:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        aid, rest = _value(command.data[1:], long_form=False)
        if command.data[:1] != bytes((TAG_AID,)) or rest or len(aid) not in AID_LENS:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        self._require_right()
        if aid in {self._registry.issuer.aid, LOAD_FILE_APPLICATIONS, AID_LOAD_FILE_OF_DOMAINS, AID_MODULE_OF_DOMAINS}:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)  # these are part of the chip
        entry = self._entry(aid)
        inside = self._registry.within(aid)
        if inside and not command.p2:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        gone = (entry, *inside)
        if any(self._registry.issuer.in_use(each.aid) for each in gone):
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        left = [each for each in self._registry.entries if each not in gone]
        self._registry.write(left, dropped=[each.name for each in gone])
        return ok(NO_CONFIRMATION)


def _value(data: bytes, *, long_form: bool) -> tuple[bytes, bytes]:
    """The value behind its length, and what follows. The long form is BER's: 81 or 82 before a length over 127."""
    length, begin = data[0] if data else -1, 1
    if long_form and length in {0x81, 0x82}:
        begin = 1 + length - 0x80
        length = int.from_bytes(data[1:begin]) if len(data) >= begin else -1
    if length < 0 or len(data) < begin + length:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return data[begin : begin + length], data[begin + length :]


def _privileges(value: bytes, *, domain: bool) -> bytes:
    """Three bytes of one or three; refuse any but those that a domain or an application has on this card."""
    expected = PRIVILEGES_DOMAIN if domain else PRIVILEGES_NONE
    if len(value) not in {1, 3} or value.ljust(3, b"\x00") != expected:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return expected


def _check_parameters(data: bytes, *, required: bool = False) -> None:
    """Refuse install parameters that are not well-formed, or without C9 where that is required.

    None at all is as good as an empty C9: hosts that have nothing to say to an application leave the field empty.
    """
    try:
        tags = [each.tag for each in tlv.parse(data)]
    except DecodeError:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD) from None
    unknown = set(tags) - {TAG_PARAMETERS, TAG_SYSTEM_PARAMETERS}
    if unknown or len(set(tags)) != len(tags) or (required and tags and TAG_PARAMETERS not in tags):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
