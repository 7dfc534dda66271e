# Other kinds of machine: 32 bits (i386), and the high byte first (s390x). Built by scripts/cross, run by an emulator.
# What an archive is, does not depend on the machine that made it or reads it.
# bats file_tags=full
load helpers

CROSS=${PMM_SEAL_CROSS:-$E2E/../../build-cross} # PMM_SEAL_CROSS: where scripts/cross has built both already

setup_file() {
    [ -z "${PMM_SEAL_CROSS:-}" ] || return 0
    local arch
    for arch in i386 s390x; do
        "$E2E/../../scripts/cross" $arch >"$BATS_FILE_TMPDIR/$arch" 2>&1 || {
            cat "$BATS_FILE_TMPDIR/$arch"
            return 1
        }
    done
}

# As seal, backup ... of helpers, on that machine.
on() { # ARCH COMMAND ARGUMENTS
    local PMM_SEAL=$T/$1
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$CROSS/$1/run" "$CROSS/$1/build/pmm-seal" >"$PMM_SEAL"
    chmod 755 "$PMM_SEAL"
    shift
    "$@"
}

# What an emulator is not: vfork is fork to it, so the child cannot tell its parent by memory that exec failed;
# what /proc has of a process is the emulator's own; and it is slow.
emulated() { # TEST
    case $1 in
    test_a_missing_program_is_an_error_that_says_so | test_outside_a_pmm_container_it_is_refused | \
        test_a_stop_signal_ends_an_interruptible_wait_only) echo "vfork is fork" ;;
    test_a_variable_is_wiped_once_read) echo "/proc/self/exe is the emulator" ;;
    test_what_cannot_be_read_is_zeros_and_told) echo "/proc/self/mem has the emulator's addresses" ;;
    test_it_does_not_know_the_passphrase) echo "/proc/PID/environ is the emulator's" ;;
    test_one_on_its_way_up_is_waited_for) echo "counts on half a second being enough for a fork" ;;
    *) return 1 ;;
    esac
}

# One program of unit tests; its failures are forgiven only by name.
unit() { # ARCH PROGRAM
    local out=$T/unit.${2##*/} rc=0 failed f
    (cd "$CROSS/$1/build" && srcdir=$E2E/../.. PMM_SEAL=$PWD/pmm-seal timeout 600 ../run "$2") >"$out" 2>&1 || rc=$?
    [ $rc != 0 ] || return 0
    failed=$(sed -n 's/^\[  \(FAILED\|ERROR \)  \] \(test_[a-z0-9_]*\)$/\2/p' "$out" | sort -u)
    if grep -q 'test(s) run\.$' "$out" && [ "$(echo "$failed" | wc -w)" = $rc ]; then
        for f in $failed; do
            emulated "$f" >>"$T/why" || { echo "$2 on $1: $f"; cat "$out"; return 1; }
            echo "# $1, not judged: $f: $(emulated "$f")" >&3
        done
        return 0
    fi
    echo "$2 on $1: exit status $rc"
    cat "$out"
    return 1
}

units() { # ARCH
    local n=0 sources t bad=0
    # It starts itself anew for these, through /proc/self/exe.
    export PMM_SEAL_PASSPHRASE='correct horse' PMM_SEAL_NEW_PASSPHRASE_COMMAND='echo battery staple'
    for t in $(cd "$CROSS/$1/build" && find tests/unit -name 'test_*' -type f -perm -u+x | sort); do
        case $t in
        */test_guardian) unit "$1" "$t" || bad=1 ;;
        *) (unset PMM_SEAL_PASSPHRASE PMM_SEAL_NEW_PASSPHRASE_COMMAND && unit "$1" "$t") || bad=1 ;;
        esac
        n=$((n + 1))
    done
    sources=$(find "$E2E/../unit" -name 'test_*.c' | wc -l)
    [ $n = "$sources" ] || fail "$n programs of unit tests, $sources sources"
    [ $bad = 0 ]
}

