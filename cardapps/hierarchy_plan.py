"""The test hierarchy as `hierarchy.toml` declares it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from ecitizen.algorithms import KeyAlgorithm
from pki.oids import OWN_PURPOSES
from pki.profiles import Profile, standard_profiles

DATA_PURPOSES: Final = f"{OWN_PURPOSES}.3"
"""Below it, purposes of those who seal an application's data."""
CARD_PURPOSES: Final = f"{OWN_PURPOSES}.4"
"""Below it, purposes of an application's certificates on cards."""


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


ROOT = "root"
PERSONS = "persons"
"""The authority that certifies the holders' keys."""


def hierarchy_plan() -> HierarchyPlan:
    """What the file declares. It is our own, so it is right."""
    table = tomllib.loads(files(__package__).joinpath("hierarchy.toml").read_text(encoding="utf-8"))
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
        MappingProxyType({name: _application(name, entry) for name, entry in table["application"].items()}),
    )


def _application(name: str, entry: Mapping[str, Any]) -> ApplicationPlan:
    profiles = standard_profiles()
    like = entry.get("like", name)
    signer, certificate = profiles[f"document_signer_{like}"], profiles[f"application_{like}"]
    if like != name:
        signer = replace(
            signer,
            name=f"document_signer_{name}",
            extended_key_usage=(f"{DATA_PURPOSES}.{entry['number']}",),
            application=name,
        )
        certificate = replace(
            certificate,
            name=f"application_{name}",
            extended_key_usage=(f"{CARD_PURPOSES}.{entry['number']}",),
            application=name,
            common_name=entry["certificate_name"],
        )
    return ApplicationPlan(name, entry["authority"], signer, certificate)
