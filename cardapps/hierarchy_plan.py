"""The test hierarchy as `hierarchy.toml` declares it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from ecitizen.algorithms import KeyAlgorithm
from pki.profiles import Profile, standard_profiles


@dataclass(frozen=True, slots=True)
class AuthorityPlan:
    """An authority of the hierarchy."""

    name: str
    common_name: str
    key: KeyAlgorithm
    path_length: int = 0
    """How many authorities may follow it."""


@dataclass(frozen=True, slots=True)
class ApplicationPlan:
    """Who speaks for an application, and by which rules."""

    name: str
    authority: str
    document_signer_profile: Profile
    """For the certificate of whoever seals its data."""
    certificate_profile: Profile
    """For its certificate on each card."""

    @property
    def document_signer_usage(self) -> str:
        """Dotted object identifier."""
        return self.document_signer_profile.extended_key_usage[0]

    @property
    def certificate_usage(self) -> str:
        """Dotted object identifier."""
        return self.certificate_profile.extended_key_usage[0]


@dataclass(frozen=True, slots=True)
class HierarchyPlan:
    """Everybody in the hierarchy."""

    organisation: str
    root: AuthorityPlan
    authorities: Mapping[str, AuthorityPlan]
    applications: Mapping[str, ApplicationPlan]
    fingerprint: str
    """SHA-256, hex: a hierarchy that was made by a plan with another one is not as this plan says."""


FORM: Final = 1
"""Of the folder that a hierarchy lies in; another number has every hierarchy made anew."""
ROOT = "root"
PERSONS = "persons"
"""The authority that certifies the holders' keys."""


def hierarchy_plan() -> HierarchyPlan:
    """What the file declares. It is our own, so it is right."""
    text = files(__package__).joinpath("hierarchy.toml").read_text(encoding="utf-8")
    table, profiles = tomllib.loads(text), standard_profiles()
    root = table["root"]
    return HierarchyPlan(
        table["organisation"],
        AuthorityPlan(ROOT, root["common_name"], KeyAlgorithm(root["key"])),
        MappingProxyType(
            {
                name: AuthorityPlan(name, entry["common_name"], KeyAlgorithm(entry["key"]), entry.get("path_length", 0))
                for name, entry in table["authority"].items()
            }
        ),
        MappingProxyType(
            {name: _application(name, entry["authority"], profiles) for name, entry in table["application"].items()}
        ),
        _fingerprint(text, profiles),
    )


def _fingerprint(text: str, profiles: Mapping[str, Profile]) -> str:
    """Of the file, and of the profiles by which certificates are made."""
    rules = [
        {each.name: _plain(getattr(profile, each.name)) for each in fields(profile)} for profile in profiles.values()
    ]
    return hashlib.sha256(json.dumps([FORM, text, rules], sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    """A profile's setting, in the same order every time."""
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _application(name: str, authority: str, profiles: Mapping[str, Profile]) -> ApplicationPlan:
    return ApplicationPlan(name, authority, profiles[f"document_signer_{name}"], profiles[f"application_{name}"])
