"""Card traffic in words: a command, an answer, data objects, an answer to reset or a status word, from bytes alone.

`explain` guesses what bytes are, best guess first; `Narrator` follows a conversation.
"""

from .guess import explain as explain
from .narrator import Narrator as Narrator
from .values import Explanation as Explanation
from .values import Kind as Kind
from .values import Part as Part
from .vocabulary import Vocabulary as Vocabulary
