# bats file_tags=full
load helpers
load engine

# The static program in real containers: PostgreSQL, VictoriaMetrics and ClickHouse write a volume, a helper
# container or `docker exec` backs it up, everything is destroyed, and what comes back is read by the same
# servers again.

setup_file() {
    engine_up busybox pmm pmm3
    [ -z "$ENGINE_LACKS" ] || return 0
    static_program
    mkdir "$BATS_FILE_TMPDIR/context"
    cp "$PMM_SEAL_STATIC" "$BATS_FILE_TMPDIR/context/pmm-seal-test-linux-any"
    # The builder of old needs nothing that Debian has not.
    DOCKER_BUILDKIT=0 dk build -q -t pmm-seal -f "$E2E/../../Dockerfile" "$BATS_FILE_TMPDIR/context"
}
teardown_file() { engine_down; }

# Changes with any write, also one of the same content, and with any change of mode or owner.
state() { find "$1" -printf '%P %i %y %m %U:%G %s %T@ %C@ %l\n' | sort; }

# ---- the program alone ----

roundtrip_in() { # arguments of docker run up to the program
    small_tree "$T/src"
    echo ua >"$T/src/$(printf 'Львів \377')"
    chown -R 12345:23456 "$T/src/logs"
    mkdir "$T/out"
    expect_sh 0 'helper -v "$T/src:/srv:ro" "$@" backup "${KEY[@]}" --kdf interactive /srv >"$T/a.pmmseal"' "$@"
    expect_sh 0 'helper -i "$@" verify "${KEY[@]}" - <"$T/a.pmmseal"' "$@"
    expect_sh 0 'helper -i -v "$T/out:/srv" "$@" restore "${KEY[@]}" - /srv <"$T/a.pmmseal"' "$@"
    same_trees "$T/src" "$T/out"
}

@test "it needs nothing but itself: an image with no other file" {
    need_engine
    expect 0 helper pmm-seal --version
    grep -q '^pmm-seal ' "$T/said.out"
    roundtrip_in pmm-seal
}

@test "it runs in busybox" {
    need_engine
    install -m 755 "$PMM_SEAL_STATIC" "$T/program"
    roundtrip_in -v "$T/program:/bin/pmm-seal:ro" e2e:busybox pmm-seal
}

@test "it runs beside glibc 2.31, that of Debian 11" {
    need_engine
    "$E2E/engine/make-image" bullseye e2e:bullseye
    [ "$(dk run --rm e2e:bullseye getconf GNU_LIBC_VERSION)" = 'glibc 2.31' ]
    install -m 755 "$PMM_SEAL_STATIC" "$T/program"
    expect 0 helper -v "$T/program:/usr/bin/pmm-seal:ro" e2e:bullseye pmm-seal --version
    grep -q '^pmm-seal ' "$T/said.out"
    roundtrip_in -v "$T/program:/usr/bin/pmm-seal:ro" e2e:bullseye pmm-seal
}

# ---- a helper container ----

