load helpers
load pmm-volume

# What pmm-seal knows of a PMM volume, told from its files. The servers themselves come in
# stores.bats and containers.bats.

@test "a PMM volume is told by its files, in one line, in the manifest and by info" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    expect 0 backup -o "$T/a.pmmseal" "$T/srv"
    grep -qF 'PMM 3.7.0 (docker), PostgreSQL 14' "$T/said.out"
    expect 0 info --json "$T/a.pmmseal"
    [ "$(fact .pmm)" = true ]
    [ "$(fact .pmm_version)" = 3.7.0 ]
    [ "$(fact .postgresql_system_id)" = 7001 ]
    [ "$(fact .state)" = stopped ]
    small_tree "$T/plain"
    expect 0 backup -o "$T/b.pmmseal" "$T/plain"
    grep -q 'no PMM volume' "$T/said.out"
}

@test "what a server makes again is left out, its directories stay; --no-default-excludes keeps all" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    chmod 751 "$T/srv/logs"
    backup -q -o "$T/a.pmmseal" "$T/srv"
    restore -q "$T/a.pmmseal" "$T/out"
    [ "$(stat -c %a "$T/out/logs")" = 751 ]
    empty_dir "$T/out/logs"
    empty_dir "$T/out/postgres14/pg_notify"
    empty_dir "$T/out/victoriametrics/data/cache"
    absent "$T/out/clickhouse/status"
    present "$T/out/pmm-encryption.key" "$T/out/.postgres_password" "$T/out/nginx/certificate.key"
    backup -q --no-default-excludes -o "$T/all.pmmseal" "$T/srv"
    restore -q "$T/all.pmmseal" "$T/all"
    same_trees "$T/srv" "$T/all"
    expect 0 seal backup --show-excludes "$T/srv"
    grep -qF 'logs/*' "$T/said.out"
    # Of what is no PMM volume nothing is left out.
    mkdir -p "$T/plain/logs" && echo x >"$T/plain/logs/x"
    backup -q -o "$T/plain.pmmseal" "$T/plain"
    list "$T/plain.pmmseal" | grep -q logs/x
}

@test "another volume under the same name is refused, and so is none" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    pmm_volume "$T/other-srv" 7002 1 3.7.0
    pmm_volume "$T/upgraded" 7003 1 3.10.0 18
    mkdir "$T/d" "$T/empty" "$T/plain"
    echo x >"$T/plain/x"
    backup -q -o "$T/d/" "$T/srv"
    backup -q -o "$T/d/" "$T/srv"
    expect 7 backup -o "$T/d/" "$T/other-srv"
    says --name
    expect 7 backup -o "$T/d/" "$T/plain"
    says "no PMM volume"
    expect 7 backup -o "$T/d/" "$T/empty"
    [ "$(ls "$T/d" | wc -l)" = 2 ]
    expect 0 backup --name other -o "$T/d/" "$T/other-srv"
    # A newest archive that is cut does not hide whose volume the others are of.
    cp "$T/d/$(ls "$T/d" | grep pmm-data | tail -n 1)" "$T/kept"
    backup -q -o "$T/d/" "$T/srv"
    truncate -s -100 "$T/d/$(ls "$T/d" | grep pmm-data | tail -n 1)"
    expect 7 backup -o "$T/d/" "$T/other-srv"
    says previous-unusable
    rm "$T/d/$(ls "$T/d" | grep pmm-data | tail -n 1)"
    # PostgreSQL's next major version is a new cluster of the same server.
    expect 0 backup -o "$T/d/" "$T/upgraded"
    says volume-upgraded
}

@test "a running server is refused with the ways out, --allow-live marks the archive" {
    pmm_volume "$T/srv" 7001 6 3.7.0
    flock -x "$T/srv/victoriametrics/data/flock.lock" sleep 100 3>&- &
    mine $!
    wait_for 10 locked "$T/srv/victoriametrics/data/flock.lock"
    expect 7 backup -o "$T/a.pmmseal" "$T/srv"
    says 'docker stop -t 300'
    says --stop-services
    says --allow-live
    absent "$T/a.pmmseal"
    expect 3 backup --allow-live -o "$T/a.pmmseal" "$T/srv"
    says live-server
    expect 3 verify "$T/a.pmmseal"
    expect 3 restore "$T/a.pmmseal" "$T/out"
    grep -q 'RUNNING SERVER' "$T/said.out"
    # Nor is one restored over.
    expect 7 restore --replace "$T/a.pmmseal" "$T/srv"
    says running
}

