"""Documents signed, checked and encrypted, each beside its rival in one run.

    python bench/sign.py [PART...] [--mebibytes N]

The parts: `cades` (beside bare pyHanko and the `openssl cms` process), `pades` (beside bare pyHanko), `xades` (beside
`xmlsec1`), `large` (a file of 1 GB signed, encrypted and opened, beside `openssl`, with the peak of memory), `start`
(import times). Keys are on P-256, in software: what a card needs is in `bench/piv.py`. The programs openssl and xmlsec1
are needed. All rates are of processor time, that of child processes with it.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # beside this script there is a pki.py

from pki import cms, xades
from pki.documents import verify_file, verify_files
from pki.keys import FileSigner
from pki.signed import DocumentReport, DocumentVerdict
from pki.signed_batch import RememberingTrust
from pki.trust import TrustStore, add_anchor

MOMENT = datetime.now(UTC).replace(microsecond=0)
BATCHES, BATCH_SECONDS = 5, 0.3
BATCH_OF_DOCUMENTS = 50
REPEATED = 100
LETTER = b"what was agreed on\n" * 500
CODE = "import resource, sys, time\nsys.path.insert(0, {root!r})\n{setup}\nbegun = time.process_time()\n{work}\n"
CODE += "print(time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
ROOT = str(Path(__file__).parents[1])

Calls = Mapping[str, Callable[[], object]]


class People:
    """A root, an authority and a signer, with lists, made with `cryptography` alone; all of it in a folder too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.root, self.authority = self._certificate("Root", "Root"), self._certificate("Authority", "Root")
        self.certificate = self._certificate("Signer", "Authority")
        self.crls = [self._crl("Root"), self._crl("Authority")]
        self.signer = FileSigner(self.key, self.certificate)
        add_anchor(folder / "trust", self.root)
        for name, ders in (("crls", self.crls), ("issuers", [self.authority])):
            (folder / "trust" / name).mkdir()
            for number, der in enumerate(ders):
                (folder / "trust" / name / f"{number}.der").write_bytes(der)
        self.trust = TrustStore.open(folder / "trust")
        pem, private = Encoding.PEM, PrivateFormat.PKCS8
        (folder / "key.pem").write_bytes(self.key.private_bytes(pem, private, NoEncryption()))
        for name, ders in (("root", [self.root]), ("authority", [self.authority]), ("signer", [self.certificate])):
            (folder / f"{name}.pem").write_bytes(b"".join(_loaded(each).public_bytes(pem) for each in ders))
        lists = b"".join(x509.load_der_x509_crl(each).public_bytes(pem) for each in self.crls)
        (folder / "trusted.pem").write_bytes((folder / "root.pem").read_bytes() + lists)

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return self._keys["Signer"]

    def _certificate(self, subject: str, issuer: str) -> bytes:
        authority = subject != "Signer"
        key = self._keys.setdefault(subject, ec.generate_private_key(ec.SECP256R1()))
        allowed = {"key_cert_sign", "crl_sign"} if authority else {"digital_signature", "key_agreement"}
        usages = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
        usages += ["key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
        builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(MOMENT - timedelta(days=1)).not_valid_after(MOMENT + timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(**{name: name in allowed for name in usages}), critical=True)
        key_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(key_identifier, critical=False)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._keys[issuer].public_key())
        builder = builder.add_extension(issuer_key, critical=False)
        return builder.sign(self._keys[issuer], hashes.SHA256()).public_bytes(Encoding.DER)

    def _crl(self, issuer: str) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(_name(issuer)).last_update(MOMENT)
        builder = builder.next_update(MOMENT + timedelta(days=7)).add_extension(x509.CRLNumber(1), critical=False)
        return builder.sign(self._keys[issuer], hashes.SHA256()).public_bytes(Encoding.DER)

    def run(self, *command: str | Path) -> None:
        subprocess.run(
            list(map(str, command)), cwd=self.folder, check=True, capture_output=True, stdin=subprocess.DEVNULL
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _loaded(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


@dataclass
class PyHanko:
    """The same with pyHanko by itself, every object that can be used again made before."""

    people: People

    def __post_init__(self) -> None:
        from asn1crypto import keys as asn1_keys
        from asn1crypto import x509 as asn1_x509
        from pyhanko.sign.signers import SimpleSigner
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        people = self.people
        private = people.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        store = SimpleCertificateStore()
        store.register(asn1_x509.Certificate.load(people.authority))
        certificate = asn1_x509.Certificate.load(people.certificate)
        self.signer = SimpleSigner(certificate, asn1_keys.PrivateKeyInfo.load(private), store)
        self.root = asn1_x509.Certificate.load(people.root)

    def context(self) -> Any:
        from pyhanko_certvalidator import ValidationContext

        return ValidationContext(
            trust_roots=[self.root],
            crls=self.people.crls,
            moment=MOMENT + timedelta(minutes=1),
            revocation_mode="require",
        )

    def sign(self) -> bytes:
        signing = self.signer.async_sign_general_data(LETTER, "sha256", use_cades=True)
        signed: bytes = asyncio.run(signing).dump()
        return signed

    def check(self, signature: bytes) -> None:
        from asn1crypto import cms as asn1_cms
        from pyhanko.sign.validation.generic_cms import async_validate_detached_cms

        signed_data = asn1_cms.ContentInfo.load(signature)["content"]
        assert asyncio.run(async_validate_detached_cms(LETTER, signed_data, self.context(), **_usage())).valid

    def sign_pdf(self, document: bytes) -> bytes:
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign.fields import SigSeedSubFilter
        from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner

        settings = PdfSignatureMetadata("Signature1", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
        output = PdfSigner(settings, self.signer).sign_pdf(IncrementalPdfFileWriter(BytesIO(document)))
        return bytes(output.getvalue())

    def check_pdf(self, document: bytes) -> None:
        from pyhanko.pdf_utils.reader import PdfFileReader
        from pyhanko.sign.validation import validate_pdf_signature

        (signature,) = PdfFileReader(BytesIO(document)).embedded_signatures
        assert validate_pdf_signature(signature, self.context(), **_usage()).bottom_line


def _usage() -> dict[str, Any]:
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    return {"key_usage_settings": KeyUsageConstraints(key_usage={"digital_signature"})}


# Measuring


def spent() -> float:
    """Seconds of the processor, of this process and of all that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def rates(calls: Calls) -> dict[str, float]:
    """Calls in a second of the processor, by the median of batches taken in turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(BATCHES):
        for name, call in calls.items():
            count, begun = 0, spent()
            while (took := spent() - begun) < BATCH_SECONDS:
                call()
                count += 1
            found[name].append(count / took)
    return {name: statistics.median(each) for name, each in found.items()}


def shown(title: str, found: dict[str, float]) -> dict[str, float]:
    print(title)
    for name, rate in found.items():
        print(f"  {name:44}{rate:10,.0f}/s")
    return found


def valid(report: DocumentReport) -> None:
    assert report.verdict is DocumentVerdict.VALID, report


# The parts


def cades(people: People) -> dict[str, float]:
    """Ours beside bare pyHanko and the process of `openssl cms`, which both check less of a path."""
    letter, folder, library = people.folder / "letter.bin", people.folder, PyHanko(people)
    letter.write_bytes(LETTER)
    trust, moment = people.trust, MOMENT + timedelta(minutes=1)

    def sign() -> bytes:
        return cms.sign(LETTER, people.signer, people.certificate, [people.authority], moment=MOMENT)

    signature = sign()
    theirs = library.sign()
    (folder / "letter.p7s").write_bytes(signature)
    signing: list[str | Path] = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-cades",
        "-in",
        letter,
        "-signer",
        "signer.pem",
        "-inkey",
    ]
    signing += ["key.pem", "-certfile", "authority.pem", "-outform", "DER", "-out", "theirs.p7s"]
    checking: list[str | Path] = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-cades",
        "-inform",
        "DER",
        "-in",
        "letter.p7s",
        "-content",
    ]
    checking += [letter, "-CAfile", "trusted.pem", "-crl_check_all", "-purpose", "any", "-out", "/dev/null"]
    batch = [letter.with_name(f"{number}.bin") for number in range(BATCH_OF_DOCUMENTS)]
    for each in batch:
        each.write_bytes(LETTER)
        each.with_name(f"{each.name}.p7s").write_bytes(signature)
    remembering = RememberingTrust(trust)
    begun = spent()
    for report in verify_files(batch, trust=trust, moment=moment):
        valid(report)
    in_batch = BATCH_OF_DOCUMENTS / (spent() - begun)
    found = rates(
        {
            "signed: ours": sign,
            "signed: pyHanko": library.sign,
            "signed: openssl cms, a process": lambda: people.run(*signing),
            "checked: ours": lambda: valid(cms.verify(signature, LETTER, trust=trust, moment=moment)),
            "checked: ours, the signer known": lambda: valid(
                cms.verify(signature, LETTER, trust=remembering, moment=moment)
            ),
            "checked: pyHanko": lambda: library.check(theirs),
            "checked: openssl cms, a process": lambda: people.run(*checking),
        }
    )
    found[f"checked: ours, {BATCH_OF_DOCUMENTS} files with verify_files"] = in_batch
    return shown("CAdES-B, detached, over 9 kB, with a path of three and both lists", found)


def pades(people: People) -> dict[str, float]:
    """Ours, which stands on pyHanko and looks at the whole file besides, beside pyHanko by itself."""
    from pyhanko.pdf_utils.generic import StreamObject
    from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

    from pki import pdf

    writer, output, library = PdfFileWriter(), BytesIO(), PyHanko(people)
    contents = writer.add_object(StreamObject(stream_data=b"BT ET"))
    writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 595, 842)))
    writer.write(output)
    blank, moment = output.getvalue(), MOMENT + timedelta(minutes=1)

    def sign() -> bytes:
        return pdf.sign(blank, people.signer, people.certificate, [people.authority], moment=MOMENT)

    document, theirs, remembering = sign(), library.sign_pdf(blank), RememberingTrust(people.trust)
    return shown(
        "PAdES-B, invisible, one page",
        rates(
            {
                "signed: ours": sign,
                "signed: pyHanko": lambda: library.sign_pdf(blank),
                "checked: ours": lambda: valid(pdf.verify(document, people.trust, moment)),
                "checked: ours, the signer known": lambda: valid(
                    verify_file(document, trust=remembering, moment=moment)
                ),
                "checked: pyHanko": lambda: library.check_pdf(theirs),
            }
        ),
    )


