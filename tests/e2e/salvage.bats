load helpers

# restore --salvage. What must come back of a ruined archive, tests/e2e/ruin works out by itself.

setup_file() {
    find_program
    export RUIN=$BATS_FILE_TMPDIR/ruin
    mkdir "$RUIN"
    write_secret "$RUIN/pass" "$PASSPHRASE"
    "$PYTHON" "$E2E/ruin" tree "$RUIN/src"
    "$PMM_SEAL" backup -q --kdf interactive --passphrase-file "$RUIN/pass" -o "$RUIN/a.pmmseal" "$RUIN/src"
    "$PYTHON" "$E2E/../reference/unseal.py" --passphrase-file "$RUIN/pass" "$RUIN/a.pmmseal" | zstd -dcq >"$RUIN/tar"
}

salvaged() { # CASE...
    mkdir "$T/work"
    "$PYTHON" "$E2E/ruin" try "$PMM_SEAL" "$T/pass" "$RUIN/a.pmmseal" "$RUIN/tar" "$RUIN/src" "$T/work" "$@"
}

# A small archive whose only chunk is whole and whose RECORD-th record is not.
small_ruin() { # RECORD
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    "$E2E/surgeon" flip "$T/a.pmmseal" $(($("$E2E/surgeon" records "$T/a.pmmseal" | sed -n "$1p" | cut -d' ' -f1) + 40))
}

@test "all that is whole comes back, nothing else does, what is lost is named" {
    salvaged bodies:6 inside:9
}

@test "a tar within a file is never taken for the archive's own" {
    salvaged records:1
}

# bats test_tags=full
@test "every record destroyed in turn: its head, one bit of its body" {
    salvaged heads bodies
}

# bats test_tags=full
@test "every record destroyed in turn, whole, and the index with it" {
    salvaged records index
}

# bats test_tags=full
@test "an archive cut off anywhere, before and within each record" {
    salvaged cuts inside
}

# bats test_tags=full
@test "either header destroyed, and the front one with each record" {
    salvaged front copy tail both withfront
}

# bats test_tags=full
@test "random sectors destroyed" {
    salvaged sectors:15:1:1 sectors:15:3:2 sectors:10:40:3
}

# bats test_tags=full
@test "records taken out, doubled, bytes of nobody between them" {
    salvaged removed doubled inserted
}

@test "a whole archive is salvaged with 0; one whose copy of the header is damaged with 5, nothing lost" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 restore --salvage "$T/a.pmmseal" "$T/new"
    says not-damaged
    same_trees "$T/src" "$T/new"
    for at in 300 -3; do
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" flip "$T/bad" $at
        rm -rf "$T/new"
        expect 5 restore --json --salvage "$T/bad" "$T/new"
        [ "$(fact '.salvage | [.partial, .lost, .unknown] | add')" = 0 ]
        [ "$(fact .salvage.saved)" = "$(fact .salvage.total)" ]
        same_trees "$T/src" "$T/new"
    done
    printf x >>"$T/a.pmmseal"
    rm -rf "$T/new"
    expect 5 restore --salvage "$T/a.pmmseal" "$T/new"
    same_trees "$T/src" "$T/new"
}

@test "without a chunk nothing is made, and every name that the index has is told" {
    small_ruin 2
    expect 5 restore --json --salvage "$T/a.pmmseal" "$T/new"
    absent "$T/new"
    [ "$(fact '[.messages[] | select(.id == "entry-lost") | .path] | sort | join(" ")')" = \
        ". empty hello logs logs/old logs/old/pmm.log.1 logs/pmm.log nginx nginx/conf nginx/conf.hard nginx/link zero" ]
}

# bats test_tags=full
@test "without the list of entries all is saved, and nothing is said to be missing" {
    small_ruin 3
    expect 5 restore --json --salvage "$T/a.pmmseal" "$T/new"
    same_trees "$T/src" "$T/new"
    [ "$(fact '.salvage | [.partial, .lost, .unknown] | add')" = 0 ]
}

@test "where the archive's own count is lost, too, what is unknown is not called none" {
    small_tree "$T/src"
    random_file "$T/src/zz" 3000000
    backup -q -o "$T/a.pmmseal" "$T/src"
    head -c $(($("$E2E/surgeon" records "$T/a.pmmseal" | awk '$2 == 1 { print $1 }' | sed -n 2p) + 1000)) "$T/a.pmmseal" >"$T/bad"
    expect 5 restore --json --salvage "$T/bad" "$T/new"
    [ "$(fact '.salvage | has("unknown") or has("total")')" = false ]
    [ "$(fact '[.messages[].id] | any(. == "entries-unknown")')" = true ]
    present "$T/new/zz.damaged" "$T/new/hello"
    absent "$T/new/zz"
}

