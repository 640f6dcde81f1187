"""Names of classes as words, and classes as people type them."""

from __future__ import annotations

import pytest

from mfnet_lite.language.class_words import (
    CLASS_WORDS,
    check_one_for_each,
    plain_name,
    read_classes,
    words_of,
)
from mfnet_lite.utils.labels import ISPRS_CLASSES


@pytest.mark.parametrize("name", ISPRS_CLASSES)
def test_classes_of_the_benchmark_have_everyday_words(name):
    assert len(words_of(name)) > 1
    assert "impervious" not in " ".join(words_of(name))


def test_keys_are_plain_and_phrases_differ():
    for key, phrases in CLASS_WORDS.items():
        assert key == plain_name(key)
        assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Impervious_Surfaces", CLASS_WORDS["impervious surface"]),
        ("trees", CLASS_WORDS["tree"]),
        ("vegetation_or_other", CLASS_WORDS["vegetation or other"]),
        ("SolarPanel", ("solar panel",)),
        ("glass", ("glass",)),
    ],
)
def test_names_as_data_sets_write_them(name, words):
    assert words_of(name) == words


def test_refuses_a_name_without_words():
    with pytest.raises(ValueError, match="holds no word"):
        words_of("--")


def test_reads_what_people_type():
    assert read_classes(" roof ,meadow|lawn,  parked   car ") == {
        "roof": ("roof",),
        "meadow": ("meadow", "lawn"),
        "parked car": ("parked car",),
    }


@pytest.mark.parametrize("text", ["", "roof,", "roof,,lawn", "roof |, lawn"])
def test_refuses_empty_classes(text):
    with pytest.raises(ValueError, match="hold an empty one"):
        read_classes(text)


def test_refuses_a_class_twice():
    with pytest.raises(ValueError, match="'roof' occurs twice"):
        read_classes("roof, lawn, roof|house")


def test_one_for_each():
    check_one_for_each(["roof", "lawn"], ["building", "grass"])
    with pytest.raises(ValueError, match="for the 2 classes building, grass, in this order, got 1"):
        check_one_for_each(["roof"], ["building", "grass"])
