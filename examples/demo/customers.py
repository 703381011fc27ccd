"""An application's database of customers, with e-mail, phone and note encrypted.

customers.py fill DATABASE COUNT     makes realistic customers
customers.py show DATABASE           one row as stored and as read
customers.py verify DATABASE         reads every field of every row
customers.py swap DATABASE           exchanges two rows' e-mails, as an intruder would, and reads them
"""

import sqlite3
import sys
import time
from contextlib import closing

import keyfold

COLUMNS = ("email", "phone", "note")


def place(column: str, row: int) -> dict[str, str | int]:
    """Where a value belongs; it opens nowhere else."""
    return {"table": "customers", "column": column, "id": row}


def fill(database: str, count: int) -> None:
    from faker import Faker

    fake = Faker()
    Faker.seed(7)
    people = [
        (n, fake.name(), fake.city(), f"{fake.user_name()}{n}@example.org", fake.phone_number(), fake.sentence(12))
        for n in range(1, count + 1)
    ]
    with keyfold.open("app.keyfold") as store, closing(sqlite3.connect(database)) as table:
        store.create_key("customers", description="customers' personal data", exist_ok=True)
        key = store.key("customers")
        started = time.perf_counter()
        rows = [
            (
                n,
                name,
                city,
                key.encrypt_text(email, context=place("email", n)),
                key.blind_index(email, "customers.email"),
                key.encrypt_text(phone, context=place("phone", n)),
                key.encrypt_text(note, context=place("note", n)),
            )
            for n, name, city, email, phone, note in people
        ]
        spent = time.perf_counter() - started
        table.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT, email TEXT,"
            " email_index BLOB, phone TEXT, note TEXT)"
        )
        table.execute("CREATE INDEX customers_email ON customers (email_index)")
        table.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        table.commit()
    print(f"   {count:,} customers, {count * len(COLUMNS):,} fields encrypted and {count:,} indexed in {spent:.2f} s")


def show(database: str) -> None:
    with keyfold.open("app.keyfold") as store, closing(sqlite3.connect(database)) as table:
        key = store.key("customers")
        n, name, email = table.execute("SELECT id, name, email FROM customers WHERE id = 4711").fetchone()
        print(f"   stored: {n} | {name} | {email}")
        print(f"   read:   {n} | {name} | {key.decrypt_text(email, context=place('email', n))}")


def find(database: str) -> None:
    """The e-mail of one customer, for another program to look for."""
    with keyfold.open("app.keyfold") as store, closing(sqlite3.connect(database)) as table:
        (email,) = table.execute("SELECT email FROM customers WHERE id = 4711").fetchone()
        print(store.key("customers").decrypt_text(email, context=place("email", 4711)))


def verify(database: str) -> None:
    with keyfold.open("app.keyfold") as store, closing(sqlite3.connect(database)) as table:
        key = store.key("customers")
        read = stale = 0
        for n, *values in table.execute("SELECT id, email, phone, note FROM customers"):
            for column, value in zip(COLUMNS, values, strict=True):
                key.decrypt_text(value, context=place(column, n))
                stale += key.needs_reencrypt(value)
                read += 1
        print(f"   {read:,} fields read, {stale:,} of them under an older version")


def swap(database: str) -> None:
    with keyfold.open("app.keyfold") as store, closing(sqlite3.connect(database)) as table:
        key = store.key("customers")
        table.execute("UPDATE customers SET email = (SELECT email FROM customers WHERE id = 2) WHERE id = 1")
        (email,) = table.execute("SELECT email FROM customers WHERE id = 1").fetchone()
        table.rollback()
        try:
            key.decrypt_text(email, context=place("email", 1))
        except keyfold.DecryptionFailed as refused:
            print(f"   refused: {refused}")
        else:
            sys.exit("a value was read in another row's place")


if __name__ == "__main__":
    command, database, *rest = sys.argv[1:]
    match command:
        case "fill":
            fill(database, int(rest[0]))
        case "show" | "find" | "verify" | "swap":
            globals()[command](database)
        case _:
            sys.exit(__doc__)
