load helpers

# --config from end to end: where the file is, what its lines do to a run, and who has the last word.
# What a line may look like, tests/unit/cli/test_config.c has.

EXAMPLE=$E2E/../../contrib/examples/pmm.conf

# $T/pmm.conf with these lines.
configuration() {
    printf '%s\n' "$@" >"$T/pmm.conf"
    chmod 600 "$T/pmm.conf"
}
prepare() { # [more lines]
    [ -d "$T/src" ] || small_tree "$T/src"
    mkdir -p "$T/d"
    configuration "source = $T/src" "directory = $T/d" "passphrase-file = $T/pass" 'kdf = interactive' "$@"
}
with_config() { # COMMAND ARGS
    local c=$1
    shift
    seal "$c" --config "$T/pmm.conf" "$@"
}
archives() { find "$1" -name '*.pmmseal' -printf '%f\n' | sort; } # DIR
count() { [ "$(archives "$1" | wc -l)" = "$2" ] || fail "in $1 are: $(archives "$1")"; } # DIR NUMBER
# The one archive of DIR has, or has not, each of these entries.
has() { # DIR PATH...
    local path
    list "$1/$(archives "$1")" >"$T/listed" || return 1
    for path in "${@:2}"; do grep -qxF -e "$path" "$T/listed" || fail "not in the archive: $path" || return 1; done
}
has_not() {
    local path
    has "$1" hello || return 1
    for path in "${@:2}"; do ! grep -qxF -e "$path" "$T/listed" || fail "in the archive: $path" || return 1; done
}

# ---- where it is ----

@test "a NAME is a file of /etc/pmm-seal, wherever the run begins, and the name of the archives" {
    need_mounts
    prepare
    mkdir "$T/etc" "$T/here"
    mv "$T/pmm.conf" "$T/etc/night.conf"
    # None of these is what the name stands for.
    for f in night night.conf; do echo 'no-such-key = 1' >"$T/here/$f"; done
    export T PMM_SEAL
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none /etc
        cp -a "$T/etc" /etc/pmm-seal
        cd "$T/here"
        "$PMM_SEAL" backup --config night
        "$PMM_SEAL" check-config night
        "$PMM_SEAL" verify --config night
        "$PMM_SEAL" list --config night
        "$PMM_SEAL" prune --config night --keep-last 1'
    count "$T/d" 1
    [[ $(archives "$T/d") = night-20* ]]
    expect 1 unshare -m bash -ec 'mount -t tmpfs none /etc; cd "$T/here"; "$PMM_SEAL" backup --config night'
    says '/etc/pmm-seal/night.conf: No such file'
    says "with a '/': ./FILE"
}

@test "a name that archives cannot have is asked for, lest two configurations have one" {
    prepare
    mv "$T/pmm.conf" "$T/server #1.conf"
    expect 2 seal backup --config "$T/server #1.conf"
    says "archives cannot have the name of the configuration"
    expect 2 seal prune --config "$T/server #1.conf" --keep-last 1
    count "$T/d" 0
    expect 0 seal backup --config "$T/server #1.conf" --name server-1
    [[ $(archives "$T/d") = server-1-20* ]]
    expect 0 seal list --config "$T/server #1.conf"
}

@test "paths in the file are absolute" {
    prepare
    echo 'metrics-file = pmm.prom' >>"$T/pmm.conf"
    expect 2 seal backup --config "$T/pmm.conf"
    says 'metrics-file: not an absolute path'
    count "$T/d" 0
}

