import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.template.pattern import Pattern, PatternTooLarge
from app.services.template.pattern_syntax import PatternSyntaxError


def matches(pattern: str, text: str) -> bool:
    return Pattern(pattern).search(text, lambda _: None)


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("^[a-z0-9]+(-[a-z0-9]+)*$", "a-b2-c", "a--b"),
        ("b", "abc", "ac"),
        ("^a|b$", "xb", "xa"),
        ("^(?:ab){2,3}$", "ababab", "ab"),
        (r"^\d{4}-\d{2}$", "2026-11", "2026-1x"),
        (r"^[^\s\x00-\x1f]+$", "ok", "not ok"),
        (r"^\u00e4\.$", "ä.", "äx"),
        ("^.$", "😀", "\n"),
        ("^a{2,}$", "aaa", "a"),
        (r"^[\w.+-]+@[\w-]+\.[a-z]{2,}?$", "a.b@x.org", "a@x"),
        ("^[]$|^x$", "x", ""),
        (r"^[\D]$", "a", "1"),
        ("^$", "", "a"),
        ("^(a|)+b$", "aab", "c"),
    ],
)
def test_pattern_tells_texts_apart(pattern: str, fits: str, does_not: str) -> None:
    assert matches(pattern, fits)
    assert not matches(pattern, does_not)


@given(
    st.recursive(
        st.sampled_from(["a", "b", ".", "[ab]", "[^a]"]),
        lambda inner: st.one_of(
            st.builds("({}|{})".format, inner, inner),
            st.builds("{}{}".format, inner, inner),
            st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{1,2}", "{2}", "*?"])),
        ),
        max_leaves=5,
    ),
    st.text(alphabet="abc", max_size=6),
)
def test_agrees_with_python(pattern: str, text: str) -> None:
    assert matches(f"^{pattern}$", text) == bool(re.fullmatch(pattern, text))


@given(st.text(alphabet="ab(|)[]*+?{},12^$\\dxu-.", max_size=15))
def test_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    try:
        compiled = Pattern(pattern)
    except (PatternSyntaxError, PatternTooLarge):
        return
    assert compiled.search("ab", lambda _: None) in (True, False)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a?){50}a{50}$", "(.*)*x"])
def test_patterns_that_explode_elsewhere_cost_little_here(pattern: str) -> None:
    steps: list[int] = []
    Pattern(pattern).search("a" * 1000 + "!", steps.append)
    assert len(steps) == 1001
    assert max(steps) < 400


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?<n>a)", r"(a)\1", r"\bx", r"\p{L}", "(", ")", "[a", "a{2,1}", "*a", "[b-a]", "\\"]
)
def test_what_is_not_supported_is_refused(pattern: str) -> None:
    with pytest.raises(PatternSyntaxError):
        Pattern(pattern)


def test_counts_that_multiply_are_refused() -> None:
    with pytest.raises(PatternTooLarge):
        Pattern("((a{50}){50}){50}")
    with pytest.raises(PatternTooLarge):
        Pattern("((()" + "{1000}){1000}){1000}")


def test_long_or_deep_patterns_are_refused() -> None:
    for pattern in ("a" * 501, "(" * 21 + ")" * 21, "a{1001}"):
        with pytest.raises(PatternSyntaxError):
            Pattern(pattern)
