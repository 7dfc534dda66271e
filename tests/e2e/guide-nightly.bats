# bats file_tags=full
load helpers
load engine
load host

# The guide to the nightly job, each command as it is written there, on a host with Docker, cron and systemd.

setup_file() {
    host_up pmm
    [ -z "$HOST_LACKS" ] || return 0
    dk tag e2e:pmm percona/pmm-server:2
    install -m 755 "$E2E/engine/wait-ready" "$HOST/root/local/bin/"
    mkdir -p "$HOST/root/root/here/dist"
    static_program
    cp "$PMM_SEAL_STATIC" "$HOST/root/root/here/dist/pmm-seal-0.1.0-linux-x86_64"
    cp "$E2E/../../Dockerfile" "$HOST/root/root/here/"
    install -m 755 "$PMM_SEAL_STATIC" "$HOST/root/local/bin/pmm-seal"
    cp "$HOST/root/local/bin/pmm-seal" "$HOST/program"
}
teardown_file() { host_down; }

# A server with rows in it, on the volume pmm-data; the same for each test.
server() {
    local kept=$HOST/kept volume
    dk ps -aq | xargs -r docker rm -f -v >/dev/null
    dk volume ls -q | xargs -r docker volume rm -f >/dev/null
    cp "$HOST/program" "$HOST/root/local/bin/pmm-seal"
    volume=$HOST/root$(dk volume inspect -f '{{.Mountpoint}}' "$(dk volume create pmm-data)")
    if [ -d "$kept" ]; then cp -a "$kept/." "$volume/"; fi
    dk run -d --name pmm-server -v pmm-data:/srv --restart always e2e:pmm >/dev/null
    pmm_ready
    if [ -d "$kept" ]; then return; fi
    pmm_fill
    pmm_digest >"$HOST/digest"
    dk stop -t 300 pmm-server >/dev/null
    cp -a "$volume" "$kept"
    dk start pmm-server >/dev/null
    pmm_ready
}

# The blocks of the guide, by their numbers among those of one way, in this order: all:1 cron:1 ...
fence() { [ "$1" = all ] && echo '```sh' || echo '```sh '"$1"; }
blocks() { # WAY:NUMBER...
    local block
    for block; do
        awk -v fence="$(fence "${block%:*}")" -v wanted="${block#*:}" \
            '$0 == fence && ++n == wanted { on = 1; next } /^```$/ { on = 0 } on' "$E2E/../../docs/guide-nightly.md" >"$T/block"
        [ -s "$T/block" ] || fail "no block $block in the guide" >&2
        cat "$T/block"
    done
}
blocks_are() { # WAY NUMBER
    [ "$(grep -cxF -- "$(fence "$1")" "$E2E/../../docs/guide-nightly.md")" = "$2" ] || fail "the guide has other blocks of $1"
}
# A person waits until a server is up before the next thing is done with it.
follow_there() { # WAY:NUMBER...
    blocks "$@" >"$T/commands"
    sed -e '/^pmm-seal backup\|^pmm-backup\|^systemctl start\|^docker stop/i wait-ready pmm-server' \
        -e '/^docker exec pmm-rehearsal/i wait-ready pmm-rehearsal' "$T/commands" >"$HOST/root/root/here/commands"
    expect_sh 0 'on_host sh -c "cd /root/here && DOCKER_BUILDKIT=0 exec bash -euo pipefail -x commands"'
}
archives() { on_host sh -c 'ls /backups/*.pmmseal 2>/dev/null | wc -l'; }
newest() { on_host sh -c 'ls /backups/*.pmmseal' | tail -n 1; }
is_newer() { [ "$(newest)" != "$1" ]; }
runs() { [ "$(dk inspect -f '{{.State.Running}}' pmm-server)" = true ]; }
# After a night all is as before, and the archive says so.
good_night() {
    pmm_ready
    pmm_digest | diff "$HOST/digest" -
    expect 0 on_host pmm-seal verify --config pmm
}

# What cron mails when it runs the crontab that the guide has made, in $T/mail; all of it in the next minute.
night_by_cron() {
    local cron
    sed -E "s|^30 [25] (.*)|$(date -d '+65 seconds' '+%-M %-H') \\1; echo >>/ended|" \
        "$HOST/root/etc/cron.d/pmm-seal" >"$HOST/root/crontab"
    [ "$(grep -c '^[0-9 ]* \* \* \* root pmm-' "$HOST/root/crontab")" = 2 ]
    rm -f "$HOST/root/ended"
    : >"$HOST/root/mail"
    on_host /e2e/run-cron /crontab /etc/pmm-seal /mail >"$T/cron.log" 2>&1 3>&- &
    cron=$!
    mine $cron
    wait_for 300 night_over || { cat "$T/cron.log"; false; }
    on_host pkill -KILL -x cron
    cp "$HOST/root/mail" "$T/mail"
}
# Both have run, and none of the children of cron is left: they mail.
night_over() {
    [ -e "$HOST/root/ended" ] && [ "$(wc -l <"$HOST/root/ended")" = 2 ] && [ "$(on_host pgrep -c -x cron)" = 1 ]
}
nights_by_cron() {
    local last
    last=$(newest)
    night_by_cron
    [ ! -s "$T/mail" ] || fail "it is not quiet: $(cat "$T/mail")"
    is_newer "$last"
    runs
    last=$(newest)
    mv "$HOST/root/etc/pmm-seal/pass" "$HOST/root/etc/pmm-seal/lost"
    night_by_cron
    [ "$(grep -c 'cannot read the passphrase' "$T/mail")" = 2 ] || fail "$(cat "$T/mail")"
    grep -q 'no archive was written' "$T/mail"
    [ "$(newest)" = "$last" ]
    runs
    mv "$HOST/root/etc/pmm-seal/lost" "$HOST/root/etc/pmm-seal/pass"
}

@test "the guide to the nightly job: cron on the host, and the rehearsal" {
    need_host
    server
    blocks_are all 7
    blocks_are cron 1
    follow_there all:1 all:2 all:3 all:4 cron:1 all:5 all:6 all:7
    good_night
    [ "$(archives)" = 1 ]
    nights_by_cron
    good_night
    expect 0 on_host pmm-seal info --config pmm --attached inspect.json "$(newest)"
    grep -q '"pmm-data:/srv"' "$T/said.out"
}

@test "the guide to the nightly job: cron and docker run" {
    need_host
    server
    rm "$HOST/root/local/bin/pmm-seal"
    blocks_are docker 4
    follow_there all:1 docker:1 docker:2 docker:3 docker:4 all:5
    good_night
    [ "$(archives)" = 1 ]
    nights_by_cron
    good_night
    # Not on the disk of the host.
    on_host umount /backups
    expect 7 on_host pmm-backup
    empty_dir "$HOST/root/backups"
    runs
}

@test "the guide to the nightly job: systemd" {
    need_host
    server
    blocks_are systemd 1
    follow_there all:1 all:2 all:3 all:4 systemd:1 all:5
    good_night
    on_host systemctl list-timers --no-pager >"$T/timers"
    grep -q ' 02:[34][0-9]:.*pmm-seal@pmm.timer' "$T/timers"
    grep -q ' 05:[34][0-9]:.*pmm-seal-verify@pmm.timer' "$T/timers"
    [ "$(on_host systemctl show --value -p Result pmm-seal@pmm.service)" = success ]
    on_host systemctl disable --now pmm-seal@pmm.timer pmm-seal-verify@pmm.timer
    [ "$(archives)" = 1 ]
    expect 0 on_host systemctl start pmm-seal-verify@pmm.service
    good_night
}
