load helpers

# Metrics and alerts, by what reads them in earnest: promtool, node_exporter, Prometheus, and
# VictoriaMetrics, which is what PMM asks.

MANUAL=$E2E/../../docs/METRICS.md
ALERTS=$E2E/../../contrib/pmm/pmm-seal-alerts.yml

need_monitoring() {
    local tool
    [ -r "$MANUAL" ] && [ -r "$ALERTS" ] || skip "needs the source tree"
    for tool in promtool prometheus prometheus-node-exporter curl; do
        command -v $tool >/dev/null || skip "needs $tool"
    done
    $PYTHON -c 'import yaml' 2>/dev/null || skip "needs python3-yaml"
    TEXT=$T/text ROUND=0
    mkdir "$TEXT"
}

# ---- metrics ----

# The program itself, and a directory of archives: what it tells goes where the collector reads.
configured() {
    small_tree "$T/src"
    mkdir "$T/d"
    printf '%s\n' "source = $T/src" "directory = $T/d" "passphrase-file = $T/pass" "metrics-file = $TEXT/pmm.prom" \
        'kdf = interactive' 'keep-last = 3' 'quiet = yes' >"$T/pmm.conf"
    chmod 600 "$T/pmm.conf"
}
run() { # STATUS COMMAND [options]
    expect "$1" seal "$2" --config "$T/pmm.conf" "${@:3}"
}
damage() { # the newest archive
    printf XXXX | dd of="$(find "$T/d" -name '*.pmmseal' | sort | tail -n 1)" bs=1 seek=5000 conv=notrunc 2>/dev/null
}
promtool_is_silent() { # FILE
    expect_sh 0 'promtool check metrics <"$1"' "$1" || return 1
    [ ! -s "$T/said.out" ] && [ ! -s "$T/said.err" ] || fail "$(cat "$T/said.out" "$T/said.err" "$1")"
}

