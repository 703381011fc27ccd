#!/bin/sh
# Builds and runs the tests of the C interface against target/release; the last line says how many passed.
#
#   cargo build --release -p keyfold-ffi && tests/c/run.sh
#
# CC, CXX and CARGO_TARGET_DIR are respected. VALGRIND=0 leaves valgrind out.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/release
case $target in /*) ;; *) target=$PWD/$target ;; esac
cc=${CC:-cc}
cxx=${CXX:-c++}
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"
unset KEYFOLD_MASTER_KEY
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "failed: $1"; }
check() { # what, command...
    what=$1
    shift
    if "$@" >"$work/log" 2>&1; then good; else bad "$what"; cat "$work/log"; fi
}
# Runs a program in a folder of its own and adds up what it says it passed and failed.
program() { # name, command...
    name=$1
    shift
    folder=$(mktemp -d "$work/run.XXXXXX")
    (cd "$folder" && "$@") >"$work/log" 2>&1
    status=$?
    summary=$(sed -n 's/^[a-z_]*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/log" | tail -n 1)
    if [ -n "$summary" ]; then
        passed=$((passed + ${summary% *}))
        failed=$((failed + ${summary#* }))
    fi
    if [ -z "$summary" ] || { [ "$status" -ne 0 ] && [ "${summary#* }" -eq 0 ]; }; then
        bad "$name ended with status $status"
    fi
    [ "$status" -eq 0 ] || cat "$work/log"
    echo "$name: ${summary:-nothing said}"
}

for library in libkeyfold.so libkeyfold.a; do
    [ -f "$target/$library" ] || { echo "no $target/$library: cargo build --release -p keyfold-ffi"; exit 2; }
done
# As it would be installed.
mkdir "$work/lib" "$work/static"
cp "$target/libkeyfold.so" "$work/lib/libkeyfold.so.0"
ln -s libkeyfold.so.0 "$work/lib/libkeyfold.so"
cp "$target/libkeyfold.a" "$work/static/"
# The checkout may lie in a folder with a space in its name.
ln -s "$root/include" "$work/include"
include="-I$work/include"
shared="-L$work/lib -lkeyfold -Wl,-rpath,$work/lib -lpthread"
static="$work/static/libkeyfold.a -lm -lpthread -ldl"

# The shared library shows our names and no other, has its name and stays loaded.
nm -D --defined-only "$target/libkeyfold.so" | sed 's/.* //' | sort >"$work/exported"
check "a name that is not ours is exported" sh -c "! grep -v '^keyfold_' '$work/exported'"
sed -n 's/^[a-z].*[ *]\(keyfold_[a-z_0-9]*\)(.*/\1/p' "$root/include/keyfold.h" | sort -u >"$work/declared"
check "what is exported is what is declared" diff "$work/exported" "$work/declared"
if command -v readelf >/dev/null; then
    readelf -d "$target/libkeyfold.so" >"$work/dynamic"
    check "soname" grep -q 'soname: \[libkeyfold.so.0\]' "$work/dynamic"
    check "nodelete" grep -q NODELETE "$work/dynamic"
fi

# The header alone.
for standard in c99 c11 c17; do
    check "header as $standard" $cc -std=$standard $warnings $include -fsyntax-only "$here/include_only.c"
done
for standard in c++11 c++17 c++20; do
    check "header as $standard" $cxx -std=$standard $warnings $include -fsyntax-only -x c++ "$here/include_only.c"
done
check "include_only builds as C++" $cxx -std=c++17 $warnings $include -x c++ "$here/include_only.c" -x none $shared -o "$work/include_only"
(cd "$work" && KEYFOLD_MASTER_KEY=x check "include_only runs" ./include_only)

for name in api depth misuse fork fork_objects threads wipe overhead; do
    # The tests themselves want POSIX names.
    check "$name.c builds" $cc -std=c11 -D_GNU_SOURCE -O1 -g $warnings $include "$here/$name.c" $shared -o "$work/$name"
done
# No function goes untested.
for function in $(cat "$work/declared"); do
    grep -q "$function\b" "$here/api.c" "$here/depth.c" "$here/check.h" && good || bad "$function is in no test"
done
nulls=
if command -v python3 >/dev/null; then
    check "nulls.py" sh -c "python3 '$here/nulls.py' '$root/include/keyfold.h' >'$work/nulls.c'"
    check "nulls.c builds" $cc -std=c11 -D_GNU_SOURCE -O1 -g $warnings $include "-I$here" "$work/nulls.c" $shared -o "$work/nulls"
    nulls=nulls
