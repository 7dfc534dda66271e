load helpers

prepare() {
    mkdir -p "$T/src"
    random_file "$T/src/f" 300000
    backup -q -o "$T/a.pmmseal" "$T/src"
    cp "$T/a.pmmseal" "$T/before"
}
opens() { expect 0 seal verify --passphrase-file "$1" "$T/a.pmmseal"; }
closed() { expect 4 seal verify --passphrase-file "$1" "$T/a.pmmseal"; }
slots() { info --json "$T/a.pmmseal" | jq .slots; }
# Everything between the two headers is as it was.
same_data() {
    cmp <(tail -c +4097 "$T/before" | head -c -4128) <(tail -c +4097 "$1" | head -c -4128)
    [ "$(stat -c %s "$T/before")" = "$(stat -c %s "$1")" ]
}

@test "change: the new passphrase opens, the old one does not, the data is untouched" {
    prepare
    expect 0 rekey --new-passphrase-file "$T/other" "$T/a.pmmseal"
    opens "$T/other"
    closed "$T/pass"
    same_data "$T/a.pmmseal"
    expect 0 seal restore --passphrase-file "$T/other" "$T/a.pmmseal" "$T/new"
    same_trees "$T/src" "$T/new"
}

@test "add: both open; remove: one goes; the last is refused" {
    prepare
    expect 0 rekey --add --new-passphrase-file "$T/other" "$T/a.pmmseal"
    opens "$T/other"
    opens "$T/pass"
    [ "$(slots)" = 2 ]
    expect 0 rekey --remove "$T/a.pmmseal"
    opens "$T/other"
    closed "$T/pass"
    expect 7 seal rekey --remove --passphrase-file "$T/other" "$T/a.pmmseal"
    opens "$T/other"
    same_data "$T/a.pmmseal"
}

# bats test_tags=full
@test "a header holds eight passphrases, the first and the last open" {
    prepare
    n=1
    while [ $n -lt 8 ]; do
        write_secret "$T/p$n" "$PASSPHRASE number $n"
        expect 0 rekey -q --add --new-passphrase-file "$T/p$n" "$T/a.pmmseal"
        n=$((n + 1))
    done
    [ "$(slots)" = 8 ]
    opens "$T/pass"
    opens "$T/p7"
}

@test "a weak new passphrase is refused, nothing is changed" {
    prepare
    write_secret "$T/weak" abc123
    expect 7 rekey --new-passphrase-file "$T/weak" "$T/a.pmmseal"
    cmp "$T/a.pmmseal" "$T/before"
    expect 0 rekey --allow-weak-passphrase --new-passphrase-file "$T/weak" "$T/a.pmmseal"
    opens "$T/weak"
}

@test "no new passphrase is 4, a wrong old one is 4, nothing is changed" {
    prepare
    expect 4 setsid -w "$PMM_SEAL" rekey --passphrase-file "$T/pass" "$T/a.pmmseal"
    expect 4 seal rekey --passphrase-file "$T/other" --new-passphrase-file "$T/pass" "$T/a.pmmseal"
    cmp "$T/a.pmmseal" "$T/before"
}

@test "-o writes a copy, from a file and from a pipe, and leaves the original" {
    prepare
    expect 0 rekey --new-passphrase-file "$T/other" -o "$T/copy" "$T/a.pmmseal"
    cmp "$T/a.pmmseal" "$T/before"
    same_data "$T/copy"
    [ "$(stat -c %a "$T/copy")" = 600 ]
    expect 0 seal verify --passphrase-file "$T/other" "$T/copy"
    expect 4 verify "$T/copy"
    expect 7 rekey --new-passphrase-file "$T/other" -o "$T/copy" "$T/a.pmmseal"
    mkdir "$T/into"
    expect 0 rekey --new-passphrase-file "$T/other" -o "$T/into/" "$T/a.pmmseal"
    grep -qF "$T/into/a.pmmseal: the passphrase was changed" "$T/said.out"
    expect 0 seal verify --passphrase-file "$T/other" "$T/into/a.pmmseal"
    expect_sh 0 'cat "$T/a.pmmseal" | rekey -q --new-passphrase-file "$T/other" -o - - >"$T/copy2"'
    same_data "$T/copy2"
    expect 0 seal verify --passphrase-file "$T/other" "$T/copy2"
    expect_sh 2 'cat "$T/a.pmmseal" | rekey --new-passphrase-file "$T/other" -'
}

@test "a copy of a damaged or cut archive is 5 and leaves none" {
    prepare
    head -c -10 "$T/before" >"$T/cut"
    expect 5 rekey --new-passphrase-file "$T/other" -o "$T/copy" "$T/cut"
    expect_sh 5 'cat "$T/cut" | rekey --new-passphrase-file "$T/other" -o "$T/copy" -'
    expect_sh 5 'head -c 100000 "$T/before" | rekey --new-passphrase-file "$T/other" -o "$T/copy" -'
    absent "$T/copy"
}

