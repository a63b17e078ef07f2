"""The clue list: what it holds, and how it is made of WordNet."""

import gzip
import re
from importlib.resources import files
from pathlib import Path

import pytest

from icil.tasks import OpeningsError, UsageError, make
from icil.tasks.crossword import clues
from icil.tasks.crossword.clues import clue_list
from icil.tasks.crossword.kinship import Kinship
from icil.tasks.crossword.make_clues import gives_away, main
from icil.tasks.crossword.wordnet import Sense

WORDNET = Path("/usr/share/wordnet")
LICENCE = "  1 This software and database is being provided to you\n"


def test_words_and_clues():
    clues = clue_list()
    assert len(clues) > 3000
    assert list(clues) == sorted(clues)
    for word, clue in clues.items():
        assert re.fullmatch("[A-Z]{3,7}", word)
        assert re.fullmatch("[A-Za-z][A-Za-z ,'-]{4,58}[a-z]", clue)
        assert " " in clue


def test_no_clue_fits_two_words_of_a_length():
    assert len({(clue, len(word)) for word, clue in clue_list().items()}) == len(clue_list())


def test_no_clue_holds_its_word():
    for word, clue in clue_list().items():
        assert word not in re.findall("[A-Z]+", clue.upper())
        assert len(word) == 3 or word not in clue.upper()


def test_the_list_cannot_be_changed():
    with pytest.raises(TypeError):
        clue_list()["CAT"] = "a dog"


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"not compressed",
        clues._FILE.read_bytes()[:5000],
        clues._FILE.read_bytes()[:-9] + b"\0" * 9,
        gzip.compress(b"", mtime=0),
        gzip.compress(b"CAT\tan animal\nDOG\n", mtime=0),
        gzip.compress(b"CAT\t\xff\n", mtime=0),
    ],
)
def test_a_missing_or_damaged_list(content, tmp_path, monkeypatch):
    path = tmp_path / "clues.tsv.gz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(clues, "_FILE", path)
    with pytest.raises(OpeningsError, match=r"the clue list of crossword .*; install icil anew"):
        clue_list.__wrapped__()
    clue_list.cache_clear()
    try:
        with pytest.raises(OpeningsError, match="the clue list of crossword"):
            make("crossword").openings("evaluation")
    finally:
        clue_list.cache_clear()


def test_the_licence_lies_beside_the_list():
    notice = (files("icil.tasks.crossword") / "LICENSE-WordNet.txt").read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in notice
    assert 'PROVIDED "AS IS"' in notice


@pytest.mark.parametrize(
    ("word", "clue", "away"),
    [
        ("tiger", "a large striped cat", False),
        ("tiger", "a tiger", True),
        ("trapper", "someone who sets traps for animals", True),
        ("bombing", "an attack with bombs", True),
        ("unhappy", "not happy", True),
        ("decide", "make a decision", True),
        ("run", "what a runner does", True),
        ("run", "past of what he ran", True),
        ("kin", "those of one blood", True),
        ("theme", "the subject of a story", False),
        ("handsome", "of some beauty", False),
        ("daily", "every day", True),
        ("kiln", "an oven of bricks", False),
    ],
)
def test_gives_away(word, clue, away):
    kinship = kinship_of({"kin": "blood", "day": ""}, {"ran": {"run"}})
    assert gives_away(clue, word, kinship) == away


def kinship_of(links, forms):
    """Words of a sense each, with what is derived from them, and irregular forms."""
    senses = {
        word: [Sense(word=word, count=1, gloss="", is_name=False, related=frozenset(r.split()))]
        for word, r in links.items()
    }
    return Kinship(senses, {form: frozenset(words) for form, words in forms.items()})


# What WordNet says of the pairs below; most of them stood in clues of the task's first version.
LINKS = {
    **{"clothing": "clothe", "daily": "day", "move": "motion", "usage": "use", "use": ""},
    **{"fiscal": "finance", "financial": "finance", "city": "urban", "depict": "picture"},
    **{"eye": "see", "see": "sight"},
}
FORMS = {"clad": {"clothe"}, "paid": {"pay"}, "fell": {"fall"}, "bent": {"bend"}}
PAIRS = [
    *(("carrier", "carrying"), ("clad", "clothing"), ("curving", "curve"), ("daily", "day")),
    *(("easily", "ease"), ("empire", "emperor"), ("envy", "envious"), ("fiscal", "financial")),
    *(("focal", "focus"), ("loss", "lost"), ("loving", "love"), ("masseur", "massager")),
    *(("moving", "motion"), ("numbing", "numbness"), ("paid", "pay"), ("purify", "pure")),
    *(("sailing", "sailor"), ("servant", "service"), ("solve", "solution"), ("usage", "using")),
    *(("writing", "written"), ("fell", "fall"), ("sunray", "ray"), ("renew", "new")),
    *(("strong", "strength"), ("youth", "young"), ("bleed", "blood"), ("deep", "depth")),
    *(("depict", "picture"), ("urban", "city")),
]


