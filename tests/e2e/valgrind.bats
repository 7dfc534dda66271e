# No read of what was never written, none beside a block, no block lost: the ways through the program that matter most,
# under valgrind's memcheck. Of whole libraries, too, which the sanitizers do not see into.
# bats file_tags=full
load helpers

# As expect, with the program under valgrind, and what it forks. What is still reachable at the end is no leak: the
# guardian ends as it is.
checked() { # N COMMAND ARGUMENTS (of helpers: backup, verify ...)
    local want=$1 real=$PMM_SEAL kinds=definite,indirect,possible
    shift
    command -v valgrind >/dev/null || skip "needs valgrind"
    case $(ldd "$real") in *asan* | *tsan*) skip "valgrind does not go with sanitizers" ;; esac
    printf '#!/bin/sh\nexec valgrind -q --leak-check=full %s \\\n%s "$@"\n' \
        "--show-leak-kinds=$kinds --errors-for-leak-kinds=$kinds --num-callers=30 --error-exitcode=99 --log-file=$T/valgrind.%p" "$real" >"$T/checked"
    chmod 755 "$T/checked"
    rm -f "$T"/valgrind.*
    local PMM_SEAL=$T/checked
    expect "$want" "$@" || { cat "$T"/valgrind.*; return 1; }
    present "$T"/valgrind.*
    # It complains in lines that begin with ==; those with -- are about system calls that it does not know (openat2).
    ! grep -h '^==' "$T"/valgrind.* || return 1
}

world() { # DIR: small, and of every kind
    small_tree "$1"
    random_file "$1/random" 3000000
    truncate -s 10M "$1/hole"
    echo data >>"$1/hole"
    mkfifo "$1/fifo"
    setfattr -n user.note -v 'some text' "$1/hello" 2>/dev/null || true
    setfacl -m u:1234:r "$1/hello" 2>/dev/null || true
}

# Where the program is not under valgrind, so that it is quick.
archive() {
    world "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
}

@test "memcheck: backup to a file, to a pipe, and nightly into a directory" {
    world "$T/src"
    checked 0 backup -o "$T/a.pmmseal" "$T/src"
    checked 0 backup --threads 4 -o - "$T/src"
    mkdir "$T/dir"
    backup -q -o "$T/dir/" "$T/src"
    sleep 1.1
    checked 0 backup --keep-last 1 -o "$T/dir/" "$T/src"
    checked 0 list "$T/dir/"
}

@test "memcheck: verify and info" {
    archive
    checked 0 verify "$T/a.pmmseal"
    checked 0 verify - <"$T/a.pmmseal"
    checked 0 info "$T/a.pmmseal"
    checked 0 seal info "$T/a.pmmseal"
}

@test "memcheck: restore of everything, of a pipe, of one path, over what is there" {
    archive
    checked 0 restore "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    checked 0 restore - "$T/piped" <"$T/a.pmmseal"
    checked 0 restore "$T/a.pmmseal" "$T/part" nginx
    checked 0 restore --replace "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
}

@test "memcheck: list, list as JSON, diff with and without a difference" {
    archive
    checked 0 list "$T/a.pmmseal"
    checked 0 list --json "$T/a.pmmseal"
    checked 0 diff_ "$T/a.pmmseal" "$T/src"
    echo more >>"$T/src/hello"
    checked 8 diff_ "$T/a.pmmseal" "$T/src"
}

@test "memcheck: rekey" {
    archive
    checked 0 rekey --new-passphrase-file "$T/other" "$T/a.pmmseal"
    expect 4 verify "$T/a.pmmseal"
}

@test "memcheck: a wrong passphrase, none, and a passphrase from a command" {
    archive
    checked 4 seal verify --passphrase-file "$T/other" "$T/a.pmmseal"
    checked 4 seal restore --passphrase-file "$T/other" "$T/a.pmmseal" "$T/out"
    absent "$T/out"
    checked 4 seal verify "$T/a.pmmseal" </dev/null
    checked 0 seal verify --passphrase-command "cat $T/pass" "$T/a.pmmseal"
}

@test "memcheck: damage in the middle, at the end, in the header; a cut; no archive" {
    local size
    archive
    size=$(stat -c %s "$T/a.pmmseal")
    cp "$T/a.pmmseal" "$T/good"
    printf x | dd of="$T/a.pmmseal" bs=1 seek=$((size / 2)) conv=notrunc status=none
    checked 5 verify "$T/a.pmmseal"
    checked 5 restore "$T/a.pmmseal" "$T/out"
    absent "$T/out"
    head -c $((size / 2)) "$T/good" >"$T/cut"
    checked 5 verify "$T/cut"
    checked 5 restore - "$T/out" <"$T/cut"
    cp "$T/good" "$T/header"
    printf x | dd of="$T/header" bs=1 seek=200 conv=notrunc status=none
    checked 5 verify "$T/header" # of a file the copy opens, and the rest is whole: it says so
    says "the data is whole"
    checked 5 verify - <"$T/header"
    checked 5 list "$T/src/random"
    absent "$T/out"
}

@test "memcheck: usage, help, and options that contradict each other" {
    checked 2 seal backup
    checked 2 seal nonsense
    checked 0 seal --help
    checked 0 seal --version
}

@test "memcheck: a full disk" {
    world "$T/src"
    checked 1 run_text 'backup -o - "$1" >/dev/full' "$T/src"
}