locked() { ! flock -n -s "$1" true; }

@test "a crashed server is backed up with a warning" {
    pmm_volume "$T/srv" 7001 6 3.7.0
    expect 3 backup -o "$T/a.pmmseal" "$T/srv"
    says store-crashed
    expect 0 backup --accept store-crashed -o "$T/b.pmmseal" "$T/srv"
}

@test "a server that starts while its files are read marks the archive" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    random_file "$T/srv/big" 30000000
    mkfifo "$T/pipe"
    backup --progress none -o - "$T/srv" >"$T/pipe" 2>"$T/said.err" 3>&- &
    local pid=$!
    mine $pid
    exec 4<"$T/pipe"
    head -c 1000000 <&4 >"$T/out"
    flock -x "$T/srv/victoriametrics/data/flock.lock" sleep 100 3>&- 4>&- &
    mine $!
    wait_for 10 locked "$T/srv/victoriametrics/data/flock.lock"
    cat <&4 >>"$T/out"
    exec 4<&-
    local rc=0
    wait $pid || rc=$?
    [ $rc = 3 ]
    says store-started
    expect 3 verify "$T/out"
    says store-started
}

@test "what must be in a PMM volume and is not is a warning" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    rm "$T/srv/pmm-encryption.key" "$T/srv/.postgres_password"
    expect 3 backup -o "$T/a.pmmseal" "$T/srv"
    says key-missing
    says password-missing
    mkdir "$T/etc" && echo the key >"$T/etc/pmm-encryption.key"
    expect 3 backup --add "$T/etc/pmm-encryption.key" -o "$T/b.pmmseal" "$T/srv"
    silent_about key-missing
    pmm_volume "$T/srv2" 7001 1 2.41.0
    rm "$T/srv2/pmm-encryption.key" "$T/srv2/.postgres_password"
    expect 0 backup -o "$T/c.pmmseal" "$T/srv2"
}

@test "owners seen in a user namespace are told, and a restore elsewhere warns" {
    need_root
    unshare -U -r true 2>/dev/null || skip "no user namespaces here"
    pmm_volume "$T/srv" 7001 1 3.7.0
    expect 0 unshare -U -r "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" -o "$T/a.pmmseal" "$T/srv"
    expect 0 info --json "$T/a.pmmseal"
    [ "$(fact .uid_map)" = '0 0 1' ]
    expect 3 restore "$T/a.pmmseal" "$T/out"
    says other-id-map
    diff_ -q "$T/a.pmmseal" "$T/out"
    expect 0 unshare -U -r "$PMM_SEAL" restore --passphrase-file "$T/pass" "$T/a.pmmseal" "$T/again"
    expect 0 backup -o "$T/b.pmmseal" "$T/srv"
    expect 0 restore "$T/b.pmmseal" "$T/third"
    expect 3 unshare -U -r "$PMM_SEAL" restore --passphrase-file "$T/pass" "$T/b.pmmseal" "$T/fourth"
    says other-id-map
}

@test "a store that leads out of the volume is told, wherever" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    mkdir -p "$T/srv/postgres14/pg_tblspc" "$T/wal"
    ln -s "$T/wal" "$T/srv/postgres14/pg_wal"
    ln -s "$T/wal" "$T/srv/postgres14/pg_tblspc/16384"
    ln -s "$T/wal" "$T/srv/clickhouse/store"
    expect 3 backup -o "$T/a.pmmseal" "$T/srv"
    for path in postgres14/pg_wal postgres14/pg_tblspc/16384 clickhouse/store; do
        says "$path: it is a symlink"
    done
}

