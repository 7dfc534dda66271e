load helpers
load pmm-volume

# A directory of archives: listed, verified, rekeyed, pruned, one writer at a time.

# Archives of some days back, made by a clock of their own: archive DAYS [options of backup ...]
archive() {
    local days=$1
    shift
    at "$(($(date +%s) - days * 86400))" backup -q -o "$T/d/" "$@" "$T/src"
}
prepare() {
    small_tree "$T/src"
    mkdir "$T/d"
}
ours() { find "$T/d" -type f -name '*.pmmseal' | sort; }
archives() { ours | wc -l; }
foreign() { # what is none of our business
    echo mine >"$T/d/notes.txt"
    echo mine >"$T/d/pmm-data-20200101T000000Z.pmmseal.bak"
    mkdir "$T/d/pmm-data-20200102T000000Z.pmmseal"
    mkfifo "$T/d/pmm-data-20200103T000000Z.pmmseal"
    ln -s notes.txt "$T/d/pmm-data-20200104T000000Z.pmmseal"
}
foreign_is_there() {
    content "$T/d/notes.txt" mine && content "$T/d/pmm-data-20200101T000000Z.pmmseal.bak" mine &&
        [ -d "$T/d/pmm-data-20200102T000000Z.pmmseal" ] && [ -p "$T/d/pmm-data-20200103T000000Z.pmmseal" ] &&
        [ -L "$T/d/pmm-data-20200104T000000Z.pmmseal" ]
}

@test "list shows the archives of a directory, newest first, what is public without a passphrase" {
    need_faketime
    prepare
    archive 3
    archive 1
    archive 2 --name other
    foreign
    head -c 5000 /dev/urandom >"$T/d/pmm-data-20210101T000000Z.pmmseal"
    expect 0 setsid -w "$PMM_SEAL" list "$T/d"
    [ "$(grep -c '\.pmmseal$' "$T/said.out")" = 4 ]
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file)) | map(.status) | join(",")' "$T/said.out")" = good,good,good,damaged ]
    [ "$(jq -rs '.[0].age_seconds / 86400 | floor' "$T/said.out")" = 1 ]
    [ "$(jq -rs '.[1].name' "$T/said.out")" = other ]
    [ "$(jq -rs '.[0].entries' "$T/said.out")" = "$(find "$T/src" | wc -l)" ]
    [ "$(jq -rs '.[0].verified' "$T/said.out")" = true ]
    write_secret "$T/wrong" 'not the one, by any means, 1903'
    expect 4 seal list --json --passphrase-file "$T/wrong" "$T/d"
    [ "$(jq -rs '.[0].status' "$T/said.out")" = other-key ]
    [ "$(jq -rs 'map(select(.file)) | length' "$T/said.out")" = 4 ]
    # The newest of the name by its name, and none of ours: neither asked for the passphrase nor a warning.
    ln -s notes.txt "$T/d/pmm-data-20400104T000000Z.pmmseal"
    expect 0 backup -o "$T/d/" "$T/src"
    foreign_is_there
}

@test "an empty directory is said to be one, and a mistyped one gets no lock" {
    mkdir "$T/d"
    expect 0 list "$T/d"
    says 'no archives in the directory'
    expect 1 with_pass prune --keep-last 1 "$T/d"
    expect 1 rekey --new-passphrase-file "$T/other" "$T/d"
    empty_dir "$T/d"
}

@test "archives do not go into what is backed up, unless that part is left out" {
    prepare
    mkdir "$T/src/backups"
    expect 7 backup -o "$T/src/backups/" "$T/src"
    says 'lies in SOURCE'
    expect 7 backup -o "$T/src/" "$T/src"
    [ "$(find "$T/src" -name '*.pmmseal*' | wc -l)" = 0 ]
    ln -s src/backups "$T/link"
    expect 7 backup -o "$T/link/" "$T/src"
    for i in 1 2; do expect 0 backup --exclude '/backups/' -o "$T/link/" "$T/src"; done
    # Beside it is not in it.
    mkdir "$T/src-backups"
    expect 0 backup -o "$T/src-backups/" "$T/src"
    # What is left out by default need not be said.
    pmm_volume "$T/vol" 7001 1 3.7.0
    mkdir "$T/vol/backup"
    expect 0 backup -o "$T/vol/backup/" "$T/vol"
}

