load helpers

prepare() {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
}
# The change is found, as WHAT of PATH, alone or among others.
differs() { # WHAT PATH
    expect 8 diff_ "$T/a.pmmseal" "$T/src"
    grep -qF -- "$1: $2" "$T/said.out" || fail "not told: $1: $2; but $(cat "$T/said.out")"
}

@test "the same tree is 0, from a file and from a pipe" {
    prepare
    expect 0 diff_ "$T/a.pmmseal" "$T/src"
    expect_sh 0 'cat "$T/a.pmmseal" | diff_ - "$T/src"'
}

@test "a changed byte with the same size and time is 8" {
    prepare
    touch -r "$T/src/hello" "$T/ref"
    echo jello >"$T/src/hello"
    touch -r "$T/ref" "$T/src/hello"
    differs content hello
    expect_sh 8 'cat "$T/a.pmmseal" | diff_ - "$T/src"'
}

@test "another size is 8" { prepare; echo more >>"$T/src/hello"; differs size hello; }
@test "another time is 8, to the nanosecond" { prepare; touch -d '@1700000000.000000001' "$T/src/hello"; differs mtime hello; }
@test "another mode is 8" { prepare; chmod 600 "$T/src/nginx/conf"; differs mode nginx/conf; }
@test "a missing file is 8" { prepare; rm "$T/src/hello"; differs missing hello; }
@test "a missing directory is 8" { prepare; rm -r "$T/src/logs"; differs missing logs; }
@test "an extra file is 8" { prepare; touch "$T/src/logs/extra"; differs extra logs/extra; }
@test "an extra directory is 8" { prepare; mkdir "$T/src/zz"; differs extra zz; }
@test "another type is 8" { prepare; rm "$T/src/zero"; mkdir "$T/src/zero"; differs type zero; }
@test "another link target is 8" { prepare; ln -sfn elsewhere "$T/src/nginx/link"; differs link nginx/link; }
@test "a hard link that became a copy is 8" {
    prepare
    cp -p "$T/src/nginx/conf" "$T/x"
    rm "$T/src/nginx/conf.hard"
    mv "$T/x" "$T/src/nginx/conf.hard"
    expect 8 diff_ "$T/a.pmmseal" "$T/src"
    grep -q nginx/conf "$T/said.out"
}
@test "another extended attribute is 8" {
    prepare
    setfattr -n user.x -v y "$T/src/hello" 2>/dev/null || skip "no user attributes here"
    differs "xattr user.x" hello
}
@test "another owner is 8, and 0 with --no-owner" {
    need_root
    prepare
    chown 12:34 "$T/src/hello"
    differs owner hello
    expect 0 diff_ --no-owner "$T/a.pmmseal" "$T/src"
}

@test "diff --json tells each difference" {
    prepare
    echo more >>"$T/src/hello"
    touch "$T/src/extra"
    expect 8 diff_ --json "$T/a.pmmseal" "$T/src"
    [ "$(jq -rs '[.[] | select(.path == "extra") | .what] | join(",")' "$T/said.out")" = extra ]
    jq -es 'any(.[]; .path == "hello" and .what == "size")' "$T/said.out" >/dev/null
}

@test "what was excluded from the backup is not extra with the same --exclude" {
    small_tree "$T/src"
    backup -q --exclude logs -o "$T/a.pmmseal" "$T/src"
    expect 8 diff_ "$T/a.pmmseal" "$T/src"
    expect 0 diff_ --exclude logs "$T/a.pmmseal" "$T/src"
}

@test "a damaged archive is 5 and not a difference" {
    prepare
    "$E2E/surgeon" flip "$T/a.pmmseal" 5000
    expect 5 diff_ "$T/a.pmmseal" "$T/src"
}