@test "the unit tests pass on a machine of 32 bits" { units i386; }
@test "the unit tests pass where the high byte comes first" { units s390x; }

# Content and times as far as 32 bits reach; a file that is longer than they do.
world() { # DIR
    "$E2E/nasty-tree" "$1"
    rm "$1/times/far"
    small_tree "$1/small"
    random_file "$1/random" 5000000
    echo end >"$T/end"
    dd if="$T/end" of="$1/long" bs=1 seek=5G status=none
}

reads_ours() { # ARCH
    world "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 on "$1" verify "$T/a.pmmseal"
    expect 0 on "$1" list --json "$T/a.pmmseal"
    grep '^{"path"' "$T/said.out" >"$T/there"
    expect 0 list --json "$T/a.pmmseal"
    grep '^{"path"' "$T/said.out" | cmp - "$T/there"
    expect 0 on "$1" restore "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    expect 0 on "$1" restore "$T/a.pmmseal" "$T/part" small/nginx random
    cmp "$T/src/random" "$T/part/random"
    expect_sh 0 'on "$1" restore - "$T/piped" <"$T/a.pmmseal"' "$1"
    same_trees "$T/src" "$T/piped"
    expect 4 on "$1" seal verify --passphrase-file "$T/other" "$T/a.pmmseal"
    printf x | dd of="$T/a.pmmseal" bs=1 seek=100000 conv=notrunc status=none
    expect 5 on "$1" verify "$T/a.pmmseal"
}

@test "a machine of 32 bits reads what this one wrote, byte for byte" { reads_ours i386; }
@test "a machine with the high byte first reads what this one wrote, byte for byte" { reads_ours s390x; }

we_read() { # ARCH
    world "$T/src"
    expect 0 on "$1" backup -o "$T/a.pmmseal" "$T/src"
    expect 0 verify "$T/a.pmmseal"
    expect 0 diff_ "$T/a.pmmseal" "$T/src"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    expect 0 $PYTHON "$E2E/../reference/unseal.py" --passphrase-file "$T/pass" "$T/a.pmmseal"
    expect 0 on "$1" rekey --new-passphrase-file "$T/other" "$T/a.pmmseal"
    expect 4 verify "$T/a.pmmseal"
    expect 0 seal verify --passphrase-file "$T/other" "$T/a.pmmseal"
}

@test "this machine reads what one of 32 bits wrote and rekeyed" { we_read i386; }
@test "this machine reads what one with the high byte first wrote and rekeyed" { we_read s390x; }

@test "a time that 32 bits cannot hold is told by its name, and is no damage" {
    small_tree "$T/src"
    touch -d 2040-02-03 "$T/src/hello"
    backup -q -o "$T/a.pmmseal" "$T/src"
    local c
    for c in verify list; do
        expect 1 on i386 $c "$T/a.pmmseal"
        says 'hello'
        says '64 bits'
        silent_about damaged
    done
    expect 1 on i386 restore "$T/a.pmmseal" "$T/out"
    says '64 bits'
    absent "$T/out"
    expect 0 on s390x verify "$T/a.pmmseal"
    # It cannot even look at such a file, which it says: it does not write one with another time.
    expect 3 on i386 backup -o "$T/b.pmmseal" "$T/src"
    says 'hello: cannot be looked at'
    [ "$(list "$T/b.pmmseal" | grep -cx hello)" = 0 ]
}

judges_vectors() { # ARCH
    local try=$E2E/../vectors/try
    [ -x "$try" ] || skip "there are no vectors"
    on "$1" true
    TMPDIR=$T "$try" --directory "$T/$1" >"$T/tap" || fail "$(grep -A 3 '^not ok' "$T/tap" | head -n 60)"
    [ "$(grep -c '^ok' "$T/tap")" -ge 150 ]
}

@test "a machine of 32 bits judges the vectors as this one does" { judges_vectors i386; }
@test "a machine with the high byte first judges the vectors as this one does" { judges_vectors s390x; }
