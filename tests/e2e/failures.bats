load helpers
load pmm-volume

# What can go wrong in one night. Each test is a row of a table: the exit status, which is that of the manual, and what
# is wrong. After it the failure is told, the metrics have it and keep the last good values, the directory of
# archives is as it was to the byte, and the next night, with nothing wrong, is a good one.
#
# The directory holds three good archives, and the rules keep two: a night that is none must not apply them.

# ---- a night ----

# The three archives, and metrics whose values are known by sight: 16 hundred millions and some.
setup_file() {
    find_program
    T=$BATS_FILE_TMPDIR
    write_secret "$T/pass" "$PASSPHRASE"
    pmm_volume "$T/src" 7001 1 3.7.0
    configured
    mkdir "$T/d" "$T/m"
    for hook in true true false; do
        night --no-verify --keep-last 9 --after $hook 2>/dev/null || [ $hook = false ]
    done
    rm -f "$T/d/.pmm-seal.lock"
    [ "$(ours | wc -l)" = 3 ]
    verify -q --name pmm --metrics-file "$T/m/pmm.prom" "$T/d"
    awk '/^#/ { print; next } { print $1, 1600000000 + NR }' "$T/m/pmm.prom" >"$T/old.prom"
    grep -q '^pmm_seal_last_downtime' "$T/old.prom"
}

configured() { # the night's configuration, and more lines
    printf '%s\n' "source = $T/src" "directory = $T/d" "passphrase-file = $T/pass" "metrics-file = $T/m/pmm.prom" \
        'kdf = interactive' 'keep-last = 2' 'keep-daily = 1' 'quiet = yes' "$@" >"$T/pmm.conf"
    chmod 644 "$T/pmm.conf"
}
prepare() { # [lines of the configuration]
    configured "$@"
    cp -a "$BATS_FILE_TMPDIR/src" "$BATS_FILE_TMPDIR/d" "$T"
    mkdir "$T/m"
    cp "$BATS_FILE_TMPDIR/old.prom" "$T/m/pmm.prom"
    directory >"$T/d.was"
}

# Where, or as whom, the night runs: a prefix to its command.
IN=()
inside() { "${IN[@]}" "$@"; }
night() { inside "$PMM_SEAL" "${COMMAND:-backup}" --config "$T/pmm.conf" "$@"; }
COMMAND=''

# In a mount namespace of its own, which ends with the test.
in_mounts() {
    need_mounts
    unshare -m --propagation private sleep 600 3>&- &
    mine $!
    wait_for 10 other_mounts $!
    IN=(nsenter -t $! -m)
}
other_mounts() { [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]; }
# A small disk with what is in DIR now.
small_disk() { # DIR SIZE
    cp -a "$1" "$T/kept"
    inside mount -t tmpfs -o "size=$2" none "$1"
    inside cp -a "$T/kept/." "$1/"
    rm -r "$T/kept"
    directory >"$T/d.was"
}
# All of its space, but for so many bytes.
fill() { # DIR BYTES
    inside dd if=/dev/zero of="$1/.fill" bs=4k 2>/dev/null || true
    inside truncate -s "-$2" "$1/.fill"
    directory >"$T/d.was"
}
empty() { # DIR
    inside rm "$1/.fill"
    directory >"$T/d.was"
}

# As somebody who is not root, and to whom all of it belongs.
by_user() {
    as_user true
    IN=(as_user)
    if root; then
        PMM_SEAL=$T/bin/pmm-seal
        chown -R 1000:1000 "$T/src" "$T/d" "$T/m" "$T/pass"
    fi
    directory >"$T/d.was"
}

# ---- what is to be seen afterwards ----

