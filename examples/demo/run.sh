#!/usr/bin/env bash
# The main job in every language on one key file. `make demo` builds everything and then runs this.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
demo=$root/examples/demo
python=$root/build/venv/bin/python
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
step() { printf '\n%s\n' "$1"; }
keyfold() { "$target/keyfold" "$@"; }

gcc -std=c99 -Wall -Wextra -Werror -I"$root/include" "$demo/open_one.c" -o open_one \
    -L"$target" -lkeyfold -Wl,-rpath,"$target"

step "The command line makes a master key and a store."
keyfold master-key generate --out master.key
export KEYFOLD_STORE=app.keyfold KEYFOLD_MASTER_KEY=file:master.key
keyfold init
ls -l app.keyfold master.key | awk '{print "   " $1 "  " $NF}'

step "Python fills an application's database; e-mail, phone and note are bound to table, column and row."
"$python" "$demo/customers.py" fill customers.db 10000
"$python" "$demo/customers.py" show customers.db
if grep -q 'example.org' customers.db; then echo "an e-mail address lies in clear in customers.db" >&2; exit 1; fi
echo "   no e-mail address lies in clear in customers.db"

step "The command line rotates the key."
keyfold key rotate customers
keyfold key show customers

step "Node reads them all, finds one by e-mail, and adds a hundred."
node "$demo/service.mjs" customers.db "$("$python" "$demo/customers.py" find customers.db)"

step "C opens one."
./open_one 4711 "$("$python" -c 'import sqlite3; print(sqlite3.connect("customers.db").execute("SELECT email FROM customers WHERE id = 4711").fetchone()[0])')"

step "Rust re-encrypts what is stale."
"$target/examples/reencrypt" customers.db
"$python" "$demo/customers.py" verify customers.db

step "A large file goes through encrypt and decrypt."
large=$(gcc -print-prog-name=cc1)
keyfold encrypt customers "$large" --out large.sealed
keyfold decrypt customers large.sealed --out large
cmp "$large" large
echo "   $(stat -c %s large) bytes came back as they were; sealed they are $(stat -c %s large.sealed)"

step "An intruder exchanges two rows' e-mails."
"$python" "$demo/customers.py" swap customers.db

step "An intruder makes the old version of the key current again, in the store's own tables."
cp app.keyfold tampered.keyfold
"$python" - <<'PYTHON'
import sqlite3
with sqlite3.connect("tampered.keyfold") as store:
    store.execute("UPDATE key_version SET is_current = 0")
    store.execute("UPDATE key_version SET is_current = 1 WHERE version = 1")
PYTHON
if keyfold --store tampered.keyfold encrypt customers "$demo/run.sh" --text >out 2>&1; then
    echo "a tampered store was used" >&2; exit 1
fi
grep -q KEYFOLD_INTEGRITY_ERROR out || { cat out >&2; exit 1; }
sed 's/^/   refused: /' out

step "The store itself is in order."
keyfold check