@test "a directory of archives costs one derivation of the key" {
    need_strace
    prepare
    for i in 1 2 3 4 5; do backup -q --name "n$i" -o "$T/d/" "$T/src"; done
    for i in 1 2 3 4 5; do backup -q -o "$T/d/" "$T/src"; done
    rm "$T/d"/n*
    # Argon2id's memory is one mapping of 64 MiB.
    traced -o "$T/calls" -e trace=mmap "$PMM_SEAL" list --passphrase-file "$T/pass" "$T/d" >/dev/null
    [ "$(awk -F'[ ,(]+' '$3 ~ /NULL/ && $4 >= 67108864 && $4 < 70000000' "$T/calls" | wc -l)" = 1 ]
}

# bats test_tags=full
@test "any number of archives with a salt each: what their keys may cost counts for each" {
    prepare
    for i in $(seq 44); do with_pass backup -q -o - "$T/src" >"$T/d/$i.pmmseal"; done
    expect 0 verify -q "$T/d"
}

@test "verify of a directory looks at every archive and ends with the worst of it" {
    prepare
    for i in 1 2 3; do backup -q --no-verify -o "$T/d/" "$T/src"; done
    foreign
    expect 0 verify "$T/d"
    [ "$(grep -c ': OK$' "$T/said.out")" = 3 ]
    bad=$(ls "$T/d" | grep '[0-9]Z\.pmmseal$' | tail -n 1)
    printf x | dd of="$T/d/$bad" bs=1 seek=9000 conv=notrunc 2>/dev/null
    expect 5 verify "$T/d"
    [ "$(grep -c ': OK$' "$T/said.out")" = 2 ]
    grep -q "^$bad: NOT GOOD" "$T/said.out"
    says "1 of 3"
    expect 4 seal verify --passphrase-file "$T/other" "$T/d"
    # With -q, as at night, each that is not good is named all the same, and nothing else.
    truncate -s -1 "$(ours | head -n 1)"
    expect 5 verify -q "$T/d"
    [ "$(grep -c ': NOT GOOD: ' "$T/said.out")" = 2 ]
    [ "$(wc -l <"$T/said.out")" = 2 ]
    mkdir "$T/none"
    expect 1 verify "$T/none"
}

@test "verify --sample proves a rolling share, the longest unproved first" {
    prepare
    for i in 1 2 3 4 5; do backup -q --no-verify -o "$T/d/" "$T/src"; done
    for i in 1 2 3; do
        expect 0 verify --json --sample 2/5 "$T/d"
        [ "$(jq -r .archives "$T/said.out")" = 2 ]
        sleep 1.1
    done
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file)) | map(.verified) | all' "$T/said.out")" = true ]
    expect 2 verify --sample 0/5 "$T/d"
    expect 2 verify --sample 6/5 "$T/d"
    expect 2 verify --sample x "$T/d"
}

told_damaged() { grep -q "$1: .*\[archive-damaged\]" "$T/said.err" || { cat "$T/said.err"; false; }; }
proven() { jq -rs 'map(select(.file)) | map(.verified | tostring) | join(",")' "$T/said.out"; } # newest first

@test "verify --sample gets to each archive, whatever lies beside it" {
    prepare
    for i in 1 2 3; do backup -q --no-verify -o "$T/d/" "$T/src"; sleep 1.1; done
    first=$(ours | head -n 1)
    cp -p "$first" "$T/d/copy.pmmseal"
    : >"$T/d/empty.pmmseal"
    # What is no archive is told each time, and is not the share of the night.
    for i in 1 2 3 4; do
        expect 3 verify --sample 1/5 "$T/d"
        told_damaged empty.pmmseal
        sleep 1.1
    done
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file and .verified)) | length' "$T/said.out")" = 4 ]
    # Each copy has a proof of its own.
    printf XXXX | dd of="$T/d/copy.pmmseal" bs=1 seek=5000 conv=notrunc 2>/dev/null
    expect 5 verify "$T/d"
    rm "$T/d/copy.pmmseal" "$T/d/empty.pmmseal"
    expect 0 list --json "$T/d"
    [ "$(proven)" = true,true,true ]
}

