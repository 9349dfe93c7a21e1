"""Foreign judges of our ASiC containers: unzip, sha256sum and openssl; and containers that are put together by hand,
with signatures by openssl and by xmlsec1.
"""

import base64
import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pki import asic
from pki.asic import AsicForm
from pki.asic_manifest import written_manifest
from pki.keys import private_key_info
from pki.pem import pem
from pki.signed import DocumentVerdict, Level
from tests.interop.signing_card import Programs
from tests.signing_people import SigningPeople
from tests.unit.signed_containers import ASIC
from tests.unit.signed_xml import SHA_256, XADES, reference, signature
from tests.unit.small_pki import MOMENT

FILES: dict[str, Any] = {"letter.txt": b"what was agreed on\n", "annex/table.csv": b"1,2,3\n"}
TRUSTED = ["-CAfile", "root.pem", "-purpose", "any", "-attime", str(int(MOMENT.timestamp()))]


@dataclass(frozen=True)
class Judges:
    """The programs in a folder with our people's certificates."""

    programs: Programs
    people: SigningPeople

    def unpacked(self, container: bytes) -> Path:
        """What `unzip` makes of a container, after it has tested it."""
        name = self.programs.write("container.zip", container)
        assert "No errors detected" in self.programs.run("unzip", "-t", name)
        self.programs.run("unzip", "-o", "-q", name, "-d", "unpacked")
        return self.programs.folder / "unpacked"

    def openssl_verify(self, signature: str, content: str) -> None:
        """`openssl cms -verify` must accept."""
        files = ["-in", f"unpacked/META-INF/{signature}", "-content", f"unpacked/{content}"]
        self.programs.run(
            "openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", *files, *TRUSTED, "-out", "out"
        )