def xml(people: People) -> dict[str, float]:
    """Ours beside one process of xmlsec1, and beside what each further document costs it in one process."""
    invoice = b'<?xml version="1.0"?><invoice>' + b'<line no="1">107.00</line>' * 300 + b"</invoice>"
    document = xades.sign(invoice, people.signer, people.certificate, [people.authority], moment=MOMENT)
    (people.folder / "signed.xml").write_bytes(document)
    moment, remembering = MOMENT + timedelta(minutes=1), RememberingTrust(people.trust)
    names = ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    checking = ["xmlsec1", "--verify", *names, "--trusted-pem", "root.pem", "--untrusted-pem", "authority.pem"]
    signing = ["xmlsec1", "--sign", *names, "--privkey-pem", "key.pem,signer.pem", "--output", "theirs.xml"]

    def sign() -> bytes:
        return xades.sign(invoice, people.signer, people.certificate, [people.authority], moment=MOMENT)

    found = rates(
        {
            "signed: ours": sign,
            "signed: xmlsec1, a process": lambda: people.run(*signing, "signed.xml"),
            "checked: ours": lambda: valid(xades.verify(document, people.trust, moment)),
            "checked: ours, the signer known": lambda: valid(verify_file(document, trust=remembering, moment=moment)),
            "checked: xmlsec1, a process": lambda: people.run(*checking, "signed.xml"),
        }
    )
    for name, command in (("signed", signing), ("checked", checking)):
        costs = []
        for count in (1, 1 + REPEATED):
            begun = spent()
            people.run(*command, "--repeat", str(count), "signed.xml")
            costs.append(spent() - begun)
        found[f"{name}: xmlsec1, one more in a process"] = REPEATED / (costs[1] - costs[0])
    return shown("XAdES, enveloped, over 8 kB; xmlsec1 knows no revocation and no time of signing", found)


