"""The data key: what is sealed opens only in its own place, and an index tells nothing but equality."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import crypto
from core.crypto import DecryptError, Keyring

KEY = bytes(range(32))
PLACE = b"patient.phone:7"


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_what_is_sealed_opens_in_its_place(plain: bytes, place: bytes) -> None:
    blob = Keyring(KEY).encrypt(plain, place)
    assert Keyring(KEY).decrypt(blob, place) == plain
    assert len(blob) == len(plain) + crypto.OVERHEAD_BYTES


def test_equal_values_are_sealed_differently() -> None:
    ring = Keyring(KEY)
    assert len({ring.encrypt(b"same", PLACE) for _ in range(100)}) == 100


@given(st.data())
def test_no_changed_byte_opens(data: st.DataObject) -> None:
    blob = bytearray(Keyring(KEY).encrypt(b"the wound is dry", PLACE))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecryptError):
        Keyring(KEY).decrypt(bytes(blob), PLACE)


def test_a_value_moved_to_another_row_does_not_open() -> None:
    blob = Keyring(KEY).encrypt(b"+15555550100", PLACE)
    with pytest.raises(DecryptError, match="moved from another row"):
        Keyring(KEY).decrypt(blob, b"patient.phone:8")


def test_another_key_does_not_open() -> None:
    blob = Keyring(KEY).encrypt(b"+15555550100", PLACE)
    with pytest.raises(DecryptError, match="DATA_KEY is not the key"):
        Keyring(KEY[::-1]).decrypt(blob, PLACE)


@pytest.mark.parametrize(
    ("blob", "words"), [(b"", "too short"), (b"\x01" * 28, "too short"), (b"\x02" * 40, "format 2")]
)
def test_what_is_not_ours_is_named(blob: bytes, words: str) -> None:
    with pytest.raises(DecryptError, match=words):
        Keyring(KEY).decrypt(blob, PLACE)


def test_an_index_is_stable_and_separate_by_purpose_and_key() -> None:
    ring = Keyring(KEY)
    index = ring.blind_index("+15555550100", "phone")
    assert len(index) == crypto.INDEX_BYTES
    assert index == Keyring(KEY).blind_index("+15555550100", "phone")
    others = {
        ring.blind_index("+15555550101", "phone"),
        ring.blind_index("+15555550100", "mrn"),
        Keyring(KEY[::-1]).blind_index("+15555550100", "phone"),
    }
    assert len(others) == 3
    assert index not in others


def test_stored_values_stay_readable() -> None:
    """Fixed values of this key: a change here would lock every hospital out of its own data."""
    ring = Keyring(KEY)
    column_key = "4f38657c1a6ca985c23c0ea9cf1dd9cf4dd2f2ea907b0a7d23609ac9629c65ef"
    assert ring.derive("column encryption").hex() == column_key
    assert ring.blind_index("+15555550100", "phone").hex() == "7505b96fbef042cfbc70890778a4205a"
    blob = "0131433f0f11b0519ad1c7777aeb3f389b52db641ba274145ea33001e39f9bfbe7f9"
    assert ring.decrypt(bytes.fromhex(blob), b"place") == b"hello"


def test_a_derived_key_needs_a_purpose() -> None:
    with pytest.raises(ValueError, match="purpose"):
        Keyring(KEY).derive("")


def test_keys_do_not_show_in_repr() -> None:
    assert repr(Keyring(KEY)) == "Keyring(…)"


def test_a_new_key_is_taken_back() -> None:
    text = crypto.new_data_key()
    assert len(crypto.parse_data_key(text)) == crypto.KEY_BYTES
    assert text != crypto.new_data_key()


@given(st.binary(min_size=32, max_size=32).filter(lambda key: len(set(key)) > 1))
def test_both_alphabets_are_taken_with_and_without_padding(key: bytes) -> None:
    for text in (base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
        assert crypto.parse_data_key(text) == key
        assert crypto.parse_data_key(f" {text.rstrip('=')}\n") == key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this one has 0"),
        ("correct horse battery staple!", "not base64"),
        ("密" * 44, "not base64"),
        (base64.b64encode(bytes(range(31))).decode(), "this one has 31"),
        (base64.b64encode(bytes(32)).decode(), "one byte repeated"),
    ],
)
def test_a_wrong_key_is_refused_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        crypto.parse_data_key(text)
    assert not text or text not in str(caught.value)


def test_a_keyring_needs_exactly_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(b"short")