@test "a helper container backs up the volume of a stopped server, which stays untouched" {
    need_engine
    pmm_filled pmm
    state "$(pmm_srv)" >"$T/state"
    expect 0 helper_backup
    state "$(pmm_srv)" | diff "$T/state" -
    [ "$(stat -c %a:%u "$T"/backups/*)" = 600:0 ]
    expect 0 verify "$T"/backups/*.pmmseal
}

@test "everything is gone: a PMM 2 server comes back in a new volume" {
    need_engine
    disaster pmm
}

@test "everything is gone: a PMM 3 server without capabilities comes back in a new volume" {
    need_engine
    disaster pmm3 --cap-drop ALL
    [ "$(stat -c %u:%g:%a "$(pmm_srv)/.postgres_password")" = 1000:0:600 ]
}

@test "everything is gone: a server of any user of group 0 comes back, and keeps that user" {
    need_engine
    disaster pmm3 --cap-drop ALL -u 1000660000:0
    [ "$(stat -c %u:%g:%a "$(pmm_srv)/.postgres_password")" = 1000660000:0:600 ]
}

@test "a damaged archive leaves the new volume empty" {
    need_engine
    pmm_filled pmm
    expect 0 helper_backup
    "$E2E/surgeon" flip "$T"/backups/*.pmmseal 1000000
    destroy
    pmm_data e2e:pmm
    expect 5 helper_restore
    empty_dir "$(pmm_srv)"
}

@test "from stdin, docker run -i restores to a new volume" {
    need_engine
    pmm_filled pmm3 --cap-drop ALL
    expect 0 helper_backup --no-default-excludes
    destroy
    # The image of no server: its /srv has other owners than PMM's.
    pmm_data pmm-seal
    expect_sh 0 'helper -i --volumes-from pmm-data pmm-seal restore "${KEY[@]}" - /srv <"$T"/backups/*.pmmseal'
    [ "$(stat -c %u:%g:%a "$(pmm_srv)")" = 1000:0:775 ]
    proved pmm3 --cap-drop ALL
}

@test "from stdin, docker exec -i restores to a new volume" {
    need_engine
    pmm_filled pmm
    expect 0 helper_backup --no-default-excludes
    destroy
    pmm_data e2e:pmm
    dk run -d --name shell --volumes-from pmm-data e2e:busybox sleep 1000 >/dev/null
    dk cp "$PMM_SEAL_STATIC" shell:/bin/pmm-seal
    dk cp "$T/pass" shell:/tmp/pass
    expect_sh 0 'dk exec -i shell pmm-seal restore --passphrase-file /tmp/pass - /srv <"$T"/backups/*.pmmseal'
    dk rm -f shell
    proved pmm
}

# ---- docker exec in the server ----

# The server runs, its services do not.
exec_server() { # KIND [arguments of docker run ...]
    pmm_filled "$@"
    dk rm -f pmm-server 2>/dev/null || true
    pmm_start "$@"
    dk exec pmm-server supervisorctl stop all >/dev/null
    dk cp "$PMM_SEAL_STATIC" pmm-server:/usr/local/bin/pmm-seal
    KEPT=$T/kept
    mkdir "$KEPT"
    cp -a "$(pmm_srv)" "$KEPT/srv"
}
exec_backup() { # ARCHIVE, arguments of docker exec ... pmm-server, and of pmm-seal backup
    expect_sh 0 'archive=$1; shift; dk exec "$@" --no-default-excludes --kdf interactive -o - /srv >"$archive"' "$@"
    expect 0 verify "$1"
}
three_ways_in() { # UID of the passphrase's file
    PMM_SEAL_PASSPHRASE=$PASSPHRASE exec_backup "$T/1.pmmseal" -e PMM_SEAL_PASSPHRASE pmm-server pmm-seal backup
    cp -p "$T/pass" "$T/key"
    chown "$1" "$T/key"
    dk cp "$T/key" pmm-server:/tmp/key
    exec_backup "$T/2.pmmseal" pmm-server pmm-seal backup --passphrase-file /tmp/key
    exec_backup "$T/3.pmmseal" -i pmm-server pmm-seal backup --passphrase-fd 0 <"$T/pass"
    expect 0 restore "$T/3.pmmseal" "$T/out"
    same_trees "$KEPT/srv" "$T/out"
}

@test "docker exec in a PMM 2 server: passphrase by environment, by file, by stdin" {
    need_engine
    exec_server pmm
    three_ways_in 0
    dk exec pmm-server supervisorctl start all
    pmm_ready
    pmm_digest | diff "$BATS_FILE_TMPDIR/pmm/digest" -
}

@test "docker exec in a PMM 3 server without capabilities, as its own user" {
    need_engine
    exec_server pmm3 --cap-drop ALL
    three_ways_in 1000
}
