# Loaded after helpers by test files that need containers: load helpers; load engine
#
# A file has one engine, without a network, and in it volumes and servers in the shape of PMM's:
#   setup_file() { engine_up busybox pmm ...; }    kinds of engine/make-image, tagged e2e:KIND
#   teardown_file() { engine_down; }
#   setup() of helpers gives $T as always; each test begins with need_engine
#   dk ...                   docker, of this engine
#   pmm_start KIND           container pmm-server on the volume of container pmm-data, as PMM's manual has it
#   pmm_fill, pmm_digest     rows in all three stores; what the stores say of their content
#   pmm_srv                  where the volume lies on this machine
#   pmm_filled KIND ...      the volume of a filled and stopped server; made once in a file, a copy afterwards.
#                            $KEPT/srv and $KEPT/digest are the tree and the digest that it had
#   pmm_remove               both containers and the volume are gone
# shellcheck shell=bash disable=SC2016,SC2154

dk() { docker "$@"; }

# Bats of Debian 12 cannot skip a whole file: what is missing is kept for need_engine.
engine_up() { # KIND...
    local kind
    export ENGINE='' ENGINE_LACKS=''
    if ! root; then
        ENGINE_LACKS="needs root"
    elif ! command -v dockerd crun busybox >/dev/null; then
        ENGINE_LACKS="needs scripts/packages containers"
    elif ! unshare --mount --pid --net --fork true 2>/dev/null; then
        ENGINE_LACKS="no namespaces of our own here"
    fi
    [ -z "$ENGINE_LACKS" ] || return 0
    # A socket's name has to be short: not below BATS_FILE_TMPDIR.
    ENGINE=$(mktemp -d /tmp/pmm-seal-engine.XXXXXX)
    eval "$("$E2E/engine/start-engine" "$ENGINE" $$)"
    [ -n "${DOCKER_HOST:-}" ]
    for kind; do
        "$E2E/engine/make-image" "$kind" "e2e:$kind"
    done
}

engine_down() {
    [ -n "${ENGINE:-}" ] || return 0
    "$E2E/engine/stop-engine" "$ENGINE"
    rm -rf --one-file-system "$ENGINE"
}

# Every test begins without containers and volumes.
need_engine() {
    [ -z "$ENGINE_LACKS" ] || skip "$ENGINE_LACKS"
    dk ps -aq | xargs -r docker rm -f -v >/dev/null
}

# The static program, in $PMM_SEAL_STATIC; made here where no one made it before.
static_program() {
    export PMM_SEAL_STATIC=${PMM_SEAL_STATIC:-}
    [ -n "$PMM_SEAL_STATIC" ] ||
        PMM_SEAL_STATIC=$("$E2E/../../scripts/build-static" "${PMM_SEAL_E2E_LOGS:-$BATS_FILE_TMPDIR}")
    # On this machine, what is tested elsewhere too reads what the static one wrote.
    find_program 2>/dev/null || export PMM_SEAL=$PMM_SEAL_STATIC
}

# ---- a server ----

pmm_data() { dk create -v /srv --name pmm-data "$1" /bin/true >/dev/null; } # IMAGE

pmm_start() { # KIND [arguments of docker run ...]
    local kind=$1
    shift
    dk inspect pmm-data >/dev/null 2>&1 || pmm_data "e2e:$kind"
    dk run -d --name pmm-server --volumes-from pmm-data --restart always "$@" "e2e:$kind" >/dev/null
    pmm_ready
}
pmm_ready() { "$E2E/engine/wait-ready" pmm-server; }
pmm_srv() { dk inspect -f '{{range .Mounts}}{{if eq .Destination "/srv"}}{{.Source}}{{end}}{{end}}' pmm-data; }
pmm_remove() {
    local c
    # One by one: podman removes none where one is not there.
    for c in pmm-server pmm-data; do
        dk rm -f -v $c >/dev/null 2>&1 || true
    done
}

pmm_sql() { dk exec -i pmm-server psql -qAtX -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres "$@"; } # [DATABASE]
pmm_clickhouse() { # a query on stdin
    dk exec -i pmm-server sh -c 'curl -sSf --data-binary @- -H "X-ClickHouse-User: default" \
        -H "X-ClickHouse-Key: ${PMM_CLICKHOUSE_PASSWORD:-}" http://127.0.0.1:8123/'
}
pmm_metrics() { # PATH [arguments of curl ...]
    local path=$1
    shift
    dk exec -i pmm-server curl -sSf "$@" "http://127.0.0.1:9090/prometheus/$path"
}

pmm_fill() {
    pmm_sql -c 'CREATE DATABASE "pmm-managed"'
    pmm_sql pmm-managed <<'END'
CREATE TABLE nodes (node_id serial PRIMARY KEY, node_name text NOT NULL, labels text);
CREATE INDEX ON nodes (node_name);
INSERT INTO nodes (node_name, labels) SELECT 'node-' || n, repeat(md5(n::text), 4) FROM generate_series(1, 20000) n;
UPDATE nodes SET labels = 'changed' WHERE node_id % 7 = 0;
DELETE FROM nodes WHERE node_id % 11 = 0;
END
    # 300 series of 60 samples in the last hour.
    awk -v now="$(date +%s)" 'BEGIN {
        for (s = 0; s < 300; s++)
            for (i = 60; i > 0; i--)
                printf "pmm_test{node=\"n%d\",job=\"j%d\"} %d %.0f\n", s, s % 7, s * i % 1013, (now - i * 60) * 1000
    }' | pmm_metrics api/v1/import/prometheus --data-binary @-
    printf 'CREATE DATABASE pmm' | pmm_clickhouse
    printf 'CREATE TABLE pmm.metrics (day Date, queryid UInt64, fingerprint String)
        ENGINE = MergeTree PARTITION BY day ORDER BY queryid' | pmm_clickhouse
    printf "INSERT INTO pmm.metrics SELECT toDate('2026-11-01') + number %% 5, number, concat('SELECT ', toString(number))
        FROM system.numbers LIMIT 50000" | pmm_clickhouse
}

