"""Read, emulate and issue multi-application smart identity cards.

What a kiosk needs is here: `Station` watches readers and reads every card that comes; `list_readers`, `open_card`,
`read_card` and `verify_card` do one thing once; and the values, events and errors that they give. An office that issues
cards has `issue_card`, `update_card` and what goes with them.
Names are imported when they are first used, so that `import ecitizen` costs next to nothing.
"""

from .version import __version__ as __version__

TYPE_CHECKING = False  # as in `typing`, whose import would double the time that this package takes to import

if TYPE_CHECKING:
    from .apps import card_scheme as card_scheme
    from .errors import CardRemoved as CardRemoved
    from .errors import EcitizenError as EcitizenError
    from .errors import NoCard as NoCard
    from .errors import NoReader as NoReader
    from .jsonio import to_json as to_json
    from .key_providers import DiversifiedKeys as DiversifiedKeys
    from .key_providers import StaticKeys as StaticKeys
    from .model import Address as Address
    from .model import BilingualText as BilingualText
    from .model import CardAdmin as CardAdmin
    from .model import CardDate as CardDate
    from .model import CardReading as CardReading
    from .model import CitizenId as CitizenId
    from .model import CivilServant as CivilServant
    from .model import HealthInsurance as HealthInsurance
    from .model import PersonName as PersonName
    from .model import Photo as Photo
    from .model import Problem as Problem
    from .registry.journal import SqliteJournal as SqliteJournal
    from .secret import Pin as Pin
    from .session import CardSession as CardSession
    from .station import CardInserted as CardInserted
    from .station import CardRead as CardRead
    from .station import CardTaken as CardTaken
    from .station import DataArrived as DataArrived
    from .station import Failed as Failed
    from .station import ReaderAttached as ReaderAttached
    from .station import ReaderGone as ReaderGone
    from .station import ReadProgress as ReadProgress
    from .station import Station as Station
    from .station import StationEvent as StationEvent
    from .station import StationSettings as StationSettings
    from .transport.base import ReaderInfo as ReaderInfo
    from .transport.virtual import VirtualReader as VirtualReader
    from .usecases.change_card import lock_application as lock_application
    from .usecases.change_card import renew_card as renew_card
    from .usecases.change_card import retire_card as retire_card
    from .usecases.change_card import rotate_keys as rotate_keys
    from .usecases.change_card import unblock_card as unblock_card
    from .usecases.change_card import unlock_application as unlock_application
    from .usecases.issue_card import IssuedCard as IssuedCard
    from .usecases.issue_card import issue_card as issue_card
    from .usecases.issue_card import plan_issue_on as plan_issue_on
    from .usecases.issue_plan import CardOrder as CardOrder
    from .usecases.issue_plan import IssuePlan as IssuePlan
    from .usecases.issue_plan import plan_issue as plan_issue
    from .usecases.issuing_office import ChangedCard as ChangedCard
    from .usecases.issuing_office import IssuingOffice as IssuingOffice
    from .usecases.open_card import list_readers as list_readers
    from .usecases.open_card import open_card as open_card
    from .usecases.read_card import CardEvent as CardEvent
    from .usecases.read_card import DataRead as DataRead
    from .usecases.read_card import Progress as Progress
    from .usecases.read_card import ReadFinished as ReadFinished
    from .usecases.read_card import read_card as read_card
    from .usecases.read_card import stream_card as stream_card
    from .usecases.update_card import plan_update as plan_update
    from .usecases.update_card import update_card as update_card
    from .usecases.verify_card import verify_card as verify_card
    from .verdict import CardFinding as CardFinding
    from .verdict import CardVerdict as CardVerdict
    from .verdict import CardVerification as CardVerification

_HOME = {
    "card_scheme": "apps",
    "CardRemoved": "errors",
    "EcitizenError": "errors",
    "NoCard": "errors",
    "NoReader": "errors",
    "to_json": "jsonio",
    "DiversifiedKeys": "key_providers",
    "StaticKeys": "key_providers",
    "Address": "model",
    "BilingualText": "model",
    "CardAdmin": "model",
    "CardDate": "model",
    "CardReading": "model",
    "CitizenId": "model",
    "CivilServant": "model",
    "HealthInsurance": "model",
    "PersonName": "model",
    "Photo": "model",
    "Problem": "model",
    "SqliteJournal": "registry.journal",
    "Pin": "secret",
    "CardSession": "session",
    "CardInserted": "station",
    "CardRead": "station",
    "CardTaken": "station",
    "DataArrived": "station",
    "Failed": "station",
    "ReadProgress": "station",
    "ReaderAttached": "station",
    "ReaderGone": "station",
    "Station": "station",
    "StationEvent": "station",
    "StationSettings": "station",
    "ReaderInfo": "transport.base",
    "VirtualReader": "transport.virtual",
    "lock_application": "usecases.change_card",
    "renew_card": "usecases.change_card",
    "retire_card": "usecases.change_card",
    "rotate_keys": "usecases.change_card",
    "unblock_card": "usecases.change_card",
    "unlock_application": "usecases.change_card",
    "IssuedCard": "usecases.issue_card",
    "issue_card": "usecases.issue_card",
    "plan_issue_on": "usecases.issue_card",
    "CardOrder": "usecases.issue_plan",
    "IssuePlan": "usecases.issue_plan",
    "plan_issue": "usecases.issue_plan",
    "ChangedCard": "usecases.issuing_office",
    "IssuingOffice": "usecases.issuing_office",
    "list_readers": "usecases.open_card",
    "open_card": "usecases.open_card",
    "CardEvent": "usecases.read_card",
    "DataRead": "usecases.read_card",
    "Progress": "usecases.read_card",
    "ReadFinished": "usecases.read_card",
    "read_card": "usecases.read_card",
    "stream_card": "usecases.read_card",
    "plan_update": "usecases.update_card",
    "update_card": "usecases.update_card",
    "verify_card": "usecases.verify_card",
    "CardFinding": "verdict",
    "CardVerdict": "verdict",
    "CardVerification": "verdict",
}
"""Where each public name lives; a test holds this against the imports for type checkers above."""

__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # late: see above

    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
