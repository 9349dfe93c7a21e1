"""Authorities, revocation and checking, each beside its rival in one run.

    python bench/pki.py [PART...] [--entries N] [--serials N] [--register N]

The parts, in `bench/authorities`: `lists` (a revocation list of a million entries, beside `cryptography` and
`openssl ca`), `ocsp` (answers over HTTP on a million serial numbers, beside `openssl ocsp`, and in process beside the
bare signature), `certificates` (beside the bare signature), `paths` (beside certvalidator and `openssl verify`), `card`
(`verify_card` beside the cryptography that it needs), `register` (revocations and lists as it grows to five million).
All of it takes some minutes; the openssl program is needed.
"""

import sys
from pathlib import Path

if __name__ == "pki":
    # A script beside this one wants the package of that name, and Python looks beside the script first.
    import importlib

    sys.path.remove(str(Path(__file__).parent))
    del sys.modules["pki"]
    importlib.import_module("pki")


def main() -> None:
    import argparse
    import json
    import shutil

    sys.path[0] = str(Path(__file__).parents[1])  # for the same reason
    from bench.authorities import card, certificates, lists, ocsp, paths, register

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all of them unless named")
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the revocation list")
    parser.add_argument("--serials", type=int, default=1_000_000, help="that the OCSP responders know")
    parser.add_argument("--register", type=int, default=5_000_000, help="certificates of the largest register")
    options = parser.parse_args()
    if shutil.which("openssl") is None:
        sys.exit("openssl is needed here: it is a rival, and it checks every list")
    parts = {
        "lists": lambda: lists.run(options.entries),
        "ocsp": lambda: ocsp.run(options.serials),
        "certificates": certificates.run,
        "paths": paths.run,
        "card": card.run,
        "register": lambda: register.run(options.register),
    }
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"the parts are {', '.join(parts)}")
    results = {name: parts[name]() for name in options.parts or parts}
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
