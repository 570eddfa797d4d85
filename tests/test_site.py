"""What stands between the port and the pin of a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from mycelium.site import Site


@pytest.mark.parametrize(
    ("text", "site", "canonical"),
    [
        ("", Site(), ""),
        ("/", Site(), ""),
        ("/mesh/x-1%20", Site("/mesh/x-1%20"), "/mesh/x-1%20"),
        ("?sni=Mesh.Example", Site("", "mesh.example"), "?sni=mesh.example"),
        ("/?alpn=h2&sni=a", Site("", "a", "h2"), "?sni=a&alpn=h2"),
        ("/p?alpn=http/1.1", Site("/p", "", "http/1.1"), "/p?alpn=http/1.1"),
    ],
)
def test_each_way_to_write_it_has_one_canonical_form(text: str, site: Site, canonical: str) -> None:
    assert Site.parse(text) == site
    assert str(site) == canonical
    assert Site.parse(canonical) == site


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/a b", "'/a b' is not a valid path"),
        ("/a\r\nHost: x", "is not a valid path"),
        ("/" + "x" * 201, "is not a valid path"),
        ("x", "is not a valid path"),
        ("?", "only sni=NAME and alpn=PROTOCOL are known"),
        ("?host=x", "only sni=NAME and alpn=PROTOCOL are known, not 'host=x'"),
        ("?sni=", "'sni=' is not one valid sni"),
        ("?sni=-a", "is not one valid sni"),
        ("?sni=" + "a." * 127 + "a", "is not one valid sni"),
        ("?sni=a&sni=b", "'sni=b' is not one valid sni"),
        ("?alpn=h2,http", "is not one valid alpn"),
    ],
)
def test_each_mistake_is_told_in_words(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Site.parse(text)
    assert reason in str(caught.value)


@given(st.text(alphabet="/?&=snialphx.-%\r\n\u00e4"))
def test_any_text_has_a_canonical_form_or_is_refused(text: str) -> None:
    try:
        site = Site.parse(text)
    except ConfigError:
        return
    assert Site.parse(str(site)) == site
    assert str(site).isascii()
    assert str(site).isprintable()
