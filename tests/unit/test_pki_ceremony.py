import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError, FileFailed, UsageError
from pki.certificates import load_certificate
from pki.errors import NotIssued, PassphraseWrong, SharesWrong, SignatureInvalid, StoreFailed, TranscriptWrong
from pki.hierarchy import FolderActs, Hierarchy, create, keys_under, new_folder
from pki.key_source import KeySource
from pki.keys import FileSigner, generate_key
from pki.plan import Plan, standard_plan
from pki.shares import combine
from pki.transcript import TranscriptFile, check, witness_line
from tests.unit.held_ceremony import PASSPHRASE, SMALL, Ceremony, hold, script, source


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Ceremony:
    witness = FileSigner(generate_key(KeyAlgorithm.P_256))
    return hold(tmp_path_factory.mktemp("ceremony") / "ca", script(witness), witness)


# What it proves


def test_a_third_party_replays_it(held: Ceremony) -> None:
    checked = check(held.text)
    assert checked.signed_by == ("root",)
    assert checked.missing == ("Auditor",)
    assert list(checked.certificates) == ["root", "persons"]
    assert checked.shares == {holder: share.commitment for holder, share in held.shares.items()}
    root, persons = (load_certificate(checked.certificates[name]) for name in ("root", "persons"))
    root.verify_directly_issued_by(root)
    persons.verify_directly_issued_by(root)
    assert checked.at == datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)


def test_a_witness_signs_it(held: Ceremony) -> None:
    text = held.text + witness_line(held.text, "Auditor", held.witness) + "\n"
    assert check(text).missing == ()
    other = FileSigner(generate_key(KeyAlgorithm.P_256))
    with pytest.raises(TranscriptWrong, match="no witness"):
        witness_line(held.text, "Auditor", other)
    with pytest.raises(TranscriptWrong, match="no witness"):
        witness_line(held.text, "Somebody", held.witness)


def test_nothing_secret_is_in_it(held: Ceremony) -> None:
    secret = combine(list(held.shares.values())[:2])
    for hidden in (secret.reveal().hex(), "correct horse", *(share.text for share in held.shares.values())):
        assert hidden not in held.text
    assert "PRIVATE" not in held.text


def test_every_step_is_there(held: Ceremony) -> None:
    did = [step["did"] for step in held.steps]
    assert did == [
        "begin", "key", "shares", "opened", "opened", "certificate", "key", "certificate", "lists", "end",
    ]  # fmt: skip


@pytest.mark.parametrize("line", range(11))
def test_a_line_that_is_missing_or_twice_is_noticed(held: Ceremony, line: int) -> None:
    lines = held.text.splitlines()
    with pytest.raises(TranscriptWrong):
        check("\n".join(lines[:line] + lines[line + 1 :]))
    with pytest.raises(TranscriptWrong):
        check("\n".join(lines[: line + 1] + lines[line:]))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_changed_character_is_noticed(held: Ceremony, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(held.text) - 2))
    character = data.draw(st.sampled_from('0123456789abcdef{}":,x'))
    if held.text[place] not in {character, "\n"}:
        with pytest.raises((TranscriptWrong, SignatureInvalid)):
            check(held.text[:place] + character + held.text[place + 1 :])


def chained(steps: list[dict[str, object]]) -> list[str]:
    """Lines of steps whose chain is right again."""
    import hashlib

    lines: list[str] = []
    for step in steps:
        previous = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else "0" * 64
        lines.append(json.dumps({**step, "previous": previous}, separators=(",", ":"), sort_keys=True))
    return lines


@pytest.mark.parametrize(
    "key", ["at", "certificate", "signatures", "public_key", "name", "commitments", "lists", "script"]
)
def test_a_forger_who_mends_the_chain_is_noticed(held: Ceremony, key: str) -> None:
    """Whoever changes a step and the whole chain after it can't sign it for the root."""
    steps = held.steps
    changed = next(step for step in reversed(steps) if key in step)
    value = changed[key]
    changed[key] = f"{value[:-1]}{'0' if value[-1] != '0' else '1'}" if isinstance(value, str) else type(value)()
    with pytest.raises((TranscriptWrong, SignatureInvalid)):
        check("\n".join([*chained(steps), held.text.splitlines()[-1]]))