@test "damage that was found is told each night until it is gone" {
    prepare
    for i in 1 2 3; do backup -q -o "$T/d/" "$T/src"; sleep 1.1; done
    bad=$(ours | head -n 1)
    cp -p "$bad" "$T/whole"
    printf XXXX | dd of="$bad" bs=1 seek=5000 conv=notrunc 2>/dev/null
    expect 5 verify "$T/d"
    expect 3 verify --sample 1/3 "$T/d"
    told_damaged "$(basename "$bad")"
    cat "$T/whole" >"$bad"
    expect 3 verify --sample 1/3 "$T/d"
    expect 0 verify "$T/d"
    expect 0 verify --sample 1/3 "$T/d"
}

@test "a proof made under a clock that was a year ahead is none" {
    need_faketime
    prepare
    for i in 1 2; do backup -q --no-verify -o "$T/d/" "$T/src"; sleep 1.1; done
    # The first share of that night is the older one.
    expect 0 at $((EPOCHSECONDS + 365 * 86400)) "$PMM_SEAL" verify --passphrase-file "$T/pass" --sample 1/2 "$T/d"
    bad=$(ours | head -n 1)
    printf XXXX | dd of="$bad" bs=1 seek=5000 conv=notrunc 2>/dev/null
    # Two nights go over both.
    for i in 1 2; do
        verify --sample 1/2 "$T/d" >>"$T/nights" 2>&1 || true
        sleep 1.1
    done
    grep -q "^$(basename "$bad"): NOT GOOD" "$T/nights" || fail "$(cat "$T/nights")"
}

@test "a file that is no archive tells the monitoring no time" {
    prepare
    : >"$T/d/pmm-data-99991231T235959Z.pmmseal"
    expect 3 backup --metrics-file "$T/pmm.prom" -o "$T/d/" "$T/src" # it is told
    newest=$(sed -n 's/^pmm_seal_newest_archive_timestamp_seconds.* //p' "$T/pmm.prom")
    [ "$newest" -le "$EPOCHSECONDS" ]
}

@test "a wrong passphrase withdraws no proof, damage does, and is not forgotten" {
    prepare
    for i in 1 2 3; do backup -q -o "$T/d/" "$T/src"; sleep 1.1; done
    expect 4 seal verify --passphrase-file "$T/other" "$T/d"
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file)) | map(.verified) | all' "$T/said.out")" = true ]
    for f in $(ours | tail -n 2); do printf XXXX | dd of="$f" bs=1 seek=5000 conv=notrunc 2>/dev/null; done
    expect 5 verify "$T/d"
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file)) | map(.status) | join(",")' "$T/said.out")" = damaged,damaged,good ]
    expect 3 with_pass prune --keep-last 1 "$T/d"
    [ "$(archives)" = 3 ]
    # One that is known to be bad does not take the turn of the others.
    backup -q --no-verify -o "$T/d/" "$T/src"
    expect 3 verify --sample 1/4 "$T/d"
    grep -q ': OK: 1 archive verified' "$T/said.out"
}

@test "of two copies of one archive neither counts, and neither is deleted" {
    prepare
    backup -q -o "$T/d/" "$T/src"
    sleep 1.1
    cp -p "$(ours | head -n 1)" "$T/d/pmm-data-20300101T000000Z.pmmseal"
    backup -q -o "$T/d/" "$T/src"
    expect 3 with_pass prune --keep-last 1 "$T/d"
    says archive-twice
    [ "$(archives)" = 3 ]
}

@test "a change of the passphrase that was half done takes the old one away" {
    prepare
    for i in 1 2; do backup -q -o "$T/d/" "$T/src"; done
    expect 0 rekey --add --new-passphrase-file "$T/other" "$T/d"
    expect 0 rekey --new-passphrase-file "$T/other" "$T/d"
    expect 4 verify "$T/d"
    expect 0 seal verify --passphrase-file "$T/other" "$T/d"
}

