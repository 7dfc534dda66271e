load helpers

# A tree that takes some seconds to compress.
slow_tree() { mkdir -p "$T/src" "$T/d"; seq 1 6000000 >"$T/src/numbers"; }
slow_backup() { # WHEN SIGNAL [signalled's options]
    local when=$1 sig=$2
    shift 2
    "$E2E/signalled" "$@" "$when" "$sig" "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" \
        --level 19 --threads 1 -q -o "$T/d/a.pmmseal" "$T/src" 2>"$T/said.err"
}

@test "TERM, INT and HUP end a backup by that signal, and nothing is left" {
    slow_tree
    for s in TERM:15 INT:2 HUP:1; do
        [ "$(slow_backup "exists:$T/d/.a.pmmseal.*.tmp" ${s%:*})" = "signal ${s#*:}" ]
        empty_dir "$T/d"
    done
}

@test "two signals are as one" {
    slow_tree
    how=$(slow_backup "exists:$T/d/.a.pmmseal.*.tmp" INT,TERM,INT)
    [ "$how" = 'signal 2' ] || [ "$how" = 'signal 15' ] || fail "$how"
    empty_dir "$T/d"
}

@test "a HUP that is ignored, as under nohup, stays ignored" {
    mkdir -p "$T/src" "$T/d"
    seq 1 700000 >"$T/src/numbers"
    [ "$(slow_backup "exists:$T/d/.a.pmmseal.*.tmp" HUP --ignore HUP)" = "exit 0" ]
    expect 0 verify "$T/d/a.pmmseal"
}

@test "USR1 prints a line and ends nothing" {
    mkdir -p "$T/src" "$T/d"
    seq 1 700000 >"$T/src/numbers"
    [ "$(slow_backup "exists:$T/d/.a.pmmseal.*.tmp" USR1)" = "exit 0" ]
    grep -q '^pmm-seal: ' "$T/said.err"
    expect 0 verify "$T/d/a.pmmseal"
}

@test "TERM, INT and HUP end a restore by that signal; staging goes, the target stays" {
    mkdir "$T/src" "$T/d" "$T/d/out"
    random_file "$T/src/big" 20000000
    backup -q -o "$T/a.pmmseal" "$T/src"
    head -c 15000000 "$T/a.pmmseal" >"$T/most"
    echo old >"$T/d/out/old"
    cp -a "$T/d/out" "$T/copy"
    for s in TERM:15 INT:2 HUP:1; do
        how=$("$E2E/signalled" --stdin "$T/most" --keep-stdin-open "exists:$T/d/.pmm-seal-restore.*" ${s%:*} \
            "$PMM_SEAL" restore --replace --passphrase-file "$T/pass" - "$T/d/out")
        [ "$how" = "signal ${s#*:}" ]
        [ "$(ls -A "$T/d")" = out ]
        same_trees "$T/copy" "$T/d/out"
        how=$("$E2E/signalled" --stdin "$T/most" --keep-stdin-open "exists:$T/d/.pmm-seal-restore.*" ${s%:*} \
            "$PMM_SEAL" restore --passphrase-file "$T/pass" - "$T/d/new")
        [ "$how" = "signal ${s#*:}" ]
        [ "$(ls -A "$T/d")" = out ]
    done
}

@test "a restore that was killed outright leaves the target as it was, the next one tidies up" {
    mkdir "$T/src" "$T/d" "$T/d/out"
    random_file "$T/src/big" 20000000
    backup -q -o "$T/a.pmmseal" "$T/src"
    head -c 15000000 "$T/a.pmmseal" >"$T/most"
    echo old >"$T/d/out/old"
    cp -a "$T/d/out" "$T/copy"
    how=$("$E2E/signalled" --stdin "$T/most" --keep-stdin-open "exists:$T/d/.pmm-seal-restore.*" KILL \
        "$PMM_SEAL" restore --replace --passphrase-file "$T/pass" - "$T/d/out")
    [ "$how" = "signal 9" ]
    same_trees "$T/copy" "$T/d/out"
    expect 0 restore --replace "$T/a.pmmseal" "$T/d/out"
    same_trees "$T/src" "$T/d/out"
    [ "$(ls -A "$T/d")" = out ]
}

@test "a wait for the passphrase command, and for a FIFO's reader, can be ended" {
    small_tree "$T/src"
    mkdir "$T/d"
    [ "$("$E2E/signalled" after:0.5 TERM "$PMM_SEAL" backup --passphrase-command 'sleep 30' -o "$T/d/" "$T/src")" = "signal 15" ]
    [ -z "$(ls "$T/d")" ]
    mkfifo "$T/fifo"
    [ "$("$E2E/signalled" after:0.5 TERM "$PMM_SEAL" backup --passphrase-file "$T/pass" -o "$T/fifo" "$T/src")" = "signal 15" ]
}

@test "a reader that goes away ends a backup by SIGPIPE" {
    mkdir "$T/src"
    random_file "$T/src/big" 30000000
    [ "$("$E2E/signalled" closed-stdout - "$PMM_SEAL" backup -q --kdf interactive --passphrase-file "$T/pass" -o - "$T/src")" = "signal 13" ]
    expect_sh 0 'backup -q -o - "$T/src" | head -c 100000 >"$T/part"'
    [ "$(stat -c %s "$T/part")" = 100000 ]
}

@test "where SIGPIPE is ignored the broken pipe exits 1" {
    mkdir "$T/src"
    random_file "$T/src/big" 30000000
    [ "$("$E2E/signalled" --ignore PIPE closed-stdout - "$PMM_SEAL" backup -q --kdf interactive --passphrase-file "$T/pass" -o - "$T/src" 2>"$T/said.err")" = "exit 1" ]
    says 'Broken pipe'
}

@test "as process 1 of a container a TERM exits 143 and leaves nothing" {
    need_root
    unshare -pf true 2>/dev/null || skip "no PID namespace here"
    slow_tree
    unshare -pf --kill-child "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" \
        --level 19 --threads 1 -q -o "$T/d/a.pmmseal" "$T/src" &
    outer=$!
    mine $outer
    wait_for 20 sh -c "ls '$T'/d/.a.pmmseal.*.tmp >/dev/null 2>&1"
    sleep 0.2
    kill -TERM "$(ps -o pid= --ppid $outer | tr -d ' ')"
    rc=0
    wait $outer || rc=$?
    [ $rc = 143 ]
    empty_dir "$T/d"
}