ours() { inside find "$T/d" -maxdepth 1 -type f -name 'pmm-*.pmmseal' -printf '%f\n' | sort; }
# Everything in the directory that a failure must leave alone: all but the file of the lock.
directory() {
    inside find "$T/d" -mindepth 1 ! -name .pmm-seal.lock -printf '%P %y %m %U %G %n %s %T@ %i\n' \
        -type f -exec sha256sum {} + | sort
}
unchanged() { directory | diff "$T/d.was" - || fail "the directory is not as it was (<)"; }
# What was there is as it was, but for the note of what was proved; more may be there.
older_unchanged() {
    local more
    more=$(directory | comm -23 "$T/d.was" - | grep -v '\.pmm-seal\.verified' || true)
    [ -z "$more" ] || fail "not as it was: $more"
}
no_leftovers() {
    local left
    left=$(inside find "$T/d" "$T/m" -name '*.tmp')
    [ -z "$left" ] || fail "left behind: $left"
}

# A value that the file had before the night is one of these.
OLD=16000000
metric() { sed -n "s/^pmm_seal_$1{name=\"pmm\"${2:+,command=\"$2\"}} //p" "$T/prom"; } # NAME [COMMAND]
read_metrics() { inside cat "$T/m/pmm.prom" >"$T/prom"; }
promtool_is_silent() {
    command -v promtool >/dev/null || return 0
    promtool check metrics <"$T/prom" >"$T/promtool" 2>&1 || fail "$(cat "$T/promtool")" || return 1
    [ ! -s "$T/promtool" ] || fail "promtool: $(cat "$T/promtool")"
}
# What every run sets is set, and nothing else.
metrics_say() { # STATUS
    local command=${COMMAND:-backup} of_each
    of_each="^pmm_seal_last_(attempt_timestamp_seconds|duration_seconds|exit_code)\{name=\"pmm\",command=\"$command\"\}"
    read_metrics && promtool_is_silent || return 1
    [ "$(metric last_exit_code "$command")" = "$1" ] || fail "exit code: $(metric last_exit_code "$command")" || return 1
    [ "$(metric last_attempt_timestamp_seconds "$command")" -ge "$BEGAN" ] || fail "the attempt is not new" || return 1
    [[ $(metric last_duration_seconds "$command") != $OLD* ]] || fail "the duration is not new" || return 1
    diff <(grep -vE "$of_each" "$BATS_FILE_TMPDIR/old.prom") <(grep -vE "$of_each" "$T/prom") ||
        fail "a last good value was not kept (<)"
}
metrics_unchanged() { inside cat "$T/m/pmm.prom" | cmp "$BATS_FILE_TMPDIR/old.prom" -; }
# A good night, by its metrics: nothing is old in them but what it could not know.
metrics_good() { # STATUS WARNINGS
    local old
    read_metrics || return 1
    [ "$(metric last_exit_code backup)" = "$1" ] || fail "exit code: $(metric last_exit_code backup)" || return 1
    [ "$(metric last_warnings backup)" = "$2" ] || fail "warnings: $(metric last_warnings backup)" || return 1
    [ "$(metric last_verified_timestamp_seconds)" -ge "$BEGAN" ] || fail "the new archive was not proved" || return 1
    [ "$(metric archives)" = "$(ours | wc -l)" ] || fail "archives: $(metric archives)" || return 1
    old=$(grep -v -e '^#' -e 'command="verify"' -e last_downtime -e passphrase_created "$T/prom" | grep " $OLD" || true)
    [ -z "$old" ] || fail "not set by a good run: $old"
}

# ---- the columns ----

begin() { BEGAN=$(date +%s); }
ends() { # STATUS TEXT [options]: the run itself
    begin
    expect "$1" night "${@:3}" || return 1
    says "$2"
}
# No archive.
fails() { # STATUS TEXT [options]
    ends "$@" && unchanged && metrics_say "$1" && no_leftovers
}
# The same of a run that ends at its options, or at its configuration: it does not know of metrics.
fails_early() { # STATUS TEXT [options]
    ends "$@" && unchanged && metrics_unchanged && no_leftovers
}
# A new archive, and the rules applied.
kept_two() {
    [ "$(ours | wc -l)" = 2 ] || fail "these are there: $(ours)" || return 1
    [ "$(ours | grep -cvxFf "$T/ours.was")" = 1 ] || fail "no new one among: $(ours)" || return 1
    no_leftovers
}
warns() { # TEXT [options]
    ours >"$T/ours.was"
    ends 3 "$@" && kept_two && metrics_good 3 1
}
recovers() {
    COMMAND=''
    ours >"$T/ours.was"
    begin
    expect 0 night || return 1
    [ ! -s "$T/said.err" ] || fail "it is not quiet: $(cat "$T/said.err")" || return 1
    kept_two && metrics_good 0 0
}