@test "only PMM's key stands for PMM's key, and a child is not handed the passphrase" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    rm "$T/srv/pmm-encryption.key"
    mkdir "$T/etc"
    echo key >"$T/etc/pmm-encryption.key"
    expect 3 backup --add "$T/pass" -o "$T/a.pmmseal" "$T/srv"
    says key-missing
    expect 0 backup --add "$T/etc/pmm-encryption.key" -o "$T/b.pmmseal" "$T/srv"
    fake_supervisorctl
    sed -i "2i ls -l /proc/\$\$/fd >>'$T/fds'" "$T/fake/supervisorctl"
    exec 7<"$T/pass"
    expect_sh 0 'PATH=$T/fake:$PATH seal backup -q --kdf interactive --stop-services --passphrase-fd 7 \
        --add "$T/etc/pmm-encryption.key" -o "$T/c.pmmseal" "$T/srv"'
    exec 7<&-
    [ -s "$T/fds" ]
    if grep -F "$T/pass" "$T/fds"; then fail "a child has the file of the passphrase open"; fi
}

@test "another server's store in a mount is a warning" {
    need_mounts
    pmm_volume "$T/srv" 7001 1 3.7.0
    rm -r "$T/srv/clickhouse"
    backup -q -o "$T/a.pmmseal" "$T/srv"
    export -f with_pass restore
    export T PMM_SEAL
    mkdir -p "$T/vol/clickhouse"
    expect 3 unshare -m bash -ec '
        mount -t tmpfs none "$T/vol/clickhouse"
        echo theirs >"$T/vol/clickhouse/data"
        restore --replace "$T/a.pmmseal" "$T/vol"'
    says mount-kept
}

@test "files from elsewhere go along and come back" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    printf 'the key\n' >"$T/key"
    printf '[{"Env": []}]\n' >"$T/inspect.json"
    expect 0 backup --add "$T/key" --attach "$T/inspect.json" -o "$T/a.pmmseal" "$T/srv"
    expect 0 info "$T/a.pmmseal"
    grep -qF "$T/key" "$T/said.out"
    grep -q inspect.json "$T/said.out"
    ! grep -q 'the key' "$T/said.out" || fail "info shows what it holds"
    info --attached key "$T/a.pmmseal" | cmp - "$T/key"
    info --attached "$T/inspect.json" "$T/a.pmmseal" | cmp - "$T/inspect.json"
    # A terminal gets no command from it.
    printf 'a\033]0;title\007\nb\n' >"$T/nasty"
    backup -q --attach "$T/nasty" -o "$T/n.pmmseal" "$T/srv"
    info --attached nasty "$T/n.pmmseal" | cmp - "$T/nasty"
    script -qec "$PMM_SEAL info --passphrase-file $T/pass --attached nasty $T/n.pmmseal" /dev/null </dev/null >"$T/tty"
    grep -qF 'a\033]0;title\007' "$T/tty"
    expect 1 info --attached nothing "$T/a.pmmseal"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    grep -qF "$T/key" "$T/said.out"
    ! grep -q 'the key' "$T/a.pmmseal" || fail "it is not sealed"
    expect 1 backup --add "$T/none" -o "$T/b.pmmseal" "$T/srv"
    head -c 300000 /dev/zero | tr '\0' x >"$T/large"
    expect 1 backup --attach "$T/large" -o "$T/b.pmmseal" "$T/srv"
    expect 1 backup --attach /dev/null -o "$T/b.pmmseal" "$T/srv"
    absent "$T/b.pmmseal"
}

@test "an archive of a newer PMM is refused for an older one" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    backup -q -o "$T/a.pmmseal" "$T/srv"
    expect 7 restore --target-version 3.6.1 "$T/a.pmmseal" "$T/out"
    says 3.7.0
    says --force-version
    absent "$T/out"
    expect_sh 7 'restore --target-version 3.6.1 - "$T/out" <"$T/a.pmmseal"'
    absent "$T/out"
    expect 0 restore --target-version 3.10.0 "$T/a.pmmseal" "$T/out"
    expect 0 restore --force-version --target-version 3.6.1 --replace "$T/a.pmmseal" "$T/out"
}

