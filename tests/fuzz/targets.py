"""All fuzz targets by name."""

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    cards,
    files,
    gp_card,
    messages,
    piv,
    pki_ca,
    pki_cms,
    pki_envelope,
    pki_path,
    pki_pdf,
    pki_seal,
    pki_serve,
    pki_tokens,
    pki_xades,
    records,
    scp03,
)
from .target import Target

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for module in (
            messages,
            records,
            files,
            cards,
            gp_card,
            piv,
            pki_ca,
            pki_cms,
            pki_envelope,
            pki_path,
            pki_pdf,
            pki_seal,
            pki_serve,
            pki_tokens,
            pki_xades,
            scp03,
        )
        for target in module.TARGETS
    }
)