# ---- nothing is saved ----

@test "exit 1: SOURCE is gone" {
    prepare
    mv "$T/src" "$T/elsewhere"
    fails 1 "$T/src: No such file or directory"
    mv "$T/elsewhere" "$T/src"
    recovers
}

# bats test_tags=full
@test "exit 7: SOURCE is empty" {
    prepare
    mv "$T/src" "$T/elsewhere"
    mkdir "$T/src"
    fails 7 "SOURCE is empty"
    rmdir "$T/src"
    mv "$T/elsewhere" "$T/src"
    recovers
}

# bats test_tags=full
@test "exit 7: SOURCE is another server's volume" {
    prepare
    mv "$T/src" "$T/elsewhere"
    pmm_volume "$T/src" 7002 1 3.7.0
    fails 7 "another PMM volume"
    rm -r "$T/src"
    mv "$T/elsewhere" "$T/src"
    recovers
}

# bats test_tags=full
@test "exit 7: the server runs, and nobody stops it" {
    prepare
    (flock -x 9; exec sleep 600) 9>>"$T/src/clickhouse/status" 3>&- &
    mine $!
    held=$!
    wait_for 10 sh -c "! flock -n -x '$T/src/clickhouse/status' true"
    fails 7 "running"
    kill -KILL $held
    wait_for 10 flock -n -x "$T/src/clickhouse/status" true
    recovers
}

@test "exit 1: the command before fails; that of after runs, for what was half stopped" {
    prepare "before = echo it stands still >$T/before; echo will not stop; exit 5" "after = echo again >>$T/before"
    fails 1 "the command of --before failed with status 5"
    says 'will not stop'
    content "$T/before" "$(printf 'it stands still\nagain')"
    configured
    recovers
}

# bats test_tags=full
@test "exit 4: the passphrase file is gone" {
    prepare
    mv "$T/pass" "$T/elsewhere"
    fails 4 "$T/pass: No such file or directory"
    mv "$T/elsewhere" "$T/pass"
    recovers
}

@test "exit 4: the passphrase file cannot be read" {
    prepare
    by_user
    chmod 0 "$T/pass"
    fails 4 "$T/pass: Permission denied"
    chmod 600 "$T/pass"
    recovers
}

# bats test_tags=full
@test "exit 7: the passphrase file can be read by others" {
    prepare
    chmod 644 "$T/pass"
    fails 7 "others can read"
    chmod 600 "$T/pass"
    recovers
}

@test "exit 4: the passphrase is another one than that of the archives" {
    prepare
    write_secret "$T/pass" 'not this one at all, for 1848 reasons'
    fails 4 "does not open the last archive"
    write_secret "$T/pass" "$PASSPHRASE"
    recovers
}

@test "exit 6: another run writes in the directory, and is named" {
    prepare
    mkfifo "$T/go"
    "$PMM_SEAL" backup --config "$T/pmm.conf" --before "echo >'$T/begun'; read -r line <'$T/go'" 3>&- &
    holder=$!
    mine $holder
    wait_for 30 present "$T/begun" >/dev/null
    directory >"$T/d.was"
    ends 6 "process $holder on "
    unchanged
    metrics_say 6
    ours >"$T/ours.was"
    echo >"$T/go"
    wait $holder
    kept_two
    recovers
}

@test "exit 1: the disk is full" {
    prepare
    random_file "$T/src/grafana/big" 3000000
    in_mounts
    small_disk "$T/d" 8m
    fill "$T/d" 1000000
    fails 1 "No space left on device"
    empty "$T/d"
    recovers
}