@pytest.mark.parametrize(("word", "other"), PAIRS)
def test_akin(word, other):
    assert kinship_of(LINKS, FORMS).akin(word, other)
    assert other not in clue_list().get(word.upper(), "").lower().split()


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("eye", "sight"),  # two links, and another initial
        ("carrier", "mail"),
        ("base", "as"),
        ("oneself", "one"),
        ("tone", "one"),
        ("bent", "curved"),
    ],
)
def test_not_akin(word, other):
    assert not kinship_of(LINKS, FORMS).akin(word, other)


def test_no_clue_of_the_list_gives_its_word_away():
    kinship = kinship_of({}, {})
    assert [w for w, clue in clue_list().items() if gives_away(clue, w.lower(), kinship)] == []


def synset(offset, part, words, gloss, pointers=""):
    count = len(pointers.split()) // 4
    named = " ".join(f"{word} 0" for word in words)
    return f"{offset:08} 00 {part} {len(words):02x} {named} {count:03} {pointers} | {gloss}  \n"


@pytest.fixture
def wordnet(tmp_path):
    """A WordNet of a few words, in the layout of the real one."""
    nouns = {
        1: (["cat", "true_cat"], 'feline mammal with soft fur (usually): lions; "a cat purrs"', ""),
        2: (["Paris"], "the capital of France", ""),
        3: (["dog"], "a dog or dogs", ""),
        4: (["dog", "frump"], "a dull unattractive unpleasant girl or woman", ""),
        5: (["seine"], "a river of France", "@i 00000001 n 0000"),
        6: (["kitty"], "a young one of the house", "+ 00000009 v 0101"),
        7: (["slob"], "(offensive) a lazy and dirty person", ""),
        8: (["lemur"], "an animal of Madagascar", ""),
        9: (["hound", "tyke"], "an animal that follows a trail", ""),
        10: (["lapdog"], "what fits on a lap", ""),
        11: (["spaniel", "terrier"], "an animal that follows a trail", ""),
    }
    verbs = {9: (["house"], "provide with a place to live", "")}
    counts = {
        **{"cat": (1, 9), "paris": (1, 9), "seine": (1, 9), "slob": (1, 9), "kitty": (1, 9)},
        **{"lemur": (1, 2), "hound": (1, 4), "tyke": (1, 5), "lapdog": (1, 3)},
        **{"spaniel": (1, 5), "terrier": (1, 6)},
    }
    folder = tmp_path / "wordnet"
    folder.mkdir()
    for file, part, synsets in (
        ("noun", "n", nouns),
        ("verb", "v", verbs),
        ("adj", "a", {}),
        ("adv", "r", {}),
    ):
        (folder / f"{file}.exc").write_text("")
        lines = [synset(offset, part, *content) for offset, content in synsets.items()]
        (folder / f"data.{file}").write_text(LICENCE + "".join(lines))
        senses = {}
        for offset, (words, _, _) in synsets.items():
            for word in words:
                senses.setdefault(word.lower(), []).append(f"{offset:08}")
        index = [
            f"{word} {part} {len(found)} 0 {len(found)} 0 {' '.join(found)}  \n"
            for word, found in sorted(senses.items())
        ]
        (folder / f"index.{file}").write_text(LICENCE + "".join(index))
    met = [f"{word}%1:00:00:: {number} {count}\n" for word, (number, count) in counts.items()]
    met += ["dog%1:00:01:: 1 20\n", "dog%1:00:02:: 2 3\n", "house%2:00:00:: 1 2\n"]
    (folder / "cntlist.rev").write_text("".join(met))
    return folder


def made(wordnet, tmp_path, monkeypatch):
    out = tmp_path / "clues.tsv.gz"
    main([str(wordnet), str(out)])
    clue_list.cache_clear()
    monkeypatch.setattr("icil.tasks.crossword.clues._FILE", out)
    try:
        return dict(clue_list())
    finally:
        monkeypatch.undo()
        clue_list.cache_clear()


def test_makes_a_list_of_wordnet(wordnet, tmp_path, monkeypatch):
    assert made(wordnet, tmp_path, monkeypatch) == {
        # Without remark and example.
        "CAT": "feline mammal with soft fur",
        # Its first sense gives it away, and the second is common enough.
        "DOG": "a dull unattractive unpleasant girl or woman",
        # Of two of five and of two of seven letters with one clue, the commoner one has it.
        "HOUND": "an animal that follows a trail",
        "TYKE": "an animal that follows a trail",
        "TERRIER": "an animal that follows a trail",
    }


def test_says_what_is_missing(wordnet, tmp_path):
    (wordnet / "index.verb").unlink()
    with pytest.raises(UsageError, match=r"index\.verb is missing; install it"):
        main([str(wordnet), str(tmp_path / "out")])


@pytest.mark.skipif(not (WORDNET / "data.noun").exists(), reason="WordNet is not installed")
def test_the_list_that_ships_is_what_the_script_makes(tmp_path, monkeypatch):
    assert made(WORDNET, tmp_path, monkeypatch) == dict(clue_list())