@test "a damaged archive is not rekeyed: its end must be there" {
    prepare
    head -c -10 "$T/before" >"$T/a.pmmseal"
    cp "$T/a.pmmseal" "$T/cut"
    expect 5 rekey --new-passphrase-file "$T/other" "$T/a.pmmseal"
    cmp "$T/a.pmmseal" "$T/cut"
}

@test "heal: damage in the front header, the copy or the tail is repaired to the byte" {
    prepare
    for at in 0 130 300 -1 -40 -4128; do
        "$E2E/surgeon" flip "$T/a.pmmseal" $at
        expect 5 verify "$T/a.pmmseal"
        expect 0 rekey --heal "$T/a.pmmseal"
        cmp "$T/a.pmmseal" "$T/before"
    done
    expect 0 rekey --heal --json "$T/a.pmmseal"
    [ "$(fact .healed)" = false ]
}

@test "a stale copy is 3 for verify, and is healed" {
    prepare
    expect 0 rekey --new-passphrase-file "$T/other" "$T/a.pmmseal"
    cp "$T/a.pmmseal" "$T/after"
    # as an interrupted rekey leaves it: the copy is new, the front is old
    dd if="$T/before" of="$T/a.pmmseal" bs=4096 count=1 conv=notrunc 2>/dev/null
    expect 3 seal verify --passphrase-file "$T/other" "$T/a.pmmseal"
    says header-stale
    expect 0 seal rekey --heal --passphrase-file "$T/other" "$T/a.pmmseal"
    cmp "$T/a.pmmseal" "$T/after"
}

# One of the two passphrases opens, and a rekey brings it in order.
usable() {
    local p
    for p in "$T/pass" "$T/other"; do
        if seal list -q --passphrase-file "$p" "$T/a.pmmseal" >/dev/null 2>&1 || [ $? = 3 ]; then
            same_data "$T/a.pmmseal" || return 1
            write_secret "$T/third" 'the third of all the phrases, 77 words'
            seal rekey -q --kdf interactive --passphrase-file "$p" --new-passphrase-file "$T/third" "$T/a.pmmseal" ||
                return 1
            seal verify -q --passphrase-file "$T/third" "$T/a.pmmseal"
            return
        fi
    done
    fail "neither passphrase opens it"
}

@test "killed before or after any write of a rekey, the archive opens with the old or the new passphrase" {
    prepare
    need_strace
    for call in pwrite64 fdatasync; do
        for n in 1 2 3; do
            cp "$T/before" "$T/a.pmmseal"
            rc=0
            traced -o /dev/null -e "inject=$call:signal=KILL:when=$n" "$PMM_SEAL" rekey -q --kdf interactive \
                --passphrase-file "$T/pass" --new-passphrase-file "$T/other" "$T/a.pmmseal" || rc=$?
            usable
        done
    done
}

# bats test_tags=full
@test "killed at random moments of a rekey, the archive opens with the old or the new passphrase" {
    prepare
    for ms in 100 150 200 250; do
        cp "$T/before" "$T/a.pmmseal"
        timeout -s KILL 0.$ms "$PMM_SEAL" rekey -q --kdf interactive --passphrase-file "$T/pass" \
            --new-passphrase-file "$T/other" "$T/a.pmmseal" || true
        usable
    done
}

@test "a torn write of either header is survived" {
    prepare
    expect 0 rekey --new-passphrase-file "$T/other" "$T/a.pmmseal"
    cp "$T/a.pmmseal" "$T/after"
    size=$(stat -c %s "$T/before")
    for part in 512 4000; do
        # the copy half written, the front still old
        cp "$T/before" "$T/a.pmmseal"
        tail -c 4128 "$T/after" | head -c $part | dd of="$T/a.pmmseal" bs=1 seek=$((size - 4128)) conv=notrunc 2>/dev/null
        usable
        # the copy new, the front half written
        cp "$T/after" "$T/a.pmmseal"
        { head -c $part "$T/after"; head -c 4096 "$T/before" | tail -c +$((part + 1)); } | dd of="$T/a.pmmseal" bs=4096 count=1 iflag=fullblock conv=notrunc 2>/dev/null
        usable
    done
}

@test "a passphrase is there once: adding it again is refused, removed it opens nothing" {
    prepare
    expect 7 rekey --add --new-passphrase-file "$T/pass" "$T/a.pmmseal"
    says 'already opens'
    expect 7 rekey --new-passphrase-file "$T/pass" "$T/a.pmmseal"
    expect 0 rekey --add --new-passphrase-file "$T/other" "$T/a.pmmseal"
    expect 7 rekey --add --new-passphrase-file "$T/other" "$T/a.pmmseal"
    expect 0 rekey --remove "$T/a.pmmseal"
    expect 4 verify "$T/a.pmmseal"
    expect 0 seal verify --passphrase-file "$T/other" "$T/a.pmmseal"
}
