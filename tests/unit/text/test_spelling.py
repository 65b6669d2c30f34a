"""Spelling: which words of a vocabulary another word may be meant to be."""

from __future__ import annotations

import pytest

from rag.text.spelling import Vocabulary, distance, is_slip, joined, spelt, splits

VOCABULARY = Vocabulary(
    {"commit": 90, "comment": 40, "cherry-pick": 12, "cherri": 12, "=max_wal_size": 9, "authent": 30, "=--unshallow": 5,
     "unshallow": 8, "differ": 50, "diferent": 9, "sha512": 4, "repositori": 70}
)  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        ("commit", "commit", 0),
        ("comit", "commit", 1),  # left out
        ("commmit", "commit", 1),  # added
        ("cammit", "commit", 1),  # replaced
        ("ocmmit", "commit", 1),  # swapped
        ("comet", "commit", 2),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
    ],
)
def test_letters_that_are_added_left_out_replaced_or_swapped_count_one(one: str, other: str, letters: int) -> None:
    assert distance(one, other, 9) == distance(other, one, 9) == letters


def test_a_distance_that_is_too_large_is_only_told_to_be_larger() -> None:
    assert distance("kitten", "sitting", 2) == 3
    assert distance("a", "abcdefgh", 2) == 3


@pytest.mark.parametrize(
    ("word", "stem", "term"),
    [
        ("comit", "comit", "commit"),
        ("cherrypik", "cherrypik", "cherry-pick"),
        ("maxwalsize", "maxwals", "=max_wal_size"),
        ("max-wal-size", "max-wal-s", "=max_wal_size"),
        ("repositry", "repositri", "repositori"),
        ("--unshalow", "--unshalow", "=--unshallow"),
        ("unshalow", "unshalow", "unshallow"),
        ("diffrence", "diffrenc", "differ"),
        ("comt", "comt", None),  # too short for another letter
        ("sha256", "sha256", None),  # another number is another thing
        ("mongodb", "mongodb", None),
    ],
)
def test_the_likeliest_term_is_the_nearest(word: str, stem: str, term: str | None) -> None:
    near = VOCABULARY.near(word, stem)
    assert (near[0].term if near else None) == term


def test_of_two_terms_that_are_as_near_the_more_frequent_is_likelier() -> None:
    vocabulary = Vocabulary({"result": 476, "reslot": 2})
    assert [one.term for one in vocabulary.near("reslt", "reslt")] == ["result", "reslot"]


def test_other_separators_make_the_same_word() -> None:
    assert joined("max-wal_size") == joined("max.wal/size") == "maxwalsize"
    assert splits("max_wal_size") == splits("max-wal-size") == {3, 6}
    assert splits("--depth") == {0}
    assert splits("depth") == set()


@pytest.mark.parametrize(
    ("term", "like", "form"),
    [
        ("=max_wal_size", "maxwalsize", "max_wal_size"),
        ("commit", "comit", "commit"),
        ("commit", "commited", "committed"),
        ("keepalivetimeout", "keepalivtimeout", "KeepAliveTimeout"),
        ("cherry-pick", "cherrypik", "cherry-pick"),
        ("rebas", "rebsae", None),
    ],
)
def test_a_term_is_written_as_the_texts_write_it(term: str, like: str, form: str | None) -> None:
    texts = [
        "Commit early. A commit is cheap.", "What was committed, such as git-cherry-pick, cherry-pick or cherry-picked.",
        "KeepAliveTimeout and max_wal_size are settings.",
    ]  # fmt: skip
    assert spelt(term, texts, like) == form


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("comit", "commit"), ("commmit", "commit"), ("bulid", "build"), ("seperate", "separate"), ("paralel", "parallel"),
        ("dleete", "delete"), ("repositry", "repository"), ("lenght", "length"), ("untill", "until"),
        ("persistant", "persistent"), ("comnit", "commit"), ("shalow", "shallow"), ("cherrypik", "cherrypick"),
    ],
)  # fmt: skip
def test_a_misspelling_is_a_slip(word: str, right: str) -> None:
    assert is_slip(word, right, 1)


def test_a_long_word_may_have_two_slips() -> None:
    assert is_slip("enviromnet", "environment", 2)
    assert not is_slip("enviromnet", "environment", 1)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("flask", "flash"), ("conda", "cond"), ("linkerd", "linker"), ("nodejs", "nodes"), ("istio", "isto"),
        ("interbase", "interface"), ("spark", "spare"), ("varnish", "vanish"), ("pydantic", "pedestal"), ("citus", "cites"),
    ],
)  # fmt: skip
def test_a_name_that_is_spelt_like_a_word_is_none(name: str, word: str) -> None:
    assert not is_slip(name, word, 1)
    assert is_slip(name, name, 0)


@pytest.mark.parametrize(
    ("word", "other", "wanted"),
    [
        ("paralel", "parallel", True),
        ("comit", "commit", True),
        ("chekcout", "checkout", True),
        ("cherrypick", "cherrypicks", True),
        ("rebase", "release", False),
        ("varnish", "vanish", True),
        ("patroni", "pattern", False),
    ],
)
def test_one_letter_or_a_swap_is_a_misspelling(word: str, other: str, *, wanted: bool) -> None:
    assert (distance(word, other, 1) <= 1) == wanted
