# bats file_tags=full
load helpers
load engine

# A PMM Server that runs: refused, stopped and started again, whatever happens on the way.

PROGRAM=/usr/local/bin/pmm-seal

setup_file() {
    engine_up busybox pmm pmm3
    [ -z "$ENGINE_LACKS" ] || return 0
    static_program
}
teardown_file() { engine_down; }

# A server with data in its stores, running, with the program inside.
server() { # KIND [arguments of docker run ...]
    need_engine
    pmm_filled "$@"
    dk rm -f pmm-server >/dev/null 2>&1 || true
    pmm_start "$@"
    dk cp "$PMM_SEAL_STATIC" pmm-server:$PROGRAM
    running >"$T/running"
    [ -s "$T/running" ]
}
running() { dk exec pmm-server supervisorctl status | awk '$2 == "RUNNING" { print $1 }' | sort; }
back_again() { running | diff "$T/running" -; }
pid_of() { dk exec pmm-server supervisorctl pid "$1"; }
# No process of ours inside, and nothing of ours in the volume.
nothing_left() {
    [ "$(dk exec pmm-server sh -c 'cat /proc/[0-9]*/comm' | grep -c '^pmm-seal')" = 0 ] &&
        [ -z "$(find "$(pmm_srv)" -name '.pmm-seal*')" ]
}
inside() { dk exec -e PMM_SEAL_PASSPHRASE pmm-server $PROGRAM "$@"; }
# A stream long enough to be cut in the middle.
long_volume() { random_file "$(pmm_srv)/alerting/big" 150000000; }
# A backup in the middle of its stream, $CLIENT being the client of docker exec.
begin() {
    long_volume
    PMM_SEAL_PASSPHRASE=$PASSPHRASE docker exec -e PMM_SEAL_PASSPHRASE pmm-server $PROGRAM backup --kdf interactive \
        --progress none --stop-services -o - /srv >"$T/a.pmmseal" 2>/dev/null 3>&- &
    CLIENT=$!
    # The header comes before anything is stopped: wait for content.
    wait_for 60 streaming
    if running | cmp -s "$T/running" -; then fail "nothing was stopped"; fi
}
streaming() { [ "$(stat -c %s "$T/a.pmmseal")" -gt 1000000 ]; }
proved_on() { # KIND [...]: from the archive $1 to a new volume, and its servers agree
    local archive=$1
    shift
    pmm_remove
    pmm_data "e2e:$1"
    expect 0 restore "$archive" "$(pmm_srv)"
    pmm_start "$@"
    pmm_digest | diff "$KEPT/digest" -
    pmm_amcheck >"$T/amcheck" 2>&1 || fail "$(head -c 2000 "$T/amcheck")"
}

stop_and_start() { # KIND [...]
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    server "$@"
    local nginx postgresql
    nginx=$(pid_of nginx)
    postgresql=$(pid_of postgresql)
    expect_sh 0 'inside backup --kdf interactive --stop-services -o - /srv >"$T/a.pmmseal"'
    grep -q 'stood still' "$T/said.err"
    back_again
    # What does not write to the volume was left alone.
    [ "$(pid_of nginx)" = "$nginx" ]
    [ "$(pid_of postgresql)" != "$postgresql" ]
    nothing_left
    unset PMM_SEAL_PASSPHRASE
    expect 0 verify "$T/a.pmmseal"
    info --json "$T/a.pmmseal" >"$T/said.out"
    [ "$(fact .state)" = stopped ]
    proved_on "$T/a.pmmseal" "$@"
}

@test "--stop-services in a PMM 2 server: stopped, read, started again, and the archive restores" {
    stop_and_start pmm
}

@test "--stop-services in a PMM 3 server without capabilities" {
    stop_and_start pmm3 --cap-drop ALL
}

@test "--stop-services in a PMM 3 server of any user of group 0" {
    stop_and_start pmm3 --cap-drop ALL -u 1000660000:0
}

@test "a running server is refused from outside and from inside, --allow-live marks the archive" {
    server pmm
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    expect_sh 7 'inside backup --kdf interactive -o - /srv >"$T/a.pmmseal"'
    says 'is running'
    [ ! -s "$T/a.pmmseal" ]
    dk cp "$T/pass" pmm-server:/tmp/pass
    dk run -d --name other --volumes-from pmm-data:ro e2e:busybox sleep 1000 >/dev/null
    dk cp "$PMM_SEAL_STATIC" other:/bin/pmm-seal
    expect_sh 7 'dk exec -e PMM_SEAL_PASSPHRASE other pmm-seal backup --kdf interactive -o - /srv >"$T/a.pmmseal"'
    says VictoriaMetrics
    expect_sh 3 'inside backup --kdf interactive --allow-live -o - /srv >"$T/a.pmmseal"'
    says live-server
    unset PMM_SEAL_PASSPHRASE
    expect 3 verify "$T/a.pmmseal"
    back_again
}