def test_shares_of_the_same_holder_twice_are_noticed(held: Ceremony) -> None:
    steps = held.steps
    shares = next(step for step in steps if step["did"] == "shares")
    assert isinstance(shares["commitments"], dict)
    shares["commitments"] = dict.fromkeys(shares["commitments"], "00")
    with pytest.raises(TranscriptWrong, match="shares"):
        check("\n".join([*chained(steps), held.text.splitlines()[-1]]))


def test_without_the_root_s_signature_it_is_not_done(held: Ceremony) -> None:
    with pytest.raises(TranscriptWrong, match="has not signed"):
        check("\n".join(held.text.splitlines()[:-1]))


@settings(max_examples=50, deadline=None)
@given(st.text() | st.lists(st.sampled_from(["{", "}", '"did"', ":", '"begin"', ",", "[]", "1", "\n"])).map("".join))
def test_other_texts_are_no_transcripts(text: str) -> None:
    with pytest.raises(TranscriptWrong):
        check(text)


# What it leaves


def test_the_root_opens_by_shares_only(held: Ceremony) -> None:
    secret = combine([held.shares["Anong"], held.shares["Chai"]])
    with keys_under(held.folder / "keys", secret) as keys:
        root = keys.open("file:root.pem")
    assert root.public_key.hex() == held.steps[1]["public_key"]
    with source(held.folder) as keys, pytest.raises(PassphraseWrong):
        keys.open("file:root.pem")
    with pytest.raises(SharesWrong):
        combine([held.shares["Anong"]])


def test_its_authorities_work(held: Ceremony) -> None:
    with source(held.folder) as keys, Hierarchy.open(held.folder, keys, clock=held.clock) as opened:
        assert [each.name for each in opened.make_services()] == ["persons-ocsp", "persons-timestamp"]
        assert opened.make_services() == ()
        held.clock.now += timedelta(days=45)
        assert [each.name for each in opened.make_services()] == ["persons-ocsp"]
        assert [each.number for each in opened.publish("persons")] == [1, 1]
        for record in opened.store.services():
            signer = opened.service_signer(record)
            assert load_certificate(record.certificate).public_key() is not None
            assert signer.key_algorithm is KeyAlgorithm.P_256
        with pytest.raises(NotIssued):
            opened.issuing("nobody")


def test_a_plan_without_holders_needs_no_shares(tmp_path: Path) -> None:
    held = hold(tmp_path / "ca", SMALL, FileSigner(generate_key(KeyAlgorithm.P_256)))
    assert check(held.text).missing == ()
    with source(held.folder) as keys, Hierarchy.open(held.folder, keys, clock=held.clock) as opened:
        assert opened.issuing("root").certificate == opened.store.authority("root").certificate
        assert [each.number for each in opened.publish("root", full=True)] == [2, 2]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").write_bytes(b"")
    with pytest.raises(FileFailed, match="something in it"):
        new_folder(tmp_path)
    with source(tmp_path) as keys, pytest.raises(StoreFailed):
        Hierarchy.open(tmp_path, keys)
    with pytest.raises(FileFailed, match="never overwritten"):
        TranscriptFile(tmp_path / "something")


def test_acts_that_do_not_fit_the_plan_are_refused(tmp_path: Path, held: Ceremony) -> None:
    plan = Plan.parse(script(held.witness))
    with source(tmp_path) as keys:
        with pytest.raises(ConfigError, match="ceremony"):
            FolderActs(keys, plan, folder=tmp_path)
        with pytest.raises(UsageError, match="token"):
            FolderActs(keys, Plan.parse(SMALL), folder=tmp_path, keys_at="somewhere")
        there = Plan.parse(
            script(held.witness).replace('common_name = "Root"', 'common_name = "Root"\nkey_at = "piv:9c"')
        )
        with pytest.raises(ConfigError, match="not parted"):
            FolderActs(keys, there, folder=tmp_path, give_share=lambda *_: None)


