"""All fuzz targets by name."""

from collections.abc import Mapping
from types import MappingProxyType

from . import cards, files, messages, piv, pki_ca, pki_seal, pki_serve, records, scp03
from .target import Target

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for module in (messages, records, files, cards, piv, pki_ca, pki_seal, pki_serve, scp03)
        for target in module.TARGETS
    }
)