@test "a server that is started while its volume is read marks the archive" {
    need_engine
    pmm_filled pmm
    dk rm -f pmm-server >/dev/null 2>&1 || true
    long_volume
    mkfifo "$T/pipe"
    "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" --progress none -o - "$(pmm_srv)" \
        >"$T/pipe" 2>"$T/said.err" 3>&- &
    local pid=$! rc=0
    mine $pid
    exec 4<"$T/pipe"
    head -c 1000000 <&4 >"$T/a.pmmseal"
    pmm_start pmm
    cat <&4 >>"$T/a.pmmseal"
    exec 4<&-
    wait $pid || rc=$?
    [ $rc = 3 ] || fail "$rc: $(cat "$T/said.err")"
    says store-started
    expect 3 verify "$T/a.pmmseal"
}

client_killed() { # KIND [...]
    server "$@"
    begin
    kill -KILL $CLIENT
    wait $CLIENT || true
    expect 5 verify "$T/a.pmmseal"
    wait_for 120 nothing_left
    back_again
}

@test "the client of docker exec is killed: the cut file is refused, services run again" {
    client_killed pmm
}

@test "the client of docker exec is killed, PMM 3 without capabilities" {
    client_killed pmm3 --cap-drop ALL
}

program_killed() { # KIND [...]
    server "$@"
    local rc=0
    begin
    dk exec pmm-server pkill -KILL -o -x pmm-seal
    wait $CLIENT || rc=$?
    [ $rc = 137 ]
    expect 5 verify "$T/a.pmmseal"
    wait_for 120 nothing_left
    wait_for 60 back_again
    # And the next one finds nothing in its way.
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    expect_sh 0 'inside backup --kdf interactive --stop-services -o - /srv >"$T/b.pmmseal"'
    back_again
}

@test "the program is killed: the cut file is refused, services run again" {
    program_killed pmm
}

@test "the program is killed, PMM 3 without capabilities" {
    program_killed pmm3 --cap-drop ALL
}

@test "what is wrong is found before anything is stopped" {
    server pmm
    local postgresql
    postgresql=$(pid_of postgresql)
    export PMM_SEAL_PASSPHRASE=short
    expect_sh 7 'inside backup --kdf interactive --stop-services -o - /srv >"$T/a.pmmseal"'
    unset PMM_SEAL_PASSPHRASE
    expect_sh 4 'dk exec pmm-server $PROGRAM backup --stop-services -o - /srv >"$T/a.pmmseal"'
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    expect 1 inside backup --kdf interactive --stop-services -o /none/ /srv
    [ "$(pid_of postgresql)" = "$postgresql" ]
    back_again
    # Outside of a PMM Server there is nothing that could be stopped.
    dk run -d --name other --volumes-from pmm-data e2e:busybox sleep 1000 >/dev/null
    dk cp "$PMM_SEAL_STATIC" other:/bin/pmm-seal
    expect_sh 7 'dk exec -e PMM_SEAL_PASSPHRASE other pmm-seal backup --stop-services -o - /srv >"$T/a.pmmseal"'
    says 'inside a PMM Server'
}

@test "a program that does not start again is an error that names it, and the archive is whole" {
    server pmm
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    dk exec pmm-server sh -c 'mv /usr/bin/victoria-metrics /usr/bin/vm.away'
    expect_sh 1 'inside backup --kdf interactive --stop-services -o - /srv >"$T/a.pmmseal"'
    says victoriametrics
    says 'is whole'
    unset PMM_SEAL_PASSPHRASE
    expect 0 verify "$T/a.pmmseal"
    running | grep -q postgresql
}

@test "restore --stop-services --replace in a running server: stopped, replaced, right after a restart" {
    server pmm
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    expect_sh 0 'inside backup --kdf interactive --stop-services -o - /srv >"$T/a.pmmseal"'
    echo 'DELETE FROM nodes' | pmm_sql pmm-managed
    dk cp "$T/a.pmmseal" pmm-server:/tmp/a.pmmseal

    # A bad archive stops nothing.
    local postgresql
    postgresql=$(pid_of postgresql)
    head -c 1000000 "$T/a.pmmseal" >"$T/cut"
    dk cp "$T/cut" pmm-server:/tmp/cut
    expect 5 inside restore --stop-services --replace /tmp/cut /srv
    [ "$(pid_of postgresql)" = "$postgresql" ]
    expect 7 inside restore --replace /tmp/a.pmmseal /srv
    says 'is running'

    expect 0 inside restore --stop-services --replace /tmp/a.pmmseal /srv
    grep -q 'docker restart' "$T/said.out"
    [ -z "$(running)" ]
    [ -z "$(find "$(pmm_srv)" -name '.pmm-seal*')" ]
    dk restart pmm-server >/dev/null
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
}

