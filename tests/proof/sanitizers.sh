#!/bin/sh
# The C tests under AddressSanitizer with LeakSanitizer and UndefinedBehaviorSanitizer, and under ThreadSanitizer.
#
#   sanitizers.sh                   both; says so where the toolchain has not what threads want, and does the other
#   sanitizers.sh address|thread    one, which fails there
#
# Instrumented are the tests, the C interface, the core and its crates, SQLite, aws-lc but for its assembly, and for
# threads Rust's standard library: TSan would not see the locks that std takes, and report what is in order. So it wants
# gcc or clang, rustup, and the nightly toolchain with its source: `rustup toolchain install nightly --component rust-src`.
# Linux alone. First each fault of tests/c/faulty.c must be found: what sees nothing there shows nothing elsewhere.
set -u
cd "$(dirname "$0")/../.." || exit 2
root=$PWD
cc=${CC:-cc}
cargo=${CARGO:-cargo}
kept=$root/build/sanitizers
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
# The checkout may lie in a folder with a space in its name.
ln -s "$root/include" "$work/include"
ln -s "$root/tests/c" "$work/c"
unset KEYFOLD_MASTER_KEY
passed=0
failed=0

lacks() { echo "sanitizers.sh wants $1" >&2; exit 2; }
good() { passed=$((passed + 1)); }
bad() { # what, log
    failed=$((failed + 1))
    echo "failed: $1"
    [ ! -s "${2:-}" ] || head -n 120 "$2"
}

[ "$(uname -s)" = Linux ] || lacks Linux
rustc=$(rustup which rustc --toolchain nightly 2>/dev/null) || lacks "rustup and its nightly toolchain"
sysroot=$("$rustc" --print sysroot)
triple=$("$rustc" -vV | sed -n 's/^host: //p')
runtimes=$sysroot/lib/rustlib/$triple/lib
python3 tests/c/nulls.py include/keyfold.h >"$work/nulls.c" || lacks "python3, which writes nulls.c"

# Everything in the library instrumented; debug assertions and overflow checks stay on.
library() { # sanitizer, flags of C, flags of cargo, how the names begin that instrumented code calls
    variable=CFLAGS_$(printf %s "$triple" | tr - _)
    # shellcheck disable=SC2086
    env "$variable=$2 -O1 -g1 -fno-omit-frame-pointer" RUSTFLAGS="-Zsanitizer=$1 -Cforce-frame-pointers=yes" \
        CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_TARGET_DIR="$kept/$1" \
        "$cargo" +nightly build --locked $3 --target "$triple" -p keyfold-ffi >"$work/log" 2>&1 ||
        { bad "$1: the library does not build" "$work/log"; return 1; }
    cp "$kept/$1/$triple/debug/libkeyfold.a" "$work/libkeyfold.a"
    # Flags that did not get as far as SQLite or aws-lc would go unnoticed.
    nm "$work/libkeyfold.a" 2>/dev/null | awk -v calls="$4" '
        /:$/ { object = $0 }
        / T sqlite3_open_v2$/ || / T aws_lc.*_BN_add$/ { wanted[object] = 1; n++ }
        index($0, " U " calls) { instrumented[object] = 1 }
        END { for (object in wanted) if (!(object in instrumented)) exit 1; exit n != 2 }
    ' && good || bad "$1: SQLite or aws-lc is not instrumented"
}

# Linked with the sanitizer of the Rust toolchain, which knows what gcc's and clang's code asks of it.
programs() { # sanitizer's short name, flags of C, names
    for name in $3; do
        program=$work/c/$name.c
        [ "$name" = nulls ] && program=$work/nulls.c
        # shellcheck disable=SC2086
        $cc -std=c11 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer $2 "-I$work/include" "-I$work/c" -c "$program" \
            -o "$work/$name.o" >"$work/log" 2>&1 &&
            $cc "$work/$name.o" "$work/libkeyfold.a" -Wl,--whole-archive "$runtimes/librustc-nightly_rt.$1.a" \
                -Wl,--no-whole-archive -Wl,--export-dynamic -lm -lpthread -ldl -lrt -o "$work/$name" >>"$work/log" 2>&1 &&
            good || bad "$name.c does not build" "$work/log"
    done
}

# A fault that must be found, in the code named.
sees() { # what, words of the report, words of a frame
    (cd "$(mktemp -d "$work/run.XXXXXX")" && exec "$work/faulty" "$1") >"$work/log" 2>&1
    grep -q "$2" "$work/log" && grep -q "$3" "$work/log" && good || bad "not found: the fault \"$1\" of faulty.c" "$work/log"
}

# A test: none of its checks fails, and nothing is reported.
runs() { # sanitizer, name
    (cd "$(mktemp -d "$work/run.XXXXXX")" && exec "$work/$2") >"$work/log" 2>&1
    status=$?
    reports=$(grep -cE '(ERROR|WARNING): [A-Za-z]+Sanitizer|: runtime error: ' "$work/log")
    summary=$(sed -n 's/^[a-z_]*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/log" | tail -n 1)
    checks=${summary% *}
    if [ -n "$summary" ] && [ "${summary#* }" -eq 0 ] && [ "$status" -eq 0 ] && [ "$reports" -eq 0 ]; then
        passed=$((passed + checks))
        echo "proof: $1: $2: $checks checks, nothing reported"
    else
        bad "$1: $2 ended with status $status, $reports reports" "$work/log"
    fi
}

address() {
    flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    library address "$flags" "" __asan_report || return
    programs asan "$flags" "faulty api depth misuse nulls fork fork_objects threads"
    # Lengths that no memory has are refused by us, not by the allocator.
    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1
    export UBSAN_OPTIONS=print_stacktrace=1
    sees memory heap-buffer-overflow 'in keyfold_key_encrypt_into'
    sees leak LeakSanitizer 'in keyfold_key_encrypt'
    sees undefined 'signed integer overflow' 'faulty.c'
    for name in api depth misuse nulls fork fork_objects threads; do
        runs address "$name"
    done
}

source="rust-src: rustup component add rust-src --toolchain nightly"
has_source() { [ -d "$sysroot/lib/rustlib/src/rust/library" ]; }

thread() {
    has_source || lacks "$source"
    library thread -fsanitize=thread -Zbuild-std __tsan_ || return
    programs tsan -fsanitize=thread "faulty api depth fork fork_objects threads"
    export TSAN_OPTIONS="die_after_fork=0 second_deadlock_stack=1"
    sees threads 'data race' 'keyfold_stream_encryptor_update'
    for name in api depth threads fork fork_objects; do
        CHILDREN=16 ROUNDS=500 runs thread "$name"
    done
}

case ${1:-all} in
all)
    address
    if has_source; then thread; else echo "proof: NOT RUN: ThreadSanitizer, which wants $source"; fi
    ;;
address | thread) "$1" ;;
*) lacks "address, thread, or nothing" ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
