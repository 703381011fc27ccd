"""The table of edge inputs that all languages share, `tests/edge_inputs.json` of the repository."""

from __future__ import annotations

import asyncio
import inspect
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyfold
import keyfold.aio
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from edge_table import CASES, MASTER_KEY, Driver, Refused, Step, cases_for

OURS = cases_for("python")


class Python(Driver):
    """Through `keyfold`, or the same through `keyfold.aio`."""

    def __init__(self, folder: Path, later: bool) -> None:
        super().__init__(folder)
        self.loop = asyncio.new_event_loop() if later else None
        self.door: Any = keyfold.aio if later else keyfold
        self.store: Any = None

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Calls, waits where there is something to wait for, and raises what is refused."""
        try:
            result = function(*arguments, **options)
            if self.loop is not None and inspect.isawaitable(result):
                return self.loop.run_until_complete(waited(result))
            return result
        except keyfold.KeyfoldError as error:
            raise self.refused(error) from error

    def refused(self, error: keyfold.KeyfoldError) -> Refused:
        return Refused(error.code.removeprefix("KEYFOLD_"), str(error), error.index)

    def text_form(self, ciphertext: bytes) -> str:
        return keyfold.to_text(ciphertext)

    def let_go(self) -> None:
        if self.store is not None:
            self.call(self.store.close)
        self.store = None

    def finish(self) -> None:
        if self.loop is not None:
            self.loop.close()

    def at(self) -> Any:
        if self.store is None:
            self.store = self.call(self.door.open, self.folder / "S", MASTER_KEY)
        return self.store

    def on_store(self, name: str, *arguments: Any, **options: Any) -> Any:
        return self.call(getattr(self.at(), name), *arguments, **options)

    def key(self, at: Step) -> Any:
        return self.on_store("key", at.key_id)

    def master_key(self, given: Any) -> Any:
        match given:
            case {"passphrase": text, "pbkdf2_rounds": rounds}:
                return self.call(keyfold.Passphrase, self.text_of(text), pbkdf2_rounds=rounds)
            case {"passphrase": text, **cost}:
                return self.call(
                    keyfold.Passphrase, self.text_of(text), **{str(name): cost[name] for name in cost}
                )
            case {"recovery_key": text}:
                return self.text_of(text)
            case {"shares": shares}:
                return " ".join(self.text_of(share) for share in shares)
            case {"any_of": several}:
                return [self.master_key(one) for one in several]
            case str() | {"from": _}:
                return self.text_of(given)
            case _:
                return self.data_of(given)

    def binding(self, at: Step) -> dict[str, Any]:
        binding: dict[str, Any] = {"aad": at.data("aad")} if "aad" in at else {}
        return binding if at.context is None else binding | {"context": at.context}

    # Stores.

    def do_open(self, at: Step) -> None:
        self.let_go()
        self.store = self.call(self.door.open, at.path(), self.master_key(at.master_key), **at.options)

    def do_close(self, _: Step) -> None:
        self.on_store("close")

    def do_restore(self, at: Step) -> None:
        self.let_go()
        master_key = self.master_key(at.master_key)
        self.call(self.door.restore, at.path("source"), at.path(), master_key, **at.options)

    def do_backup(self, at: Step) -> None:
        self.on_store("backup", at.path())

    def do_check(self, _: Step) -> Any:
        return self.on_store("check").ok

    def do_anchor(self, _: Step) -> Any:
        return self.on_store("anchor")

    def do_quarantine(self, at: Step) -> None:
        self.on_store("quarantine", at.text("kind"), at.text("id"), at.text("reason"))

    def do_run_due(self, _: Step) -> None:
        self.on_store("run_due")

    # Recipients.

    def do_split_shares(self, at: Step) -> Any:
        return self.call(keyfold.Shares.split, at["threshold"], at["count"]).reveal()

    def do_recipients(self, _: Step) -> Any:
        return [recipient.recipient_id for recipient in self.on_store("recipients")]

    def do_add_recipient(self, at: Step) -> None:
        options = at.options
        self.on_store("add_recipient", self.master_key(at.master_key), options.pop("id", None), **options)

    def do_remove_recipient(self, at: Step) -> None:
        self.on_store("remove_recipient", at.text("recipient_id"))

    def do_test_recipient(self, at: Step) -> None:
        self.on_store("test_recipient", self.master_key(at.master_key))

    def do_drill(self, at: Step) -> None:
        assert self.on_store("drill", self.master_key(at.master_key)).check.ok

    def do_rotate_master_key(self, at: Step) -> None:
        new = [self.master_key(at.master_key)] if "master_key" in at else []
        self.on_store("rotate_master_key", *new)

    # Keys and versions.

    def with_key(self, at: Step) -> None:
        self.on_store(at["op"], at.key_id, **at.options)

    do_create_key = do_rotate_key = do_key_info = do_key_usage = with_key
    do_list_key_versions = do_archive_key = with_key

    def do_create_keys(self, at: Step) -> None:
        self.on_store("create_keys", at.keys())

    def do_list_keys(self, at: Step) -> Any:
        return [key.key_id for key in self.on_store("list_keys", **at.options)]

    def with_version(self, at: Step) -> Any:
        return self.on_store(at["op"], at.key_id, *([at["version"]] if "version" in at else []))

    do_promote_version = do_cancel_destruction = do_get_data_key = with_version

    def do_set_version_state(self, at: Step) -> None:
        reason = {"reason": at.text("reason")} if "reason" in at else {}
        self.on_store("set_version_state", at.key_id, at["version"], at.text("state"), **reason)

    def do_schedule_destruction(self, at: Step) -> None:
        delay = {"delay": at.text("delay")} if "delay" in at else {}
        self.on_store("schedule_destruction", at.key_id, at["version"], **delay)

    def do_register_purpose(self, at: Step) -> None:
        self.on_store("register_purpose", at.text("purpose"), **at.options)

    def do_key_for(self, at: Step) -> Any:
        return self.on_store("key_for", at.text("purpose")).id

    def with_scope(self, at: Step) -> Any:
        scope = {"purpose": at.text("purpose")} if "purpose" in at else {"key_id": at.key_id}
        version = {"version": at["version"]} if "version" in at else {}
        given = self.on_store(at["op"], **scope, **version)
        return given if at["op"] == "get_index_salt" else None

    do_index_salts = do_rotate_index_salt = do_retire_index_salt = do_get_index_salt = with_scope

    def do_derive_key(self, at: Step) -> Any:
        version = {"version": at["version"]} if "version" in at else {}
        return self.on_store("derive_key", at.key_id, at.text("purpose"), at["length"], **version)

    # Keys in and out.

    def do_import_key(self, at: Step) -> None:
        encoding = at.text("encoding")
        material = at.text("material") if encoding in ("hex", "base64") else at.data("material")
        self.on_store("import_key", at.key_id, material, encoding, **at.options)

    def do_get_encryption_key(self, at: Step) -> Any:
        return self.on_store("get_encryption_key", at.key_id, at["key_bytes"], at.text("encoding"))

    def protection(self, at: Step) -> dict[str, Any]:
        match at["protection"]:
            case "insecure_cleartext":
                return {"insecure_cleartext": True}
            case "passphrase":
                return {"passphrase": at.text("secret")}
            case _:
                return {"under_key": at.text("secret")}

    def do_export_keyset(self, at: Step) -> Any:
        form = {"format": at.text("format")} if "format" in at else {}
        return self.on_store("export_keyset", at.key_id, **form, **self.protection(at)).data

    def do_import_keyset(self, at: Step) -> None:
        self.on_store("import_keyset", at.key_id, at.data("keyset"), **self.protection(at), **at.options)

    # Messages. What the store does as well is asked of it, and in asyncio's turn of the key.

    def do_encrypt(self, at: Step) -> Any:
        plaintext, binding = at.data("plaintext"), self.binding(at)
        if self.loop is None:
            return self.on_store("encrypt", at.key_id, plaintext, **binding)
        return self.call(self.key(at).encrypt, plaintext, **binding)

    def do_decrypt(self, at: Step) -> Any:
        ciphertext, binding = at.data("ciphertext"), self.binding(at)
        if self.loop is None:
            return self.on_store("decrypt", at.key_id, ciphertext, **binding)
        return self.call(self.key(at).decrypt, ciphertext, **binding)

    def do_decrypt_text(self, at: Step) -> Any:
        return self.call(self.key(at).decrypt_text, at.text("ciphertext"), **self.binding(at))

    def do_reencrypt(self, at: Step) -> Any:
        return self.call(self.key(at).reencrypt, at.data("ciphertext"), **self.binding(at))

    def do_needs_reencrypt(self, at: Step) -> Any:
        return self.call(self.key(at).needs_reencrypt, at.data("ciphertext"))

    def do_inspect(self, at: Step) -> Any:
        return self.on_store("inspect", at.data("ciphertext"))

    def do_from_text(self, at: Step) -> Any:
        return self.call(keyfold.from_text, at.text("text"))

    def do_search_ciphertexts(self, at: Step) -> Any:
        return self.call(self.key(at).search_ciphertexts, at.data("plaintext"), **self.binding(at))

    def many(self, at: Step) -> Any:
        each = {"aads": at.values("aads")} if "aads" in at else {}
        on_error = {"on_error": at["on_error"]} if "on_error" in at else {}
        made = self.call(getattr(self.key(at), at["op"]), at.values("values"), **each, **on_error)
        return [self.refused(item) if isinstance(item, keyfold.KeyfoldError) else item for item in made]

    do_encrypt_many = do_decrypt_many = many

    # Codes and indexes.

    def do_mac(self, at: Step) -> Any:
        return self.call(self.key(at).mac, at.data("data"), raw=at.get("raw") or False)

    def do_verify_mac(self, at: Step) -> None:
        self.call(self.key(at).verify_mac, at.data("data"), at.data("mac"), raw=at.get("raw") or False)

    def with_value(self, at: Step) -> Any:
        return self.call(getattr(self.key(at), at["op"]), at.data("value"), at.text("field"), **at.options)

    do_blind_index = do_blind_indexes = with_value

    def do_blind_index_many(self, at: Step) -> Any:
        return self.call(self.key(at).blind_index_many, at.values("values"), at.text("field"), **at.options)

    def do_blind_index_compound(self, at: Step) -> Any:
        return self.call(self.key(at).blind_index_compound, at.pairs("fields"), **at.options)

    def do_index_report(self, at: Step) -> None:
        self.call(keyfold.index_report, at.values("values"), **at.options)

    # Streams and files.

    def stream(self, at: Step, source: bytes) -> bytes:
        written = io.BytesIO()
        functions, key = (keyfold.aio, [self.key(at)]) if self.loop else (self.key(at), [])
        function = getattr(functions, at["op"])
        self.call(function, *key, io.BytesIO(source), written, **self.binding(at))
        return written.getvalue()

    def do_encrypt_stream(self, at: Step) -> bytes:
        return self.stream(at, at.data("plaintext"))

    def do_decrypt_stream(self, at: Step) -> bytes:
        return self.stream(at, at.data("ciphertext"))

    def with_file(self, at: Step) -> None:
        functions, key = (keyfold.aio, [self.key(at)]) if self.loop else (self.key(at), [])
        function = getattr(functions, at["op"])
        self.call(function, *key, at.path("source"), at.path("target"), **at.options)

    do_encrypt_file = do_decrypt_file = with_file


async def waited(result: Any) -> Any:
    return await result


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; each case works on a copy."""
    path = tmp_path_factory.mktemp("sample") / "S"
    with keyfold.open(path, MASTER_KEY, create=True) as store:
        store.create_keys(["pii", "other"])
    return path


@pytest.mark.filterwarnings("ignore::keyfold.KeyfoldWarning")
@pytest.mark.parametrize("later", [False, True], ids=["sync", "aio"])
@pytest.mark.parametrize("case", OURS, ids=[case["name"] for case in OURS])
def test_edge_input(case: dict[str, Any], later: bool, sample: Path, tmp_path: Path) -> None:
    shutil.copy(sample, tmp_path / "S")
    driver = Python(tmp_path, later)
    problem = driver.run(case)
    driver.finish()
    assert problem is None, problem


def test_all_cases_are_run_but_those_that_are_excused() -> None:
    excused = [case for case in CASES if "python" in case.get("not_in", {})]
    assert len(OURS) + len(excused) == len(CASES)
    assert len(OURS) > 700
