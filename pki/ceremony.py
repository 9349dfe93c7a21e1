"""The making of a hierarchy, as a ceremony: one script decides all but the keys, and each step is written down.

`conduct` makes the keys and certificates that a plan asks for. What the plan does not decide (public keys, signatures,
serial numbers, times, shares) it gets from `Acts`, and writes into the transcript. So whoever has a transcript can
conduct the same ceremony again with recorded acts: every certificate must come out the same, byte for byte, and every
signature is checked on the way. That is what `pki.transcript.check` does.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer
from ecitizen.secret import KeyBytes

from .authority import Authority
from .errors import TranscriptWrong
from .issuing import IssuingAuthority
from .plan import ROOT, Plan, PlannedAuthority
from .publishing import CrlPublisher, PublishRules
from .store import AuthorityRecord, Store

ROOT_RULES: Final = PublishRules(
    full_every=timedelta(days=180), full_validity=timedelta(days=200), delta_validity=timedelta(days=200)
)
"""A root's key is fetched from the safe twice a year."""


class Acts(Protocol):
    """What people and machines do at a ceremony."""

    def moment(self) -> datetime:
        """The time, in whole seconds."""
        ...

    def serial_number(self) -> int:
        """A fresh serial number."""
        ...

    def make_key(self, name: str, algorithm: KeyAlgorithm) -> Signer:
        """Make the key of an authority."""
        ...

    def key_reference(self, name: str) -> str:
        """Where the key is kept."""
        ...

    def pseudonym_key(self, name: str) -> KeyBytes:
        """Make the secret under which an authority's holders have their pseudonyms."""
        ...

    def share_out(self, threshold: int, holders: tuple[str, ...]) -> dict[str, str]:
        """Give each holder their share of what opens the root's key; tell the commitment of each."""
        ...

    def open_by_shares(self, holders: tuple[str, ...]) -> bytes:
        """Open the root's key with these holders' shares only; give its public key."""
        ...


Record = Callable[[str, dict[str, Any]], None]
"""Writes a step and what came out of it (JSON values) into the transcript."""


def conduct(script: str, plan: Plan, acts: Acts, store: Store, www: Path, record: Record) -> None:
    """Make the hierarchy, enter it into the register, and publish the root's certificate and first lists.

    Raise what the plan's parts raise; TranscriptWrong if the shares don't open the root's key.
    """
    record("begin", {"script": script, "base_uri": plan.base_uri, "at": acts.moment().isoformat()})
    signer = _Writing(_key(plan.root, acts, record))
    if plan.holders:
        _share_out(plan, signer, acts, record)
    root = _root(plan, signer, acts, store, record)
    for planned in plan.authorities:
        _authority(planned, plan, root, signer, acts, store, record)
    _first_lists(signer, acts, store, www, record)
    record("end", {"at": acts.moment().isoformat()})


class _Writing:
    """A signer whose signatures are remembered until they are taken for the transcript."""

    def __init__(self, signer: Signer) -> None:
        self.key_algorithm, self.public_key = signer.key_algorithm, signer.public_key
        self.certificate, self.algorithms = signer.certificate, signer.algorithms
        self._signer = signer
        self._made: list[str] = []

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return self._kept(self._signer.sign(message, algorithm))

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return self._kept(self._signer.sign_digest(digest, algorithm))

    def taken(self) -> list[str]:
        made, self._made = self._made, []
        return made

    def _kept(self, signature: bytes) -> bytes:
        self._made.append(signature.hex())
        return signature


def _key(planned: PlannedAuthority, acts: Acts, record: Record) -> Signer:
    signer = acts.make_key(planned.name, planned.key)
    if signer.key_algorithm is not planned.key:
        raise UsageError(f"the key of {planned.name} is of another kind than the plan says; make the right one")
    reference = acts.key_reference(planned.name)
    record("key", {"name": planned.name, "public_key": signer.public_key.hex(), "kept": reference})
    return signer


def _share_out(plan: Plan, signer: Signer, acts: Acts, record: Record) -> None:
    commitments = acts.share_out(plan.threshold, plan.holders)
    record("shares", {"threshold": plan.threshold, "commitments": commitments})
    for holders in (plan.holders[: plan.threshold], plan.holders[-plan.threshold :]):
        if acts.open_by_shares(holders) != signer.public_key:
            raise TranscriptWrong("the shares do not open the root's key; begin the ceremony anew")
        record("opened", {"holders": list(holders), "public_key": signer.public_key.hex()})


def _root(plan: Plan, signer: _Writing, acts: Acts, store: Store, record: Record) -> IssuingAuthority:
    moment = acts.moment()
    authority = Authority.establish(
        signer,
        plan.root.common_name,
        pseudonym_key=acts.pseudonym_key(ROOT),
        organisation=plan.root.organisation,
        moment=moment,
        serial_numbers=acts.serial_number,
    )
    record("certificate", _certificate(ROOT, authority.certificate, moment, signer))
    reference = acts.key_reference(ROOT)
    store.add_authority(
        AuthorityRecord(ROOT, authority.certificate, reference, plan.base_uri, profiles=plan.root.profiles)
    )
    return IssuingAuthority(store, ROOT, authority)


def _authority(
    planned: PlannedAuthority,
    plan: Plan,
    root: IssuingAuthority,
    root_signer: _Writing,
    acts: Acts,
    store: Store,
    record: Record,
) -> None:
    signer = _key(planned, acts, record)
    acts.pseudonym_key(planned.name)
    moment = acts.moment()
    certificate = root.issue_authority(
        signer.public_key,
        planned.common_name,
        organisation=planned.organisation,
        path_length=planned.path_length,
        moment=moment,
    )
    record("certificate", _certificate(planned.name, certificate, moment, root_signer))
    reference = acts.key_reference(planned.name)
    store.add_authority(
        AuthorityRecord(planned.name, certificate, reference, plan.base_uri, planned.crl_shards, planned.profiles)
    )


def _certificate(name: str, certificate: bytes, moment: datetime, signer: _Writing) -> dict[str, Any]:
    return {
        "name": name,
        "at": moment.isoformat(),
        "certificate": certificate.hex(),
        "sha256": hashlib.sha256(certificate).hexdigest(),
        "signatures": signer.taken(),
    }


def _first_lists(signer: _Writing, acts: Acts, store: Store, www: Path, record: Record) -> None:
    moment = acts.moment()
    made = CrlPublisher(store, ROOT, signer, www, ROOT_RULES).publish(moment)
    lists = [each.path.read_bytes().hex() for each in made]
    record("lists", {"at": moment.isoformat(), "lists": lists, "signatures": signer.taken()})
