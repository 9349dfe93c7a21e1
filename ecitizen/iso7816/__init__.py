"""The card language of ISO/IEC 7816, without any reader.

Command and response APDUs, status words, data objects, the answer to reset, and the sans-IO exchange that
drives them. It knows no application and no transport.
"""
