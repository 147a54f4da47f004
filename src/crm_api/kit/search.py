"""What `q` asks: read once, into the patterns of a search, as far as the caller's rights reach.

A column that the caller may not read gets no pattern, and what has no pattern matches nothing: so
nothing hidden is found, ranked or counted. The functions that take the patterns stand in the
migrations.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.sql.selectable import Subquery, TableValuedAlias

from crm_api.core.access import Rights
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.names import joined_keys, near_keys, padded, search_words
from crm_api.core.formats.text import has_control, typewritten
from crm_api.kit.fields import Resource

MAX_TERM: Final = 200

_WILD: Final = re.compile(r"([*?])")
_LAST: Final = "\U0010ffff"
_GRAM: Final = 3
_SLOTS: Final = 4
_HEAD: Final = 8
_TAIL: Final = 7
_SHORTEST_PHONE: Final = 4
_MOST_ENDS: Final = 5
"""Of so few digits the numbers that end so are looked up apart: of more, few hold them at all."""
_PHONE: Final = re.compile(r"[0-9 ()+./*?-]+")
_TRUNK: Final = re.compile(r"\(0\)")
_NUMBER: Final = re.compile(r"(c?)-?([0-9*?]{1,18})")
_SHOWN_DIGITS: Final = 6
_LIKE: Final = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
_SQL_WILD: Final = {"*": "%", "?": "_"}

_TEXTS: Final = ARRAY(Text())
_PARAMETERS: Final[Mapping[str, Any]] = {
    "lifecycles": _TEXTS,
    "most_begin": Integer(),
    "most_hold": Integer(),
    "most_near": Integer(),
    "asked": Text(),
    "low": Text(),
    "high": Text(),
    "names": _TEXTS,
    "number": BigInteger(),
    "numbers": Text(),
    "email": Text(),
    "emails": _TEXTS,
    "phone": _TEXTS,
    "ends": _TEXTS,
    "phones": _TEXTS,
    "people": _TEXTS,
    "near": _TEXTS,
    "joined": ARRAY(Integer()),
}
"""The parameters of a search function, in their order."""


class BadTerm(ValueError):
    """A term that cannot be searched; `code` and text say what to send."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many a search looks at, at most, in each of its steps."""

    begin: int
    """Names that begin with the term."""
    hold: int
    """Where those are fewer than this: as many records that hold it elsewhere."""
    near: int
    """Where little holds it: names that are near."""


RANKED: Final = Bounds(1000, 200, 40)
"""The best hits, in their own order: nobody reads on to the last one."""
SUGGESTED: Final = Bounds(200, 40, 40)
ALL: Final = Bounds(10_001, 10_001, 10_001)
"""For what must have all hits: one more than are answered, so that it is known where some lack."""


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """A term that the caller may search by: as it was sent, and its patterns."""

    text: str
    patterns: Mapping[str, Any]

    def values(self, lifecycles: Sequence[str], bounds: Bounds) -> dict[str, Any]:
        """The parameters of `hits`."""
        found = dict.fromkeys(_PARAMETERS) | dict(self.patterns)
        found |= {f"most_{step}": most for step, most in asdict(bounds).items()}
        found |= {"lifecycles": list(lifecycles)}
        return {f"q_{name}": value for name, value in found.items()}


NOTHING: Final = SearchTerms("", {})


def hits(function: str) -> TableValuedAlias:
    """What a search function finds: `id`, `matched`, `rank`; an id comes once for each way."""
    parameters: list[ColumnElement[Any]] = [
        bindparam(f"q_{name}", type_=kind) for name, kind in _PARAMETERS.items()
    ]
    call = getattr(func, function)(*parameters)
    found: TableValuedAlias = call.table_valued(
        column("id", Uuid()), column("matched", Text()), column("rank", Text()), name="found"
    )
    return found


def best_hits(found: FromClause) -> Subquery:
    """Each record among these hits once: `id`, `rank`."""
    # An order of bytes, so that a cursor means the same wherever the database was made.
    rank = func.min(found.c.rank.collate("C")).label("rank")
    return select(found.c.id, rank).group_by(found.c.id).subquery("best")