def measured(setup: str, work: str) -> tuple[float, float]:
    """Processor seconds and peak memory (MB) of work in a Python of its own."""
    code = CODE.format(root=ROOT, setup=setup, work=work)
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    seconds, kilobytes = output.split()
    return float(seconds), int(kilobytes) / 1024


def large(people: People, mebibytes: int) -> dict[str, dict[str, float]]:
    """A small and a large file through the same work, each in a process of its own: memory must be the same."""
    folder = people.folder
    setup = f"""
from datetime import datetime
from pathlib import Path
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pki import cms, envelope
from pki.envelope_keys import FileKeyAgreement
from pki.keys import FileSigner
folder = Path({str(folder)!r})
moment = datetime.fromisoformat({MOMENT.isoformat()!r})
key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
certificate = (folder / "trust/signer.der").read_bytes()
"""
    (folder / "trust/signer.der").write_bytes(people.certificate)
    key = "envelope.RecipientKey(certificate, agreement=FileKeyAgreement(key))"
    results: dict[str, dict[str, float]] = {}
    for size in (1, mebibytes):
        name = f"{size}.bin"
        with (folder / name).open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(1024 * 1024))
        works = {
            "signed (CAdES, detached)": f"cms.sign(folder / {name!r}, FileSigner(key, certificate), certificate, "
            "moment=moment)",
            "encrypted (AuthEnvelopedData, AES-256-GCM)": f"envelope.encrypt_file(folder / {name!r}, "
            f"folder / '{name}.p7m', [certificate], moment=moment)",
            "opened": f"envelope.decrypt_file(folder / '{name}.p7m', folder / '{name}.out', [{key}])",
        }
        for what, work in works.items():
            seconds, peak = measured(setup, work)
            results.setdefault(what, {})[f"peak MB, {size} MB"] = peak
            results[what]["MB/s"] = size / seconds
    name = f"{mebibytes}.bin"
    encrypting = f"cms -encrypt -binary -stream -aes-256-gcm -in {name} -outform DER -out theirs.p7m signer.pem"
    commands = {
        "openssl dgst -sha256": ["dgst", "-sha256", name],
        "openssl cms -encrypt -stream, AES-256-GCM": encrypting.split(),
    }
    for what, command in commands.items():
        begun = spent()
        people.run("openssl", *command)
        results[what] = {"MB/s": mebibytes / (spent() - begun)}
    print(f"A file of {mebibytes} MB; peak of memory beside that with a file of 1 MB")
    for what, row in results.items():
        peaks = "".join(f"{row[f'peak MB, {size} MB']:6.0f} MB" for size in (mebibytes, 1) if len(row) > 1)
        print(f"  {what:44}{row['MB/s']:10,.0f} MB/s{peaks}")
    return results


