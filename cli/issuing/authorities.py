"""Opening those who certify and seal for cards: a folder of `ecitizen ca init`, or the test hierarchy."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cardapps.card_authorities import FolderAuthorities, HierarchyAuthorities, RegisteredAuthorities
from cardapps.hierarchy import Hierarchy as TestHierarchy
from pki.hierarchy import Hierarchy
from pki.key_source import FILE, KeySource
from pki.profiles import standard_profiles
from pki.register_records import is_root
from pki.store import Store
from pki.template import utc_now

from ..ca.work import keys
from ..folders import sample_hierarchy_folder
from ..output import talk
from .office import TEST_AUTHORITIES

_DOCUMENT_SIGNER = "document_signer_"


@contextmanager
def open_authorities(
    arguments: argparse.Namespace, name: str, moment: datetime, *, certifying: bool
) -> Iterator[RegisteredAuthorities]:
    """The authorities of that name, until the block is left.

    Those that are `certifying` open one of their keys first, so that a passphrase is asked for before a card is
    touched, and make the document signers that they don't have yet.
    """
    if name == TEST_AUTHORITIES:
        with TestHierarchy.open(sample_hierarchy_folder()) as hierarchy:
            yield HierarchyAuthorities(hierarchy)
        return
    with _folder(arguments, name) as (folder, source), FolderAuthorities(folder, source) as authorities:
        if certifying:
            _open_a_key(folder)
            _ = arguments.words.translate
            for made in authorities.make_document_signers(moment):
                text = _("The document signer {name} was made; its key is in the authorities' folder.")
                talk(text.format(name=made.name))
        yield authorities


@contextmanager
def foreseen_authorities(arguments: argparse.Namespace, name: str) -> Iterator[RegisteredAuthorities]:
    """The same for plans: they know what they would do, write nothing, and ask for no secret."""
    if name == TEST_AUTHORITIES:  # the plan is all that is needed; opening them would make them, or their lists anew
        with Store.in_memory() as nothing:
            yield HierarchyAuthorities(TestHierarchy(sample_hierarchy_folder(), nothing, utc_now))
        return
    silent = argparse.Namespace(**{**vars(arguments), "passphrase_fd": None, "pin_fd": None})
    with _folder(silent, name) as (folder, source):
        yield _Foreseen(folder, source)


@contextmanager
def _folder(arguments: argparse.Namespace, name: str) -> Iterator[tuple[Hierarchy, KeySource]]:
    arguments = argparse.Namespace(**{**vars(arguments), "folder": name})
    with keys(arguments) as source, Hierarchy.open(Path(name), source) as folder:
        yield folder, source


class _Foreseen(FolderAuthorities):
    """A folder as it will be when the document signers that are missing have been made."""

    @property
    def applications(self) -> frozenset[str]:
        offered = {profile for authority in self._store.authorities() for profile in authority.profiles}
        return frozenset(
            name.removeprefix(_DOCUMENT_SIGNER)
            for name in offered & standard_profiles().keys()
            if name.startswith(_DOCUMENT_SIGNER)
        )


def _open_a_key(folder: Hierarchy) -> None:
    """Open a key that has a passphrase, which is then known for the others; that of the root stays away."""
    for record in folder.store.authorities():
        if record.key_reference.startswith(FILE) and not is_root(record.certificate):
            folder.signer(record.name)
            return
