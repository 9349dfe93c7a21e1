"""What the authorities of a folder answer over HTTP: where their certificates say that their status is told."""

from functools import partial

from ecitizen.errors import ConfigError

from .addresses import TIMESTAMP_PATH, ocsp_path
from .hierarchy import WWW, Hierarchy
from .ocsp import OcspResponder
from .oids import TIMESTAMP_POLICY
from .service_routes import Route, Routes, folder_route, ocsp_route, timestamp_route
from .timestamp import TimestampAuthority


def hierarchy_routes(hierarchy: Hierarchy) -> Routes:
    """Lists, issuers' certificates, OCSP and timestamps; raise ConfigError if there is nothing to serve yet.

    The services' keys are opened here and stay in memory; the authorities' own are not touched.
    """
    www = hierarchy.folder / WWW
    routes: dict[str, Route] = {"/crl": folder_route(www / "crl"), "/issuers": folder_route(www / "issuers")}
    store = hierarchy.store
    for record, signer in hierarchy.service_signers():
        issuer = store.authority(record.authority).certificate
        if record.profile == "ocsp":
            status = partial(store.status, record.authority)
            routes[ocsp_path(record.authority)] = ocsp_route(OcspResponder(signer, record.certificate, issuer, status))
        else:
            authority = TimestampAuthority(signer, record.certificate, policy=TIMESTAMP_POLICY, chain=(issuer,))
            routes[TIMESTAMP_PATH] = timestamp_route(authority)
    if len(routes) == 2:
        raise ConfigError("there are no services yet; make their keys and the lists with `ecitizen ca crl`")
    return routes
