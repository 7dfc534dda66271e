load helpers

prepare() {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    SIZE=$(stat -c %s "$T/a.pmmseal")
}
# FILE is not taken for an archive: status 5 from every command, nothing is made.
refused_5() {
    expect 5 verify "$1"
    expect_sh 5 'cat "$1" | verify -' "$1"
    expect 5 restore "$1" "$T/new"
    absent "$T/new"
    expect_sh 5 'cat "$1" | restore - "$T/new"' "$1"
    absent "$T/new"
}

@test "what is no archive exits 5: a text, zeros, random bytes, a tar, an empty file" {
    prepare
    seq 1 5000 >"$T/text"
    head -c 20000 /dev/zero >"$T/zeros"
    random_file "$T/random" 20000
    tar -cf "$T/tar" -C "$T/src" .
    : >"$T/empty"
    for f in text zeros random tar empty; do
        refused_5 "$T/$f"
        expect 5 list "$T/$f"
        expect 5 info "$T/$f"
        expect 5 diff_ "$T/$f" "$T/src"
        expect 5 rekey --heal "$T/$f"
    done
}

@test "an archive that is absent, unreadable or a directory without archives is not called damaged" {
    prepare
    expect 1 verify "$T/none"
    expect 1 verify "$T/src"
    says 'no archives'
    expect 2 restore "$T/src" "$T/out"
    if root; then
        expect 1 user_seal verify "$T/a.pmmseal"
    fi
}

@test "an archive cut at every record edge exits 5 and leaves nothing, file and pipe" {
    prepare
    for at in $("$E2E/surgeon" edges "$T/a.pmmseal"); do
        head -c "$at" "$T/a.pmmseal" >"$T/cut"
        expect_sh 5 'cat "$T/cut" | restore - "$T/new"' || fail "cut at $at"
        expect 5 restore "$T/cut" "$T/new" || fail "cut at $at"
        absent "$T/new"
    done
}

@test "an archive cut anywhere exits 5 and leaves nothing, file and pipe" {
    prepare
    for at in 1 11 12 4095 4097 6000 $((SIZE - 4129)) $((SIZE - 100)) $((SIZE - 32)) $((SIZE - 1)); do
        head -c "$at" "$T/a.pmmseal" >"$T/cut"
        refused_5 "$T/cut"
    done
}

@test "one flipped bit anywhere in the records exits 5 and leaves nothing" {
    prepare
    n=0
    for at in $("$E2E/surgeon" records "$T/a.pmmseal" | awk '{ print $1; print $1 + 5; print $1 + 9; print $1 + 17; print $1 + 25; print $1 + 33; print $1 + $3 - 1 }'); do
        n=$((n + 1))
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" flip "$T/bad" "$at" $((n % 8))
        case $((n % 3)) in
        0) expect 5 restore "$T/bad" "$T/new" || fail "byte $at" ;;
        1) expect_sh 5 'cat "$T/bad" | restore - "$T/new"' || fail "byte $at" ;;
        2) expect 5 verify "$T/bad" || fail "byte $at" ;;
        esac
        absent "$T/new"
    done
    [ $n -ge 42 ]
}

@test "a flipped bit in the front header: a file completes with 3, verify says 5, a pipe is 5" {
    prepare
    for at in 0 20 40 100 128 140 170 2000 4040 4090; do
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" flip "$T/bad" $at
        expect 3 list "$T/bad"
        says header-damaged
        expect 5 verify "$T/bad"
        says rekey
        expect_sh 5 'cat "$T/bad" | restore - "$T/new"'
        absent "$T/new"
    done
    expect 3 restore "$T/bad" "$T/new"
    same_trees "$T/src" "$T/new"
}

@test "a flipped bit in the header copy or the tail: complete with 3, verify says 5" {
    prepare
    for at in -1 -32 -33 -2000 -4000 -4128; do
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" flip "$T/bad" $at
        expect 3 list "$T/bad"
        expect 5 verify "$T/bad"
        says rekey
    done
    expect 3 restore "$T/bad" "$T/new"
    same_trees "$T/src" "$T/new"
    expect_sh 3 'cat "$T/bad" | restore - "$T/new2"'
    same_trees "$T/src" "$T/new2"
}

@test "both headers damaged is 5, not a wrong passphrase" {
    prepare
    "$E2E/surgeon" flip "$T/a.pmmseal" 300
    "$E2E/surgeon" flip "$T/a.pmmseal" -2000
    refused_5 "$T/a.pmmseal"
    silent_about 'wrong passphrase'
}

@test "line ends changed on the way, as docker exec -t does, are recognised" {
    prepare
    sed 's/$/\r/' "$T/a.pmmseal" >"$T/crlf"
    refused_5 "$T/crlf"
    says '-t'
}

