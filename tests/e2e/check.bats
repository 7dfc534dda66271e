load helpers
load pmm-volume

# check-config: what a night would fail on, told by day, all of it, and nothing changed.

# The configuration of a good night, and what it names; more lines as arguments.
configured() {
    [ -d "$T/src" ] || small_tree "$T/src"
    mkdir -p "$T/d" "$T/m"
    rewrite "passphrase-file = $T/pass" "metrics-file = $T/m/pmm.prom" "keep-daily = 7" "quiet = yes" "$@"
}
# The file with these lines and its two operands.
rewrite() {
    printf '%s\n' "source = $T/src" "directory = $T/d" "$@" >"$T/pmm.conf"
    chmod 600 "$T/pmm.conf"
}
check() { seal check-config "$@" "$T/pmm.conf"; }
good() { grep -q "^$1 *OK" "$T/said.out" || { cat "$T/said.out"; fail "not good: $1"; }; } # WHAT
bad() { # WHAT TEXT
    grep -q "^$1 *NOT GOOD: .*$2" "$T/said.out" || { cat "$T/said.out"; fail "no such problem: $1: $2"; }
}
problems() { grep -c 'NOT GOOD' "$T/said.out" || true; }

@test "a good configuration is called so, and nothing is left behind" {
    configured 'before = true' 'after = echo started' "add = $T/pass"
    expect 0 check
    for what in source hooks directory files passphrase space metrics; do good $what; done
    grep -q 'a backup by it can run, 0 warnings' "$T/said.out"
    empty_dir "$T/m"
    [ "$(ls -A "$T/d")" = .pmm-seal.lock ]
    expect 0 seal backup --config "$T/pmm.conf"
    [ ! -s "$T/said.out" ]
    cp "$T/m/pmm.prom" "$T/before.prom"
    expect 0 check
    grep -q "passphrase *OK: opens $T/d//*pmm-20" "$T/said.out"
    cmp "$T/before.prom" "$T/m/pmm.prom"
    [ "$(ls "$T/d" | wc -l)" = 1 ]
}

@test "all that is wrong is told at once" {
    configured
    rewrite "passphrase-file = $T/nopass" "metrics-file = $T/none/pmm.prom" 'before = no-such-program x' \
        'after = if true' 'require-mount = yes' "attach = $T/nothing"
    chmod 700 "$T/src"
    expect 1 check
    good source
    bad hooks 'no-such-program'
    bad directory 'mounted'
    bad files "$T/nothing"
    bad passphrase "$T/nopass"
    bad metrics "$T/none"
    [ "$(problems)" = 5 ]
    says '5 of 7 things'
    rewrite 'after = if true'
    expect 1 check
    bad hooks '--after: the shell does not understand it'
    bad passphrase 'nobody can be asked'
}

@test "a metrics file that the night could not read is found by day" {
    configured
    ln -s elsewhere "$T/m/pmm.prom"
    expect 1 check
    bad metrics 'symbolic link'
    [ "$(problems)" = 1 ]
    expect 3 seal backup --config "$T/pmm.conf" --kdf interactive
    says metrics-not-written
}

@test "with --json each thing is an object" {
    configured
    rmdir "$T/m"
    expect 1 check --json
    [ "$(jq -rs 'map(select(.check and (.good | not)) | .check) | join(",")' "$T/said.out")" = metrics ]
    [ "$(jq -rs '.[-1].not_good' "$T/said.out")" = 1 ]
    [ "$(jq -rs '.[-1].exit' "$T/said.out")" = 1 ]
}

@test "no command is run, and one that cron would not find is a warning" {
    configured "before = touch $T/ran" "after = touch $T/ran"
    expect 0 check
    absent "$T/ran"
    mkdir "$T/elsewhere"
    printf '#!/bin/sh\n' >"$T/elsewhere/stop-it"
    chmod 755 "$T/elsewhere/stop-it"
    configured 'before = stop-it now'
    expect_sh 3 'PATH="$T/elsewhere:$PATH" check'
    says hook-path
    configured "before = $T/elsewhere/stop-it now"
    expect 0 check
    chmod 644 "$T/elsewhere/stop-it"
    expect 1 check
    bad hooks 'not executable'
}