@test "what has a slash is the path of a file, with any name" {
    prepare
    mv "$T/pmm.conf" "$T/settings"
    expect 0 seal backup --config "$T/settings"
    [[ $(archives "$T/d") = settings-20* ]]
    rm "$T/d"/*.pmmseal
    mv "$T/settings" "$T/nightly.conf"
    expect_sh 0 'cd "$T" && seal backup --config ./nightly.conf'
    [[ $(archives "$T/d") = nightly-20* ]]
    expect 1 seal backup --config "$T/nightly"
    says "$T/nightly: No such file"
    count "$T/d" 1
}

@test "a file that others can write or that is somebody else's runs nothing, in any command" {
    prepare "before = touch $T/ran" "passphrase-command = touch $T/ran"
    sed -i '/^passphrase-file/d' "$T/pmm.conf"
    for mode in 620 602; do
        chmod $mode "$T/pmm.conf"
        for c in backup verify list prune rekey; do
            expect 7 with_config $c
            says "others can change the configuration: $T/pmm.conf"
        done
    done
    chmod 600 "$T/pmm.conf"
    if root; then
        chown 1000 "$T/pmm.conf"
        expect 7 with_config backup
        says "belongs to neither root nor the caller: $T/pmm.conf"
    fi
    absent "$T/ran"
    empty_dir "$T/d"
}

# ---- what it says ----

@test "a mistake in the file ends every command, with the file and the line" {
    prepare '' '# this is not right:' 'exlude = /logs'
    for c in backup verify list prune rekey 'info x' 'diff x y' 'restore x y'; do
        # shellcheck disable=SC2086
        expect 2 with_config $c
        says "$T/pmm.conf:7: no such key: exlude"
    done
    empty_dir "$T/d"
    # Also where the command would pass over the key, and where the command line has another value.
    prepare 'level = 99'
    expect 2 with_config backup --level 3
    says "$T/pmm.conf:5: level"
    prepare 'quiet = on'
    expect 2 with_config backup
    says "$T/pmm.conf:5: quiet: the value is neither yes nor no"
}

@test "each command takes what is its own, and the directory where it has no operand" {
    prepare 'level = 1' 'exclude = /logs/' 'keep-last = 1' 'owner = names' 'max-deletes = 5' 'lock-wait = 1' \
        "new-passphrase-file = $T/other"
    for i in 1 2; do expect 0 with_config backup --keep-last 2; done
    count "$T/d" 2
    expect 0 with_config verify
    [ "$(grep -c ': OK$' "$T/said.out")" = 2 ]
    expect 0 with_config list
    [ "$(grep -c '\.pmmseal' "$T/said.out")" = 2 ]
    expect 0 with_config prune
    count "$T/d" 1
    has_not "$T/d" logs/ logs/pmm.log
    expect 0 with_config restore "$T/d/$(archives "$T/d")" "$T/out"
    absent "$T/out/logs/pmm.log"
    expect 0 with_config diff "$T/d/$(archives "$T/d")" "$T/src" # exclude counts there, too
    expect 0 with_config rekey
    expect 0 seal verify --passphrase-file "$T/other" "$T/d"
}

@test "without a directory a backup goes where the command line says" {
    prepare
    sed -i '/^directory/d' "$T/pmm.conf"
    expect 0 with_config backup -o "$T/a.pmmseal"
    expect 0 with_config verify "$T/a.pmmseal"
    expect_sh 0 'with_config backup | cat >"$T/b.pmmseal"'
    expect 0 with_config verify "$T/b.pmmseal"
    expect 2 with_config verify
    says 'options also came from --config'
}

@test "a directory that is not there does not become a file" {
    prepare
    rmdir "$T/d"
    expect 1 with_config backup
    says "$T/d"
    absent "$T/d"
}

@test "keys that may be repeated add up, in the file and on the command line" {
    prepare 'exclude = *.log' 'exclude = /empty/' "exclude-from = $T/list" "exclude-from = $T/list2" \
        "add = $T/one" "add = $T/two" "attach = $T/three" 'accept = file-unreadable' 'accept = file-vanished,read-error'
    echo 'zero' >"$T/list"
    echo '/nginx/link' >"$T/list2"
    for f in one two three four; do echo "the text of $f" >"$T/$f"; done
    expect 0 with_config backup --exclude /nginx/conf --attach "$T/four"
    has_not "$T/d" logs/pmm.log empty/ zero nginx/link nginx/conf
    grep -qx logs/old/pmm.log.1 "$T/listed"
    expect 0 info --json "$T/d/$(archives "$T/d")"
    [ "$(fact .needed)" = "$(printf '%s\n' "$T/one" "$T/two")" ]
    [ "$(fact .attached)" = "$(printf '%s\n' "$T/three" "$T/four")" ]
    # What is accepted is a note: each of those in the file, and that of the command line.
    user_dir "$T/src"
    user_dir "$T/d"
    : >"$T/src/closed"
    chmod 0 "$T/src/closed"
    as_user true
    if root; then
        chown 1000 "$T/src/closed"
        sed -i "s|^passphrase-file.*|passphrase-file = $T/userpass|" "$T/pmm.conf"
    fi
    rm "$T/d"/*.pmmseal "$T/d"/.pmm-seal.*
    chmod 644 "$T/pmm.conf"
    program=$PMM_SEAL
    if root; then program=$T/bin/pmm-seal; fi
    expect 0 as_user "$program" backup --config "$T/pmm.conf"
    says 'note: '
    says file-unreadable
    sed -i '/accept = file-unreadable/d' "$T/pmm.conf"
    expect 3 as_user "$program" backup --config "$T/pmm.conf"
    expect 0 as_user "$program" backup --config "$T/pmm.conf" --accept file-unreadable
}

@test "flags are yes or no; quiet is taken back by -v" {
    prepare 'quiet = yes' 'no-verify = true' 'one-file-system = no' 'exclude = matches-nothing'
    expect 0 with_config backup
    [ ! -s "$T/said.out" ] && [ ! -s "$T/said.err" ] || fail "it speaks: $(cat "$T/said.out" "$T/said.err")"
    expect 0 with_config backup -v
    grep -q '^backup of ' "$T/said.out"
    grep -q 'as a tar' "$T/said.out"
    says exclude-unused
    expect 0 with_config backup --json
    [ "$(fact .verified)" = false ]
    prepare 'quiet = no' 'no-verify = false'
    expect 0 with_config backup --json
    [ "$(fact .verified)" = true ]
    expect 0 with_config backup
    grep -q '^backup of ' "$T/said.out"
    expect 0 with_config backup -q
    [ ! -s "$T/said.out" ]
}

@test "a value comes through as it is: quotes, blanks, and the signs of cron, shell and INI" {
    local odd="$T/a;b # c=d %Y \"e\" 'f'  g"
    small_tree "$odd/src"
    mkdir "$odd/d"
    cp -p "$T/pass" "$odd/pass"
    : >"$odd/src/100%"
    : >"$odd/src/# no comment"
    : >"$odd/src/;nor this"
    : >"$odd/src/key = value"
    : >"$odd/src/two  blanks"
    configuration "source=$odd/src" "directory =$odd/d" "passphrase-file= $odd/pass" 'kdf = interactive' \
        "before = printf '%s\\n' 'a;b # c=d %Y' \"two  blanks\" \$((1+1)) >'$T/before'; echo \\# = \\; >>'$T/before'   " \
        "after   =   date -u -d @0 +%Y%%m > '$T/after' # a comment of the shell" \
        'exclude = 100%' 'exclude = # no comment' 'exclude = ;nor this' 'exclude = key = value' 'exclude = two  blanks'
    expect 0 with_config backup
    silent_about exclude-unused
    content "$T/before" "$(printf '%s\n' 'a;b # c=d %Y' 'two  blanks' 2 '# = ;')"
    content "$T/after" '1970%m'
    has_not "$odd/d" '100%' '# no comment' ';nor this' 'key = value' 'two  blanks'
    # From an editor of another system.
    sed -i 's/$/\r/' "$T/pmm.conf"
    expect 0 with_config verify
}

# ---- the last word ----

@test "the command line wins over the file" {
    prepare 'name = of-file' 'level = 1' 'before = exit 1' "after = touch $T/after-of-file" 'keep-last = 1' \
        'require-mount = no'
    small_tree "$T/src2"
    : >"$T/src2/this-one"
    mkdir "$T/d2"
    expect 0 with_config backup --json --name of-line --level 19 --before true --after "touch '$T/after-of-line'" \
        -o "$T/d2/" "$T/src2"
    [ "$(fact .level)" = 19 ]
    [[ $(archives "$T/d2") = of-line-20* ]]
    has "$T/d2" this-one
    empty_dir "$T/d"
    absent "$T/after-of-file"
    present "$T/after-of-line"
    for i in 1 2; do expect 0 with_config backup --before true --keep-last 3; done
    count "$T/d" 2
    expect 0 with_config verify "$T/d2"
    grep -q 'of-line-.*: OK' "$T/said.out"
    expect 0 with_config list "$T/d2"
    grep -q of-line "$T/said.out"
    # And where it says nothing, the file.
    expect 1 with_config backup
    says 'the command of --before failed with status 1'
    present "$T/after-of-file"
}

@test "the passphrase: the command line before the file, the file before the environment" {
    prepare
    write_secret "$T/third" 'one more of them, for the 3 musketeers'
    expect_sh 0 'PMM_SEAL_PASSPHRASE_FILE=$T/other with_config backup'
    expect 0 verify "$T/d"
    rm "$T/d"/*.pmmseal
    expect_sh 0 'PMM_SEAL_PASSPHRASE_FILE=$T/other with_config backup --passphrase-command "cat $T/third"'
    expect 0 seal verify --passphrase-file "$T/third" "$T/d"
    sed -i '/^passphrase-file/d' "$T/pmm.conf"
    rm "$T/d"/*.pmmseal
    expect_sh 0 'PMM_SEAL_PASSPHRASE_FILE=$T/other with_config backup'
    expect 0 seal verify --passphrase-file "$T/other" "$T/d"
    echo "passphrase = $PASSPHRASE" >>"$T/pmm.conf"
    expect 2 with_config backup
    says passphrase-file
    silent_about "$PASSPHRASE"
}

# ---- the example ----

# The example's lines with the test's paths, those that are only shown (#key = value) as well.
example() {
    [ -r "$EXAMPLE" ] || skip "needs the source tree"
    mkdir "$T/m" "$T/etc"
    small_tree "$T/src"
    : >"$T/src/a.tmp"
    mkdir "$T/src/dumps" "$T/d"
    : >"$T/src/dumps/a"
    echo key >"$T/etc/encryption.key"
    echo '[]' >"$T/etc/inspect.json"
    sed -E -e 's/^#([a-z-]+ = )/\1/' -e '/^#/d' -e '/^$/d' -e "s#= /var/lib/docker/.*#= $T/src#" -e "s#= /backups\$#= $T/d#" \
        -e "s#= /etc/pmm-seal/pass\$#= $T/pass#" -e "s#= docker (stop|start).*#= echo \\1 >>$T/ran#" \
        -e "s#= /usr/local/.*/#= $T/m/#" -e "s#= /etc/pmm/#= $T/etc/#" -e "s#= /etc/pmm-seal/inspect#= $T/etc/inspect#" \
        "$EXAMPLE" >"$T/lines"
    # All of them, and no path of another place.
    [ "$(wc -l <"$T/lines")" = "$(grep -cE '^#?[a-z-]+ = ' "$EXAMPLE")" ]
    [ "$(wc -l <"$T/lines")" -ge 20 ]
    if grep -E '= /' "$T/lines" | grep -vF -e "= $T/" -e '= /dumps/'; then fail "paths that are not the test's"; fi
}

