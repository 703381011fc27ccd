"""The first steps with keyfold: a key, a sealed text column, a rotation, and a search.

Run it from anywhere: it works in a temporary folder, with a master key of its own.
"""

import os
import tempfile

import keyfold


class Users:
    """Stands for a table of users with an encrypted email and its blind index."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def add(self, email: str, email_index: bytes) -> None:
        self.rows.append({"email": email, "email_index": email_index})

    def find(self, email_index: bytes) -> list[dict[str, object]]:
        return [row for row in self.rows if row["email_index"] == email_index]


def main() -> None:
    users = Users()

    where = {"table": "users", "column": "email", "id": 42}
    with keyfold.open("app.keyfold") as store:                  # KEYFOLD_MASTER_KEY
        store.create_key("pii", exist_ok=True)
        pii = store.key("pii")
        sealed = pii.encrypt_text("ada@example.org", context=where)      # "kf1.…"
        store.rotate_key("pii")
        assert pii.decrypt_text(sealed, context=where) == "ada@example.org"
        if pii.needs_reencrypt(sealed):
            sealed = pii.reencrypt(sealed, context=where)
        users.add(sealed, pii.blind_index("ada@example.org", "users.email"))
        found = users.find(email_index=pii.blind_index("ada@example.org", "users.email"))

    print(f"stored: {sealed}")
    print(f"found by its blind index: {len(found)} row")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # What `keyfold master-key generate` and `keyfold init` do on the command line.
        os.environ["KEYFOLD_MASTER_KEY"] = keyfold.generate_master_key()
        keyfold.open("app.keyfold", create=True).close()
        main()
        os.chdir("/")
