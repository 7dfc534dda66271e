load helpers

# The data that a PMM server keeps, written by the real servers, restored elsewhere, and read
# by them again.

PG=/usr/lib/postgresql/15/bin

need_servers() {
    [ -x $PG/postgres ] || skip "needs postgresql-15"
    VM=$(dpkg -L victoria-metrics 2>/dev/null | grep -E 'bin/victoria-?metrics(-prod)?$' | head -n 1)
    [ -x "$VM" ] || skip "needs victoria-metrics"
    command -v curl >/dev/null || skip "needs curl"
}
# PostgreSQL does not run as root. An array and no function, so that $! is the server itself.
AS_POSTGRES=()
if root; then AS_POSTGRES=(setpriv --reuid postgres --regid postgres --clear-groups); fi
free_port() {
    $PYTHON -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_postgres() { # DIRECTORY
    PGPORT=$(free_port)
    export PGPORT PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=postgres
    # Closing fd 3, which bats waits for.
    "${AS_POSTGRES[@]}" $PG/postgres -D "$1" -p "$PGPORT" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c logging_collector=off >"$T/postgres.log" 2>&1 3>&- &
    PG_PID=$!
    mine $PG_PID
    wait_for 30 $PG/pg_isready -q || { cat "$T/postgres.log"; return 1; }
}
start_victoria() { # DIRECTORY
    VM_URL=http://127.0.0.1:$(free_port)
    "$VM" -storageDataPath="$1" -httpListenAddr="${VM_URL#http://}" -retentionPeriod=100y \
        >"$T/victoria.log" 2>&1 3>&- &
    VM_PID=$!
    mine $VM_PID
    wait_for 30 curl -fsS -o /dev/null "$VM_URL/health" || { cat "$T/victoria.log"; return 1; }
}
stop() { # PID: cleanly, and wait
    kill -INT "$1"
    wait_for 30 gone "$1" || { tail "$T/postgres.log" "$T/victoria.log"; return 1; }
    wait "$1" 2>/dev/null || true
}
gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" | cut -c1)" = Z ]; }

postgres_says() {
    $PG/psql -AtXc 'SELECT count(*), sum(abalance), sum(aid) FROM pgbench_accounts' \
        -c 'SELECT count(*) FROM pgbench_branches' -c 'SELECT count(*) FROM pgbench_tellers' \
        -c 'SELECT count(*), sum(delta) FROM pgbench_history'
    $PG/pg_dump | grep -v '^\\\(un\)\?restrict' | md5sum
}
victoria_says() {
    curl -fsS "$VM_URL/internal/force_flush"
    curl -fsSG "$VM_URL/api/v1/export" --data-urlencode 'match[]={__name__=~"pmm_.*"}' | sort >"$T/export"
    wc -l <"$T/export"
    md5sum <"$T/export"
}

samples() { # 100 series of 2000 samples
    awk -v now="$(date +%s)" 'BEGIN {
        for (s = 0; s < 100; s++)
            for (i = 2000; i > 0; i--)
                printf "pmm_load{node=\"n%d\"} %d %.0f\n", s, (s * i * 7919) % 1000, (now - i * 15) * 1000
    }'
}

make_volume() {
    local srv=$T/srv
    mkdir -p "$srv/victoriametrics/data" "$srv/nginx" "$srv/grafana/plugins/p" "$srv/logs" "$srv/clickhouse"
    echo docker >"$srv/pmm-distribution"
    echo 2.44.1 >"$srv/grafana/PERCONA_DASHBOARDS_VERSION"
    seq 1 20000 >"$srv/logs/pmm-managed.log"
    random_file "$srv/nginx/certificate.key" 1700
    chmod 600 "$srv/nginx/certificate.key"
    random_file "$srv/grafana/plugins/p/module.js" 200000
    chmod 755 "$T" "$srv"
    mkdir "$srv/postgres14"
    chmod 700 "$srv/postgres14"
    if root; then chown postgres:postgres "$srv/postgres14"; fi
    "${AS_POSTGRES[@]}" $PG/initdb -D "$srv/postgres14" -U postgres -A trust -k -N -E UTF8 --locale=C >/dev/null

    start_postgres "$srv/postgres14"
    $PG/pgbench -i -s 2 -q 2>/dev/null
    $PG/pgbench -n -t 200 >/dev/null
    $PG/psql -qXc 'CREATE EXTENSION amcheck'
    postgres_says >"$T/postgres.before"
    stop $PG_PID

    start_victoria "$srv/victoriametrics/data"
    samples | curl -fsS --data-binary @- "$VM_URL/api/v1/import/prometheus"
    victoria_says >"$T/victoria.before"
    [ "$(head -n 1 "$T/victoria.before")" = 100 ]
    stop $VM_PID
}

servers_agree() { # TREE
    $PG/pg_checksums --check -D "$1/postgres14" >/dev/null
    start_postgres "$1/postgres14"
    $PG/pg_amcheck --heapallindexed postgres
    postgres_says >"$T/postgres.after"
    stop $PG_PID
    diff "$T/postgres.before" "$T/postgres.after"
    start_victoria "$1/victoriametrics/data"
    victoria_says >"$T/victoria.after"
    stop $VM_PID
    diff "$T/victoria.before" "$T/victoria.after"
}

@test "PostgreSQL and VictoriaMetrics start on what was restored, and hold what they held" {
    need_servers
    make_volume
    # All of it.
    expect 0 backup --no-default-excludes -o "$T/all.pmmseal" "$T/srv"
    expect 0 restore "$T/all.pmmseal" "$T/new"
    same_trees "$T/srv" "$T/new"
    expect 0 diff_ --no-default-excludes "$T/all.pmmseal" "$T/new"
    rm -rf "$T/new"

    # Without what a server makes again: nothing else is missing, nothing differs.
    expect 0 backup --json -o "$T/a.pmmseal" "$T/srv"
    [ "$(fact .pmm_version)" = 2.44.1 ]
    [ "$(fact .state)" = stopped ]
    [ "$(fact .default_excluded)" -gt 5 ]
    [ "$(fact .default_excluded_bytes)" -gt "$(stat -c %s "$T/srv/logs/pmm-managed.log")" ]
    expect 0 diff_ "$T/a.pmmseal" "$T/srv"
    expect 8 diff_ --no-default-excludes "$T/a.pmmseal" "$T/srv"
    expect 0 verify "$T/a.pmmseal"
    expect 0 restore "$T/a.pmmseal" "$T/new"
    grep -q 2.44.1 "$T/said.out"
    ! same_trees "$T/srv" "$T/new" >"$T/differences" || fail "nothing was left out"
    ! grep -vE ': only in A: |^[0-9]+ differences in ' "$T/differences" || fail "something else differs: $(cat "$T/differences")"
    empty_dir "$T/new/logs"
    absent "$T/new/postgres14/postmaster.pid" "$T/new/victoriametrics/data/cache/metricID_tsid"
    servers_agree "$T/new"

    # Only the two of them, through a pipe.
    rm -rf "$T/new"
    expect_sh 0 'cat "$T/a.pmmseal" | restore - "$T/new" postgres14 "$T/srv/victoriametrics"'
    [ "$(ls -A "$T/new" | tr '\n' ' ')" = 'postgres14 victoriametrics ' ]
    servers_agree "$T/new"
}
