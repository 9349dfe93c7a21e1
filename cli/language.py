"""In which language the command speaks: Thai or English, and the data of a card in both unless one was asked for.

English is the language of the source; the other one comes from a gettext catalogue, `locale/th/LC_MESSAGES`. What an
error or a problem means is found in it by the error's code (context `code`); the English message, which knows the
details, stands behind it. JSON is for programs and does not change with the language.
"""

import argparse
import os
from collections.abc import Mapping
from enum import StrEnum, unique
from gettext import GNUTranslations, NullTranslations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecitizen.errors import EcitizenError
    from ecitizen.model import BilingualText, Problem

CATALOGUE = os.path.join(os.path.dirname(__file__), "locale", "th", "LC_MESSAGES", "ecitizen.mo")  # noqa: PTH118, PTH120 - pathlib is slow to import
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Those that decide on the language of messages, the strongest first (POSIX.1-2017, 8.2)."""
CONTEXT_CODE = "code"


@unique
class Language(StrEnum):
    """A language that the command speaks."""

    TH = "th"
    EN = "en"


class Words:
    """How to say things to the person at this command. `both` puts a card's data in both languages side by side."""

    def __init__(self, language: Language, *, both: bool) -> None:
        self.language = language
        self.both = both
        self._catalogue = _thai() if language is Language.TH else NullTranslations()

    def translate(self, text: str) -> str:
        """An English text of this command in the language spoken."""
        return self._catalogue.gettext(text)

    def choose(self, text: "BilingualText") -> str:
        """What there is in two languages: both, or the one spoken (the other, if that one is empty)."""
        if self.both:
            return " · ".join(each for each in (text.th, text.en) if each)
        wanted, other = (text.th, text.en) if self.language is Language.TH else (text.en, text.th)
        return wanted or other

    def error(self, error: "EcitizenError") -> str:
        """What happened and what to do next; of a wrong PIN, in either language, how many tries are left."""
        text = self._with_meaning(error.code, str(error))
        left = getattr(error, "retries_left", None)
        if left is None or self.language is Language.EN:
            return text
        _ = self.translate
        return f"{text} {_('Tries left: {count}').format(count=left)}"

    def problem(self, problem: "Problem") -> str:
        """What is wrong with a part of the card."""
        return self._with_meaning(problem.code, problem.message)

    def meaning(self, code: str) -> str | None:
        """What the code of an error or problem means and what to do next; None where its message is all there is."""
        text = self._catalogue.pgettext(CONTEXT_CODE, code)
        return None if text == code else text

    def _with_meaning(self, code: str, message: str) -> str:
        meaning = self.meaning(code)
        return f"{meaning} ({message})" if meaning else message


def add_option(parser: argparse.ArgumentParser, *, default: object = argparse.SUPPRESS) -> None:
    """Let a parser take `--lang`; it leaves Words in `words`."""
    parser.add_argument(
        "--lang", dest="words", type=asked_for, default=default, metavar="LANG", help="speak this language: th or en"
    )


def asked_for(language: str) -> Words:
    """The words for what `--lang` says. Raise ArgumentTypeError for a language that is not spoken here."""
    try:
        return Words(Language(language), both=False)
    except ValueError:
        known = " or ".join(Language)
        raise argparse.ArgumentTypeError(f"{language!r} is not a language spoken here; say {known}") from None


def of_locale(environment: Mapping[str, str]) -> Words:
    """The words for a person who asked for no language: Thai in a Thai locale, English in any other one."""
    locale = next((environment[name] for name in LOCALE_VARIABLES if environment.get(name)), "")
    thai = locale.split(".")[0].split("_")[0].casefold() == Language.TH
    return Words(Language.TH if thai else Language.EN, both=True)


def _thai() -> GNUTranslations:
    with open(CATALOGUE, "rb") as file:  # noqa: PTH123 - see above
        return GNUTranslations(file)