@pytest.fixture(scope="module")
def judges(foreign_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Judges:
    folder = tmp_path_factory.mktemp("judges")
    people = SigningPeople(folder)
    programs = Programs(foreign_program, folder)
    programs.write("root.pem", pem(people.root.der, "CERTIFICATE"))
    programs.write("authority.pem", pem(people.authority.der, "CERTIFICATE"))
    programs.write("signer.pem", pem(people.signer_party.der, "CERTIFICATE"))
    programs.write("signer.key", pem(private_key_info(people.signer_party.key).reveal(), "PRIVATE KEY"))
    return Judges(programs, people)


def signed(people: SigningPeople, form: AsicForm, level: Level) -> bytes:
    return asic.sign(
        dict(list(FILES.items())[:1]) if form is AsicForm.SIMPLE else FILES,
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        form=form,
        level=level,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )


@pytest.mark.parametrize("level", list(Level))
def test_a_container_of_several_files(judges: Judges, level: Level) -> None:
    folder = judges.unpacked(signed(judges.people, AsicForm.EXTENDED, level))
    judges.openssl_verify("signature001.p7s", "META-INF/ASiCManifest001.xml")
    manifest = ElementTree.parse(folder / "META-INF/ASiCManifest001.xml").getroot()
    asic_names, ds = "{http://uri.etsi.org/02918/v1.2.1#}", "{http://www.w3.org/2000/09/xmldsig#}"
    listed = manifest.findall(f"{asic_names}DataObjectReference")
    assert [each.get("URI") for each in listed] == list(FILES)
    for each in listed:
        summed = judges.programs.run("sha256sum", f"unpacked/{each.get('URI')}").split()[0]
        assert base64.b64decode(each.findtext(f"{ds}DigestValue") or "").hex() == summed


@pytest.mark.parametrize("level", list(Level))
def test_a_container_of_one_file(judges: Judges, level: Level) -> None:
    judges.unpacked(signed(judges.people, AsicForm.SIMPLE, level))
    judges.openssl_verify("signature.p7s", "letter.txt")


def made_by_openssl(judges: Judges, content: bytes) -> bytes:
    keys = ["-signer", "signer.pem", "-inkey", "signer.key", "-certfile", "authority.pem"]
    name = judges.programs.write("given", content)
    command = ["cms", "-sign", "-cades", "-binary", "-in", name, *keys, "-outform", "DER", "-out", "theirs.p7s"]
    judges.programs.run("openssl", *command)
    return judges.programs.read("theirs.p7s")


@pytest.mark.parametrize("form", list(AsicForm))
def test_containers_that_others_have_put_together(judges: Judges, form: AsicForm, tmp_path: Path) -> None:
    target = tmp_path / "theirs.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("mimetype", form.mimetype, zipfile.ZIP_STORED)
        zipped.writestr("letter.txt", FILES["letter.txt"])
        if form is AsicForm.SIMPLE:
            zipped.writestr("META-INF/signature.p7s", made_by_openssl(judges, FILES["letter.txt"]))
        else:
            judges.programs.write("letter.txt", FILES["letter.txt"])
            digest = bytes.fromhex(judges.programs.run("sha256sum", "letter.txt").split()[0])
            manifest = written_manifest("META-INF/signature1.p7s", {"letter.txt": digest}, {})
            zipped.writestr("META-INF/ASiCManifest1.xml", manifest)
            zipped.writestr("META-INF/signature1.p7s", made_by_openssl(judges, manifest))
    report = asic.verify(target, trust=judges.people.trust(MOMENT), moment=MOMENT)
    assert (report.verdict, report.format) == (DocumentVerdict.VALID, form)
    assert report.signatures[0].covers == "letter.txt"


def made_by_xmlsec1(judges: Judges) -> bytes:
    """XAdES over the files, which xmlsec1 reads by the names that the references have."""
    programs, certificate = judges.programs, judges.people.signer_party.der
    (programs.folder / "annex").mkdir(exist_ok=True)
    for name, data in FILES.items():
        programs.write(name, data)
    digest = base64.b64encode(hashlib.sha256(certificate).digest()).decode()
    properties = (
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#sig">'
        '<xades:SignedProperties Id="props"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{MOMENT.isoformat()}</xades:SigningTime>"
        "<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f'<ds:DigestMethod Algorithm="{SHA_256}"/><ds:DigestValue>{digest}</ds:DigestValue></xades:CertDigest>'
        "</xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties></xades:SignedProperties>"
        "</xades:QualifyingProperties></ds:Object>"
    )
    own = reference("#props", kind="http://uri.etsi.org/01903#SignedProperties")
    template = signature(*map(reference, FILES), own, objects=properties).replace("{CERT}", "")
    programs.write("template.xml", f'<asic:XAdESSignatures xmlns:asic="{ASIC}">{template}</asic:XAdESSignatures>')
    names = ["--id-attr:Id", f"{XADES}:SignedProperties", "--privkey-pem", "signer.key,signer.pem,authority.pem"]
    programs.run("xmlsec1", "--sign", *names, "--output", "theirs.xml", "template.xml")
    return programs.read("theirs.xml")


def test_a_container_signed_by_xmlsec1(judges: Judges, tmp_path: Path) -> None:
    target, changed = tmp_path / "theirs.asice", tmp_path / "changed.asice"
    written = made_by_xmlsec1(judges)
    for path, files in ((target, FILES), (changed, {**FILES, "annex/table.csv": b"1,2,4\n"})):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("mimetype", AsicForm.EXTENDED.mimetype, zipfile.ZIP_STORED)
            for name, data in {**files, "META-INF/manifest.xml": b"<m/>", "META-INF/signatures0.xml": written}.items():
                zipped.writestr(name, data)
    trust = judges.people.trust(MOMENT)
    report = asic.verify(target, trust=trust, moment=MOMENT)
    assert (report.verdict, report.format) == (DocumentVerdict.VALID, AsicForm.EXTENDED)
    assert (report.signatures[0].covers, report.signatures[0].level) == ("letter.txt, annex/table.csv", Level.B)
    report = asic.verify(changed, trust=trust, moment=MOMENT)
    assert (report.verdict, report.signatures[0].changed) == (DocumentVerdict.ALTERED, ("changed: annex/table.csv",))