@test "a restored volume starts: no postmaster.pid, PostgreSQL's mode, a logs directory" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    echo 4711 >"$T/srv/postgres14/postmaster.pid"
    chmod 2770 "$T/srv/postgres14"
    rm -r "$T/srv/logs"
    backup -q --no-default-excludes -o "$T/a.pmmseal" "$T/srv"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    says pg-mode-set
    says logs-made
    absent "$T/out/postgres14/postmaster.pid"
    [ "$(stat -c %a "$T/out/postgres14")" = 750 ]
    [ "$(stat -c %a "$T/out/logs")" = 775 ]
    # A target that is such a volume already says what may be behind it.
    expect 7 restore "$T/a.pmmseal" "$T/out"
    says 'up to PMM 3.7'
}

@test "--before and --after run around the reading, --after on every way out" {
    small_tree "$T/src"
    expect 0 backup --before "echo before >>$T/log; test ! -e $T/a.pmmseal" --after "echo after >>$T/log" \
        -o "$T/a.pmmseal" "$T/src"
    [ "$(tr '\n' ' ' <"$T/log")" = 'before after ' ]
    grep -q 'stood still' "$T/said.out"
    : >"$T/log"
    expect 1 backup --before "echo no luck; exit 5" --after "echo after >>$T/log" -o "$T/b.pmmseal" "$T/src"
    says 'no luck'
    content "$T/log" after
    absent "$T/b.pmmseal"
    # Nothing runs before all that can be wrong has been looked at.
    : >"$T/log"
    expect 4 seal backup --kdf interactive --passphrase-file "$T/none" --before "echo before >>$T/log" \
        --after "echo after >>$T/log" -o "$T/b.pmmseal" "$T/src"
    expect 7 backup --before "echo before >>$T/log" -o "$T/a.pmmseal" "$T/src"
    [ ! -s "$T/log" ]
    # What --after cannot do is an error, and the archive is there all the same.
    expect 1 backup --before true --after "echo broken; exit 3" -o "$T/c.pmmseal" "$T/src"
    says broken
    says 'is whole'
    expect 0 verify "$T/c.pmmseal"
}

@test "--after runs when the backup is killed, and nothing of it stays behind" {
    small_tree "$T/src"
    random_file "$T/src/big" 30000000
    mkfifo "$T/pipe"
    "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" --before "echo before >>$T/log" \
        --after "echo after >>$T/log" -o - "$T/src" >"$T/pipe" 2>/dev/null 3>&- &
    local pid=$!
    exec 4<"$T/pipe"
    head -c 1000000 <&4 >/dev/null
    content "$T/log" before
    kill -KILL $pid
    wait_for 10 grep -q after "$T/log"
    exec 4<&-
    wait $pid || true
    [ "$(tr '\n' ' ' <"$T/log")" = 'before after ' ]
}

@test "a reader that takes nothing any more ends the backup, and what was stopped runs again" {
    small_tree "$T/src"
    random_file "$T/src/big" 30000000
    mkfifo "$T/pipe"
    sleep 100 <"$T/pipe" 3>&- &
    mine $!
    expect_sh 1 'backup --progress none --before true --after "echo after >>$T/log" --stall-timeout 2 -o - "$T/src" >"$T/pipe"'
    says --stall-timeout
    content "$T/log" after
}

# As supervisorctl, for three programs: those that run have a file in $CTL.
fake_supervisorctl() {
    mkdir "$T/fake" "$T/ctl"
    touch "$T/ctl/postgresql" "$T/ctl/victoriametrics" "$T/ctl/pmm-managed"
    cat >"$T/fake/supervisorctl" <<'END'
#!/bin/sh
if [ "$1" = -c ]; then shift 2; fi
verb=$1
shift
case $verb in
status)
    for p in postgresql victoriametrics pmm-managed; do
        if [ -e "$CTL/$p" ]; then echo "$p   RUNNING   pid 7, uptime 0:01:00"; else echo "$p   STOPPED   Nov 24 03:00 AM"; fi
    done ;;