@test "rekey of a directory changes all, and again what an interrupted one has left" {
    prepare
    for i in 1 2 3; do backup -q -o "$T/d/" "$T/src"; done
    foreign
    first=$(ours | tail -n 1)
    rekey -q --new-passphrase-file "$T/other" "$first"
    expect 0 rekey --new-passphrase-file "$T/other" "$T/d"
    expect 0 seal verify --passphrase-file "$T/other" "$T/d"
    expect 4 verify "$T/d"
    # Nothing that both passphrases fail to open is passed over in silence.
    rekey -q --new-passphrase-file "$T/pass" --passphrase-file "$T/other" "$first" 2>/dev/null ||
        seal rekey -q --kdf interactive --passphrase-file "$T/other" --new-passphrase-file "$T/pass" "$first"
    write_secret "$T/third" 'a third one for the road, 2044 miles'
    expect 4 seal rekey --kdf interactive --passphrase-file "$T/other" --new-passphrase-file "$T/third" "$T/d"
    says "1 of 3"
    grep -q "^${first##*/}: NOT CHANGED" "$T/said.out"
    foreign_is_there
}

@test "a weak new passphrase changes no archive of a directory" {
    prepare
    for i in 1 2; do backup -q -o "$T/d/" "$T/src"; done
    write_secret "$T/weak" 'password'
    expect 7 rekey --new-passphrase-file "$T/weak" "$T/d"
    expect 0 verify "$T/d"
}

@test "one writer: a second one waits, or is told who is there" {
    prepare
    backup -q -o "$T/d/" "$T/src"
    (flock -x 9; echo "4711 elsewhere since 2026-11-24T00:00:00Z" >&9; exec sleep 600) 9>>"$T/d/.pmm-seal.lock" &
    mine $!
    wait_for 10 grep -q 4711 "$T/d/.pmm-seal.lock"
    n=$(archives)
    expect 6 backup -o "$T/d/" "$T/src"
    says 4711
    expect 6 with_pass prune --keep-last 1 "$T/d"
    expect 6 rekey --new-passphrase-file "$T/other" "$T/d"
    [ "$(archives)" = "$n" ]
    expect 0 list "$T/d"
    (sleep 2; : >"$T/gone"; kill -KILL $!) &
    backup -q --lock-wait 60 -o "$T/d/" "$T/src"
    present "$T/gone" || fail "it did not wait"
    [ "$(archives)" = $((n + 1)) ]
}

@test "prune keeps what the rules say, tells why, and with -n deletes nothing" {
    need_faketime
    prepare
    for d in 0 1 2 3 4 5 6 7 8 9; do archive $d; done
    archive 20 --name other
    foreign
    expect 0 with_pass prune -n --keep-last 2 --keep-daily 4 "$T/d"
    [ "$(archives)" = 11 ]
    [ "$(grep -c DELETE "$T/said.out")" = 6 ]
    grep -q 'last, daily' "$T/said.out"
    expect 0 with_pass prune --json --keep-last 2 --keep-daily 4 --max-deletes 4 "$T/d"
    [ "$(jq -rs '.[-1].deleted' "$T/said.out")" = 4 ]
    [ "$(jq -rs '.[-1].capped' "$T/said.out")" = true ]
    expect 0 with_pass prune -q --json --keep-last 20 "$T/d"
    [ "$(jq -rs 'map(select(.keep)) | length' "$T/said.out")" = 6 ]
    expect 0 with_pass prune --keep-last 2 --keep-daily 4 "$T/d"
    [ "$(archives)" = 5 ]
    [ "$(ls "$T/d"/other-* | wc -l)" = 1 ]
    expect 0 verify "$T/d"
    foreign_is_there
}

@test "prune: no rule is usage, a name without archives deletes nothing, a wrong passphrase neither" {
    prepare
    for i in 1 2 3; do backup -q -o "$T/d/" "$T/src"; done
    expect 2 with_pass prune "$T/d"
    expect 2 with_pass prune --keep-last 0 "$T/d"
    expect 2 with_pass prune --keep-within 0d "$T/d"
    expect 1 with_pass prune --keep-last 1 --name other "$T/d"
    expect 4 seal prune --keep-last 1 --passphrase-file "$T/other" "$T/d"
    [ "$(archives)" = 3 ]
}