@test "the example is accepted as it is delivered, and so is each line that it only shows" {
    example
    grep -oE '^[a-z-]+ = ' "$EXAMPLE" >"$T/plain"
    grep -Ff "$T/plain" "$T/lines" >"$T/pmm.conf"
    cp "$T/pmm.conf" "$T/short.conf"
    chmod 600 "$T/pmm.conf" "$T/short.conf"
    expect 0 seal check-config "$T/pmm.conf"
    expect 0 with_config backup --kdf interactive
    content "$T/ran" "$(printf 'stop\nstart')"
    count "$T/d" 1
    grep -vFf "$T/plain" "$T/lines" >"$T/shown"
    [ "$(wc -l <"$T/shown")" -ge 10 ]
    while read -r line; do
        { cat "$T/short.conf"; echo "$line"; } >"$T/pmm.conf"
        expect 0 with_config backup -n
    done <"$T/shown"
}

@test "all lines of the example at once make a backup that can be checked, verified and pruned" {
    need_mounts
    example
    configuration 'kdf = interactive'
    cat "$T/lines" >>"$T/pmm.conf"
    grep -qx 'require-mount = yes' "$T/pmm.conf"
    sed -i '/^quiet/d' "$T/pmm.conf"
    export T PMM_SEAL
    expect 0 unshare -m bash -ec '
        mount --bind "$T/d" "$T/d"
        "$PMM_SEAL" check-config "$T/pmm.conf"
        "$PMM_SEAL" backup --config "$T/pmm.conf"
        "$PMM_SEAL" verify --config "$T/pmm.conf"
        "$PMM_SEAL" prune --config "$T/pmm.conf"'
    silent_about exclude-unused
    content "$T/ran" "$(printf 'stop\nstart')"
    [[ $(archives "$T/d") = pmm-data-20* ]]
    has_not "$T/d" a.tmp dumps/a
    expect 0 info --attached "$T/etc/encryption.key" "$T/d/$(archives "$T/d")"
    content "$T/said.out" key
    for c in backup verify prune; do
        grep -q "^pmm_seal_last_exit_code{name=\"pmm-data\",command=\"$c\"} 0$" "$T"/m/*.prom || fail "no metrics of $c"
    done
}