@test "a terminal's CRLF inside but not in the magic is noticed" {
    prepare
    { head -c 12 "$T/a.pmmseal"; tail -c +13 "$T/a.pmmseal" | sed 's/$/\r/'; } >"$T/crlf"
    refused_5 "$T/crlf"
}

@test "two archives in one file exit 5" {
    prepare
    backup -q --name b -o "$T/b.pmmseal" "$T/src"
    cat "$T/a.pmmseal" "$T/b.pmmseal" >"$T/two"
    refused_5 "$T/two"
    cat "$T/a.pmmseal" "$T/a.pmmseal" >"$T/two"
    refused_5 "$T/two"
}

@test "bytes before or after an archive exit 5" {
    prepare
    for n in 1 100 5000; do
        { cat "$T/a.pmmseal"; head -c $n /dev/zero; } >"$T/more"
        refused_5 "$T/more"
        { head -c $n /dev/zero; cat "$T/a.pmmseal"; } >"$T/more"
        refused_5 "$T/more"
    done
    { cat "$T/a.pmmseal"; echo done; } >"$T/more"
    refused_5 "$T/more"
}

@test "records exchanged, removed, doubled or from another archive exit 5" {
    mkdir "$T/src"
    random_file "$T/src/f" 9000000 # all but the first and last chunk are of one length
    backup -q -o "$T/a.pmmseal" "$T/src"
    backup -q --name b -o "$T/b.pmmseal" "$T/src"
    set -- $("$E2E/surgeon" records "$T/a.pmmseal" | awk '$2 == 1 { print $1, $3 }' | sed -n 2,3p)
    one=$1 len=$2 two=$3
    [ $len = $4 ]
    part() { tail -c +$(($2 + 1)) "$1" | head -c "$3"; }
    A=$T/a.pmmseal
    { head -c $one "$A"; part "$A" $two $len; part "$A" $one $len; tail -c +$((two + len + 1)) "$A"; } >"$T/swapped"
    { head -c $one "$A"; tail -c +$((two + 1)) "$A"; } >"$T/removed"
    { head -c $two "$A"; part "$A" $one $len; tail -c +$((two + 1)) "$A"; } >"$T/doubled"
    { head -c $one "$A"; part "$T/b.pmmseal" $one $len; tail -c +$((one + len + 1)) "$A"; } >"$T/foreign"
    for f in swapped removed doubled foreign; do
        refused_5 "$T/$f"
    done
}

@test "a wrong passphrase exits 4, names its source, and makes nothing" {
    prepare
    for c in verify list; do
        expect 4 seal $c --passphrase-file "$T/other" "$T/a.pmmseal"
        says "$T/other"
    done
    expect 4 seal restore --passphrase-file "$T/other" "$T/a.pmmseal" "$T/new"
    absent "$T/new"
    expect_sh 4 'cat "$T/a.pmmseal" | seal restore --passphrase-file "$T/other" - "$T/new"'
    absent "$T/new"
    expect 4 seal diff --passphrase-file "$T/other" "$T/a.pmmseal" "$T/src"
    expect 4 seal rekey --heal --passphrase-file "$T/other" "$T/a.pmmseal"
    PMM_SEAL_PASSPHRASE=wrong expect 4 seal verify "$T/a.pmmseal"
    says PMM_SEAL_PASSPHRASE
}

@test "a header that asks for too much work or memory is refused at once: 7" {
    prepare
    for cost in '4294967295 65536' '11 65536' '2 4294967295' '2 2097152' '4294967295 4294967295'; do
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" kdf "$T/bad" $cost
        expect 7 timeout 20 "$PMM_SEAL" verify --passphrase-file "$T/pass" "$T/bad"
        expect_sh 7 'cat "$T/bad" | timeout 20 "$PMM_SEAL" restore --passphrase-file "$T/pass" - "$T/new"'
        absent "$T/new"
    done
}

@test "a header that asks for too little is refused: 7" {
    prepare
    for cost in '0 0' '1 65536' '2 8' '2 65535'; do
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" kdf "$T/bad" $cost
        expect 7 verify "$T/bad"
    done
}

@test "a newer version, suite or required feature exits 5 and says so" {
    prepare
    for change in 'version 2' 'version 65535' 'suite 2' 'incompat 1' 'incompat 2147483648'; do
        cp "$T/a.pmmseal" "$T/new.pmmseal"
        "$E2E/surgeon" ${change% *} "$T/new.pmmseal" ${change#* }
        refused_5 "$T/new.pmmseal"
        says newer
    done
}

@test "a forged generation in either header is not believed" {
    prepare
    for side in front copy; do
        cp "$T/a.pmmseal" "$T/bad"
        "$E2E/surgeon" generation "$T/bad" $side 99
        expect 5 verify "$T/bad"
        expect 3 restore "$T/bad" "$T/new-$side"
        same_trees "$T/src" "$T/new-$side"
    done
}
