"""The power goes at any write while certificates are issued or revoked, or lists are built.

After it: whatever a call had answered is there, nothing is half there, no serial number and no list number comes twice,
and the lists that lie in the folder are whole. Each case is run with every write cut: at its beginning, in its middle,
and with all lost that was not yet synchronised.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from pki.errors import StoreFailed
from pki.publishing import CrlPublisher
from pki.status import CertificateState, RevocationReason
from pki.store import Store
from tests.flow.failing_sqlite import FailingDisk, failing_disk
from tests.unit.registered import CARD, DAY, HOUR, MOMENT, Registered, card_request, registered, serial_of

STOLEN = RevocationReason.KEY_COMPROMISE
Work = Callable[[Registered, Path], object]


def issue(authorities: Registered, _: Path) -> object:
    return authorities.persons.issue_many([card_request("NEW") for _ in range(3)], moment=MOMENT)


def revoke(authorities: Registered, _: Path) -> object:
    return authorities.store.revoke_card(CARD, STOLEN, MOMENT)


def suspend_and_reinstate(authorities: Registered, _: Path) -> object:
    serial = authorities.store.certificates_of_card(CARD)[0].serial
    authorities.store.suspend("persons", serial, MOMENT)
    authorities.store.reinstate("persons", serial, MOMENT)
    return serial


def publish(authorities: Registered, folder: Path) -> object:
    return authorities.publisher(folder / "www").publish(MOMENT + 2 * HOUR, full=True)


WORK = {"issue": issue, "revoke": revoke, "suspend": suspend_and_reinstate, "publish": publish}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Registered]:
    """A register with a card's certificates, some revoked, and lists that were published."""
    folder = tmp_path_factory.mktemp("prepared")
    with Store.open(folder / "register") as store:
        authorities = registered(store)
        for _ in range(4):
            authorities.card()
        other = authorities.persons.issue(card_request("OTHER"), moment=MOMENT)
        store.revoke("persons", serial_of(other), STOLEN, MOMENT - HOUR)
        authorities.publisher(folder / "www").publish(MOMENT)
    return folder, authorities


def reopened(prepared: Registered, store: Store) -> Registered:
    """The same authorities over another register."""
    from pki.issuing import IssuingAuthority

    bare = prepared.persons._authority
    persons = IssuingAuthority(store, "persons", bare)
    return Registered(store, prepared.root, persons, prepared.root_signer, prepared.persons_signer)


def run(source: Registered, folder: Path, work: Work, disk: FailingDisk, cut: int, part: int) -> bool:
    """Do the work on a disk that fails; True if it was done."""
    store = Store.open(folder / "register")
    try:
        authorities = reopened(source, store)
        disk.arm(cut, part)
        work(authorities, folder)
    except StoreFailed:
        return False
    else:
        return True
    finally:
        disk.off = True
        try:
            store.close()
        except StoreFailed:
            assert cut


def cuts(source: Registered, folder: Path, work: Work) -> int:
    """How many writes the work makes."""
    copy = folder.with_name("counted")
    shutil.copytree(folder, copy)
    with failing_disk() as disk:
        assert run(source, copy, work, disk, 0, 0)
        count = disk.count
    shutil.rmtree(copy)
    assert count >= 3
    return count


def picture(folder: Path) -> tuple[frozenset[bytes], frozenset[tuple[int, RevocationReason]], int]:
    """What a register knows: certificates, revocations, and the next number of a list."""
    with Store.open(folder / "register") as store:
        [check] = store._connection.execute("PRAGMA integrity_check").fetchone()
        assert check == "ok"
        rows = store._connection.execute("SELECT der FROM certificate").fetchall()
        revoked = frozenset((entry.serial, entry.reason) for entry in store.revoked("persons"))
        told = dict(revoked)
        for der in (row[0] for row in rows):
            status = store.status("persons", serial_of(der))
            assert status.reason == told.get(serial_of(der)) or status.state is CertificateState.UNKNOWN
        return frozenset(row[0] for row in rows), revoked, store.next_crl_number("persons", 0)


def lists(folder: Path) -> dict[str, x509.CertificateRevocationList]:
    """The lists that are served, each of which is whole."""
    paths = sorted((folder / "www" / "crl").glob("*.crl"))
    return {path.name: x509.load_der_x509_crl(path.read_bytes()) for path in paths}


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@pytest.mark.parametrize("forgetful", [False, True], ids=["cut", "forgotten"])
@pytest.mark.parametrize("name", WORK)
def test_the_old_state_or_the_new_one(
    prepared: tuple[Path, Registered], tmp_path: Path, name: str, forgetful: bool
) -> None:
    folder, source = prepared
    before_path, after_path = tmp_path / "before", tmp_path / "after"
    shutil.copytree(folder, before_path)
    shutil.copytree(folder, after_path)
    with failing_disk() as disk:
        assert run(source, after_path, WORK[name], disk, 0, 0)
    before, after = picture(before_path), picture(after_path)
    seen = set()
    for cut in range(1, cuts(source, folder, WORK[name]) + 1):
        for part in (0, 100):
            copy = tmp_path / f"{cut}-{part}"
            shutil.copytree(folder, copy)
            with failing_disk() as disk:
                done = run(source, copy, WORK[name], disk, cut, part)
            if forgetful:
                disk.forget()
            found = picture(copy)
            seen.add(found[:2])
            if done:
                assert found[1] == after[1], "an answer was given, and then forgotten"
            if name in {"revoke", "publish"}:
                assert found[:2] in {before[:2], after[:2]}
            assert len(found[0]) in {len(before[0]), len(after[0])}
            whole = lists(copy)
            assert set(whole) == {"persons-0.crl", "persons-0-delta.crl"}
            assert all(number(crl) < found[2] for crl in whole.values()), "a number would come twice"
            shutil.rmtree(copy)
    assert before[:2] in seen


