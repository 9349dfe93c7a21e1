"""Where relying parties find what an authority publishes: fixed in certificates at issue, and served by `ca serve`.

An address is the authority's base address and one of these paths; what is served as a file has its path as name.
"""

DELTA_SUFFIX = "-delta"


def crl_path(authority: str, shard: int) -> str:
    """The full list of a shard."""
    return f"/crl/{authority}-{shard}.crl"


def delta_path(authority: str, shard: int) -> str:
    """What has changed since the full list."""
    return f"/crl/{authority}-{shard}{DELTA_SUFFIX}.crl"


def issuer_path(authority: str) -> str:
    """The authority's own certificate."""
    return f"/issuers/{authority}.cer"


def ocsp_path(authority: str) -> str:
    """The OCSP responder for the authority's certificates."""
    return f"/ocsp/{authority}"


TIMESTAMP_PATH = "/timestamp"
"""The timestamp authority."""
