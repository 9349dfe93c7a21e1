"""The plan of a hierarchy: its authorities, who holds shares of the root's key, and who witnesses its making.

A plan is a TOML file; `plan_data/standard.toml` is one with all that there can be but these two:

    [shares]                                     [[witness]]
    threshold = 2                                name = "Auditor"
    holders = ["Anong", "Boonmee", "Chai"]       public_key = "3059..."   (SubjectPublicKeyInfo, DER, in hex)
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError, UsageError

from .errors import PkiError
from .keys import load_public_key
from .profiles import standard_profiles
from .register_records import check_shards
from .shares import SHARES_MAX

ROOT: Final = "root"
PATH_LENGTH_MAX: Final = 9
PLAN_MAX_LEN: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class PlannedAuthority:
    """An authority to be made."""

    name: str
    common_name: str
    organisation: str
    key: KeyAlgorithm
    crl_shards: int = 1
    path_length: int = 0
    """How many authorities may follow it."""
    profiles: tuple[str, ...] = ()
    key_at: str = ""
    """The reference of a key that is there already, as `piv:9c` on a card; empty if one is to be made."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who signs the transcript, with a key that was known before."""

    name: str
    public_key: bytes
    """SubjectPublicKeyInfo, DER."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A hierarchy to be made."""

    base_uri: str
    root: PlannedAuthority
    authorities: tuple[PlannedAuthority, ...]
    threshold: int = 0
    """How many holders open the root's key; 0 if it is not parted."""
    holders: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()

    @classmethod
    def parse(cls, text: str, *, base_uri: str = "") -> "Plan":
        """Read a plan; `base_uri` counts where it names none. Raise ConfigError that says what is wrong."""
        if len(text) > PLAN_MAX_LEN:
            raise ConfigError("the plan is longer than any plan is")
        try:
            table = _Table("the plan", tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError(f"the plan is not TOML: {error}") from None
        organisation = table.take("organisation", str, "")
        shares = table.table("shares", optional=True)
        plan = cls(
            base_uri=table.take("base_uri", str, base_uri),
            root=_authority(table.table("root"), organisation, ROOT),
            authorities=tuple(_authority(each, organisation) for each in table.tables("authority")),
            threshold=shares.take("threshold", int, 0),
            holders=tuple(shares.texts("holders")),
            witnesses=tuple(_witness(each) for each in table.tables("witness")),
        )
        shares.close()
        table.close()
        plan._check()
        return plan

    def _check(self) -> None:
        if not self.base_uri:
            raise ConfigError("the plan has no base_uri, where lists and answers will be served; give it")
        for what, names in (
            ("authority", [ROOT, *(each.name for each in self.authorities)]),
            ("holder", self.holders),
            ("witness", [each.name for each in self.witnesses]),
        ):
            if len(set(names)) != len(names):
                raise ConfigError(f"the plan has the same name for more than one {what}")
        if bool(self.holders) != bool(self.threshold) or not 0 <= self.threshold <= len(self.holders) <= SHARES_MAX:
            raise ConfigError(f"of up to {SHARES_MAX} holders, at least one and at most all open the root's key")


def standard_plan() -> str:
    """The plan that comes with the toolkit, TOML."""
    return resources.files(__package__).joinpath("plan_data", "standard.toml").read_text(encoding="utf-8")


def _authority(table: "_Table", organisation: str, name: str | None = None) -> PlannedAuthority:
    planned = PlannedAuthority(
        name=name or table.take("name", str),
        common_name=table.take("common_name", str),
        organisation=table.take("organisation", str, organisation),
        key=table.made("key", KeyAlgorithm),
        crl_shards=table.take("crl_shards", int, 1),
        path_length=table.take("path_length", int, 0),
        profiles=tuple(table.texts("profiles")),
        key_at=table.take("key_at", str, ""),
    )
    table.close()
    if planned.path_length not in range(PATH_LENGTH_MAX + 1):
        raise ConfigError(f"the plan's authority {planned.name} has a path_length that is none; take 0 or 1")
    unknown = sorted(set(planned.profiles) - set(standard_profiles()))
    if unknown:
        raise ConfigError(f"the plan's authority {planned.name} has unknown profiles: {', '.join(unknown)}")
    try:
        check_shards(planned.crl_shards)
    except UsageError as error:
        raise ConfigError(f"the plan's authority {planned.name}: {error}") from None
    return planned


def _witness(table: "_Table") -> Witness:
    witness = Witness(table.take("name", str), table.made("public_key", bytes.fromhex))
    table.close()
    try:
        load_public_key(witness.public_key)
    except PkiError as error:
        raise ConfigError(f"the plan's witness {witness.name}: {error}") from None
    return witness


_KINDS: Final[Mapping[type, str]] = MappingProxyType({str: "a text", int: "a number", list: "a list", dict: "a table"})
_Value = TypeVar("_Value")
_Made = TypeVar("_Made")


class _Table:
    """A table of the plan, of which every entry must be taken."""

    def __init__(self, name: str, table: Mapping[str, Any]) -> None:
        self._name = name
        self._left = dict(table)

    def take(self, key: str, kind: type[_Value], default: _Value | None = None) -> _Value:
        value = self._left.pop(key, default)
        if type(value) is not kind:
            raise ConfigError(
                f"{self._name} needs {key}, and of another kind" if value else f"{self._name} needs {key}"
            )
        return value

    def made(self, key: str, make: Callable[[str], _Made]) -> _Made:
        try:
            return make(self.take(key, str))
        except ValueError:
            raise ConfigError(f"{self._name} has a {key} that can't be used") from None

    def texts(self, key: str) -> list[str]:
        values = self.take(key, list, [])
        if not all(isinstance(value, str) and value for value in values):
            raise ConfigError(f"{self._name} has a {key} that is no list of texts")
        return values

    def table(self, key: str, *, optional: bool = False) -> "_Table":
        return _Table(f"[{key}] of the plan", self.take(key, dict, {} if optional else None))

    def tables(self, key: str) -> list["_Table"]:
        found = self.take(key, list, [])
        if not all(isinstance(each, dict) for each in found):
            raise ConfigError(f"{self._name} has a {key} that is no list of tables; write [[{key}]]")
        return [_Table(f"[[{key}]] of the plan", each) for each in found]

    def close(self) -> None:
        if self._left:
            raise ConfigError(f"{self._name} has what nobody knows: {', '.join(sorted(self._left))}")
