"""What the laws of the wire draw from: plain values, and valid bytes with something changed."""

from __future__ import annotations

from hypothesis import strategies as st

whole = st.one_of(st.integers(0, 30), st.integers(0, 2**64 - 1))
text = st.text(st.characters(codec="utf-8"), max_size=40)
name = st.text(st.characters(codec="utf-8"), max_size=64)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), whole, text, st.binary(max_size=40), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """Valid bytes with a few of them changed, cut out, doubled or put elsewhere."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        match draw(st.integers(0, 4)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                data[at:at] = draw(st.binary(max_size=9))
            case 4:
                data = data[:at]
    return bytes(data)
