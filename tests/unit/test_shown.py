import ast

from hypothesis import given
from hypothesis import strategies as st

from vidpoll.shown import ALL, ITEMS, TEXT, line, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_whatever_a_message_holds_is_shown_in_bounds_and_can_be_read_again(kwargs: dict[str, object]):
    text = shown(kwargs)

    assert len(text) <= ALL + 20
    if len(text) < ALL:
        assert isinstance(ast.literal_eval(text), dict)
    assert isinstance(line(text), str)


@given(st.text())
def test_a_line_is_made_of_any_text(text: str):
    assert isinstance(line(text), str)


def test_a_secret_at_the_end_of_what_is_shown_is_not_cut_before_it_is_recognised():
    text = "x" * (TEXT - 30) + " https://a.example/?sig=" + "s3cret" * 10

    assert "s3cret" not in shown({"prompt": text})


def test_all_ids_of_a_full_check_are_there_and_the_rest_is_counted():
    ids = [f"{number:036}" for number in range(ITEMS)]

    assert all(id in shown({"ids": ids}) for id in ids)
    assert "… 3 more" in shown({"ids": [*ids, "a", "b", "c"]})


def test_what_is_nested_too_deep_ends_in_dots():
    nested: object = "secret-free"
    for _ in range(50):
        nested = [nested]

    assert shown(nested) == "[[[[[['…']]]]]]"
