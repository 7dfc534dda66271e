# bats file_tags=full
load helpers
load host

# The units as a real systemd runs them: process 1 of a host of our own.

setup_file() { host_up; }
teardown_file() { host_down; }

# A tree of somebody else's, and /etc/pmm-seal/NAME.conf with its passphrase.
configured() { # NAME [LINES]
    local name=$1 etc=$HOST/root/etc/pmm-seal
    shift
    rm -rf "$HOST/root/srv/tree"
    small_tree "$HOST/root/srv/tree"
    chmod 700 "$HOST/root/srv/tree/nginx"
    chown -R 1000:1000 "$HOST/root/srv/tree"
    mkdir -p -m 700 "$etc"
    cp -p "$T/pass" "$etc/pass"
    printf '%s\n' 'source = /srv/tree' 'directory = /backups' 'require-mount = yes' 'kdf = interactive' \
        'lock-wait = 60' "$@" >"$etc/$name.conf"
    chmod 600 "$etc/$name.conf"
    mkdir -p "$HOST/root/var/lib/e2e"
    rm -f "$HOST/root/var/lib/e2e"/*
    on_host systemctl reset-failed
    mark
}
archives() { on_host sh -c 'ls /backups/*.pmmseal 2>/dev/null | wc -l'; }
some_archive() { [ "$(archives)" -gt 0 ]; }
property() { on_host systemctl show --value -p "$2" "$1"; } # UNIT PROPERTY
is() { # UNIT PROPERTY VALUE
    local got
    got=$(property "$1" "$2")
    [ "$got" = "$3" ] || fail "$2 of $1 is '$got', expected $3: $(journal "$1")"
}
ended() { [ "$(property "$1" ActiveState)" != activating ]; }
mark() { MARK=$(on_host journalctl --sync -n 0 --show-cursor | sed -n 's/^-- cursor: //p'); }
journal() { # UNIT [FIELD]: since the last mark
    on_host journalctl --sync
    on_host journalctl --no-pager -q -o json -u "$1" ${MARK:+--after-cursor="$MARK"} | jq -r ".${2:-MESSAGE}"
}

@test "a service makes and verifies an archive with the rights that it has" {
    need_host
    configured one 'quiet = yes' 'metrics-file = /var/lib/e2e/one.prom' \
        'before = touch /var/lib/e2e/before; ulimit -l >/var/lib/e2e/locked' 'after = touch /var/lib/e2e/after'
    expect 0 on_host systemctl start pmm-seal@one.service
    present "$HOST/root/var/lib/e2e/before" "$HOST/root/var/lib/e2e/after"
    [ "$(archives)" = 1 ]
    # It says nothing, and is heard when it does.
    [ -z "$(journal pmm-seal@one.service)" ] || fail "it is not quiet: $(journal pmm-seal@one.service)"
    grep -q '^pmm_seal_last_exit_code{name="one",command="backup"} 0$' "$HOST/root/var/lib/e2e/one.prom"
    # Secrets are not more than this, and it is locked without a right to lock more.
    [ "$(cat "$HOST/root/var/lib/e2e/locked")" != 0 ]
    expect 0 on_host systemctl start pmm-seal-verify@one.service
    grep -q '^pmm_seal_last_exit_code{name="one",command="verify"} 0$' "$HOST/root/var/lib/e2e/one.prom"
    # It read what belongs to others, and knows whose it was.
    expect 0 on_host sh -c 'pmm-seal diff --config one --passphrase-file /etc/pmm-seal/pass /backups/one-*.pmmseal /srv/tree'
}

@test "warnings are no failure of the unit, an error is one, and the journal knows them apart" {
    need_host
    configured warns 'exclude = no-such-thing' 'before = echo cannot stop it >&2; exit 7'
    expect 1 on_host systemctl start pmm-seal@warns.service
    is pmm-seal@warns.service Result exit-code
    journal pmm-seal@warns.service PRIORITY | grep -qx 3
    journal pmm-seal@warns.service | grep -q 'no archive was written'
    [ "$(archives)" = 0 ]
    configured warns 'exclude = no-such-thing' 'keep-last = 5' 'metrics-file = /var/lib/e2e/warns.prom'
    on_host sh -c 'head -c 300 /dev/urandom >/backups/warns-20260101T000000Z.pmmseal'
    expect 0 on_host systemctl start pmm-seal@warns.service
    is pmm-seal@warns.service ActiveState inactive
    grep -q '^pmm_seal_last_exit_code{name="warns",command="backup"} 3$' "$HOST/root/var/lib/e2e/warns.prom"
    journal pmm-seal@warns.service PRIORITY | grep -qx 4
    journal pmm-seal@warns.service PRIORITY | grep -qx 5
    expect 1 on_host systemctl start pmm-seal@missing.service
    is pmm-seal@missing.service Result exit-code
    journal pmm-seal@missing.service | grep -q 'cannot read the configuration'
}

@test "a service that is killed leaves nothing stopped" {
    need_host
    configured killed 'before = touch /var/lib/e2e/stopped; sleep 2' 'after = rm /var/lib/e2e/stopped; touch /var/lib/e2e/started'
    on_host systemctl start --no-block pmm-seal@killed.service
    wait_for 30 present "$HOST/root/var/lib/e2e/stopped" >/dev/null
    on_host systemctl kill --signal=KILL --kill-whom=main pmm-seal@killed.service
    wait_for 30 present "$HOST/root/var/lib/e2e/started" >/dev/null
    absent "$HOST/root/var/lib/e2e/stopped"
    is pmm-seal@killed.service Result signal
    [ "$(archives)" = 0 ]
    configured killed 'before = touch /var/lib/e2e/stopped; sleep 2' 'after = rm /var/lib/e2e/stopped; touch /var/lib/e2e/started'
    on_host systemctl start --no-block pmm-seal@killed.service
    wait_for 30 present "$HOST/root/var/lib/e2e/stopped" >/dev/null
    on_host systemctl stop pmm-seal@killed.service
    wait_for 30 present "$HOST/root/var/lib/e2e/started" >/dev/null
    absent "$HOST/root/var/lib/e2e/stopped"
    [ "$(archives)" = 0 ]
}

@test "nothing runs before it is enabled; the timer starts the service" {
    need_host
    configured timed 'quiet = yes'
    [ -z "$(on_host systemctl list-timers --all --no-legend --no-pager)" ]
    expect 0 on_host systemctl enable --now pmm-seal@timed.timer pmm-seal-verify@timed.timer
    is pmm-seal@timed.timer ActiveState active
    is pmm-seal-verify@timed.timer ActiveState active
    [ "$(archives)" = 0 ]
    # As `systemctl edit` writes it: now and then instead of each night.
    mkdir -p "$HOST/root/etc/systemd/system/pmm-seal@timed.timer.d"
    printf '[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:00/5\nRandomizedDelaySec=0\nAccuracySec=1s\n' \
        >"$HOST/root/etc/systemd/system/pmm-seal@timed.timer.d/override.conf"
    on_host systemctl daemon-reload
    on_host systemctl restart pmm-seal@timed.timer
    wait_for 60 some_archive
    expect 0 on_host systemctl disable --now pmm-seal@timed.timer pmm-seal-verify@timed.timer
    wait_for 60 ended pmm-seal@timed.service
    is pmm-seal@timed.service Result success
}