@test "the passphrase has to open the last archive, and a new one to be good" {
    configured
    seal backup --config "$T/pmm.conf" --kdf interactive
    rewrite "passphrase-file = $T/other"
    expect 1 check
    bad passphrase 'does not open the last archive'
    write_secret "$T/weak" password
    rewrite "passphrase-file = $T/weak" 'name = another'
    expect 1 check
    bad passphrase 'guess'
    chmod 644 "$T/other"
    rewrite "passphrase-file = $T/other"
    expect 1 check
    bad passphrase 'others'
    # What this shell has, and cron has not.
    rewrite 'name = another'
    expect_sh 3 'PMM_SEAL_PASSPHRASE_FILE=$T/pass check'
    says passphrase-environment
    rewrite "passphrase-file = $T/other"
    # The command line has the last word: what a service is given elsewhere.
    expect 0 check --passphrase-file "$T/pass"
}

@test "a source that is empty, gone, not all readable, or another server's" {
    configured
    mv "$T/src" "$T/kept"
    expect 1 check
    bad source "$T/src"
    mkdir "$T/src"
    expect 1 check
    bad source 'empty'
    rmdir "$T/src"
    pmm_volume "$T/src" 7001 1 3.7.0
    expect 0 check
    seal backup --config "$T/pmm.conf" --kdf interactive
    rm -r "$T/src"
    pmm_volume "$T/src" 7002 1 3.7.0
    expect 1 check
    bad volume 'another PMM volume'
    # A running server is for `before`; without that the night would refuse it.
    rm -r "$T/src"
    pmm_volume "$T/src" 7001 1 3.7.0
    (flock -x 9; exec sleep 600) 9>>"$T/src/clickhouse/status" &
    mine $!
    sleep 0.2
    expect 1 check
    bad source 'running'
    configured 'before = true' 'after = true'
    expect 0 check
}

@test "what a volume lacks is a warning by day as by night" {
    pmm_volume "$T/src" 7001 1 3.7.0
    mkdir "$T/keys"
    mv "$T/src/pmm-encryption.key" "$T/keys"
    configured
    expect 3 check
    says key-missing
    expect 3 seal backup --config "$T/pmm.conf" --kdf interactive
    says key-missing
    configured "add = $T/keys/pmm-encryption.key"
    expect 0 check
}

@test "a directory that is missing, cannot be written, or has no room" {
    need_mounts
    configured
    rmdir "$T/d"
    expect 1 check
    bad directory "$T/d"
    grep -q '^passphrase *OK: there is one; not known' "$T/said.out"
    mkdir "$T/d"
    export -f check seal
    export T PMM_SEAL
    expect 1 unshare -m bash -ec 'mount -t tmpfs -o ro none "$T/d"; check'
    bad directory 'Read-only'
    random_file "$T/src/big" 3000000
    expect 0 unshare -m bash -ec '
        mount -t tmpfs -o size=8m none "$T/d"
        seal backup --config "$T/pmm.conf" --kdf interactive
        check >/dev/null
        head -c 3000000 /dev/urandom >"$T/d/full"
        rc=0
        check >"$T/full.out" 2>&1 || rc=$?
        [ $rc = 1 ]'
    grep -q 'space *NOT GOOD: not enough space' "$T/full.out"
}

@test "a mistake in the file is named with its line" {
    configured 'keep-dayly = 7'
    expect 2 check
    says "$T/pmm.conf:7: no such key: keep-dayly"
    printf 'directory = %s\n' "$T/d" >"$T/pmm.conf"
    expect 2 check
    says 'source ='
    chmod 622 "$T/pmm.conf"
    expect 7 check
    expect 1 seal check-config no-such-name
    expect 2 seal check-config --config "$T/pmm.conf" "$T/pmm.conf"
}
