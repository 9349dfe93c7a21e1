"""All fuzz targets by name."""

from collections.abc import Mapping
from types import MappingProxyType

from . import cards, files, messages, piv, records
from .target import Target

TARGETS: Mapping[str, Target] = MappingProxyType(
    {target.name: target for module in (messages, records, files, cards, piv) for target in module.TARGETS}
)
