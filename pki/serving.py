"""What the authorities of a folder answer over HTTP: where their certificates say that their status is told."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ecitizen.errors import ConfigError, EcitizenError

from .addresses import TIMESTAMP_PATH, ocsp_path
from .hierarchy import WWW, Hierarchy
from .ocsp import OcspResponder
from .ocsp_index import StatusIndex
from .oids import TIMESTAMP_POLICY
from .service_routes import Route, folder_route, ocsp_route, timestamp_route
from .store import ServiceRecord
from .timestamp import TimestampAuthority

RENEWAL_SECONDS: Final = 2.0
"""How often the register is asked whether a service has a new key and certificate."""

_log = logging.getLogger(__name__)


def hierarchy_routes(hierarchy: Hierarchy) -> "HierarchyRoutes":
    """Lists, issuers' certificates, OCSP and timestamps; raise ConfigError if there is nothing to serve yet.

    The services' keys are opened here and stay in memory; the authorities' own are not touched.
    """
    routes = HierarchyRoutes(hierarchy)
    if not routes.services:
        raise ConfigError("there are no services yet; make their keys and the lists with `ecitizen ca crl`")
    return routes


class HierarchyRoutes(Mapping[str, Route]):
    """The routes of a folder's authorities. A service that was renewed meanwhile answers with its new key.

    Raise what `Hierarchy.service_signer` raises.
    """

    def __init__(self, hierarchy: Hierarchy, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hierarchy = hierarchy
        self._monotonic = monotonic
        www = hierarchy.folder / WWW
        self._folders = {"/crl": folder_route(www / "crl"), "/issuers": folder_route(www / "issuers")}
        self._status: dict[str, StatusIndex] = {}
        self.services: dict[ServiceRecord, tuple[str, Route]] = {}
        """What answers for each service, and on which path."""
        self._routes: dict[str, Route] = {}
        self._renew()
        self._next = monotonic() + RENEWAL_SECONDS

    def get(self, path: str, default: Route | None = None) -> Route | None:  # type: ignore[override]  # no other default
        """The route of a path, with the services as the register has them now."""
        if self._monotonic() >= self._next:
            try:
                self._renew()
            except EcitizenError as error:  # what was good before is better than nothing
                _log.error("a renewed service can't be used, the old one goes on: %s", error.code)
            self._next = self._monotonic() + RENEWAL_SECONDS
        return self._routes.get(path, default)

    def __getitem__(self, path: str) -> Route:
        return self._routes[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)

    def _renew(self) -> None:
        """Make routes for the services that are new, and drop those that are no more."""
        records = self._hierarchy.store.services()
        if self._routes and self.services.keys() == set(records):
            return
        self.services = {record: self.services.get(record) or self._served(record) for record in records}
        self._routes = {**self._folders, **dict(self.services.values())}

    def _served(self, record: ServiceRecord) -> tuple[str, Route]:
        signer, clock = self._hierarchy.service_signer(record), self._hierarchy.clock
        issuer = self._hierarchy.store.authority(record.authority).certificate
        if record.profile != "ocsp":
            timestamps = TimestampAuthority(
                signer, record.certificate, policy=TIMESTAMP_POLICY, chain=(issuer,), clock=clock
            )
            return TIMESTAMP_PATH, timestamp_route(timestamps)
        if record.authority not in self._status:
            self._status[record.authority] = StatusIndex(self._hierarchy.store, record.authority)
        status = self._status[record.authority]
        responder = OcspResponder(signer, record.certificate, issuer, status, clock=clock)
        return ocsp_path(record.authority), ocsp_route(responder)
