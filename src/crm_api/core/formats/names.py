"""The key by which two names count as the same, the looser one of suggestions, and search's own."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from zlib import crc32

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.text import normalized

# Apostrophes and what people type for one: quotes, primes, accents standing alone, modifier
# letters, Hebrew geresh, Armenian and Latin (saltillo) apostrophes, and the full-width forms.
_APOSTROPHES: Final = (
    "'`\u00b4\u2018\u2019\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02ca\u02cb\u055a\u05f3"
    "\ua78b\ua78c\uff07\uff40"
)
_DOTS: Final = "."
# Variation selectors, grapheme joiner and the blank letters: unlike other invisible characters they
# are not of category Cf, and a name that differs by one of them alone looks the same.
_BLANKS: Final = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0}
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)
# A standing acute decomposes under NFKC into a space and a mark, so it has to go before.
_BEFORE_FOLDING: Final = str.maketrans("", "", _APOSTROPHES)

# PostgreSQL indexes at most about 2,700 bytes; 200 letters of any script stay below 1,200. Only a
# name made of ligatures such as U+FDFA, which stands for eighteen letters, is longer.
_KEY_BYTES: Final = 1200
_NAME_LENGTH: Final = 1000

_SUFFIX_WORDS: Final = """
    ab ad ag aps as asa bhd bt bv bvba cc cic co company corp corporation cv cvba dac dba dd doo
    eirl eood ev gbr gesmbh gmbh hf incorporated inc jsc kft kg kgaa kk kkt lc lda ldc limited
    limitada llc llp lllp lp ltd ltda mbh nv nyrt oao ohg oo ooo ood ou oy oyj pc plc pllc private
    proprietary pt pte pty pvt rl sa sab sac saoc sapi sarl sas sasu sca scrl sdn se sia sl slu smc
    snc spa spolka sprl srl sro tbk uab ug ulc unlimited ltee zao zrt zoo \u00fc o\u00fc s\u00e0rl
    s\u00e0 \u043e\u043e\u043e \u0437\u0430\u043e \u043e\u0430\u043e \u0430\u043e
"""
_SUFFIXES: Final = frozenset(_SUFFIX_WORDS.split())
# Suffixes that people write with spaces or with a stroke; longest first.
_SPACED_SUFFIXES: Final = (
    ("sp", "z", "o", "o"),
    ("spol", "s", "r", "o"),
    ("s", "\u00e0", "r", "l"),
    ("s", "a", "r", "l"),
    ("sp", "z", "oo"),
    ("s", "r", "o"),
    ("s", "r", "l"),
    ("s", "p", "a"),
    ("d", "o", "o"),
    ("s", "a", "s"),
    ("s", "a"),
    ("a", "s"),
    ("b", "v"),
    ("n", "v"),
    ("k", "k"),
)


class _Folding(dict[int, int | str | None]):
    """A table for `str.translate` that learns from the Unicode database.

    Letters of large scripts are not remembered, so that no input can make the table grow without
    bound; some ten thousand signs and the alphabets below U+0600 are all that it ever holds.
    """

    def __missing__(self, point: int) -> int | str | None:
        category = unicodedata.category(chr(point))
        if category[0] in "PS":
            self[point] = " "
            return " "
        if category == "Cf" or point in _BLANKS:
            self[point] = None
            return None
        if point < _LAST_REMEMBERED:
            self[point] = point
        return point


_LAST_REMEMBERED: Final = 0x0600
_FOLDING: Final = _Folding(dict.fromkeys(map(ord, _APOSTROPHES + _DOTS)))


def name_key(name: str) -> str:
    """The key that two equal names share; PostgreSQL stores it and never computes it.

    NFKC, casefolded, apostrophes and dots dropped, other punctuation and symbols to a space,
    invisible characters dropped, single spaces. A name of symbols alone keeps its folded self.
    ValueError for text that is no name: over 1,000 characters, or with a key over 1,200 bytes.
    """
    if len(name) > _NAME_LENGTH:
        raise refuse("invalid_name", "Write a shorter name.")
    if name.isascii():
        folded = name.lower()
    else:
        plain = normalized("NFKC", name.translate(_BEFORE_FOLDING))
        # Casefolding can leave the normal form; without the second pass a key of a key differs.
        folded = normalized("NFKC", plain.casefold()) or name
    key = " ".join(folded.translate(_FOLDING).split())
    if not key:
        return " ".join(folded.split())
    if key.isascii():
        return key
    if len(key.encode("utf-8", "surrogatepass")) > _KEY_BYTES:
        raise refuse("invalid_name", "Write the name with fewer ligatures.")
    # A dropped joiner may have kept a letter and its mark apart.
    return normalized("NFKC", key)


def strip_legal_suffix(key: str) -> str:
    """A name key without its legal form (Ltd, GmbH & Co. KG, S.A.): for suggestions only."""
    words = key.split()
    while len(words) > 1:
        size = _suffix_size(words)
        if size == 0:
            break
        del words[-size:]
    return " ".join(words)


def _suffix_size(words: list[str]) -> int:
    """How many words at the end are one legal suffix; at least one word always stays."""
    for suffix in _SPACED_SUFFIXES:
        size = len(suffix)
        if len(words) > size and tuple(words[-size:]) == suffix:
            return size
    return 1 if words[-1] in _SUFFIXES else 0


# ------------------------------------------------------------------------- search

_PLAIN_LETTERS: Final = str.maketrans(
    {
        "\u00e6": "ae",
        "\u0153": "oe",
        "\u00f8": "o",
        "\u0142": "l",
        "\u0111": "d",
        "\u00f0": "d",
        "\u00fe": "th",
        "\u0131": "i",
        # The accents of the Latin, Greek and Cyrillic scripts; the signs of others make the word.
        **{chr(point): None for point in range(0x0300, 0x0370)},
    }
)
_WORD_HEAD: Final = 7
_NAME_HEAD: Final = 9
_MOST_WORDS: Final = 12


def search_words(name: str) -> list[str]:
    """The words of a name as they are stored for search, and asked for: its key without accents.

    ValueError as for `name_key`.
    """
    key = name_key(name)
    if not key.isascii():
        parts = normalized("NFKC", unicodedata.normalize("NFKD", key).translate(_PLAIN_LETTERS))
        key = parts or key
    return key.split()


def padded(words: Sequence[str]) -> str:
    """Words as one text with a space at either end: so the edge of a word is a character too."""
    return f" {' '.join(words)} " if words else ""


@lru_cache(maxsize=16_384)  # names share most of their words, and a list has names by thousands
def near_keys(word: str, salt: bytes) -> frozenset[int]:
    """What a word shares with each that is one letter away: inserted, left out, other, swapped.

    Of the first letters, so that long words make few keys: those of the word, and of what is left
    of it without each one of its letters, as 32-bit numbers. A mistake behind them is none. Digits
    alone are near to nothing but themselves.

    Args:
        salt: whose name it is. Other organizations' keys are others, so that an index of the keys
            alone is one of each organization by itself.
    """
    forms = {word} if word.isdigit() else _near(word[:_WORD_HEAD])
    return frozenset(_keys(forms, salt))


def joined_keys(words: Iterable[str], salt: bytes) -> set[int]:
    """The same of a name's beginning without spaces: of one that is near as a whole.

    They are none of a word's: who asks for a name finds it among many that hold that word.
    """
    return _keys(_near("".join(words)[:_NAME_HEAD]), salt + b"=")


def all_near_keys(words: Sequence[str], salt: bytes) -> list[int]:
    """What is stored of a name."""
    keys = joined_keys(words, salt)
    for word in words[:_MOST_WORDS]:
        keys |= near_keys(word, salt)
    return sorted(keys)


def _near(text: str) -> set[str]:
    """The text, and what is left of it without each one of its letters."""
    return {text, *(text[:n] + text[n + 1 :] for n in range(len(text)))} - {""}


def _keys(forms: Iterable[str], salt: bytes) -> set[int]:
    """Signed, as PostgreSQL's integer is."""
    salted = crc32(salt)
    return {crc32(form.encode(), salted) - 2**31 for form in forms}


