load helpers

# What starts a night's backup: cron, and systemd's units.

CONTRIB=$E2E/../../contrib

need_contrib() { [ -r "$CONTRIB/systemd/pmm-seal@.timer" ] || skip "needs the source tree"; }
configured() { # NAME [LINES]: a configuration in $T/etc
    local name=$1
    shift
    mkdir -p "$T/etc" "$T/d-$name"
    printf '%s\n' "source = $T/src" "directory = $T/d-$name" "passphrase-file = $T/pass" 'kdf = interactive' 'quiet = yes' \
        "name = $name" "$@" >"$T/etc/$name.conf"
    chmod 600 "$T/etc/$name.conf"
}

# ---- cron ----

# bats test_tags=full
@test "cron runs the line of the example: silent when all is well, mail when it is not" {
    need_mounts
    need_contrib
    command -v cron >/dev/null || skip "needs cron"
    small_tree "$T/src"
    configured pmm
    configured broken "before = echo cannot stop it; exit 7"
    configured percent
    # Each minute, and the program that is tested.
    sed -n -e 's#^PATH=#&'"$(dirname "$PMM_SEAL")"':#p' -e 's#^30 2 \* \* \*#* * * * *#p' -e /^MAILTO=/p \
        "$CONTRIB/examples/crontab" >"$T/crontab"
    [ "$(wc -l <"$T/crontab")" = 3 ]
    echo '* * * * * root pmm-seal backup --config broken' >>"$T/crontab"
    echo "* * * * * root pmm-seal backup --config percent --before 'env >$T/environment; date +\\%Y >$T/year'" >>"$T/crontab"
    : >"$T/mail"
    "$E2E/engine/run-cron" "$T/crontab" "$T/etc" "$T/mail" >"$T/cron.log" 2>&1 3>&- &
    mine $!
    wait_for 120 sh -c "ls $T/d-pmm/*.pmmseal $T/d-percent/*.pmmseal && grep -q 'cannot stop it' $T/mail" >/dev/null 2>&1 ||
        { cat "$T/cron.log" "$T/mail"; false; }
    sleep 2 # a mail of the others would be on its way
    grep -q '^Subject: .*pmm-seal backup --config broken' "$T/mail"
    grep -q 'no archive was written' "$T/mail"
    [ "$(grep -c '^Subject:' "$T/mail")" = 1 ] || fail "$(cat "$T/mail")"
    [ -z "$(find "$T/d-broken" -name "*.pmmseal*")" ]
    # As cron has it: no terminal, hardly an environment, and % written \%.
    grep -qE '^20[0-9][0-9]$' "$T/year"
    if grep -q '^TERM=' "$T/environment"; then fail "$(cat "$T/environment")"; fi
    for f in "$T"/d-p*/*.pmmseal; do expect 0 verify "$f"; done
}

# ---- systemd ----

units() { # with this program in them, in $T/units
    local f
    need_contrib
    command -v systemd-analyze >/dev/null || skip "needs systemd-analyze"
    mkdir "$T/units"
    for f in "$CONTRIB"/systemd/*.in; do
        sed "s|@bindir@|$(dirname "$PMM_SEAL")|" "$f" >"$T/units/$(basename "$f" .in)"
    done
    cp "$CONTRIB"/systemd/*.timer "$T/units/"
}

@test "systemd has nothing to say of the units" {
    units
    [ "$(ls "$T/units" | wc -l)" = 4 ]
    expect 0 systemd-analyze verify --man=no "$T"/units/*
    [ ! -s "$T/said.err" ] || fail "$(cat "$T/said.err")"
    # Of 10; what is left open is what a backup of all files and a command like "docker stop" need.
    for f in "$T"/units/*.service; do
        expect 0 systemd-analyze security --no-pager --offline=yes --threshold=25 "$f"
    done
}

# With no service manager here: the command, the credential, the rights and the network that the unit gives.
as_service() { # UNIT NAME
    local caps line
    caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$T/units/$1" | sed -e 's/CAP_/+/g' -e 's/ /,/g' | tr A-Z a-z)
    line=$(sed -n 's/^ExecStart=//p' "$T/units/$1" | sed "s/%i/$2/g")
    T=$T CAPS=$caps LINE=$line unshare --mount --net bash -ec '
        cp -a /etc "$T/all-etc"
        rm -rf "$T/all-etc/pmm-seal"
        cp -a "$T/etc" "$T/all-etc/pmm-seal"
        mount --bind "$T/all-etc" /etc
        mkdir -p "$T/credentials"
        install -m 400 "$T/pass" "$T/credentials/passphrase"
        export PMM_SEAL_PASSPHRASE_FILE=$T/credentials/passphrase JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2)
        exec setpriv --bounding-set "-all,$CAPS" --no-new-privs sh -c "$LINE" </dev/null' 2>"$T/journal"
}

@test "the command of the service runs with the rights that it leaves, and speaks as the journal wants it" {
    need_mounts
    units
    small_tree "$T/src"
    chown -R 1000:1000 "$T/src"
    chmod 700 "$T/src/nginx"
    configured one 'exclude = nothing' "before = touch $T/before" "after = touch $T/after"
    sed -i -e '/^passphrase-file/d' -e '/^quiet/d' "$T/etc/one.conf"
    expect 0 as_service pmm-seal@.service one
    present "$T/before" "$T/after"
    grep -q '^<5>pmm-seal: note: .*exclude-unused' "$T/journal" || fail "$(cat "$T/journal")"
    expect 0 as_service pmm-seal-verify@.service one
    grep -q 'OK: 1 archive verified' "$T/said.out"
    # What the configuration says goes before.
    echo "passphrase-file = $T/none" >>"$T/etc/one.conf"
    expect 4 as_service pmm-seal@.service one
    grep -q '^<3>pmm-seal: cannot read the passphrase' "$T/journal" || fail "$(cat "$T/journal")"
    expect 1 as_service pmm-seal@.service missing
    grep -q '^<3>pmm-seal: cannot read the configuration' "$T/journal" || fail "$(cat "$T/journal")"
    # Somebody else's stream is no journal.
    expect_sh 2 'JOURNAL_STREAM=1:2 seal backup --no-such'
    if grep -q '^<' "$T/said.err"; then fail "$(cat "$T/said.err")"; fi
}