# bats test_tags=full
@test "exit 1: the disk has no room for one more archive: nothing is stopped" {
    prepare "before = touch $T/before" "after = touch $T/after"
    in_mounts
    small_disk "$T/d" 8m
    fill "$T/d" 4096
    fails 1 "not enough space for one more archive"
    absent "$T/before" "$T/after"
    empty "$T/d"
    recovers
    present "$T/before" "$T/after"
}

# bats test_tags=full
@test "exit 1: the disk became read-only" {
    prepare
    in_mounts
    small_disk "$T/d" 8m
    inside mount -o remount,ro "$T/d"
    fails 1 "Read-only file system"
    inside mount -o remount,rw "$T/d"
    recovers
}

@test "exit 7: the disk is not mounted, where the configuration requires it" {
    prepare "require-mount = yes"
    in_mounts
    fails 7 "nothing is mounted"
    inside mount --bind "$T/d" "$T/d"
    recovers
}

# bats test_tags=full
@test "exit 1: the directory of archives is gone" {
    prepare
    mv "$T/d" "$T/elsewhere"
    ends 1 "$T/d: No such file or directory"
    metrics_say 1
    absent "$T/d"
    mv "$T/elsewhere" "$T/d"
    unchanged
    recovers
}

# ---- killed ----

# A tree that takes some seconds to compress, and the signal while that goes on: the command of `before` is the
# last that comes before it.
killed() { # SIGNAL NUMBER
    configured "before = touch $T/before" "after = touch $T/after"
    seq 1 4000000 >"$T/src/grafana/numbers"
    begin
    how=$("$E2E/signalled" "exists:$T/before" "$1" "$PMM_SEAL" backup --config "$T/pmm.conf" \
        --level 19 --threads 1 2>"$T/said.err")
    [ "$how" = "signal $2" ] || fail "it ended by: $how" || return 1
    rm "$T/src/grafana/numbers"
}

@test "exit 143: TERM in the middle of writing; what was stopped is started" {
    prepare
    killed TERM 15
    present "$T/after"
    unchanged
    metrics_say 143
    no_leftovers
    recovers
}

@test "KILL in the middle of writing: the metrics know nothing of it, what was stopped is started" {
    prepare
    killed KILL 9
    wait_for 20 present "$T/after" >/dev/null
    metrics_unchanged
    older_unchanged
    ours | diff <(grep -o '^pmm-[^ ]*' "$T/d.was" | sort -u) -
    # What it leaves is under a name that nobody takes for an archive, and the next night takes it away.
    [ "$(inside find "$T/d" -name '.pmm-*.tmp' -size +0 | wc -l)" = 1 ]
    recovers
}

# bats test_tags=full
@test "KILL while the metrics are written: the old ones stay, and the next night takes away what it left" {
    need_strace
    prepare
    # A run that ends early renames nothing else.
    begin
    rc=0
    traced -o /dev/null -e inject=renameat,renameat2:signal=KILL:when=1 "$PMM_SEAL" backup --config "$T/pmm.conf" \
        --passphrase-file "$T/other" 2>"$T/said.err" || rc=$?
    [ $rc = 137 ]
    unchanged
    metrics_unchanged
    [ "$(find "$T/m" -name '.pmm.prom.*.tmp' | wc -l)" = 1 ]
    recovers
}

# ---- the configuration ----

# bats test_tags=full
@test "exit 1: the configuration is gone" {
    prepare
    mv "$T/pmm.conf" "$T/elsewhere"
    fails_early 1 "cannot read the configuration: $T/pmm.conf"
    mv "$T/elsewhere" "$T/pmm.conf"
    recovers
}

# bats test_tags=full
@test "exit 2: the configuration has a key that there is not" {
    prepare "keep-fortnightly = 3"
    fails_early 2 "$T/pmm.conf:9: no such key: keep-fortnightly"
    configured
    recovers
}

# bats test_tags=full
@test "exit 7: others can change the configuration" {
    prepare
    chmod 666 "$T/pmm.conf"
    fails_early 7 "others can change the configuration"
    chmod 644 "$T/pmm.conf"
    recovers
}

