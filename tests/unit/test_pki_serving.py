"""What `ca serve` answers: with the services as they are now, though the program goes on."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError
from pki.addresses import TIMESTAMP_PATH, ocsp_path
from pki.hierarchy import Hierarchy
from pki.keys import FileSigner, generate_key
from pki.service_routes import HttpRequest
from pki.serving import RENEWAL_SECONDS, HierarchyRoutes, hierarchy_routes
from pki.store import Store
from tests.service_authorities import ocsp_request
from tests.unit.held_ceremony import SMALL, Ceremony, hold, source

PATH = ocsp_path("persons")


@pytest.fixture
def held(tmp_path: Path) -> Ceremony:
    return hold(tmp_path / "ca", SMALL, FileSigner(generate_key(KeyAlgorithm.P_256)))


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def responder_of(routes: HierarchyRoutes, store: Store) -> x509.Certificate:
    """The certificate that goes with an answer."""
    issuer = x509.load_der_x509_certificate(store.authority("persons").certificate)
    asked = x509.load_der_x509_certificate(store.services()[0].certificate)
    request = ocsp_request(asked, issuer)
    route = routes.get(PATH)
    assert route is not None
    answer = ocsp.load_der_ocsp_response(route.answer(HttpRequest("POST", body=request)).body)
    return answer.certificates[0]


def test_without_services_there_is_nothing_to_serve(held: Ceremony) -> None:
    with source(held.folder) as keys, Hierarchy.open(held.folder, keys, clock=held.clock) as opened:
        with pytest.raises(ConfigError, match="ca crl"):
            hierarchy_routes(opened)
        opened.make_services()
        routes = hierarchy_routes(opened)
        assert sorted(routes) == sorted(["/crl", "/issuers", PATH, TIMESTAMP_PATH])
        assert len(routes) == 4
        assert routes[PATH].methods == ("GET", "HEAD", "POST")


def test_a_renewed_service_answers_without_a_restart(held: Ceremony, caplog: pytest.LogCaptureFixture) -> None:
    seconds = Seconds()
    with source(held.folder) as keys, Hierarchy.open(held.folder, keys, clock=held.clock) as opened:
        opened.make_services()
        routes = HierarchyRoutes(opened, monotonic=seconds)
        before = responder_of(routes, opened.store)
        stamping = routes.get(TIMESTAMP_PATH)
        held.clock.now += timedelta(days=45)
        with source(held.folder) as others, Hierarchy.open(held.folder, others, clock=held.clock) as beside:
            [renewed] = beside.make_services()
        assert responder_of(routes, opened.store) == before
        key = held.folder / "keys" / renewed.key_reference.removeprefix("file:")
        key.rename(key.with_suffix(".away"))
        seconds.now += RENEWAL_SECONDS
        with caplog.at_level(logging.ERROR):
            assert responder_of(routes, opened.store) == before
        assert "key_unavailable" in caplog.text
        key.with_suffix(".away").rename(key)
        seconds.now += RENEWAL_SECONDS
        assert responder_of(routes, opened.store) == x509.load_der_x509_certificate(renewed.certificate) != before
        assert routes.get(TIMESTAMP_PATH) is stamping
        assert routes.get("/nothing") is None
