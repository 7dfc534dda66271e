load helpers
load pmm-volume

# The nightly job as it runs unattended: forty nights under a clock of their own, held against an oracle; then all
# that can go wrong in one night, and what the next one finds.

D='' PROM=''
prepare() { # [lines of the configuration...]: it is the night's of a stopped server
    D=$T/d PROM=$T/metrics/pmm.prom
    mkdir "$D" "$T/metrics"
    pmm_volume "$T/src" 7001 1 3.7.0
    random_file "$T/src/grafana/grafana.db" 30000
    cat >"$T/nightly.conf" <<EOF
source = $T/src
directory = $D
passphrase-file = $T/pass
name = pmm-data
kdf = interactive
metrics-file = $PROM
quiet = yes
EOF
    if [ $# -gt 0 ]; then printf '%s\n' "$@" >>"$T/nightly.conf"; fi
    chmod 600 "$T/nightly.conf"
}
night() { "$PMM_SEAL" backup --config "$T/nightly.conf" "$@"; }

# ---- what the metrics file says ----

metric() { # NAME [COMMAND]: without "pmm_seal_"; nothing if there is none
    sed -n "s/^pmm_seal_$1{name=\"pmm-data\"${2:+,command=\"$2\"}} //p" "$PROM"
}
says_metric() { # NAME VALUE [COMMAND]
    local got
    got=$(metric "$1" "${3:-}")
    [ "$got" = "$2" ] || fail "pmm_seal_$1 ${3:-} is '$got', expected $2"
}

# ---- forty nights ----

# Which archives must be there after a run at NOW that deletes at most MOST, by the rules as they are written in the
# manual. $T/known has lines of "FILE TIME NUMBER AUTHENTICATED CONSISTENT VERIFIED".
oracle() { # NOW MOST RULE=N...
    $PYTHON - "$T/known" "$@" <<'EOF'
import collections, datetime, sys
Archive = collections.namedtuple("Archive", "file time number authenticated consistent verified")
now, most = int(sys.argv[2]), int(sys.argv[3])
rules = {name: int(n) for name, n in (word.split("=") for word in sys.argv[4:])}
periods = {"last": None, "hourly": "%Y-%m-%d %H", "daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m",
           "yearly": "%Y"}
archives = [Archive(file, *map(int, numbers)) for file, *numbers in map(str.split, open(sys.argv[1]))]
archives.sort(key=lambda a: (a.time, a.number), reverse=True)

def stay(of):
    for rule, n in rules.items():
        if rule == "within":
            yield from (a for a in of if a.time >= of[0].time - n * 86400)
            continue
        newest = {}
        for a in of:
            when = datetime.datetime.fromtimestamp(a.time, datetime.timezone.utc)
            newest.setdefault(when.strftime(periods[rule]) if periods[rule] else a, a)
        yield from list(newest.values())[:n]

count = [a for a in archives if a.authenticated and a.time <= now + 3600]
good = [a for a in count if a.consistent]
keep = set(stay(good)) | {a for a in stay(count) if not a.consistent}
keep |= set(good[:1]) | set([a for a in count if a.verified][:1]) | set([a for a in good if a.verified][:1])
doomed = [a for a in reversed(count) if a not in keep][:most]
print("\n".join(sorted(a.file for a in archives if a not in doomed)))
EOF
}

ours() { find "$D" -maxdepth 1 -type f -regextype egrep -regex '.*/pmm-data-[0-9]{8}T[0-9]{6}Z(-[0-9]+)?\.pmmseal' \
    -printf '%f\n' | sort; }
know() { # FILE AUTHENTICATED CONSISTENT VERIFIED
    local when=${1#pmm-data-}
    when=${when%.pmmseal}
    local number=${when#*Z}
    when=${when%%Z*} number=${number#-}
    echo "$1 $(date -u -d "${when%T*} ${when:9:2}:${when:11:2}:${when:13:2}" +%s) ${number:-1} $2 $3 $4"
}
# An archive turns out to be none that can be trusted.
lost() { # FILE
    sed -i "s/^\($1 [0-9]* [0-9]*\) .*/\1 0 1 0/" "$T/known"
    echo "$1" >>"$T/strange"
}
# What no run may touch, as it is now.
strange() {
    (cd "$D" && xargs -d '\n' sh -c 'find "$@" -printf "%p %y %m %U %G %s %T@ %i %l\n" -type f -exec sha256sum {} +' sh) <"$T/strange" | sort
}
foreign() {
    echo mine >"$D/notes.txt"
    echo mine >"$D/pmm-data-20200101T000000Z.pmmseal.bak"
    echo mine >"$D/pmm-data-20200101T000000Z.pmmseal.tmp"
    echo mine >"$D/pmm-data.pmmseal"
    echo mine >"$D/.pmm-data-20200101T000000Z.pmmseal"
    mkdir -p "$D/pmm-data-20200102T000000Z.pmmseal" "$D/old"
    mkfifo "$D/pmm-data-20200103T000000Z.pmmseal"
    ln -s notes.txt "$D/pmm-data-20200104T000000Z.pmmseal"
    ln -s /nowhere "$D/pmm-data-20200105T000000Z.pmmseal"
    at $((START - 9 * 86400)) backup -q --name other -o "$D/" "$T/src"
    at $((START - 9 * 86400)) backup -q --name pmm-data-two -o "$D/" "$T/src"
    at $((START - 9 * 86400)) backup -q -o "$D/old/" "$T/src"
    (cd "$D" && find . -mindepth 1 ! -name '.pmm-seal.*' -printf '%P\n') | grep -vxF "$(ours)" >>"$T/strange"
}

# The run of $NOW ended with this status. Then the oracle's archives are there; what is strange is as it was; and the
# metrics file says it.
check_night() { # STATUS CONSISTENT|none [kept]: a new archive or none, and without retention
    local new before after
    before=$(cut -d ' ' -f 1 "$T/known" | sort)
    new=$(ours | grep -vxF "$before" || true)
    if [ "$2" = none ]; then
        [ -z "$new" ] || fail "there is a new archive: $new"
        after=$before
    else
        [ "$(grep -c . <<<"$new")" = 1 ] || fail "new archives: $new"
        know "$new" 1 "$2" 1 >>"$T/known"
        new=$(tail -n 1 "$T/known" | cut -d ' ' -f 2)
        if [ "$new" -lt "$NOW" ] || [ "$new" -gt $((NOW + 600)) ]; then fail "$new is not $NOW"; fi
        after=$(cut -d ' ' -f 1 "$T/known" | sort)
        [ -n "${3:-}" ] || after=$(oracle "$new" "$MOST" "${RULES[@]}")
    fi
    if [ "$(ours)" != "$after" ]; then
        diff <(echo "$after") <(ours) || fail "these archives differ from the oracle's (<)"
    fi
    awk 'FILENAME == "-" { there[$1] } $1 in there && FILENAME != "-"' - "$T/known" <<<"$after" >"$T/known.new"
    mv "$T/known.new" "$T/known"
    strange | diff "$T/strange.was" - || fail "what is foreign or damaged was changed (>)"
    [ -z "$(find "$D" -name '*.tmp' ! -name 'pmm-data-20200101*')" ] || fail "a temporary file was left"

    says_metric last_exit_code "$1" backup
    if [ "$1" = 0 ] || [ "$1" = 3 ]; then
        if [ "$(metric last_success_timestamp_seconds backup | cut -d . -f 1)" -lt "$NOW" ]; then fail "no success"; fi
        says_metric archives "$(grep -c . <<<"$after")"
        SUCCESS=$(metric last_success_timestamp_seconds backup)
    else
        says_metric last_success_timestamp_seconds "$SUCCESS" backup
    fi
}
at_night() { # STATUS CONSISTENT|none [options...]
    local status=$1 what=$2
    shift 2
    # What a night holds is known from this.
    echo "$DAY" >"$T/src/grafana/night"
    expect "$status" at "$NOW" night "$@"
    if [ "$status" = 0 ]; then [ ! -s "$T/said.err" ] || fail "it is not quiet: $(cat "$T/said.err")"; fi
    check_night "$status" "$what"
}
# In the night of somebody who does not stop the server.
live_night() { # STATUS
    echo "$DAY" >"$T/src/grafana/night"
    expect 3 at "$NOW" flock -o -x "$T/src/clickhouse/status" \
        "$PMM_SEAL" backup --config "$T/nightly.conf" --allow-live
    says live-server
    check_night 3 0
}

forty_nights() { # MOST RULE=N...
    need_faketime
    MOST=$1 RULES=("${@:2}") SUCCESS=''
    prepare "max-deletes = $1" "${@/#/keep-}"
    sed -i -e '/^keep-[0-9]/d' -e 's/^\(keep-within=.*\)/\1d/' "$T/nightly.conf"
    # A Thursday, before a leap day.
    START=$(date -u -d '2024-02-01 02:30' +%s)
    # The oldest is from under another passphrase.
    at $((START - 6 * 86400)) seal backup -q --kdf interactive --passphrase-file "$T/other" -o "$D/" "$T/src"
    ours >"$T/strange"
    know "$(ours)" 0 1 1 >"$T/known"
    at $((START - 5 * 86400)) backup -q --new-passphrase -o "$D/" "$T/src"
    know "$(ours | tail -n 1)" 1 1 1 >>"$T/known"
    foreign
    strange >"$T/strange.was"

    local usual=0 file
    for DAY in $(seq 0 39); do
        NOW=$((START + DAY * 86400))
        case $DAY in
        4) # one is cut off, one was never more than a name; from now on each night has its warnings
            file=$(ours | tail -n 3 | head -n 1)
            truncate -s -100 "$D/$file"
            lost "$file"
            : >"$D/pmm-data-20240103T000000Z.pmmseal"
            know pmm-data-20240103T000000Z.pmmseal 0 1 0 >>"$T/known"
            echo pmm-data-20240103T000000Z.pmmseal >>"$T/strange"
            strange >"$T/strange.was"
            usual=3
            at_night 3 1
            says archive-damaged
            ;;
        7) # a byte is turned in the newest one; nobody knows yet
            file=$(ours | tail -n 1)
            printf 'XXXX' | dd of="$D/$file" bs=1 seek=9000 conv=notrunc 2>/dev/null
            at_night 3 1
            ;;
        8) # until all are read
            expect 5 at "$NOW" "$PMM_SEAL" verify --config "$T/nightly.conf"
            says_metric last_exit_code 5 verify
            lost "$file"
            strange >"$T/strange.was"
            at_night 3 1
            ;;
        11) ;; # the machine is off
        12) # the server does not stop
            at_night 1 none --before 'exit 1'
            ;;
        14 | 15) live_night ;;
        16) # twice in a second
            at_night "$usual" 1
            at_night "$usual" 1
            ;;
        17) # the clock is a year ahead
            NOW=$((NOW + 366 * 86400))
            at_night "$usual" 1
            ;;
        2[0-6]) ;; # a week off
        28) # the server does not start again: the archive is there, nothing is deleted
            echo "$DAY" >"$T/src/grafana/night"
            expect 1 at "$NOW" night --after 'exit 1'
            check_night 1 1 kept
            ;;
        30) at_night 4 none --passphrase-file "$T/other" ;;
        31) live_night ;;
        33) # the clock is a year late
            NOW=$((NOW - 366 * 86400))
            at_night "$usual" 1
            ;;
        35) # at both ends of a day
            NOW=$((NOW - 2 * 3600 - 30 * 60))
            at_night "$usual" 1
            NOW=$((NOW + 86390))
            at_night "$usual" 1
            ;;
        36) ;;
        *) at_night "$usual" 1 ;;
        esac
    done

    # Each that can be trusted is what it says it is.
    while read -r file _ _ authenticated consistent _; do
        if [ "$authenticated" = 0 ]; then continue; fi
        expect "$((consistent ? 0 : 3))" verify "$D/$file"
    done <"$T/known"
    file=$(ours | grep -v pmm-data-2025 | tail -n 1)
    expect 0 restore "$D/$file" "$T/new" grafana
    content "$T/new/grafana/night" 39
}

# bats test_tags=full
@test "forty nights: after each, the archives are there that the rules keep, and no foreign file was touched" {
    forty_nights 2 daily=5 weekly=3 monthly=2
}
