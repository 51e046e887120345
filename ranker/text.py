"""Texts as words: folded so that case, accents, width and punctuation do not count.

>>> fold("Ceramics, CAFÉ!")
' ceramics cafe '
>>> fold("muted") in fold("The word is MÜTED.")
True

Scripts that are written without spaces (Chinese, Japanese, Thai and others) fold to single letters, so that a
muted word is found inside a sentence:

>>> fold("猫が好き")
' 猫 か 好 き '

So do emoji, so that they can be muted:

>>> fold("Goal!⚽⚽")
' goal ⚽ ⚽ '
"""

import re
import unicodedata
from functools import lru_cache

_SINGLE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u2600-\u27bf\U0001f000-\U0001faff]"
)
"""Letters of scripts that are written without spaces, and pictures."""
_UNSEEN = "\u0640\u115f\u1160\u3164\uffa0"
"""Letters to Unicode, and not to the eye: the Arabic tatweel, which lengthens a word, and fillers."""
_DOTLESS = "\u0131"
_KNOWN_LETTERS = 20_000
_MISLEADING = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+"
)


def fold(text: str) -> str:
    """The text's words in folded form, each with one space around it; a space alone when there are none.

    Letters are decomposed (NFKD), marks and what is not seen dropped (invisible formatting letters, control
    characters, the Arabic tatweel), case folded (Unicode Standard, 3.13 and annex 15). The Turkish
    dotless i is an i. Letters of different scripts that look alike (a Cyrillic a, a Latin a) stay different.

    Marks go before the letters are decomposed too: putting n marks in order takes n² steps, and a text may be
    all marks.
    """
    if text.isascii():
        return _spaced(text.lower().translate(_ASCII))
    bare = _seen(text.casefold())  # first: the Greek iota below a letter is a mark, and folds to an iota
    bare = _seen(unicodedata.normalize("NFKD", bare)).casefold()
    return _spaced(bare.translate({ord(c): _word_part(c) for c in set(bare)}))


def _spaced(words: str) -> str:
    return f" {' '.join(words.split())} "


def _seen(text: str) -> str:
    """The text without what is not seen."""
    unseen = {ord(c): None for c in set(text) if _is_unseen(c)}
    return text.translate(unseen) if unseen else text


@lru_cache(_KNOWN_LETTERS)
def _is_unseen(letter: str) -> bool:
    """Marks, invisible formatting letters, and control characters that are no white space."""
    category = unicodedata.category(letter)
    return (
        category[0] == "M"
        or category == "Cf"
        or letter in _UNSEEN
        or (category == "Cc" and not letter.isspace())
    )


@lru_cache(_KNOWN_LETTERS)
def _word_part(letter: str) -> str | None:
    """What a letter is in folded words: a space where it is of no word, and with spaces where it is one."""
    if _is_unseen(letter):
        return None
    if _SINGLE.fullmatch(letter):
        return f" {letter} "
    return ("i" if letter == _DOTLESS else letter) if letter.isalnum() else " "


_ASCII = {code: _word_part(chr(code)) for code in range(128)}


def readable(text: str) -> str:
    """The text without control characters, and without signs that turn the direction of writing.

    >>> readable("\u202egnp.cat\x07")
    'gnp.cat'
    """
    return _MISLEADING.sub("", text)


def primary_language(tag: str) -> str:
    """The primary language of a BCP 47 tag; "und" (undetermined) for an empty one.

    >>> primary_language("pt-BR"), primary_language("")
    ('pt', 'und')
    """
    return tag.partition("-")[0].lower() or "und"
