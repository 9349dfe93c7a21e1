"""`ecitizen piv`: the signing application (NIST SP 800-73, PIV) of the card in a reader."""

import argparse

from ..piv import certificates, info, keys, objects, use


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen piv")
    info.add_info(group.add_parser("info", help="say what the signing card is, and what is in its slots"))
    objects.add_objects(group.add_parser("objects", help="list, read, write or delete data objects"))
    keys.add_generate(group.add_parser("generate", help="make a new key on the card"))
    keys.add_import(group.add_parser("import", help="put a key or a certificate from a file onto the card"))
    certificates.add_certificate(group.add_parser("certificate", help="show, save, write, request or make one"))
    keys.add_attest(group.add_parser("attest", help="have the card state that a key was made on it"))
    keys.add_reset(group.add_parser("reset", help="destroy all keys and begin anew"))
    use.add_sign(group.add_parser("sign", help="sign a file"))
    use.add_decrypt(group.add_parser("decrypt", help="decrypt a file"))