# ---- the archive is there ----

@test "exit 1: the command after fails: the archive is there, and no older one is deleted" {
    prepare
    ours >"$T/ours.was"
    ends 1 "the command of --after failed with status 6" --before true --after 'exit 6'
    says "the archive is whole: $T/d/pmm-"
    older_unchanged
    [ "$(ours | grep -cvxFf "$T/ours.was")" = 1 ]
    metrics_say 1
    no_leftovers
    expect 0 verify "$T/d/$(ours | grep -vxFf "$T/ours.was")"
    recovers
}

@test "exit 3: a file of SOURCE cannot be read: all else is saved, and the rules apply" {
    prepare
    echo mine >"$T/src/grafana/closed"
    by_user
    chmod 0 "$T/src/grafana/closed"
    warns file-unreadable
    says grafana/closed
    chmod 600 "$T/src/grafana/closed"
    recovers
}

@test "exit 3: the disk of the metrics is full: the old ones stay" {
    prepare
    in_mounts
    small_disk "$T/m" 64k
    fill "$T/m" 0
    ours >"$T/ours.was"
    ends 3 metrics-not-written
    says 'No space left on device'
    kept_two
    metrics_unchanged
    empty "$T/m"
    recovers
}

# bats test_tags=full
@test "exit 3: the directory of the metrics cannot be written" {
    prepare
    by_user
    chmod 555 "$T/m"
    ours >"$T/ours.was"
    ends 3 metrics-not-written
    kept_two
    metrics_unchanged
    chmod 755 "$T/m"
    recovers
}

# bats test_tags=full
@test "exit 3: the directory of the metrics is gone" {
    prepare
    mv "$T/m" "$T/elsewhere"
    ours >"$T/ours.was"
    ends 3 metrics-not-written
    mv "$T/elsewhere" "$T/m"
    kept_two
    metrics_unchanged
    recovers
}

# bats test_tags=full
@test "metrics of a first night that fails have the attempt and its end, and the next one has all" {
    prepare
    rm "$T/m/pmm.prom"
    ends 4 "$T/other" --passphrase-file "$T/other"
    unchanged
    read_metrics
    promtool_is_silent
    [ "$(grep -c '^pmm_seal' "$T/prom")" = 3 ]
    [ "$(metric last_exit_code backup)" = 4 ]
    recovers
}

# ---- verify and prune by the same configuration ----

@test "verify, exit 5: an archive is damaged; the next night warns, and does not delete it" {
    prepare
    bad=$(ours | head -n 1)
    printf XXXX | dd of="$T/d/$bad" bs=1 seek=5000 conv=notrunc 2>/dev/null
    directory >"$T/d.was"
    COMMAND=verify
    ends 5 "$bad" --sample 1/2
    says '1 of 2 archives are not good'
    older_unchanged
    metrics_say 5
    # Of the others the share is whole, and the damage is not forgotten.
    expect 3 night --sample 1/2
    says archive-damaged
    COMMAND=''
    ours >"$T/ours.was"
    ends 3 archive-damaged
    says "$bad"
    present "$T/d/$bad"
    rm "$T/d/$bad"
    recovers
}

# bats test_tags=full
@test "verify, exit 4: the passphrase is another one: no archive is called bad" {
    prepare
    COMMAND=verify
    ends 4 "3 of 3 archives are not good" --passphrase-file "$T/other"
    older_unchanged
    cmp "$BATS_FILE_TMPDIR/d/.pmm-seal.verified" "$T/d/.pmm-seal.verified"
    metrics_say 4
    no_leftovers
    recovers
}

@test "prune, exit 4: the passphrase is another one: nothing is deleted" {
    prepare
    COMMAND=prune
    fails 4 "nothing is deleted" --passphrase-file "$T/other"
    expect 0 night --keep-last 3
    unchanged
    read_metrics
    [ "$(metric last_exit_code prune)" = 0 ]
    recovers
}
