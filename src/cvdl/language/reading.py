"""Reads sentences of the grammar of `cvdl.language.sentences` back into facts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cvdl.language.facts import SIZES, Fact
from cvdl.language.lexicon import COLORS, KINDS, MATERIALS, nouns, plural
from cvdl.language.sentences import NUMBERS, PLACES

__all__ = ["NOUN_WORDS", "Statement", "read_sentence"]

_ARTICLES = ("a", "an", "the")
_NOUNS = {tuple(noun.split()): kind for kind in (*KINDS, "") for noun in nouns(kind)}
_COUNTED = _NOUNS | {
    tuple(plural(noun).split()): kind for kind in (*KINDS, "") for noun in nouns(kind)
}
_LONGEST = max(len(noun) for noun in _COUNTED)
#: The words of the nouns of each kind, with the kind.
NOUN_WORDS = {word: kind for noun, kind in _NOUNS.items() for word in noun if kind and word != "of"}

# Clauses with M for an object, C for a number of objects.
_LIST = "M(?: , M)*(?: and M)?"
_PLACED = {said: name for name, said in PLACES.items()}
_CLAUSE = re.compile(
    rf"there (?:is|are) {_LIST}|i see {_LIST}|{_LIST} (?:is|are) (?:on the table|in view)"
    rf"|M (?P<place>{'|'.join(map(re.escape, _PLACED))}) M"
    r"|there (?:is|are) C(?: , C)*(?: and C)?(?: in all)?"
    r"|the gripper can (?P<grasp>grasp) M|M (?P<held>can be picked up|fits in the gripper)"
)
_EMPTY = ("there is nothing here", "i see nothing", "nothing is in view")


@dataclass(frozen=True)
class Statement:
    """What a sentence says.

    Attributes:
        facts: as in ``Sentence``; an object is the number of its mention, from 1.
        mentions: first and last word, and one more, of the name of each object.
        about: of each word, the number of the mention that it is about, 0 if it is about none.
            Those that state a relation are about the second object.
    """

    facts: tuple[Fact, ...]
    mentions: tuple[tuple[int, int], ...]
    about: tuple[int, ...]

    def facts_of(self, labels: Sequence[int]) -> tuple[Fact, ...]:
        """The facts, with the labels of the mentioned objects."""
        names = (0, *labels)
        facts = (
            fact._replace(
                subject=names[fact.subject],
                object=fact.object if fact.name == "count" else names[fact.object],
            )
            for fact in self.facts
        )
        return tuple(dict.fromkeys(facts))


def read_sentence(words: Sequence[str]) -> Statement | None:
    """Return what a sentence says; None if it is none of the grammar.

    Args:
        words: from `punctuated`.
    """
    words = tuple(words)
    if " ".join(words) in _EMPTY:
        return Statement((Fact("count", 0, "", 0),), (), (0,) * len(words))
    facts: list[Fact] = []
    mentions: list[tuple[int, int]] = []
    about = [0] * len(words)
    start = 0
    while start < len(words):
        end, following = _end_of_clause(words, start)
        if not _read_clause(words, start, end, facts, mentions, about):
            return None
        start = following
    return Statement(tuple(dict.fromkeys(facts)), tuple(mentions), tuple(about))


def _end_of_clause(words: tuple[str, ...], start: int) -> tuple[int, int]:
    """The end of a clause, and the start of the next one."""
    for at in range(start, len(words)):
        if words[at] == ";":
            return at, at + 1
        if words[at] == "," and words[at + 1 : at + 2] == ("and",):
            return at, at + 2
    return len(words), len(words)


def _read_clause(
    words: Sequence[str],
    start: int,
    end: int,
    facts: list[Fact],
    mentions: list[tuple[int, int]],
    about: list[int],
) -> bool:
    """Add what a clause says; returns whether it is one of the grammar."""
    pattern: list[str] = []
    before, at = len(mentions), start
    while at < end:
        length = _mention(words[at:end])
        if length:
            mentions.append((at, at + length))
            number = len(mentions)
            about[at : at + length] = [number] * length
            facts += _named(words[at + 1 : at + length], number)
            pattern.append("M")
        else:
            length = _count(words[at:end], facts)
            pattern.append("C" if length else words[at])
        at += max(length, 1)
    found = _CLAUSE.fullmatch(" ".join(pattern))
    if found is None:
        return False
    if found["place"]:
        first, second = before + 1, before + 2
        facts.append(Fact(_PLACED[found["place"]], first, "", second))
        between = range(mentions[first - 1][1], mentions[second - 1][0])
        about[between.start : between.stop] = [second] * len(between)
    if found["grasp"] or found["held"]:
        facts.append(Fact("graspable", before + 1))
    return True


def _mention(words: Sequence[str]) -> int:
    """The number of words that name an object, from the first one on; 0 if they name none."""
    if words[0] not in _ARTICLES:
        return 0
    at = 1
    while words[at : at + 1] and words[at] in (*SIZES, *COLORS, *MATERIALS):
        at += 1
    length = _noun(words[at:], _NOUNS)
    return at + length if length else 0


def _noun(words: Sequence[str], known: Mapping[tuple[str, ...], str]) -> int:
    """The number of words of the longest noun that they begin with; 0 if there is none."""
    lengths = range(min(_LONGEST, len(words)), 0, -1)
    return next((length for length in lengths if tuple(words[:length]) in known), 0)


def _named(words: Sequence[str], number: int) -> list[Fact]:
    """What a name says, without its article."""
    at, facts = 0, []
    values = (("size", SIZES), ("color", COLORS), ("material", MATERIALS))
    while tuple(words[at:]) not in _NOUNS:
        facts += [Fact(name, number, words[at]) for name, those in values if words[at] in those]
        at += 1
    kind = _NOUNS[tuple(words[at:])]
    return [*([Fact("kind", number, kind)] if kind else []), *facts]


def _count(words: Sequence[str], facts: list[Fact]) -> int:
    """Like `_mention` for a number of objects; adds the fact."""
    if words[0] not in NUMBERS and not words[0].isdecimal():
        return 0
    number = NUMBERS.index(words[0]) if words[0] in NUMBERS else int(words[0])
    length = _noun(words[1:], _COUNTED)
    if not length:
        return 0
    facts.append(Fact("count", 0, _COUNTED[tuple(words[1 : 1 + length])], number))
    return 1 + length