def searchable(cls: type[Resource], rights: Rights) -> frozenset[str]:
    """The columns that these rights search by."""
    return frozenset(
        name
        for name, needs in cls.searched.items()
        if all(rights.can(resource, "read", group) for resource, group in needs)
    )


def read_terms(text: str, columns: AbstractSet[str], organization_id: UUID) -> SearchTerms:
    """The patterns of a term, for these columns.

    `*` stands for any letters, `?` for one; with them, what is between spaces begins and ends a
    word. Without them the words of a name may be parts, in any order; misspelt ones are sought
    where little else is found.

    Raises:
        BadTerm: it is empty, too long, or of too little to search by.
    """
    if len(text) > MAX_TERM:
        raise BadTerm("too_long", f"Send at most {MAX_TERM} characters.")
    if has_control(text) or "\ufffd" in text:
        raise BadTerm("invalid_text", "Send one line without control characters.")
    if not any(char.isalnum() for char in text):
        raise BadTerm("too_short", "Send at least one letter or digit to search by.")
    try:
        found = _wild(text) if _WILD.search(text) else _plain(text, organization_id.bytes)
    except ValueError as error:
        if isinstance(error, BadTerm):
            raise
        raise BadTerm("invalid_text", "Send a name, number, e-mail address or phone.") from error
    return SearchTerms(text, _allowed(found, columns))


_NEEDS: Final = {
    "asked": "name", "low": "name", "high": "name", "names": "name", "near": "name",
    "joined": "name", "number": "number", "numbers": "number", "email": "emails",
    "emails": "emails", "phone": "phones", "ends": "phones", "phones": "phones",
    "people": "people",
}  # fmt: skip
"""Pattern → the column that it looks at."""


def _allowed(found: Mapping[str, Any], columns: AbstractSet[str]) -> Mapping[str, Any]:
    return {name: value for name, value in found.items() if _NEEDS[name] in columns}


def _plain(text: str, salt: bytes) -> dict[str, Any]:
    words = search_words(text)
    whole = padded(words)
    longest = sorted(words, key=len, reverse=True)
    patterns = _patterns(longest)
    low = whole.removesuffix(" ")
    found: dict[str, Any] = {
        "asked": whole,
        "low": low,
        "high": low + _LAST,
        "names": patterns,
        "people": patterns,
    }
    if "@" not in text and any(len(w) >= _GRAM and not w.isdigit() for w in words):
        found["near"] = _slots([_literal(near_keys(word, salt)) for word in longest])
        found["joined"] = sorted(joined_keys(words, salt))
    return found | _plain_email(text) | _plain_number(text) | _plain_phone(text)


def _patterns(words: Sequence[str]) -> list[str]:
    """What the index is asked for, in its slots, and behind them what the rows must hold.

    The first letters of a word narrow enough down; each letter more is one more look-up.
    """
    return [*_slots([_within(word[:_HEAD]) for word in words]), *map(_within, words)]


def _slots(patterns: list[str]) -> list[str]:
    """At least as many as the index is asked for at once; one more of the same costs nothing."""
    return patterns[:_SLOTS] + patterns[:1] * (_SLOTS - len(patterns))


def _literal(keys: AbstractSet[int]) -> str:
    return "{" + ",".join(map(str, sorted(keys))) + "}"


def _within(word: str) -> str:
    """Anywhere; what is shorter than three letters only where a word begins, as no index helps."""
    escaped = word.translate(_LIKE)
    return f"%{escaped}%" if len(word) >= _GRAM else f"% {escaped}%"


def _plain_email(text: str) -> dict[str, Any]:
    sent = text.strip().lower()
    if any(char.isspace() for char in sent):
        return {}
    with suppress(ValueError):  # it may be a part of an address
        sent = parse_email(sent).key
    return {"email": sent.translate(_LIKE), "emails": [_within(sent[:_HEAD]), _within(sent)]}


def _plain_number(text: str) -> dict[str, Any]:
    match = _NUMBER.fullmatch(text.strip().lower())
    if match is None:
        return {}
    letter, sent = match[1], match[2]
    found: dict[str, Any] = {"number": int(sent)}
    # Shown with zeros before it up to six digits: a longer number begins with none.
    if letter and sent.startswith("0") is (len(sent) < _SHOWN_DIGITS):
        found["numbers"] = f"c-{sent}%"
    elif not letter and len(sent) >= _GRAM:
        found["numbers"] = f"%{sent}%"
    return found