def test_no_answer_without_the_medium(prepared: tuple[Path, Registered], tmp_path: Path) -> None:
    """Whatever has returned is still there when everything that was not synchronised is lost."""
    folder, source = prepared
    for name, work in WORK.items():
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        with failing_disk() as disk:
            assert run(source, copy, work, disk, 0, 0)
        disk.forget()
        certificates, revoked, next_number = picture(copy)
        if name == "issue":
            assert sum(b"NEW" in der for der in certificates) == 3
        if name == "revoke":
            assert len(revoked) == 5
        if name == "publish":
            assert next_number == 3


class Stop(Exception):
    """The power went."""


@pytest.mark.parametrize("file", [1, 2, 3])
@pytest.mark.parametrize("step", ["fsync", "replace", "sync_folder"])
def test_a_list_is_the_old_one_or_the_new_one(
    prepared: tuple[Path, Registered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int, step: str
) -> None:
    """The power goes at a step of writing one of the files; then lists are built again."""
    folder, source = prepared
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    before = {name: number(crl) for name, crl in lists(copy).items()}
    calls = 0

    def cutting(real: Callable[..., object]) -> Callable[..., object]:
        def step_of(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == file:
                raise Stop
            return real(*arguments, **options)

        return step_of

    with Store.open(copy / "register") as store:
        authorities = reopened(source, store)
        with monkeypatch.context() as patch:
            if step == "fsync":
                patch.setattr(os, "fsync", cutting(os.fsync))
            elif step == "replace":
                patch.setattr(Path, "replace", cutting(Path.replace))
            else:
                patch.setattr("pki.publishing._sync_folder", cutting(lambda _: None))
            with pytest.raises(Stop):
                authorities.publisher(copy / "www").publish(MOMENT + HOUR, full=True)
        between = {name: number(crl) for name, crl in lists(copy).items()}
        assert all(between[name] in {before[name], before[name] + 1} for name in before)
        authorities.store.revoke_card(CARD, STOLEN, MOMENT + HOUR)
        publisher: CrlPublisher = authorities.publisher(copy / "www")
        [delta] = publisher.publish(MOMENT + 2 * HOUR)
        assert delta.number > max(between.values())
        indicator = lists(copy)["persons-0-delta.crl"].extensions.get_extension_for_class(x509.DeltaCRLIndicator).value
        assert indicator.crl_number <= number(lists(copy)["persons-0.crl"]), "a delta list to a list that nobody has"
        assert delta.entries == 4
        publisher.publish(MOMENT + DAY + HOUR, full=True)
        assert len(list(lists(copy)["persons-0.crl"])) == 5


WORKER = """
    import sys
    from pathlib import Path
    from ecitizen.errors import EcitizenError
    from pki.status import RevocationReason
    from pki.store import Store
    from tests.unit.registered import MOMENT, PUBLIC_KEYS, card_request, registered, serial_of

    folder = Path(sys.argv[1])
    store = Store.open(folder / "register")
    authorities = registered(store)
    publisher = authorities.publisher(folder / "www")
    for turn in range(100_000):
        certificate = authorities.card()
        print("issued", serial_of(certificate), flush=True)
        if turn % 3 == 0:
            store.revoke("persons", serial_of(certificate), RevocationReason.SUPERSEDED, MOMENT)
            print("revoked", serial_of(certificate), flush=True)
        if turn % 5 == 0:
            for each in publisher.publish(MOMENT, full=turn % 2 == 0):
                print("delta" if each.delta else "full", each.number, flush=True)
"""


def killed_after(folder: Path, lines: int) -> list[list[str]]:
    """What a process said before it was killed, at any point of its work."""
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        said = [worker.stdout.readline() for _ in range(lines)]
        worker.kill()
        said += worker.stdout.read().splitlines()
    return [line.split() for line in said if len(line.split()) == 2]


@pytest.mark.parametrize("lines", [1, 7, 20, 41])
def test_a_killed_process_has_kept_its_word(tmp_path: Path, lines: int) -> None:
    said = killed_after(tmp_path, lines)
    with Store.open(tmp_path / "register") as store:
        for kind, text in said:
            if kind == "issued":
                assert store.certificate("persons", int(text)).card_serial == CARD
            elif kind == "revoked":
                assert store.status("persons", int(text)).state is CertificateState.REVOKED
            else:
                assert store.next_crl_number("persons", 0) > int(text)
        issued = [text for kind, text in said if kind == "issued"]
        assert len(set(issued)) == len(issued) >= 1
        full = [int(text) for kind, text in said if kind == "full"]
        assert full == sorted(set(full))