# ------------------------------------------------------------------- words of long texts

_WORD_LETTERS: Final = 48
_TEXT_WORDS: Final = 2000
_ASKED_WORDS: Final = 12
_PREFIX_LETTERS: Final = 3
_SALT_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LEXEME: Final = str.maketrans({"\\": r"\\", "'": "''"})


def text_words(text: str) -> list[str]:
    """The different words of a text of any length, folded as those of names are.

    Of long words the first letters, of a very long text its first 2,000 different words.
    """
    key = text.lower()
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", text.translate(_BEFORE_FOLDING)).casefold()
        key = unicodedata.normalize("NFKD", plain).translate(_PLAIN_LETTERS)
    words = dict.fromkeys(word[:_WORD_LETTERS] for word in key.translate(_FOLDING).split())
    return list(words)[:_TEXT_WORDS]


def text_lexemes(text: str | None, salt: bytes) -> str:
    """The words of a text as PostgreSQL reads a `tsvector`.

    Args:
        salt: whose text it is. Other organizations' words are others but by rare chance, so that
            an index of words alone is nearly one of each organization by itself.
    """
    head = _salt_letters(salt)
    return " ".join(_lexeme(head + word) for word in text_words(text or ""))


def text_queries(text: str, salt: bytes) -> tuple[str, str] | None:
    """What is asked of such a text, as two `tsquery`: of one row, and of an index of many.

    All of the words, or of a row such that begin so. An index reads everything that begins so
    before it meets that with other words, so that it is asked for beginnings of a single word only.

    None where there is no word in it.
    """
    head = _salt_letters(salt)
    words = [head + word for word in text_words(text)[:_ASKED_WORDS]]
    if not words:
        return None
    whole = [_lexeme(word) for word in words]
    begun = [
        one + (":*" if len(word) >= len(head) + _PREFIX_LETTERS else "")
        for one, word in zip(whole, words, strict=True)
    ]
    return " & ".join(begun), " & ".join(whole if len(words) > 1 else begun)


def _lexeme(word: str) -> str:
    return f"'{word.translate(_LEXEME)}'"


def _salt_letters(salt: bytes) -> str:
    number, letters = crc32(salt), ""
    for _ in range(3):
        number, rest = divmod(number, len(_SALT_LETTERS))
        letters += _SALT_LETTERS[rest]
    return letters