@test "prune never deletes what it cannot authenticate, and does not count it" {
    prepare
    for i in 1 2 3; do backup -q -o "$T/d/" "$T/src"; done
    newest=$(ours | tail -n 1)
    truncate -s -1 "$newest"
    seal backup -q --kdf interactive --passphrase-file "$T/other" --new-passphrase -o "$T/d/" "$T/src"
    expect 3 with_pass prune --keep-last 1 "$T/d"
    says archive-damaged
    [ "$(archives)" = 3 ]
    present "$newest"
}

@test "archives of a running server never displace consistent ones" {
    prepare
    pmm_volume "$T/vol" 7001 1 3.7.0
    backup -q -o "$T/d/" "$T/vol"
    # in production, and somebody holds ClickHouse's lock
    (flock -x 9; exec sleep 600) 9>>"$T/vol/clickhouse/status" &
    mine $!
    sleep 0.2
    for i in 1 2; do
        sleep 1.1
        expect 3 backup --allow-live -o "$T/d/" "$T/vol"
    done
    expect 0 with_pass prune --keep-last 1 "$T/d"
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file)) | map(.state) | join(",")' "$T/said.out")" = live,stopped ]
}

@test "archives of a crashed server never displace those of one that was shut down" {
    prepare
    pmm_volume "$T/vol" 7001 1 3.7.0
    backup -q -o "$T/d/" "$T/vol"
    rm -r "$T/vol"
    pmm_volume "$T/vol" 7001 6 3.7.0 # in production, and nobody runs
    for i in 1 2; do
        sleep 1.1
        expect 3 backup --keep-last 1 -o "$T/d/" "$T/vol"
        says store-crashed
    done
    expect 0 list --json "$T/d"
    [ "$(jq -rs 'map(select(.file)) | map(.state) | join(",")' "$T/said.out")" = crashed,stopped ]
    [ "$(jq -rs 'map(select(.file)) | map(.consistent | tostring) | join(",")' "$T/said.out")" = false,true ]
}

@test "backup --keep-* prunes after the new archive has proved good, and not after a failure" {
    need_faketime
    prepare
    for d in 5 4 3 2 1; do archive $d; done
    expect 1 backup --keep-last 2 --after 'exit 3' -o "$T/d/" "$T/src"
    [ "$(archives)" = 6 ]
    expect 0 backup --json --keep-last 2 -o "$T/d/" "$T/src"
    [ "$(fact .verified)" = true ]
    [ "$(fact .deleted)" = 5 ]
    [ "$(fact '[.messages[] | select(.id == "archive-deleted")] | length')" = 5 ]
    [ "$(archives)" = 2 ]
    present "$(fact .archive)"
}

@test "an archive of less than half the size deletes nothing, and says why" {
    prepare
    random_file "$T/src/big" 300000
    backup -q --keep-last 1 -o "$T/d/" "$T/src"
    good=$(ours)
    mkdir "$T/wrong"
    : >"$T/wrong/file"
    expect 3 backup --keep-last 1 -o "$T/d/" "$T/wrong"
    says archive-shrunk
    present "$good"
    [ "$(archives)" = 2 ]
    # It was meant: the next one is held against that.
    expect 0 backup --keep-last 1 -o "$T/d/" "$T/wrong"
    [ "$(archives)" = 1 ]
}

@test "a volume is not followed by a directory that is none" {
    pmm_volume "$T/src" 7001 1 3.7.0
    mkdir "$T/d" "$T/wrong"
    : >"$T/wrong/file"
    backup -q --keep-last 1 -o "$T/d/" "$T/src"
    expect 7 backup --keep-last 1 -o "$T/d/" "$T/wrong"
    [ "$(archives)" = 1 ]
}