@test "a restore that is killed leaves nothing that looks initialised, and the next one succeeds" {
    need_engine
    pmm_filled pmm
    backup -q -o "$T/a.pmmseal" "$(pmm_srv)"
    pmm_remove
    pmm_data e2e:pmm
    dk run -d --name shell --volumes-from pmm-data -v "$T:/t:ro" e2e:busybox sleep 1000 >/dev/null
    dk cp "$PMM_SEAL_STATIC" shell:/bin/pmm-seal
    local delay
    for delay in 0.1 0.4 0.6 0.8 1.0 1.3 1.6; do
        docker exec shell pmm-seal restore --passphrase-file /t/pass /t/a.pmmseal /srv >/dev/null 2>&1 3>&- &
        sleep $delay
        dk kill shell >/dev/null
        wait $! || true
        # Either it had been faster, and all is there, or nothing looks so.
        if [ -e "$(pmm_srv)/pmm-distribution" ]; then
            diff_ "$T/a.pmmseal" "$(pmm_srv)"
            find "$(pmm_srv)" -mindepth 1 -delete
        fi
        dk start shell >/dev/null
        dk cp "$PMM_SEAL_STATIC" shell:/bin/pmm-seal
    done
    expect 0 dk exec shell pmm-seal restore --passphrase-file /t/pass /t/a.pmmseal /srv
    dk rm -f shell >/dev/null
    expect 0 diff_ "$T/a.pmmseal" "$(pmm_srv)"
    pmm_start pmm
    pmm_digest | diff "$KEPT/digest" -
}

@test "certificates mounted at /srv/nginx go along and come back, and renewed ones stay" {
    need_engine
    mkdir "$T/certs" "$T/new" "$T/backups"
    echo key >"$T/certs/certificate.key"
    chmod 600 "$T/certs/certificate.key"
    echo crt >"$T/certs/certificate.crt"
    pmm_filled pmm
    dk rm -f pmm-server >/dev/null 2>&1 || true
    dk create --name pmm-server --volumes-from pmm-data -v "$T/certs:/srv/nginx" e2e:pmm >/dev/null
    chmod 755 "$T"
    dk run -d --name shell --volumes-from pmm-server -v "$T:/t" e2e:busybox sleep 1000 >/dev/null
    dk cp "$PMM_SEAL_STATIC" shell:/bin/pmm-seal
    expect 0 dk exec shell pmm-seal backup --kdf interactive --passphrase-file /t/pass -o /t/a.pmmseal /srv
    says mount-included
    list "$T/a.pmmseal" | grep -q '^\./nginx/certificate.key\|^nginx/certificate.key'
    dk rm -f shell pmm-server >/dev/null
    pmm_remove

    # To a new volume, with new, empty certificates, and with renewed ones.
    pmm_data e2e:pmm
    into() { dk run --rm --volumes-from pmm-data -v "$T:/t" -v "$T/new:/srv/nginx" \
        -v "$PMM_SEAL_STATIC:/bin/pmm-seal:ro" e2e:busybox pmm-seal restore --passphrase-file /t/pass "$@" /t/a.pmmseal /srv; }
    expect 0 into
    same_trees "$T/certs" "$T/new"
    present "$(pmm_srv)/pmm-distribution"
    echo renewed >"$T/new/certificate.crt"
    find "$(pmm_srv)" -mindepth 1 -delete
    expect 3 into
    says mount-differs
    says certificate.crt
    content "$T/new/certificate.crt" renewed
    present "$(pmm_srv)/pmm-distribution"
    expect 0 into --replace
    same_trees "$T/certs" "$T/new"
}

@test "128 MiB of memory: the default cost of the key says what to do and stops nothing, interactive works" {
    server pmm
    dk run --rm --runtime runc -m 64m e2e:busybox true 2>/dev/null || skip "no memory limits for containers here"
    dk stop -t 300 pmm-server >/dev/null
    dk run -d --name limited --runtime runc -m 128m --volumes-from pmm-data -v "$T:/t" e2e:busybox sleep 1000 >/dev/null
    dk cp "$PMM_SEAL_STATIC" limited:/bin/pmm-seal
    chmod 755 "$T"
    expect 1 dk exec limited pmm-seal backup --passphrase-file /t/pass --before 'touch /t/stopped' -o /t/a.pmmseal /srv
    says '256 MiB'
    says --kdf
    absent "$T/stopped" "$T/a.pmmseal"
    expect 0 dk exec limited pmm-seal backup --kdf interactive --passphrase-file /t/pass -o /t/a.pmmseal /srv
    expect 0 dk exec limited pmm-seal restore --passphrase-file /t/pass /t/a.pmmseal /t/out
    expect 0 diff_ "$T/a.pmmseal" "$T/out"
    dk rm -f limited >/dev/null
    find /sys/fs/cgroup -depth -type d -path '*/docker' -exec rmdir {} + 2>/dev/null || true
}
