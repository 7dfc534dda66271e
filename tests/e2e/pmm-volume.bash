# shellcheck shell=bash
# A volume as PMM lays it out, with a pg_control of this system id, in this state (1: shut
# down, 6: in production).
pmm_volume() { # DIR SYSTEM-ID STATE PMM-VERSION [POSTGRES-VERSION]
    local d=$1 pg=postgres14
    mkdir -p "$d/$pg/global" "$d/$pg/pg_notify" "$d/victoriametrics/data/cache" "$d/victoriametrics/data/data" \
        "$d/clickhouse" "$d/grafana" "$d/nginx" "$d/logs"
    chmod 700 "$d/$pg"
    echo docker >"$d/pmm-distribution"
    echo "$4" >"$d/grafana/PERCONA_DASHBOARDS_VERSION"
    echo "${5:-14}" >"$d/$pg/PG_VERSION"
    echo volatile >"$d/$pg/pg_notify/0000"
    echo secret >"$d/nginx/certificate.key"
    echo keyset >"$d/pmm-encryption.key"
    echo password >"$d/.postgres_password"
    echo a line >"$d/logs/pmm-managed.log"
    : >"$d/victoriametrics/data/flock.lock"
    : >"$d/clickhouse/status"
    head -c 70000 /dev/zero >"$d/victoriametrics/data/cache/tsid"
    $PYTHON -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<QIIIxxxxq", int(sys.argv[1]), 1300, 202107181, int(sys.argv[2]), 1700000000)
                        .ljust(8192, b"\0"))' "$2" "$3" >"$d/$pg/global/pg_control"
}
