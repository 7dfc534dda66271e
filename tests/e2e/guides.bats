# bats file_tags=full
load helpers
load engine

# The guides of docs/, each command as it is written there, against real servers. Only names of places
# on the host are put below $T, and what publishes a port is left out: the engine has no network.

setup_file() {
    engine_up pmm pmm3
    [ -z "$ENGINE_LACKS" ] || return 0
    static_program
    dk tag e2e:pmm percona/pmm-server:2
    dk tag e2e:pmm3 percona/pmm-server:3
}
teardown_file() { engine_down; }

# The commands of the guide: what stands in its ```sh blocks.
commands() { # GUIDE
    awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$E2E/../../docs/$1" |
        sed -e "s#/backups#$T/backups#g" -e "s#/etc/pmm-seal#$T/etc#g" -e "s#/usr/local/bin/pmm-seal#$T/bin/pmm-seal#g" \
            -e "s#pmm-server:$T/bin/pmm-seal#pmm-server:/usr/local/bin/pmm-seal#" -e 's#-p 443:443 ##' "${SED[@]}"
}
follow() { # GUIDE
    commands "$1" >"$T/commands"
    sed -i '/^docker restart/a "$READY" pmm-server' "$T/commands"
    export READY=$E2E/engine/wait-ready
    [ "$(grep -c . "$T/commands")" -gt 5 ]
    mkdir -p "$T/backups" "$T/bin" "$T/here/dist"
    cp "$PMM_SEAL_STATIC" "$T/here/dist/pmm-seal-0.1.0-linux-x86_64"
    cp "$E2E/../../Dockerfile" "$T/here/"
    ln -sf "$PMM_SEAL" "$T/bin/pmm-seal"
    # The builder of old needs nothing that Debian has not.
    expect_sh 0 'cd "$T/here" && PATH="$T/bin:$PATH" DOCKER_BUILDKIT=0 bash -euo pipefail -x "$T/commands"'
}
SED=(-e '')

exec_guide() { # KIND [...]
    need_engine
    pmm_filled "$@"
    dk rm -f pmm-server >/dev/null 2>&1 || true
    pmm_start "$@"
    follow guide-docker-exec.md
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
    follow guide-disaster-recovery.md
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
    pmm_amcheck >"$T/amcheck" 2>&1 || fail "$(head -c 2000 "$T/amcheck")"
    dk rm -f -v pmm-server >/dev/null
    dk volume rm pmm-data >/dev/null
}