else
    echo "skipped: python3 is missing: NULL was not handed to every function"
fi
for name in api depth misuse $nulls fork fork_objects threads wipe; do
    program "$name" "$work/$name"
done
for name in api depth wipe; do
    check "$name.c builds with the static library" $cc -std=c11 -D_GNU_SOURCE $warnings $include "$here/$name.c" $static -o "$work/$name.static"
    program "$name, static" "$work/$name.static"
done

# The examples, as the docs show them.
for name in demo first_screen stream; do
    check "$name.c builds" $cc -std=c99 $warnings $include "$root/examples/c/$name.c" $shared -o "$work/$name"
done
(
    cd "$work" || exit 1
    ./demo demo.keyfold >demo.out && grep -q '^ada@example.org$' demo.out && grep -q '^stale: yes$' demo.out &&
        [ "$(grep -c '^kf1\.' demo.out)" = 2 ] || { cat demo.out; exit 1; }
    # A second run finds its key there, under another master key.
    ./demo demo.keyfold 2>demo.err && exit 1
    grep -q KEYFOLD_WRONG_MASTER_KEY demo.err
) && good || bad "demo"
(
    cd "$work" || exit 1
    printf 'a long report' | ./stream stream.keyfold >stream.out 2>stream.err || { cat stream.err; exit 1; }
    grep -q '^0: kf1\.' stream.err && grep -q '^1: $' stream.err && [ "$(wc -c <stream.out)" -gt 13 ]
) && good || bad "stream"
check "demo.cpp builds" $cxx -std=c++17 $warnings $include "$root/examples/cpp/demo.cpp" $shared -o "$work/demo.cpp.bin"
(
    cd "$work" || exit 1
    ./demo.cpp.bin cpp.keyfold >cpp.out && grep -q '^3 rows, the second null$' cpp.out && grep -q '^a long report$' cpp.out
) && good || bad "demo.cpp"
cat >"$work/make.c" <<'END'
#include "check.h"
int main(void) { keyfold_store_free(test_store("app.keyfold")); return failed; }
END
(
    cd "$work" || exit 1
    $cc -D_GNU_SOURCE $include "-I$here" make.c $shared -o make && ./make || exit 1
    key=oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ=
    [ -z "$(KEYFOLD_MASTER_KEY=$key ./first_screen 2>&1)" ] || exit 1
    ./first_screen 2>&1 | grep -q KEYFOLD_MASTER_KEY
) && good || bad "first_screen"

# pkg-config.
if command -v pkg-config >/dev/null; then
    mkdir "$work/pkgconfig"
    sed -e 's|@prefix@|/usr/local|' -e 's|@libdir@|${prefix}/lib|' -e 's|@includedir@|${prefix}/include|' \
        -e 's|@version@|0.1.0|' "$root/ffi-c/keyfold.pc.in" >"$work/pkgconfig/keyfold.pc"
    check "pkg-config" env PKG_CONFIG_PATH="$work/pkgconfig" pkg-config --validate keyfold
    check "pkg-config --static" sh -c "PKG_CONFIG_PATH='$work/pkgconfig' pkg-config --static --libs keyfold | grep -q -- '-lkeyfold.*-lm'"
else
    echo "skipped: pkg-config is missing: keyfold.pc.in was not tested"
fi

if [ "${VALGRIND:-1}" = 0 ]; then
    echo "valgrind was left out"
elif command -v valgrind >/dev/null; then
    for name in api depth misuse $nulls fork fork_objects threads; do
        # A child has none of its parent's other threads, so what those held is lost in it, and no leak of ours.
        leaks=full
        case $name in fork*) leaks=no ;; esac
        CHILDREN=4 ROUNDS=100 program "$name, valgrind" valgrind -q --fair-sched=try --error-exitcode=9 --leak-check=$leaks \
            --errors-for-leak-kinds=definite,indirect,possible "$work/$name"
    done
else
    echo "skipped: valgrind is missing: leaks and bad accesses were not looked for"
fi

if command -v python3 >/dev/null; then
    program "edge_inputs" env KEYFOLD_LIBRARY="$work/lib/libkeyfold.so" python3 "$here/edge_inputs.py"
else
    echo "skipped: python3 is missing: the edge inputs were not tested"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