def start() -> dict[str, float]:
    """What a command waits for before it can do anything: milliseconds of the processor, the least of five."""
    modules = {
        "nothing": "pass",
        "pki.documents": "import pki.documents",
        "CAdES": "import pki.documents, pki.cms",
        "ASiC": "import pki.documents, pki.asic",
        "XAdES": "import pki.documents, pki.xades, lxml.etree",
        "PAdES, signing": "import pki.documents, pki.pdf, pki.pdf_signing",
        "PAdES, checking": "import pki.documents, pki.pdf, pki.pdf_checking",
        "encryption": "import pki.envelope",
        "pyHanko, signing alone": "import pyhanko.sign.signers",
    }
    found = {}
    for name, statement in modules.items():
        costs = []
        for _ in range(5):
            begun = spent()
            subprocess.run([sys.executable, "-c", statement], check=True, cwd=ROOT)
            costs.append(spent() - begun)
        found[name] = min(costs) * 1000
    print("Import times, milliseconds of the processor beyond those of Python itself")
    for name, cost in found.items():
        print(f"  {name:44}{cost - (found['nothing'] if name != 'nothing' else 0):10.0f}")
    return found


def main() -> None:
    """Print what was measured and write it beside this script."""
    import argparse
    import shutil

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all of them unless named")
    parser.add_argument("--mebibytes", type=int, default=1024, help="of the large file")
    options = parser.parse_args()
    for program in ("openssl", "xmlsec1"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is needed here: it is a rival; apt install {program}")
    with tempfile.TemporaryDirectory() as name:
        people = People(Path(name))
        parts: Calls = {
            "cades": lambda: cades(people),
            "pades": lambda: pades(people),
            "xades": lambda: xml(people),
            "large": lambda: large(people, options.mebibytes),
            "start": start,
        }
        unknown = set(options.parts) - set(parts)
        if unknown:
            parser.error(f"the parts are {', '.join(parts)}")
        results = {part: parts[part]() for part in options.parts or parts}
    with suppress(OSError):
        results["load"] = os.getloadavg()[0]
        print(f"load of the machine in the last minute: {results['load']:.1f} on {os.cpu_count()} processors")
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
