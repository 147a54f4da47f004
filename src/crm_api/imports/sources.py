"""Of which list a row is: the source of its reference, which the name of its file says.

The rows that failed come back in a file of their own, and are still of the list that they were of.
"""

import re
from pathlib import Path
from typing import Final

from crm_api.imports.targets import key_of

_ERRORS: Final = "-errors"
_COUNTED: Final = re.compile(r" ?\([0-9]{1,4}\)")
"""How browsers tell files of one name apart."""


def source_of(file_name: str, said: str | None = None) -> str:
    """What was said, else by the file; of a file of errors, by the one that they are of."""
    return key_of(said or _list_of(file_name) or "list")


def errors_name(file_name: str, source: str) -> str:
    """A name for the rows of a list that failed, by which its source is found again."""
    name = _list_of(file_name)
    return f"{name if key_of(name or 'list') == source else source}{_ERRORS}.csv"


def _list_of(file_name: str) -> str:
    stem = Path(file_name).stem
    plain = _COUNTED.sub("", stem) if _COUNTED.search(stem) else stem
    return plain.removesuffix(_ERRORS) if plain.endswith(_ERRORS) else stem
