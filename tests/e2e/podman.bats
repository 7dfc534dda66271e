# bats file_tags=full
# shellcheck disable=SC2012,SC2016
load helpers
load engine

# The second engine: podman as root, and without ("rootless"), where the numbers of a volume's owners are others
# inside of a container than outside.

# As PMM's manual starts a server without root: user 1000 inside is the user outside.
KEEP=--userns=keep-id:uid=1000,gid=1000

setup_file() {
    export ENGINE='' ENGINE_LACKS=''
    if ! root; then
        ENGINE_LACKS="needs root"
    elif ! command -v podman crun newuidmap docker-init busybox >/dev/null; then
        ENGINE_LACKS="needs scripts/packages containers"
    elif ! unshare --mount --pid --net --fork true 2>/dev/null; then
        ENGINE_LACKS="no namespaces of our own here"
    fi
    [ -z "$ENGINE_LACKS" ] || return 0
    ENGINE=$(mktemp -d /tmp/pmm-seal-engine.XXXXXX)
    "$E2E/engine/start-podman" "$ENGINE" $$
    static_program
    mkdir "$ENGINE/context"
    install -m 644 "$E2E/../../Dockerfile" "$ENGINE/context/"
    install -m 755 "$PMM_SEAL_STATIC" "$ENGINE/context/pmm-seal-test-linux-any"
    images root pmm
    images user pmm pmm3
}
teardown_file() { engine_down; }

