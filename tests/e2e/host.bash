# Loaded after helpers (and after engine, where containers are needed): load helpers; load host
#
# A file has one host with systemd as its process 1; see engine/start-host. The program, its units and documents are
# there as `make install` puts them below /usr/local.
#   setup_file() { host_up; }             or host_up pmm ...: with an engine and these images
#   teardown_file() { host_down; }
#   need_host                             first in each test: nothing is configured, /backups is mounted and empty
#   on_host command...                    run there as root
#   $HOST/root/...                        its files, as far as nothing is mounted there
# shellcheck shell=bash disable=SC2154

host_up() { # [KIND of image...]
    local kind f
    export HOST='' HOST_LACKS=''
    if ! root; then
        HOST_LACKS="needs root"
    elif [ ! -r "$E2E/../../contrib/systemd/pmm-seal@.timer" ]; then
        HOST_LACKS="needs the source tree"
    elif [ ! -x /lib/systemd/systemd ] || ! command -v nsenter ip pgrep >/dev/null; then
        HOST_LACKS="needs scripts/packages test"
    elif ! grep -q cgroup2 /proc/filesystems || ! unshare --mount --pid --net --cgroup --fork true 2>/dev/null; then
        HOST_LACKS="no namespaces of our own here"
    elif [ $# -gt 0 ] && ! command -v dockerd crun >/dev/null; then
        HOST_LACKS="needs scripts/packages containers"
    fi
    [ -z "$HOST_LACKS" ] || return 0
    find_program
    # It looks for leaks by what no service may do.
    case $(ldd "$PMM_SEAL") in
    *asan*) HOST_LACKS="the rights of the services are too few for the address sanitizer"; return 0 ;;
    esac
    HOST=$(mktemp -d /tmp/pmm-seal-host.XXXXXX)
    chmod 711 "$HOST"
    "$E2E/engine/start-host" "$HOST" $$
    install_there
    mkdir "$HOST/root/backups"
    on_host mount -t tmpfs tmpfs /backups
    [ $# -gt 0 ] || return 0
    host_engine
    for kind; do
        "$E2E/engine/make-image" "$kind" "e2e:$kind"
    done
}
host_down() {
    [ -n "${HOST:-}" ] || return 0
    "$E2E/engine/stop-host" "$HOST"
    rm -rf --one-file-system "$HOST"
}
need_host() {
    [ -z "$HOST_LACKS" ] || skip "$HOST_LACKS"
    rm -rf "$HOST/root/etc/pmm-seal" "$HOST/root/etc/cron.d"
    mkdir "$HOST/root/etc/cron.d"
    on_host mountpoint -q /backups || on_host mount -t tmpfs tmpfs /backups
    on_host find /backups -mindepth 1 -delete
}
on_host() { "$E2E/engine/in-host" "$HOST" "$@"; }

install_there() {
    local f units=$HOST/root/local/lib/systemd/system
    install -m 755 "$PMM_SEAL" "$HOST/root/local/bin/pmm-seal"
    mkdir -p "$units"
    cp "$E2E"/../../contrib/systemd/*.timer "$units/"
    for f in "$E2E"/../../contrib/systemd/*.in; do
        sed 's|@bindir@|/usr/local/bin|' "$f" >"$units/$(basename "$f" .in)"
    done
    on_host systemctl daemon-reload
}
# An engine on it, where its programs look for one. systemd's control groups are not for containers that have none.
host_engine() {
    cp -r "$E2E/engine" "$HOST/root/e2e"
    mkdir -p "$HOST/root/etc/docker"
    echo '{"exec-opts": ["native.cgroupdriver=cgroupfs"]}' >"$HOST/root/etc/docker/daemon.json"
    ln -s /engine/data "$HOST/root/var/lib/docker"
    on_host /e2e/start-engine /engine >/dev/null
    on_host ln -s /engine/docker.sock /run/docker.sock
    export DOCKER_HOST=unix://$HOST/root/engine/docker.sock
}