pmm_digest() {
    pmm_sql pmm-managed -c "SELECT 'postgresql', count(*), sum(node_id),
        md5(string_agg(node_name || labels, ',' ORDER BY node_id)) FROM nodes"
    pmm_metrics internal/force_flush
    pmm_metrics api/v1/export -G --data-urlencode 'match[]={__name__=~"pmm_.*"}' | LC_ALL=C sort >"$T/exported"
    echo "victoriametrics $(wc -l <"$T/exported") $(md5sum <"$T/exported")"
    echo "clickhouse $(printf 'SELECT count(), uniq(day), sum(queryid), groupBitXor(cityHash64(day, queryid, fingerprint))
        FROM pmm.metrics' | pmm_clickhouse)"
}

pmm_filled() { # KIND [arguments of docker run ...]
    KEPT=$BATS_FILE_TMPDIR/${HALF:-}$(printf %s "$*" | tr -c 'a-z0-9' -)
    if [ -d "$KEPT/srv" ]; then
        pmm_data "e2e:$1"
        cp -a "$KEPT/srv/." "$(pmm_srv)/"
        return
    fi
    pmm_start "$@"
    pmm_fill
    mkdir -p "$KEPT"
    pmm_digest >"$KEPT/digest"
    # What a server needs to close its databases.
    dk stop -t 300 pmm-server >/dev/null
    cp -a "$(pmm_srv)" "$KEPT/copying"
    mv "$KEPT/copying" "$KEPT/srv"
}

# Every page of every table and index.
pmm_amcheck() {
    dk exec pmm-server pg_amcheck -h /run/postgresql -U postgres --all --install-missing \
        --heapallindexed --parent-check
}

# ---- a helper container ----

# As the head of Dockerfile shows it.
helper() {
    dk run --rm --log-driver none --network none --read-only -v "$T/pass:/run/secrets/pass:ro" "${HELPER[@]}" "$@"
}
HELPER=()
KEY=(--passphrase-file /run/secrets/pass)
helper_backup() { # [arguments of pmm-seal backup ...]
    mkdir -p "$T/backups"
    helper --volumes-from pmm-data:ro -v "$T/backups:/backups" \
        pmm-seal backup "${KEY[@]}" --kdf interactive "$@" -o /backups/ /srv
}
helper_restore() {
    helper --volumes-from pmm-data -v "$T/backups:/backups:ro" \
        pmm-seal restore "${KEY[@]}" "/backups/$(ls "$T/backups")" /srv
}

destroy() {
    local srv
    srv=$(pmm_srv)
    pmm_remove
    absent "$srv"
}
# The restored volume is what it was, to the last byte, owner and mode, and its servers agree.
proved() { # KIND [arguments of docker run ...]
    same_trees "$KEPT/srv" "$(pmm_srv)"
    pmm_start "$@"
    pmm_digest | diff "$KEPT/digest" -
    pmm_amcheck >"$T/amcheck" 2>&1 || fail "$(head -c 2000 "$T/amcheck")"
}
# A backup, everything is gone, and all of it comes back in a new volume.
disaster() { # KIND [arguments of docker run ...]
    pmm_filled "$@"
    expect 0 helper_backup --no-default-excludes
    destroy
    pmm_data "e2e:$1"
    expect 0 helper_restore
    proved "$@"
}

# ---- the guides of docs/ ----

# The commands of a guide, those of its ```sh blocks, or of another fence. Only names of places on the host are put
# below $T, and what publishes a port is left out: the engine has no network.
commands() { # GUIDE [FENCE]
    awk -v fence='```'"${2:-sh}" '$0 == fence { on = 1; next } /^```$/ { on = 0 } on' "$E2E/../../docs/$1" |
        sed -e "s#/backups#$T/backups#g" -e "s#/etc/pmm-seal#$T/etc#g" -e "s#/usr/local/bin/pmm-seal#$T/bin/pmm-seal#g" \
            -e "s#pmm-server:$T/bin/pmm-seal#pmm-server:/usr/local/bin/pmm-seal#" -e 's#-p 443:443 ##' \
            -e '/^[a-z]* restart pmm-server/a "$READY" pmm-server'
}
# Where they run: host and container programs, and nothing else of this project.
guide_place() {
    mkdir -p "$T/backups" "$T/bin" "$T/here/dist"
    cp "$PMM_SEAL_STATIC" "$T/here/dist/pmm-seal-0.1.0-linux-x86_64"
    cp "$E2E/../../Dockerfile" "$T/here/"
    ln -sf "$PMM_SEAL" "$T/bin/pmm-seal"
    install -m 755 "$E2E/engine/wait-ready" "$T/here/"
    export READY=$T/here/wait-ready
}
# The builder of old needs nothing that Debian has not.
follow() { # [command that becomes another user]: $T/commands
    [ "$(grep -c . "$T/commands")" -gt 5 ]
    expect_sh 0 'cd "$T/here" && PATH="$T/bin:$PATH" DOCKER_BUILDKIT=0 "$@" bash -euo pipefail -x "$T/commands"' "$@"
}
