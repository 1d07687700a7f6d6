"""The matrix of providers in the documents is the one that is declared."""

from pathlib import Path

import pytest

from vidpoll.catalogue import catalogue
from vidpoll.providers.matrix import BEGIN, matrix, with_matrix

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def test_the_page_on_providers_is_up_to_date():
    text = PAGE.read_text()

    assert with_matrix(text) == text, "run `make docs`"


def test_every_entry_has_a_row_of_as_many_cells_as_the_head():
    head, line, *rows = matrix().splitlines()

    assert len(rows) == len(catalogue())
    assert {row.count("|") for row in (head, line, *rows)} == {head.count("|")}


def test_only_what_stands_between_the_marks_is_written():
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)

    assert (
        with_matrix(f"{before}{BEGIN}\nold\n<!-- end of the matrix -->{rest.split('<!-- end of the matrix -->')[1]}")
        == text
    )
    with pytest.raises(ValueError, match="unpack"):
        with_matrix("no marks")
