"""What PIV is called (NIST SP 800-73-5 part 1, 2.2): alone in a module, for those who need nothing else of it."""

NAME = "piv"
RID = bytes.fromhex("A000000308")
PIX = bytes.fromhex("000010000100")
"""Application 00 00 10 00, version 01 00."""
AID = RID + PIX