# What one run leaves in FILE, all else in it staying as it was. METRIC is without "pmm_seal_"; HELP and labels
# are the manual's.
make_metrics() { # FILE NAME COMMAND METRIC=VALUE...
    local file=$1 name=$2 command=$3
    shift 3
    touch "$file"
    printf '%s\n' "$@" | awk -v name="$name" -v command="$command" '
        FILENAME == ARGV[1] && split($0, cell, / *\| */) > 6 && cell[2] ~ /^`pmm_seal_/ {
            metric = substr(cell[2], 2, length(cell[2]) - 2)
            order[++n] = metric
            help[metric] = cell[3]
            with_command[metric] = cell[5] ~ /command/
        }
        FILENAME == ARGV[2] && !/^#/ { sample[$1] = $2 }
        FILENAME == "-" {
            split($0, pair, "=")
            metric = "pmm_seal_" pair[1]
            label = with_command[metric] ? ",command=\"" command "\"" : ""
            sample[metric "{name=\"" name "\"" label "}"] = pair[2]
        }
        END {
            for (i = 1; i <= n; i++) {
                head = "# HELP " order[i] " " help[order[i]] "\n# TYPE " order[i] " gauge\n"
                for (s in sample)
                    if (index(s, order[i] "{") == 1) {
                        printf "%s%s %s\n", head, s, sample[s]
                        head = ""
                    }
            }
        }' "$MANUAL" "$file" - >"$file.new"
    mv "$file.new" "$file"
}
ago() { echo $((EPOCHSECONDS - $1)); } # SECONDS

# A backup of NAME that ended so many seconds ago, in a file of its own; what else it leaves.
backed_up() { # NAME SECONDS [METRIC=VALUE...]
    local name=$1 end
    end=$(ago "$2")
    shift 2
    make_metrics "$TEXT/$name.prom" "$name" backup last_attempt_timestamp_seconds="$end" last_exit_code=0 \
        last_success_timestamp_seconds="$end" last_duration_seconds=61.5 last_warnings=0 last_entries=12 \
        last_read_bytes=4000 last_written_bytes=1000 archives=3 oldest_verification_timestamp_seconds="$(ago 3600)" "$@"
}
# A backup, or another command, of NAME that has just failed.
failed() { # NAME EXIT [COMMAND [METRIC=VALUE...]]
    make_metrics "$TEXT/$1.prom" "$1" "${3:-backup}" last_attempt_timestamp_seconds=$EPOCHSECONDS last_exit_code="$2" \
        last_duration_seconds=0.25 last_warnings=0 "${@:4}"
}

# ---- alerts ----

# Python text about the list `templates`, and what PMM makes of a text of one: fill(TEMPLATE, TEXT, {PARAM: VALUE}).
python() { # TEXT [ARGUMENTS]
    $PYTHON -c "
import json, re, sys, urllib.parse, urllib.request, yaml
def fill(template, text, given={}):
    values = {p['name']: '%.15g' % float(given.get(p['name'], p['value'])) for p in template.get('params', [])}
    return re.sub(r'\[\[ *\.(\w+) *\]\]', lambda m: values[m[1]], text)
templates = [t for d in yaml.safe_load_all(open(sys.argv[1])) for t in d['templates']]
$1" "$ALERTS" "${@:2}"
}

# The templates as rules of Prometheus; with another time for which they have to hold.
make_rules() { # [FOR]
    python '
print(yaml.dump({"groups": [{"name": "pmm-seal", "rules": [
    {"alert": t["name"], "expr": fill(t, t["expr"]), "for": sys.argv[2] or t["for"], "labels": {"severity": t["severity"]},
     "annotations": {k: fill(t, v) for k, v in t["annotations"].items()}} for t in templates]}]}))' "${1:-}" >"$T/rules.yml"
}

# ---- the servers, on ports of their own ----

listens() { ADDRESS=$(sed -n 's/.*msg="Listening on" .*address=\(127[0-9.]*:[0-9]*\).*/\1/p' "$1") && [ -n "$ADDRESS" ]; }
start() { # LOG command...: it takes a free port and logs it; then in $ADDRESS
    local log=$1
    shift
    "$@" --web.listen-address=127.0.0.1:0 >"$log" 2>&1 3>&- &
    mine $!
    wait_for 30 listens "$log" || { tail "$log"; return 1; }
}
start_prometheus() { # with the rules of make_rules, if there are any
    start "$T/exporter.log" prometheus-node-exporter --collector.disable-defaults --collector.textfile \
        --collector.textfile.directory="$TEXT"
    cat >"$T/scrape.yml" <<EOF
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: ["$T/rules*.yml"]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["$ADDRESS"], labels: {node_name: here}}]
EOF
    start "$T/prometheus.log" prometheus --config.file="$T/scrape.yml" --storage.tsdb.path="$T/prometheus"
    STORE=http://$ADDRESS
}
start_victoria() {
    VM=$(dpkg -L victoria-metrics 2>/dev/null | grep -E 'bin/victoria-?metrics(-prod)?$' | head -n 1)
    [ -x "$VM" ] || skip "needs victoria-metrics"
    start "$T/exporter.log" prometheus-node-exporter --collector.disable-defaults --collector.textfile \
        --collector.textfile.directory="$TEXT"
    printf 'scrape_configs: [{job_name: node, scrape_interval: 1s, static_configs: [{targets: ["%s"], %s}]}]\n' \
        "$ADDRESS" 'labels: {node_name: here}' >"$T/scrape.yml"
    STORE=http://127.0.0.1:$($PYTHON -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$VM" -storageDataPath="$T/victoria" -httpListenAddr="${STORE#http://}" -promscrape.config="$T/scrape.yml" \
        -search.latencyOffset=0s >"$T/victoria.log" 2>&1 3>&- &
    mine $!
    wait_for 30 curl -fsS -o /dev/null "$STORE/health" || { tail "$T/victoria.log"; return 1; }
    # What was scraped can be asked for at once.
    FLUSH=$STORE/internal/force_flush
}
FLUSH=

ask() { # QUERY
    if [ -n "$FLUSH" ]; then curl -fsS -o /dev/null "$FLUSH"; fi
    curl -fsSG "$STORE/api/v1/query" --data-urlencode "query=$1"
}
says_now() { ask "$1" | grep -qF ",\"$2\"]"; } # QUERY VALUE
# Wait until everything that is in the files now has been scraped. The collector reads the files in the order of
# their names: what follows this one is as new.
collected() {
    ROUND=$((ROUND + 1))
    echo "e2e_round $ROUND" >"$TEXT/0.new"
    mv "$TEXT/0.new" "$TEXT/0.prom"
    wait_for 20 says_now e2e_round $ROUND
    says_now node_textfile_scrape_error 0 || { cat "$T/exporter.log"; return 1; }
}

# The alerts that fire are exactly these: ALERT:NAME:COMMAND ...
firing() {
    [ "$(ask 'ALERTS{alertstate="firing"}' |
        jq -r '[.data.result[].metric | .alertname + ":" + .name + ":" + .command] | sort | join(" ")')" = "$*" ]
}

# Lines "TEMPLATE [PARAM=VALUE]: NAME..." on stdin: the names for which the rule fires have to be exactly these.
# Each with a value other than 0, or PMM takes it for false.
fires() {
    python '
bad = 0
for line in sys.stdin:
    rule, expected = line.split(":")
    name, *given = rule.split()
    template, = (t for t in templates if t["name"] == name)
    query = fill(template, template["expr"], dict(g.split("=") for g in given))
    with urllib.request.urlopen(sys.argv[2] + "/api/v1/query?" + urllib.parse.urlencode({"query": query})) as answer:
        result = json.load(answer)["data"]["result"]
    got = sorted(r["metric"]["name"] + "/verify" * (r["metric"].get("command") == "verify") for r in result
                 if r["metric"]["node_name"] == "here" and float(r["value"][1]) != 0)
    if got != expected.split():
        print(rule, "fires for:", *got, "and not for:", expected, "query:", query)
        bad = 1
sys.exit(bad)' "$STORE"
}

# ---- ----

@test "promtool has nothing to say of a metrics file, of one server and of two" {
    need_monitoring
    backed_up one 3600
    promtool_is_silent "$TEXT/one.prom"
    make_metrics "$TEXT/one.prom" two backup last_exit_code=1 last_attempt_timestamp_seconds=$EPOCHSECONDS
    # shellcheck disable=SC2046
    make_metrics "$TEXT/one.prom" two verify $(sed -n 's/^| `pmm_seal_\(\w*\)`.*/\1=1.5/p' "$MANUAL")
    promtool_is_silent "$TEXT/one.prom"
    [ "$(grep -c '^# HELP' "$TEXT/one.prom")" = 15 ]
}

@test "promtool has nothing to say of what the program has written, after every kind of run" {
    need_monitoring
    configured
    run 4 backup --passphrase-file "$T/none"
    promtool_is_silent "$TEXT/pmm.prom"
    for before in true 'exit 1' true; do
        if [ "$before" = true ]; then run 0 backup --before "$before"; else run 1 backup --before "$before"; fi
        promtool_is_silent "$TEXT/pmm.prom"
    done
    run 0 verify --sample 1/2
    promtool_is_silent "$TEXT/pmm.prom"
    run 4 prune --passphrase-file "$T/other"
    promtool_is_silent "$TEXT/pmm.prom"
    run 0 prune --keep-last 1
    promtool_is_silent "$TEXT/pmm.prom"
    damage
    run 5 verify
    run 0 backup --name second
    promtool_is_silent "$TEXT/pmm.prom"
    # All that the manual has, with its words, and no more.
    sed -nE 's/^\| `(pmm_seal_\w*)` \| ([^|]*) \|.*/# HELP \1 \2/p' "$MANUAL" | sort >"$T/manual"
    [ "$(wc -l <"$T/manual")" = 15 ]
    grep '^# HELP' "$TEXT/pmm.prom" | sort | diff "$T/manual" -
    for line in '{name="pmm",command="backup"} 0' '{name="pmm",command="verify"} 5' '{name="pmm",command="prune"} 0' \
        '{name="second",command="backup"} 0'; do
        grep -qxF "pmm_seal_last_exit_code$line" "$TEXT/pmm.prom" || fail "$line is not in: $(cat "$TEXT/pmm.prom")"
    done
}

# The parser of every PMM since 2.31 is strict: it refuses a file with a key that it does not know. So no key of
# newer ones.
@test "the alert templates are of the form that PMM takes" {
    need_monitoring
    python '
assert len(templates) == 4 and len({t["name"] for t in templates}) == 4
for t in templates:
    needed = {"name", "version", "summary", "expr", "for", "severity", "annotations"}
    assert needed <= set(t) <= needed | {"params"}, t["name"]
    assert re.fullmatch(r"[a-z_]+", t["name"]) and not re.match("pmm_|saas_", t["name"]), "a name that PMM keeps for itself"
    assert t["version"] == 1
    assert re.fullmatch(r"\d+[smhd]", t["for"])
    assert t["severity"] in "emergency alert critical error warning notice info debug".split()
    assert set(t["annotations"]) == {"summary", "description"}
    params = t.get("params", [])
    for p in params:
        assert {"name", "summary", "type", "value"} <= set(p) <= {"name", "summary", "type", "value", "range", "unit"}
        assert p["type"] == "float" and p["unit"] in ("s", "%") and re.fullmatch(r"\w+", p["name"])
        low, high = p["range"]
        assert low <= p["value"] <= high
    used = re.findall(r"\[\[ *\.(\w+) *\]\]", t["expr"])
    assert sorted(used) == sorted(p["name"] for p in params)
    for text in [t["expr"], *t["annotations"].values()]:
        assert "[[" not in fill(t, text)
'
}

@test "each metric that an alert asks for is in the manual" {
    need_monitoring
    python 'print("\n".join(m for t in templates for m in re.findall(r"\bpmm_seal_\w+", t["expr"])))' |
        sort -u >"$T/asked"
    [ "$(wc -l <"$T/asked")" -ge 5 ]
    while read -r metric; do
        grep -q "^| \`$metric\` |" "$MANUAL" || fail "not in the manual: $metric"
    done <"$T/asked"
}

@test "promtool takes the templates as rules of Prometheus" {
    need_monitoring
    make_rules
    expect 0 promtool check rules --lint-fatal "$T/rules.yml"
    grep -q 'SUCCESS: 4 rules found' "$T/said.out"
}

# A host with servers in every state. A name that no line below names fires nothing.
each_alert() {
    local day=86400 hour=3600
    # As they were some nights ago.
    for name in half less zero grown; do backed_up $name $day; done
    make_metrics "$TEXT/grown.prom" grown backup last_written_bytes=400
    backed_up quiet $((2 * day))
    failed never 1 backup last_attempt_timestamp_seconds="$(ago $((27 * hour)))"
    # Two scrapes, so that one may be lost on a busy machine.
    collected
    collected

    backed_up fine $hour
    backed_up warned $((26 * hour - 120)) last_exit_code=3 last_warnings=2 \
        oldest_verification_timestamp_seconds="$(ago $((8 * day - 120)))"
    backed_up late $((26 * hour + 2))
    failed never 1
    failed first 1
    backed_up failed $((2 * hour))
    failed failed 1
    backed_up gone $((30 * hour))
    failed gone 7
    backed_up quiet $hour
    backed_up killed $((2 * hour))
    failed killed 143
    backed_up rotten $hour
    failed rotten 5 verify last_success_timestamp_seconds="$(ago $((90 * day)))"
    backed_up half $hour last_written_bytes=500
    backed_up less $hour last_written_bytes=501
    backed_up zero $hour last_written_bytes=0
    backed_up grown $hour
    backed_up unread $hour oldest_verification_timestamp_seconds="$(ago $((8 * day + 2)))"
    # A second server in a file.
    make_metrics "$TEXT/fine.prom" second backup last_exit_code=4 last_attempt_timestamp_seconds=$EPOCHSECONDS \
        last_success_timestamp_seconds="$(ago $hour)"
    collected
    fires <<EOF
pmmseal_backup_missing: gone late never
pmmseal_backup_missing age=$((31 * hour)):
pmmseal_run_failed: failed first gone killed never rotten/verify second
pmmseal_archive_shrunk: half zero
pmmseal_archive_shrunk percent=49: half less zero
pmmseal_archive_shrunk percent=100: zero
pmmseal_verification_old: unread
pmmseal_verification_old age=$((7 * day)): unread warned
EOF

    # The next night is a good one for all; only of three nothing comes any more. Of those the last known value
    # counts: one of them is not late yet.
    rm "$TEXT/late.prom" "$TEXT/gone.prom" "$TEXT/quiet.prom"
    for name in never first failed killed half less zero unread; do backed_up $name 1; done
    make_metrics "$TEXT/rotten.prom" rotten verify last_exit_code=3
    make_metrics "$TEXT/fine.prom" second backup last_exit_code=0
    collected
    fires <<EOF
pmmseal_backup_missing: gone late
pmmseal_run_failed:
pmmseal_archive_shrunk:
pmmseal_verification_old:
EOF
}

# bats test_tags=full
@test "in Prometheus each alert fires when it must, and not otherwise" {
    need_monitoring
    start_prometheus
    each_alert
}

# bats test_tags=full
@test "in VictoriaMetrics, as in PMM, each alert fires when it must, and not otherwise" {
    need_monitoring
    start_victoria
    each_alert
}

# bats test_tags=full
@test "a run that fails raises the alert in Prometheus, the next good one of that command ends it" {
    need_monitoring
    configured
    make_rules 1s
    start_prometheus
    run 0 backup
    run 0 verify
    collected
    run 4 backup --passphrase-file "$T/other"
    wait_for 30 firing pmmseal_run_failed:pmm:backup
    # Another command, good as it is, says nothing of the backup.
    run 0 verify
    collected
    firing pmmseal_run_failed:pmm:backup
    run 0 backup
    wait_for 30 firing
    damage
    run 5 verify
    wait_for 30 firing pmmseal_run_failed:pmm:verify
    find "$T/d" -name '*.pmmseal' | sort | tail -n 1 | xargs rm
    run 0 verify
    wait_for 30 firing
}
