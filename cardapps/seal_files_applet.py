"""Card side of an application's seals: two more EFs, if the applet's memory has them."""

from ecitizen.emulator.applet import Applet
from ecitizen.emulator.filesystem import TransparentFile

from . import seal_files

_PLACES = (
    (
        seal_files.APPLICATION_CERTIFICATE,
        seal_files.FID_APPLICATION_CERTIFICATE,
        seal_files.SFI_APPLICATION_CERTIFICATE,
    ),
    (seal_files.SECURITY_OBJECT, seal_files.FID_SECURITY_OBJECT, seal_files.SFI_SECURITY_OBJECT),
)


def files_of(applet: Applet) -> list[TransparentFile]:
    """The EFs of the seals that the applet has; raise ImageDamaged for one that is no file."""
    return [
        TransparentFile(fid, sfi, applet.content(name), seal_files.ACCESS)
        for name, fid, sfi in _PLACES
        if name in applet.memory
    ]