stop) for p; do rm -f "$CTL/$p"; echo "$p: stopped"; done ;;
start) for p; do touch "$CTL/$p"; echo "$p: started"; done ;;
esac
END
    chmod 755 "$T/fake/supervisorctl"
    export CTL=$T/ctl
}

@test "--stop-services stops what runs and starts it again; a restore leaves it stopped" {
    pmm_volume "$T/srv" 7001 1 3.7.0
    fake_supervisorctl
    PATH=$T/fake:$PATH
    expect 0 backup --stop-services -o "$T/a.pmmseal" "$T/srv"
    grep -q 'stood still' "$T/said.out"
    [ "$(ls "$CTL" | wc -l)" = 3 ]
    expect 0 restore --stop-services --replace "$T/a.pmmseal" "$T/srv"
    grep -q 'docker restart' "$T/said.out"
    empty_dir "$CTL"
}

@test "a restore killed in its moves starts nothing, and what is left does not look initialised" {
    need_mounts
    need_strace
    pmm_volume "$T/old" 7001 1 3.7.0
    pmm_volume "$T/new" 7001 1 3.7.0
    echo old >"$T/old/alerting"
    echo new >"$T/new/alerting"
    mkdir -p "$T/old/nginx" "$T/new/nginx"
    echo old >"$T/old/nginx/mounted"
    echo new >"$T/new/nginx/mounted"
    backup -q -o "$T/a.pmmseal" "$T/new"
    backup -q -o "$T/old.pmmseal" "$T/old"
    cp "$T/a.pmmseal" "$T/bad.pmmseal"
    printf XXXX | dd of="$T/bad.pmmseal" bs=1 seek=5000 conv=notrunc 2>/dev/null
    fake_supervisorctl
    mkdir "$T/vol"
    export -f with_pass restore verify diff_ traced
    export T PMM_SEAL
    expect 0 unshare -m bash -c '
        set -e
        mount -t tmpfs none "$T/vol"
        mkdir "$T/vol/nginx"
        mount -t tmpfs none "$T/vol/nginx"
        restore -q "$T/old.pmmseal" "$T/vol"
        for n in $(seq 1 7 155); do
            touch "$CTL/postgresql" "$CTL/victoriametrics" "$CTL/pmm-managed"
            rc=0
            PATH=$T/fake:$PATH traced -o /dev/null -e inject=rename,renameat,renameat2:signal=KILL:when=$n \
                "$PMM_SEAL" restore -q --stop-services --replace --passphrase-file "$T/pass" "$T/a.pmmseal" "$T/vol" || rc=$?
            [ $rc = 0 ] && break
            sleep 0.1
            if [ -e "$T/vol/pmm-distribution" ]; then
                for name in $(ls -A "$T/new"); do
                    [ -e "$T/vol/$name" ] || { echo "call $n: the mark is there, $name is not"; exit 1; }
                done
                cmp "$T/vol/alerting" "$T/vol/nginx/mounted" || { echo "call $n: the mark is there, not all of one age"; exit 1; }
            elif [ -n "$(ls "$CTL")" ]; then
                echo "call $n: started on half a volume: $(ls "$CTL")"
                exit 1
            fi
            # With the wrong passphrase nothing is touched; a restore that fails later on leaves all of one age.
            "$PMM_SEAL" restore -q --replace --passphrase-file "$T/other" "$T/a.pmmseal" "$T/vol" 2>/dev/null && exit 1
            rc=0; restore -q --replace "$T/bad.pmmseal" "$T/vol" 2>/dev/null || rc=$?
            [ $rc = 5 ]
            [ -e "$T/vol/pmm-distribution" ]
            cmp "$T/vol/alerting" "$T/vol/nginx/mounted" || { echo "call $n: put in order, not all of one age"; exit 1; }
            restore -q --replace "$T/old.pmmseal" "$T/vol"
        done
        echo "$n"
        [ "$n" -gt 10 ]
        [ "$n" -lt 155 ]
        [ "$(cat "$T/vol/alerting")" = new ]
        [ "$(cat "$T/vol/nginx/mounted")" = new ]
        diff_ -q "$T/a.pmmseal" "$T/vol"'
}
