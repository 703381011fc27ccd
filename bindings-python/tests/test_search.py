"""Blind indexes of every kind, their roots, and deterministic encryption."""

from __future__ import annotations

from typing import Any

import keyfold
import pytest


def test_kinds_and_normalisers(pii: keyfold.Key) -> None:
    index = pii.blind_index
    assert index(" Ada ", "f", normalize=["trim", "casefold"]) == index("ada", "f", normalize=("casefold",))
    assert index("5551234", "f", kind="suffix", length=4) == index("1234", "f", kind="suffix", length=4)
    assert index("Robert", "f", kind="soundex") == index("Rupert", "f", kind="soundex")
    assert index("ada", "f", kind="prefix", length=1) != index("ada", "f")
    assert len(index("ada", "f", bits=13)) == 2
    for options in (
        {"kind": "fuzzy"},
        {"kind": "prefix"},
        {"kind": "exact", "length": 3},
        {"length": "3", "kind": "prefix"},
        {"length": 0, "kind": "prefix"},
        {"normalize": "trim"},
        {"normalize": ["lower"]},
        {"normalize": [7]},
        {"normalize": 7},
        {"bits": 0},
        {"bits": True},
    ):
        for call in (
            lambda options=options: index("ada", "f", **options),
            lambda options=options: pii.blind_index_many(["ada"], "f", **options),
            lambda options=options: pii.blind_index_compound({"f": "ada"}, **options),
            lambda options=options: keyfold.index_report(["ada"], **options),
        ):
            with pytest.raises(keyfold.InvalidArgument):
                call()


def test_many(pii: keyfold.Key) -> None:
    many = pii.blind_index_many(["ada", None, b"grace", ""], "f", bits=32)
    assert many[1] is None
    assert many == [
        value if value is None else pii.blind_index(value, "f", bits=32)
        for value in ["ada", None, "grace", ""]
    ]
    with pytest.raises(keyfold.InvalidArgument) as caught:
        pii.blind_index_many(["ada", 7], "f")  # type: ignore[list-item]
    assert caught.value.index == 1
    with pytest.raises(keyfold.LimitExceeded):
        pii.blind_index_many([None] * 100_001, "f")
    for wrong in ("ada", None, 7):
        with pytest.raises(keyfold.InvalidArgument):
            pii.blind_index_many(wrong, "f")  # type: ignore[arg-type]


def test_compound(pii: keyfold.Key) -> None:
    index = pii.blind_index_compound({"name": "ada", "city": b"London"})
    assert index == pii.blind_index_compound([("city", "London"), ("name", "ada")])
    assert pii.blind_indexes_compound({"name": "ada", "city": "London"}) == [index]
    assert index != pii.blind_index_compound({"name": "ada"})
    assert pii.blind_index_compound({"name": "ada", "city": None}) is None
    assert pii.blind_indexes_compound([("name", None)]) is None
    wrong: list[Any] = [{}, [], None, "ab", 7, [("a", "b"), ("a", "c")], [("a",)], ["ab"], {"a": 7}, {7: "a"}]
    for values in wrong:
        with pytest.raises(keyfold.InvalidArgument):
            pii.blind_index_compound(values)


def test_roots(store: keyfold.Store, pii: keyfold.Key) -> None:
    old = pii.blind_index("ada", "f")
    (first,) = store.index_salts(key_id="pii")
    assert (first.version, first.is_current) == (1, True)
    secret = store.get_index_salt(key_id="pii")
    assert len(secret) == 32
    assert store.rotate_index_salt(key_id="pii").version == 2
    assert store.get_index_salt(key_id="pii", version=1) == secret != store.get_index_salt(key_id="pii")
    key = store.key("pii")
    indexes = key.blind_indexes("ada", "f")
    assert indexes is not None
    assert indexes[-1] == old
    assert len(indexes) == 2
    assert key.blind_index("ada", "f") == indexes[0]
    with pytest.raises(keyfold.InUse):
        store.retire_index_salt(key_id="pii", version=2)
    store.retire_index_salt(key_id="pii", version=1)
    assert [one.version for one in store.index_salts(key_id="pii")] == [2]
    assert len(store.get_index_salt("medical")) == 32
    assert store.rotate_index_salt("medical").version == 2
    for options in ({}, {"purpose": "medical", "key_id": "pii"}, {"purpose": 7}, {"key_id": b"pii"}):
        for call in (store.index_salts, store.rotate_index_salt, store.get_index_salt):
            with pytest.raises(keyfold.InvalidArgument):
                call(**options)
    with pytest.raises(keyfold.InvalidArgument):
        store.retire_index_salt("medical")  # type: ignore[call-arg]


def test_deterministic_encryption(store: keyfold.Store) -> None:
    store.create_key("joins", kind="deterministic")
    key = store.key("joins")
    first = key.encrypt(b"ada", b"aad")
    assert key.encrypt(b"ada", b"aad") == first != key.encrypt(b"ada")
    store.rotate_key("joins")
    newer = key.encrypt(b"ada", b"aad")
    assert key.search_ciphertexts(b"ada", b"aad") == [newer, first]
    assert key.search_ciphertexts(b"ada", context={"id": 1}) != key.search_ciphertexts(b"ada")
    for wrong in ("ada", None):
        with pytest.raises(keyfold.InvalidArgument):
            key.search_ciphertexts(wrong)  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument):
        store.key("pii").search_ciphertexts(b"ada")


def test_reports() -> None:
    values: list[str | bytes | None] = ["a", "a", b"a", "a", "b", "b", "c", "d", None]
    report = keyfold.index_report(values)
    assert (report.rows, report.nulls, report.distinct_values, report.distinct_indexes) == (8, 1, 4, 4)
    assert report.value_entropy == pytest.approx(1.75)
    assert report.recommended_bits is None
    assert keyfold.index_report([]).rows == 0
    with pytest.raises(keyfold.InvalidArgument) as caught:
        keyfold.index_report(["a", b"\xff"], kind="soundex")
    assert caught.value.index == 1
