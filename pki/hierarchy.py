"""Authorities in a folder: their register, the keys that lie in files, and what is published.

register.sqlite    certificates, revocations, numbers of lists (`pki.store`)
keys/              encrypted keys, and the secrets for pseudonyms
www/               lists and certificates, as they are served
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError, FileFailed, UsageError
from ecitizen.ports import Signer
from ecitizen.secret import KeyBytes

from .authority import Authority
from .ceremony import ROOT_RULES, conduct
from .certificates import load_certificate
from .issuing import IssuingAuthority
from .key_source import FILE, KeySource
from .pem import pem
from .pkcs11_keys import SCHEME as PKCS11
from .plan import ROOT, Plan
from .publishing import CrlPublisher, PublishedFile, PublishRules, write_content
from .register_records import is_root
from .shares import SECRET_LEN, Share, combine, split
from .store import ServiceRecord, Store
from .template import Clock, random_serial_number, utc_now

REGISTER: Final = "register.sqlite"
KEYS: Final = "keys"
WWW: Final = "www"
RENEW_AFTER: Final = 2 / 3
"""The part of its validity after which a service gets a new key and certificate."""

Record = Callable[[str, dict[str, Any]], None]
SERVICES: Final = ("ocsp", "timestamp")
"""Profiles of which each authority that issues by them has a service of its own."""


class Hierarchy:
    """The authorities of a folder, opened. It is a context manager.

    Keys are opened when they are needed, through `keys`.
    """

    def __init__(self, folder: Path, store: Store, keys: KeySource, clock: Clock = utc_now) -> None:
        self.folder = folder
        self.store = store
        self._keys = keys
        self.clock = clock
        """Tells the time of all that is made here, and of what its services say."""

    @classmethod
    def open(cls, folder: Path, keys: KeySource, clock: Clock = utc_now) -> "Hierarchy":
        """Open a folder; raise StoreFailed if there is no register in it."""
        return cls(folder, Store.open(folder / REGISTER, create=False), keys, clock)

    def __enter__(self) -> "Hierarchy":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def signer(self, authority: str) -> Signer:
        """The key of an authority; raise as `KeySource.open` does."""
        return self._keys.open(self.store.authority(authority).key_reference)

    def issuing(self, authority: str) -> IssuingAuthority:
        """An authority that issues; raise as `signer` does."""
        record = self.store.authority(authority)
        if is_root(record.certificate):
            pseudonym_key = _throwaway()
        else:
            pseudonym_key = self._keys.open_secret(pseudonym_reference(authority))
        bare = Authority(self.signer(authority), record.certificate, pseudonym_key=pseudonym_key, clock=self.clock)
        return IssuingAuthority(self.store, authority, bare)

    def publish(
        self, authority: str, *, full: bool | None = None, rules: PublishRules | None = None
    ) -> tuple[PublishedFile, ...]:
        """Make the lists of an authority; raise as `signer` and `CrlPublisher.publish` do."""
        record = self.store.authority(authority)
        rules = rules or (ROOT_RULES if is_root(record.certificate) else None)
        publisher = CrlPublisher(self.store, authority, self.signer(authority), self.folder / WWW, rules)
        return publisher.publish(self.clock(), full=full)

    def make_services(self, *, algorithm: KeyAlgorithm = KeyAlgorithm.P_256) -> tuple[ServiceRecord, ...]:
        """Make or renew the OCSP responders and the timestamp authority, those that need it; give these.

        Their keys lie in files: they are used all day. Each is new with its certificate.
        """
        known = {service.name: service for service in self.store.services()}
        made = []
        for record in self.store.authorities():
            for profile in SERVICES:
                name = f"{record.name}-{profile}"
                offered = profile in record.profiles and not is_root(record.certificate)
                if offered and (name not in known or self._is_old(known[name].certificate)):
                    made.append(self._make_service(name, record.name, profile, algorithm))
        return tuple(made)

    def _make_service(self, name: str, authority: str, profile: str, algorithm: KeyAlgorithm) -> ServiceRecord:
        subject = load_certificate(self.store.authority(authority).certificate).subject
        names = {each.rfc4514_attribute_name: str(each.value) for each in subject}
        reference = f"{FILE}{name}-{self.clock():%Y%m%dT%H%M%S}.pem"
        signer = self._keys.generate(reference, algorithm)
        title = {"ocsp": "OCSP Responder", "timestamp": "Timestamp Authority"}[profile]
        certificate = self.issuing(authority).issue_service(
            signer.public_key,
            f"{names.get('CN', authority)} {title}"[:64],
            profile=profile,
            organisation=names.get("O", ""),
        )
        record = ServiceRecord(name, authority, profile, reference, certificate)
        self.store.put_service(record)
        return record

    def _is_old(self, certificate: bytes) -> bool:
        loaded = load_certificate(certificate)
        begin, end = loaded.not_valid_before_utc, loaded.not_valid_after_utc
        return self.clock() >= begin + (end - begin) * RENEW_AFTER

    def service_signer(self, service: ServiceRecord) -> Signer:
        """The key of a service; raise as `KeySource.open` does."""
        return self._keys.open(service.key_reference)


def create(folder: Path, script: str, plan: Plan, acts: "FolderActs", record: Record | None = None) -> None:
    """Make the hierarchy of a plan in a folder of `new_folder`, and `record` each step; raise what `conduct` does."""
    with Store.open(folder / REGISTER) as store:
        conduct(script, plan, acts, store, folder / WWW, record or _unrecorded)
        for authority in store.authorities():
            write_content(folder / f"{authority.name}.pem", pem(authority.certificate, "CERTIFICATE"))


def _unrecorded(_did: str, _data: dict[str, Any]) -> None:
    """No transcript is wanted."""


def new_folder(folder: Path) -> None:
    """Make the folder and what is in it, for its owner alone; raise FileFailed if it is not empty."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if next(folder.iterdir(), None) is not None:
            raise FileFailed(f"{folder} has something in it; authorities are made in a new folder")
        (folder / KEYS).mkdir(mode=0o700)
    except OSError as error:
        raise FileFailed(f"can't make the folder {folder}: {error.strerror}") from None


