#!/usr/bin/env bats
# A changed byte or a cut, by where it is: what each command says of it. The program itself, over a sample of what
# tests/mutation/test_mutation.c does with every byte.
load helpers

# BYTES of the archive by what they belong to: KIND FROM LENGTH, a line each.
regions() { # FILE
    local size
    size=$(stat -c %s "$1")
    echo "header 0 4096"
    "$E2E/surgeon" records "$1" | awk '
        BEGIN { split("data entries table manifest root end", kind, " ") }
        { print $2 == 4 && !first++ ? "first-manifest" : kind[$2], $1, $3 }'
    echo "copy $((size - 4128)) 4096"
    echo "tail $((size - 32)) 32"
}

# Exit statuses of: verify, verify -, list, list -, info, restore, restore -. 0: not read by that command.
expected() { # KIND
    case $1 in
    header) echo 5 5 3 5 3 3 5 ;;
    first-manifest | data) echo 5 5 0 5 0 5 5 ;;
    entries | table) echo 5 5 5 5 0 5 5 ;;
    manifest | root | end | cut) echo 5 5 5 5 5 5 5 ;;
    copy | tail) echo 5 5 3 3 3 3 3 ;;
    esac
}

restored() { # STATUS
    case $1 in
    3) same_trees "$T/src" "$T/out" && rm -r "$T/out" ;;
    *) absent "$T/out" && [ -z "$(find "$T" -maxdepth 1 -name '.pmm-seal*')" ] ;;
    esac
}

# Every command over the archive $T/bad.
all_commands() { # STATUS x 7
    expect "$1" verify "$T/bad" || return 1
    expect_sh "$2" 'cat "$T/bad" | verify -' || return 1
    expect "$3" list "$T/bad" || return 1
    expect_sh "$4" 'cat "$T/bad" | list -' || return 1
    expect "$5" info "$T/bad" || return 1
    expect "$6" restore "$T/bad" "$T/out" || return 1
    restored "$6" || return 1
    expect_sh "$7" 'cat "$T/bad" | restore - "$T/out"' || return 1
    restored "$7"
}

# Each way of reading in turn, for the plain run: N says which.
some_commands() { # N STATUS x 7
    local n=$1
    shift
    case $((n % 2)) in
    0)
        expect "$1" verify "$T/bad" || return 1
        expect_sh "$7" 'cat "$T/bad" | restore - "$T/out"' || return 1
        restored "$7"
        ;;
    1)
        expect_sh "$2" 'cat "$T/bad" | verify -' || return 1
        expect "$3" list "$T/bad" || return 1
        expect "$6" restore "$T/bad" "$T/out" || return 1
        restored "$6"
        ;;
    esac
}

prepare() {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    SIZE=$(stat -c %s "$T/a.pmmseal")
}

flip_and_try() { # KIND OFFSET BIT COMMANDS
    cp "$T/a.pmmseal" "$T/bad"
    "$E2E/surgeon" flip "$T/bad" "$2" "$3"
    # shellcheck disable=SC2046
    $4 $(expected "$1") || fail "$1: byte $2, bit $3"
}

@test "a changed byte in each part of an archive: a command exits as that part demands" {
    prepare
    n=0
    while read -r kind from length; do
        flip_and_try "$kind" $((from + length / 2)) $((n % 8)) "some_commands $n"
        n=$((n + 1))
    done < <(regions "$T/a.pmmseal")
    [ "$n" = 10 ] # the parts of an archive of one chunk
}

# bats test_tags=full
@test "many changed bytes in each part: every command exits as that part demands" {
    prepare
    n=0
    while read -r kind from length; do
        for i in 0 1 2 3 4 5; do
            flip_and_try "$kind" $((from + i * (length - 1) / 5)) $(((n + i) % 8)) all_commands
            n=$((n + 1))
        done
    done < <(regions "$T/a.pmmseal")
    [ "$n" = 60 ]
}

# bats test_tags=full
@test "an archive cut at forty lengths: every command exits 5, nothing is left" {
    prepare
    for i in $(seq 0 39); do
        head -c $((i * SIZE / 40)) "$T/a.pmmseal" >"$T/bad"
        # shellcheck disable=SC2046
        all_commands $(expected cut) || fail "cut at $((i * SIZE / 40)) of $SIZE"
    done
}
