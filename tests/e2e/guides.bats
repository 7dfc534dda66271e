# bats file_tags=full
load helpers
load engine

# The guides of docs/, each command as it is written there, against real servers.

setup_file() {
    engine_up pmm pmm3
    [ -z "$ENGINE_LACKS" ] || return 0
    static_program
    dk tag e2e:pmm percona/pmm-server:2
    dk tag e2e:pmm3 percona/pmm-server:3
}
teardown_file() { engine_down; }

exec_guide() { # KIND [...]
    need_engine
    pmm_filled "$@"
    dk rm -f pmm-server >/dev/null 2>&1 || true
    pmm_start "$@"
    guide_place
    commands guide-docker-exec.md >"$T/commands"
    follow
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
    expect 0 seal verify --passphrase-file "$T/etc/pass" "$T/backups/pmm.pmmseal"
    [ "$(ls "$T/backups" | wc -l)" = 2 ]
}

@test "the guide to docker exec, on PMM 2" {
    exec_guide pmm
}

@test "the guide to docker exec, on PMM 3 without capabilities" {
    exec_guide pmm3 --cap-drop ALL
}

@test "the guide to disaster recovery, on PMM 2" {
    need_engine
    pmm_filled pmm
    mkdir "$T/etc" "$T/backups"
    cp -p "$T/pass" "$T/etc/pass"
    backup -q -o "$T/backups/pmm.pmmseal" "$(pmm_srv)"
    pmm_remove
    guide_place
    commands guide-disaster-recovery.md >"$T/commands"
    follow
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
    pmm_amcheck >"$T/amcheck" 2>&1 || fail "$(head -c 2000 "$T/amcheck")"
    dk rm -f -v pmm-server >/dev/null
    dk volume rm pmm-data >/dev/null
}