def pseudonym_reference(authority: str) -> str:
    """Where the secret for an authority's pseudonyms is kept."""
    return f"{FILE}{authority}-pseudonyms.pem"


class FolderActs:
    """`pki.ceremony.Acts` for a folder: keys are made in files or, with `keys_at`, on a PKCS#11 token.

    `keys_at` is a reference without its object, as `pkcs11:token=Ministry?module-path=...`. With holders, the root's
    key is in a file whose passphrase is parted among them; `give_share` hands each holder their share.
    """

    def __init__(
        self,
        keys: KeySource,
        plan: Plan,
        *,
        folder: Path,
        keys_at: str = FILE,
        give_share: Callable[[str, Share], None] | None = None,
        clock: Clock = utc_now,
        serial_numbers: Callable[[], int] = random_serial_number,
    ) -> None:
        if keys_at != FILE and (not keys_at.startswith(PKCS11) or "?" not in keys_at):
            raise UsageError("keys are made in files or on a token: pkcs11:token=NAME?module-path=/usr/lib/module.so")
        if plan.holders and plan.root.key_at:
            raise ConfigError("a root's key that is there already is not parted among holders; leave one of them out")
        if plan.holders and give_share is None:
            raise ConfigError("the plan has holders of shares: make the hierarchy in a ceremony")
        self._keys = keys
        self._keys_at = keys_at
        self._there = {each.name: each.key_at for each in (plan.root, *plan.authorities) if each.key_at}
        self._give_share = give_share
        self._clock = clock
        self._serial_numbers = serial_numbers
        self._parted = KeyBytes(secrets.token_bytes(SECRET_LEN)) if plan.holders else None
        self._root_keys = keys if self._parted is None else keys_under(folder / KEYS, self._parted)
        self._shares: Mapping[str, Share] = {}

    def moment(self) -> datetime:
        """The time, in whole seconds."""
        return self._clock().replace(microsecond=0)

    def serial_number(self) -> int:
        """A fresh serial number."""
        return self._serial_numbers()

    def key_reference(self, name: str) -> str:
        """Where the key is kept."""
        if name in self._there:
            return self._there[name]
        if self._keys_at == FILE or (name == ROOT and self._parted is not None):
            return f"{FILE}{name}.pem"
        path, _, query = self._keys_at.partition("?")
        return f"{path};object={name}?{query}"

    def make_key(self, name: str, algorithm: KeyAlgorithm) -> Signer:
        """Make the key of an authority, or take the one that is there."""
        if name in self._there:
            return self._keys.open(self._there[name])
        keys = self._root_keys if name == ROOT else self._keys
        return keys.generate(self.key_reference(name), algorithm)

    def pseudonym_key(self, name: str) -> KeyBytes:
        """Make the secret for an authority's pseudonyms; a root, which names no persons, needs none."""
        return _throwaway() if name == ROOT else self._keys.generate_secret(pseudonym_reference(name))

    def share_out(self, threshold: int, holders: Sequence[str]) -> dict[str, str]:
        """Give each holder their share."""
        assert self._parted is not None
        assert self._give_share is not None
        shares = split(self._parted, threshold, len(holders))
        self._shares = dict(zip(holders, shares, strict=True))
        for holder, share in self._shares.items():
            self._give_share(holder, share)
        return {holder: share.commitment for holder, share in self._shares.items()}

    def open_by_shares(self, holders: Sequence[str]) -> bytes:
        """Open the root's key by what these holders have."""
        secret = combine([Share.parse(self._shares[holder].text) for holder in holders])
        with keys_under(self._root_keys.folder, secret) as keys:
            return keys.open(self.key_reference(ROOT)).public_key

    def root_signer(self) -> Signer:
        """The root's key, while the ceremony lasts."""
        return (self._keys if ROOT in self._there else self._root_keys).open(self.key_reference(ROOT))


def keys_under(folder: Path, secret: KeyBytes) -> KeySource:
    """Keys in files whose passphrase is a secret of 32 bytes, as shares make it."""
    passphrase = KeyBytes(secret.reveal().hex().encode("ascii"))
    return KeySource(folder, passphrase=lambda _: passphrase, pin=lambda _: passphrase)


def _throwaway() -> KeyBytes:
    return KeyBytes(secrets.token_bytes(SECRET_LEN))


__all__ = [
    "KEYS",
    "REGISTER",
    "WWW",
    "FolderActs",
    "Hierarchy",
    "create",
    "keys_under",
    "new_folder",
    "pseudonym_reference",
]