@test "a restore of a damaged archive points to --salvage, but not where no header is left" {
    small_ruin 3
    expect 5 restore "$T/a.pmmseal" "$T/new"
    says --salvage
    absent "$T/new"
    "$E2E/surgeon" flip "$T/a.pmmseal" 300
    "$E2E/surgeon" flip "$T/a.pmmseal" -2000
    expect 5 restore "$T/a.pmmseal" "$T/new"
    silent_about --salvage
    expect 5 restore --salvage "$T/a.pmmseal" "$T/new"
    absent "$T/new"
}

@test "a salvage goes to a new directory only, from a file only, and takes no paths" {
    small_ruin 3
    mkdir "$T/full" "$T/empty"
    echo mine >"$T/full/file"
    expect 7 restore --salvage "$T/a.pmmseal" "$T/full"
    content "$T/full/file" mine
    [ "$(ls -A "$T/full")" = file ]
    expect 2 restore --salvage --replace "$T/a.pmmseal" "$T/full"
    expect 2 restore --salvage "$T/a.pmmseal" "$T/new" hello
    expect 2 restore --salvage --dry-run "$T/a.pmmseal" "$T/new"
    expect_sh 2 'cat "$T/a.pmmseal" | restore --salvage - "$T/new"'
    expect 2 restore --salvage <(cat "$T/a.pmmseal") "$T/new"
    absent "$T/new"
    expect 5 restore --salvage "$T/a.pmmseal" "$T/empty"
    same_trees "$T/src" "$T/empty"
}

@test "a wrong passphrase is 4, damaged archive or not" {
    small_ruin 3
    expect 4 seal restore --salvage --passphrase-file "$T/other" "$T/a.pmmseal" "$T/new"
    absent "$T/new"
}

@test "-v names what was saved; names are escaped" {
    mkdir "$T/src"
    random_file "$T/src/$(printf 'a\033[31m\nred')" 100000
    random_file "$T/src/lost" 5000000
    backup -q -o "$T/a.pmmseal" "$T/src"
    "$E2E/surgeon" flip "$T/a.pmmseal" $(($("$E2E/surgeon" records "$T/a.pmmseal" | awk '$2 == 1 { print $1 }' | sed -n 2p) + 1000))
    expect 5 restore -v --salvage "$T/a.pmmseal" "$T/new"
    says 'a\033[31m\nred: saved [entry-saved]'
    says 'lost: saved in part, as lost.damaged: bytes'
    run grep -c "$(printf '\033')" "$T/said.err"
    [ "$output" = 0 ]
}

@test "what a failing disk does not give is damage: the rest is saved" {
    need_strace
    mkdir "$T/src"
    for i in 1 2 3 4 5 6; do random_file "$T/src/$i" 2000000; done
    backup -q -o "$T/a.pmmseal" "$T/src"
    # After the headers and the index have been read.
    traced -o /dev/null -e trace=pread64 -e inject=pread64:error=EIO:when=16..40 \
        "$PMM_SEAL" restore --json --salvage --passphrase-file "$T/pass" "$T/a.pmmseal" "$T/new" >"$T/said.out" 2>"$T/said.err" || got=$?
    [ "$got" = 5 ] || fail "status $got"
    [ "$(fact .salvage.saved)" -ge 4 ]
    for f in "$T"/new/[1-6]; do cmp "$f" "$T/src/${f##*/}"; done
}

# bats test_tags=full
@test "no archive of the test vectors that is damaged for verify is whole for a salvage" {
    mkdir "$T/v"
    write_secret "$T/pass" 'correct horse battery staple' # of all vectors
    "$E2E/../vectors/make" --all "$T/v" "${VECTORS_PATTERN:-}"
    n=0
    for a in "$T/v"/*.pmmseal; do
        recipe=$E2E/../vectors/$(basename "$a" .pmmseal).txt
        grep -q '^verify: 5' "$recipe" || continue
        got=0
        restore -q --salvage "$a" "$T/new" >/dev/null 2>&1 || got=$?
        [ "$got" = 5 ] || fail "$a: status $got"
        rm -rf "$T/new"
        n=$((n + 1))
    done
    [ $n -gt 4 ]
}
