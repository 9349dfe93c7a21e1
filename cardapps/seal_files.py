"""Where an application keeps what its agency signed: two transparent EFs, the same in all applications.

Both are free to read with standard READ BINARY by short identifier, on T=0 and T=1 alike. SELECT says nothing of
them, since readers in the field rely on its answer, and a card without them answers 6Axx, 6Dxx, 6Exx or 69xx.
"""

from ecitizen.iso7816.access import FREE_TO_READ

ACCESS = FREE_TO_READ

SFI_APPLICATION_CERTIFICATE = 0x1C
FID_APPLICATION_CERTIFICATE = 0x011C
SFI_SECURITY_OBJECT = 0x1D
FID_SECURITY_OBJECT = 0x011D

FILE_MAX_LEN = 16 * 1024
"""Bytes of either file; what claims to be longer is read no further than this."""

APPLICATION_CERTIFICATE = "application_certificate"
"""The agency's certificate for this card's key 9E, DER. Name of its place in an applet's memory."""
SECURITY_OBJECT = "security_object"
"""The agency's signature over the application's data (`pki.data_security`). Name as above."""
SEALS = (APPLICATION_CERTIFICATE, SECURITY_OBJECT)