# HALF is for pmm_filled: what one half has filled has the wrong owners for the other.
half() { # root|user
    # shellcheck disable=SC2034
    HALF=$1
    PATH=$ENGINE/$1/bin:$PATH
}
images() ( # HALF KIND...
    half "$1"
    shift
    for kind; do "$E2E/engine/make-image" "$kind" "e2e:$kind"; done
    podman build -q -t pmm-seal -f "$ENGINE/context/Dockerfile" "$ENGINE/context"
)
as_root() {
    [ -n "$ENGINE_LACKS" ] || half root
    need_engine
}
# What a user's podman reads and writes has to be the user's.
rootless() {
    [ -n "$ENGINE_LACKS" ] || half user
    need_engine
    mkdir "$T/backups"
    chown 1000:1000 "$T/pass" "$T/backups"
    install -m 755 "$PMM_SEAL_STATIC" "$T/pmm-seal"
    OUTSIDE=(--passphrase-file "$T/pass")
}
as_podman_user() { "$ENGINE/user/enter" "$@"; }
outside_backup() { # [command before the program ...]
    as_podman_user "$@" "$T/pmm-seal" backup "${OUTSIDE[@]}" --kdf interactive -q --no-default-excludes \
        -o "$T/backups/" "$(pmm_srv)"
}
outside_restore() { as_podman_user podman unshare "$T/pmm-seal" restore "${OUTSIDE[@]}" "$T"/backups/*.pmmseal "$(pmm_srv)"; }
owner_inside() { # FILE of /srv [arguments of podman run ...]
    local file=$1
    shift
    podman run --rm --volumes-from pmm-data --entrypoint stat "$@" e2e:pmm3 -c %u:%g "/srv/$file"
}

@test "podman as root: everything is gone, and a PMM 2 server comes back in a new volume" {
    as_root
    disaster pmm
}

@test "podman as root: the guide to docker exec with podman for docker" {
    as_root
    pmm_filled pmm
    podman rm -f pmm-server 2>/dev/null || true
    pmm_start pmm
    guide_place
    commands guide-docker-exec.md | sed 's/docker /podman /g' >"$T/commands"
    follow
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
    [ "$(ls "$T/backups" | wc -l)" = 2 ]
}

@test "podman as root: the guide to disaster recovery with podman for docker" {
    as_root
    pmm_filled pmm
    mkdir "$T/etc" "$T/backups"
    cp -p "$T/pass" "$T/etc/pass"
    backup -q -o "$T/backups/pmm.pmmseal" "$(pmm_srv)"
    pmm_remove
    guide_place
    podman tag e2e:pmm docker.io/percona/pmm-server:2
    commands guide-disaster-recovery.md | sed 's/docker /podman /g' >"$T/commands"
    follow
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
    podman rm -f pmm-server >/dev/null
    podman volume rm pmm-data >/dev/null
}

@test "rootless: everything is gone, and a PMM 2 server with its many owners comes back in a new volume" {
    rootless
    disaster pmm
    # Outside they are others.
    [ "$(stat -c %u:%g "$(pmm_srv)/postgres14")" = 100025:100025 ]
}

@test "rootless: podman unshare backs up from outside what a helper container restores, and the other way round" {
    rootless
    pmm_filled pmm
    expect 0 outside_backup podman unshare
    destroy
    pmm_data e2e:pmm
    expect 0 helper_restore
    silent_about other-id-map
    same_trees "$KEPT/srv" "$(pmm_srv)"

    rm "$T"/backups/* "$T"/backups/.pmm-seal.*
    expect 0 helper_backup --no-default-excludes
    destroy
    pmm_data e2e:pmm
    expect 0 outside_restore
    silent_about other-id-map
    proved pmm
}

@test "rootless: a running server is noticed from outside" {
    rootless
    pmm_start pmm3
    expect 7 outside_backup podman unshare
    says 'is running'
    empty_dir "$T/backups"
}

@test "rootless: without podman unshare no archive is written, as root of the host a restore warns" {
    rootless
    pmm_filled pmm
    expect 1 outside_backup
    says 'Permission denied'
    empty_dir "$T/backups"

    expect 0 with_pass backup --kdf interactive -q --no-default-excludes -o "$T/backups/" "$(pmm_srv)"
    chown 1000:1000 "$T"/backups/*
    destroy
    pmm_data e2e:pmm
    expect 3 helper_restore
    says other-id-map
}

@test "rootless: an archive of Docker or of root's podman has the same owners inside, and says whose they are" {
    rootless
    HELPER=(--user 0:0 "$KEEP")
    small_tree "$T/srv"
    chown -R 26:998 "$T/srv/logs"
    expect 0 backup -q -o "$T/backups/" "$T/srv"
    chown 1000:1000 "$T"/backups/*
    pmm_data e2e:pmm3
    expect 3 helper_restore
    says other-id-map
    [ "$(owner_inside logs/pmm.log "${HELPER[@]}")" = 26:998 ]
}

@test "rootless as in PMM's manual: the guides, from inside to inside" {
    rootless
    pmm_filled pmm3 $KEEP
    podman rm -f pmm-server 2>/dev/null || true
    pmm_start pmm3 $KEEP
    # /backups, /etc and /usr/local/bin of the user.
    guide_place
    chown -R 1000:1000 "$T/backups" "$T/bin" "$T/here"
    rm "$T/bin/pmm-seal"
    cp "$PMM_SEAL_STATIC" "$T/bin/pmm-seal"
    user_dir "$T/etc"
    # All but the last command, which has another one in its place.
    commands guide-docker-exec.md | sed -e 's/docker /podman /g' -e '/^pmm-seal backup/,/pmm-server)"$/d' >"$T/commands"
    follow "$ENGINE/user/enter"
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -

    pmm_remove
    podman tag e2e:pmm3 docker.io/percona/pmm-server:3
    commands guide-disaster-recovery.md 'sh podman' >"$T/commands"
    follow "$ENGINE/user/enter"
    pmm_ready
    pmm_digest | diff "$KEPT/digest" -
    [ "$(podman exec pmm-server stat -c %u:%g /srv/.postgres_password)" = 1000:0 ]

    # And from outside, to outside.
    commands guide-docker-exec.md 'sh podman' >"$T/commands"
    expect_sh 0 'PATH="$T/bin:$PATH" "$ENGINE/user/enter" bash -euo pipefail "$T/commands"'
    pmm_ready
    podman rm -f pmm-server >/dev/null
    podman volume rm pmm-data >/dev/null
    podman create -v pmm-data:/srv --name pmm-data e2e:pmm3 /bin/true >/dev/null
    rm "$T/backups/pmm.pmmseal"
    OUTSIDE=(--passphrase-file "$T/etc/pass")
    expect 0 outside_restore
    silent_about other-id-map
    pmm_start pmm3 $KEEP
    pmm_digest | diff "$KEPT/digest" -
    podman rm -f pmm-server pmm-data >/dev/null
    podman volume rm pmm-data >/dev/null
}

@test "rootless as in PMM's manual: the numbers of inside are others outside, which is said" {
    rootless
    HELPER=(--user 0:0 "$KEEP")
    pmm_filled pmm3 $KEEP
    # Podman gives a volume to the user of its first container: to the server, not to a helper.
    owner_inside . "${HELPER[@]}"
    chown --reference="$KEPT/srv" "$(pmm_srv)"
    touch -r "$KEPT/srv" "$(pmm_srv)"
    expect 0 helper_backup --no-default-excludes
    destroy
    pmm_data e2e:pmm3
    expect 0 helper_restore
    same_trees "$KEPT/srv" "$(pmm_srv)"
    [ "$(owner_inside .postgres_password "${HELPER[@]}")" = 1000:0 ]
    destroy
    pmm_data e2e:pmm3
    outside_restore >"$T/said.out" 2>"$T/said.err" || true
    says other-id-map

    # The files are the user's own: they can be read, and their numbers are those of the host.
    rm "$T"/backups/* "$T"/backups/.pmm-seal.*
    destroy
    pmm_filled pmm3 $KEEP
    expect 0 outside_backup
    destroy
    pmm_data e2e:pmm3
    expect 3 helper_restore
    says other-id-map
}