def _plain_phone(text: str) -> dict[str, list[str]]:
    sent = _phone(text)
    forms = _phone_forms("".join(char for char in sent if char.isdigit())) if sent else []
    if not forms:
        return {}
    # The end of a long number narrows enough down; each digit more is one more look-up.
    found = {"phone": forms, "phones": [f"%{form[-_TAIL:]}%" for form in forms]}
    if len(forms[0]) <= _MOST_ENDS:
        found["ends"] = [f"%{form} %" for form in forms]
    return found


def _phone_forms(sent: str) -> list[str]:
    """As it was typed, and without the zeros that lead out of a country."""
    return [
        form
        for form in dict.fromkeys((sent, sent.lstrip("0") if sent.startswith("00") else sent))
        if sum(char.isdigit() for char in form) >= _SHORTEST_PHONE
    ]


def _phone(text: str) -> str | None:
    """The term, if it is made of nothing but what phone numbers are written with."""
    sent = _TRUNK.sub("", typewritten(text))
    return sent if _PHONE.fullmatch(sent) else None


# ---------------------------------------------------------------------- wildcards


def _wild(text: str) -> dict[str, Any]:
    pieces = _WILD.split(text)
    folded = [piece if piece in _SQL_WILD else _folded(piece) for piece in pieces]
    found: dict[str, Any] = {}
    if _is_selective("".join(folded)):
        pattern = f"% {_as_like(folded)} %"
        found = {
            "asked": padded("".join(f for f in folded if f not in _SQL_WILD).split()),
            "names": _slots([pattern]),
            "people": _slots([pattern]),
        }
    found |= _wild_email(pieces) | _wild_number(text) | _wild_phone(text)
    if not found:
        detail = "Send three letters in a row, or the beginning of a word, beside the wildcards."
        raise BadTerm("too_short", detail)
    return found


def _folded(piece: str) -> str:
    """A literal part, with its outer spaces: they end words."""
    if not any(char.isalnum() for char in piece):
        return " " if piece else ""
    before = " " if not piece[0].isalnum() else ""
    after = " " if not piece[-1].isalnum() else ""
    return f"{before}{' '.join(search_words(piece))}{after}"


def _as_like(pieces: Sequence[str]) -> str:
    whole = "".join(_SQL_WILD.get(piece, piece.translate(_LIKE)) for piece in pieces)
    return " ".join(re.sub("%+", "%", whole).split())


def _is_selective(text: str) -> bool:
    """Whether an index can narrow it down: PostgreSQL's trigrams see words with their edges."""
    runs = re.split(r"[*?]", text.strip())
    return bool(
        runs[0].strip()
        or len(runs[-1].strip()) >= _GRAM - 1
        or any(len(word) >= _GRAM for run in runs for word in run.split())
    )


def _wild_email(pieces: Sequence[str]) -> dict[str, Any]:
    sent = [piece.lower() for piece in pieces]
    whole = "".join(sent).strip()
    if any(char.isspace() for char in whole) or not _is_selective(re.sub(r"[^\w*?]", " ", whole)):
        return {}
    pattern = _as_like(sent)
    return {"email": pattern, "emails": [f"% {pattern} %"]}


def _wild_number(text: str) -> dict[str, str]:
    match = _NUMBER.fullmatch(text.strip().lower())
    if match is None or not _is_selective(match[2]):
        return {}
    digits = _as_like(_WILD.split(match[2]))
    return {"numbers": f"c-{digits}" if match[1] else f"%{digits}"}


def _wild_phone(text: str) -> dict[str, list[str]]:
    sent = _phone(text) or ""
    digits = "".join(char for char in sent if char.isdigit() or char in _SQL_WILD)
    forms = [_as_like(_WILD.split(form)) for form in _phone_forms(digits) if _is_selective(form)]
    return {"phone": forms, "ends": [f"% {form} %" for form in forms]} if forms else {}