@test "backup --verify reads the archive back: one that the disk has changed gets no name" {
    need_strace
    need_root
    prepare
    # Reading the archive back fails.
    rc=0
    traced -o /dev/null -e inject=pread64:error=EIO:when=10+ "$PMM_SEAL" backup -q --kdf interactive \
        --passphrase-file "$T/pass" -o "$T/d/" "$T/src" 2>"$T/said.err" || rc=$?
    [ $rc = 1 ]
    says 'not what was written'
    [ "$(archives)" = 0 ]
    [ -z "$(find "$T/d" -name '*.tmp')" ]
    expect 0 backup --json -o "$T/a.pmmseal" "$T/src"
    [ "$(fact .verified)" = false ]
    expect 0 backup --json --verify -o "$T/b.pmmseal" "$T/src"
    [ "$(fact .verified)" = true ]
    expect 0 backup --json --no-verify -o "$T/d/" "$T/src"
    [ "$(fact .verified)" = false ]
}

@test "--require-mount refuses a directory on which nothing is mounted" {
    need_mounts
    prepare
    expect 7 backup --require-mount -o "$T/d/" "$T/src"
    [ "$(archives)" = 0 ]
    export -f with_pass backup
    export T PMM_SEAL
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/d"
        backup -q --require-mount -o "$T/d/" "$T/src"
        with_pass prune -q --require-mount --keep-last 1 "$T/d"'
    expect 7 with_pass prune --require-mount --keep-last 1 "$T/d"
}

@test "a killed backup leaves no lock and no temporary file for the next one" {
    need_strace
    prepare
    rc=0
    traced -o /dev/null -e inject=fsync:signal=KILL:when=1 "$PMM_SEAL" backup -q --kdf interactive \
        --passphrase-file "$T/pass" -o "$T/d/" "$T/src" || rc=$?
    [ $rc != 0 ]
    [ "$(archives)" = 0 ]
    [ -n "$(find "$T/d" -name '*.pmmseal.*.tmp')" ] || fail "it was killed before it wrote"
    expect 0 backup -o "$T/d/" "$T/src"
    [ "$(archives)" = 1 ]
    [ -z "$(find "$T/d" -name '*.tmp')" ]
}

@test "a run that makes and deletes nothing tells the monitoring of no success" {
    prepare
    backup -q -o "$T/d/" "$T/src"
    expect 0 backup --metrics-file "$T/pmm.prom" --show-excludes -o "$T/d/" "$T/src"
    expect 0 backup --metrics-file "$T/pmm.prom" --dry-run -o "$T/d/" "$T/src"
    expect 0 with_pass prune --metrics-file "$T/pmm.prom" --dry-run --keep-last 1 "$T/d"
    absent "$T/pmm.prom"
    expect 0 backup --metrics-file "$T/pmm.prom" -o "$T/d/" "$T/src"
    grep -q '^pmm_seal_last_success_timestamp_seconds{.*command="backup"} [1-9]' "$T/pmm.prom"
}

@test "a run that fails before it begins tells the monitoring when it was" {
    prepare
    expect 2 backup --metrics-file "$T/pmm.prom" --accept 'No id' -o "$T/d/" "$T/src"
    grep -q '^pmm_seal_last_exit_code{.*} 2$' "$T/pmm.prom"
    grep -qE '^pmm_seal_last_attempt_timestamp_seconds[{].*[}] [1-9][0-9]{9}$' "$T/pmm.prom"
}

@test "what is deleted, and what is noted for the next night, is synced" {
    need_strace
    need_root # to others the program does not show its arguments
    prepare
    for i in 1 2 3; do backup -q -o "$T/d/" "$T/src"; done
    traced -y -o "$T/calls" -e trace=fsync,unlinkat,renameat,renameat2 "$PMM_SEAL" prune -q --passphrase-file "$T/pass" \
        --keep-last 1 --metrics-file "$T/pmm.prom" "$T/d"
    [ "$(sed -nE -e 's#.*unlinkat\(.*\.pmmseal".*= 0$#delete#p' -e 's#.*fsync\([0-9]+<[^>]*\.tmp>\).*= 0$#file#p' \
        -e 's#.*renameat2?\(.*"[^"]*(\.pmm-seal\.verified|pmm\.prom)".*= 0$#name#p' \
        -e 's#.*fsync\([0-9]+<[^>]*(/d|e2e\.[A-Za-z0-9]+)>\).*= 0$#directory#p' "$T/calls" | tr '\n' ' ')" = \
        'delete delete directory file name directory file name directory ' ] || fail "$(cat "$T/calls")"
}