def test_a_key_that_is_there_already_is_taken(tmp_path: Path) -> None:
    card = FileSigner(generate_key(KeyAlgorithm.P_256))
    text = SMALL.replace('name = "persons"', 'name = "persons"\nkey_at = "card:9c"')
    folder = tmp_path / "ca"
    new_folder(folder)
    keys = KeySource(
        folder / "keys", passphrase=lambda _: PASSPHRASE, pin=lambda _: PASSPHRASE, openers={"card": lambda _: card}
    )
    with keys:
        plan = Plan.parse(text)
        create(folder, text, plan, FolderActs(keys, plan, folder=folder))
        with Hierarchy.open(folder, keys) as opened:
            assert opened.signer("persons") is card
            opened.publish("persons")


# Plans


def test_the_standard_plan_has_an_authority_for_each_application() -> None:
    plan = Plan.parse(standard_plan(), base_uri="http://pki.example")
    assert [each.name for each in plan.authorities] == ["interior", "civil-service", "health", "persons"]
    applications = [name for each in plan.authorities for name in each.profiles if name.startswith("document_signer")]
    assert len(applications) == len(set(applications)) == 4
    assert [each.path_length for each in plan.authorities] == [0, 0, 0, 1]


def test_an_authority_may_have_one_below_it_if_the_plan_says_so(tmp_path: Path) -> None:
    script = SMALL + "path_length = 1\n" + SMALL[SMALL.index("[[authority]]") :].replace("ersons", "lain")
    held = hold(tmp_path / "ca", script, FileSigner(generate_key(KeyAlgorithm.P_256)))
    lengths = {}
    for name, certificate in check(held.text).certificates.items():
        constraints = load_certificate(certificate).extensions.get_extension_for_class(x509.BasicConstraints).value
        lengths[name] = constraints.path_length
    assert lengths == {"root": None, "persons": 1, "plain": 0}


def changes() -> Iterator[tuple[str, str, str]]:
    yield "[root]", "[rot]", "root"
    yield 'key = "p256"', 'key = "p128"', "key"
    yield 'key = "p256"', "key = 1", "key"
    yield 'name = "persons"', 'name = "root"', "same name"
    yield 'name = "persons"', "", "name"
    yield '"ocsp"]', '"osp"]', "unknown profiles"
    yield '"ocsp"]', "7]", "profiles"
    yield 'organisation = "Ministry"', "organisation = []", "organisation"
    yield 'organisation = "Ministry"', 'colour = "blue"', "colour"
    yield 'name = "persons"', 'name = "persons"\ncrl_shards = 3', "power of two"
    yield 'name = "persons"', 'name = "persons"\npath_length = 10', "path_length"
    yield 'name = "persons"', 'name = "persons"\npath_length = -1', "path_length"
    yield "base_uri", "uri", "nobody knows: uri"
    yield 'base_uri = "http://pki.example.go.th"', "", "base_uri"
    yield "[[authority]]", "[authority]", "authority"
    yield SMALL, SMALL + "[shares]\nthreshold = 2\nholders = ['A']", "holders"
    yield SMALL, SMALL + "[shares]\nholders = ['A']", "holders"
    yield SMALL, SMALL + "[shares]\nthreshold = 1\nholders = ['A', 'A']", "same name"
    yield SMALL, SMALL + "[[witness]]\nname = 'A'\npublic_key = 'x'", "public_key"
    yield SMALL, SMALL + "[[witness]]\nname = 'A'\npublic_key = '3000'", "witness A"
    yield SMALL, "= =", "TOML"
    yield SMALL, SMALL + "#" * 300_000, "longer"


@pytest.mark.parametrize(("old", "new", "word"), list(changes()))
def test_a_wrong_plan_says_what_is_wrong(old: str, new: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Plan.parse(SMALL.replace(old, new))


@given(st.text())
def test_random_text_is_no_plan(text: str) -> None:
    with pytest.raises(ConfigError):
        Plan.parse(text)
