"""What is shown of a hit: the text around it, in pieces, so that nobody has to parse marks."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from crm_api.core.formats.names import text_words
from crm_api.search.schemas import MOST_SHOWN

_WORD: Final = re.compile(r"\S+")
_BEFORE: Final = 60
_MOST_MARKS: Final = 20
Part = dict[str, Any]


def snippet_of(text: str, asked: str, *, is_exact: bool = False) -> list[Part]:
    """The part of a text around the first word that was asked for, on one line.

    Args:
        asked: the term, as it was typed.
        is_exact: the text is what was hit as a whole: shown so where no word of it is marked.
    """
    line = " ".join(text.split())
    words = text_words(asked)
    first = _first_hit(line, words)
    if first is None:
        return [{"text": line[:MOST_SHOWN], "hit": is_exact}] if line else []
    start = 0 if first.end() <= _BEFORE else line.rfind(" ", 0, first.start() - _BEFORE // 2) + 1
    # Of a word that is longer than all that is shown the beginning is.
    return _marked(line[start : start + MOST_SHOWN], words)


def _first_hit(line: str, words: Sequence[str]) -> "re.Match[str] | None":
    """Folding each word of a long text takes its time: what stands there so is sought first."""
    low = line.lower()
    near = min((at for word in words if (at := low.find(word)) >= 0), default=0)
    found = next(_hits(line, words, line.rfind(" ", 0, near) + 1), None)
    return found or next(_hits(line, words), None)


def _hits(line: str, words: Sequence[str], start: int = 0) -> "Iterator[re.Match[str]]":
    """Words of the line that begin with, or hold, one of those that were asked for."""
    for match in _WORD.finditer(line, start):
        folded = text_words(match.group())
        if any(word in one for one in folded for word in words):
            yield match


def _marked(shown: str, words: Sequence[str]) -> list[Part]:
    parts: list[Part] = []
    done = 0
    for match, _ in zip(_hits(shown, words), range(_MOST_MARKS), strict=False):
        if match.start() > done:
            parts.append({"text": shown[done : match.start()], "hit": False})
        parts.append({"text": match.group(), "hit": True})
        done = match.end()
    if done < len(shown):
        parts.append({"text": shown[done:], "hit": False})
    return parts
