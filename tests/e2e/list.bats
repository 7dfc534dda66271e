load helpers

odd_tree() {
    small_tree "$T/src"
    touch "$T/src/$(printf 'new\nline')" "$T/src/$(printf 'bad\xffbyte')" "$T/src/tab	x"
    backup -q -o "$T/a.pmmseal" "$T/src"
}

@test "list -0 names exactly what find names" {
    odd_tree
    list -0 "$T/a.pmmseal" | tr '\0\n' '\n?' | sed 's|/$||' | sort >"$T/got"
    (cd "$T/src" && find . -print0 | sed -z 's|^\./||') | tr '\0\n' '\n?' | sort >"$T/want"
    diff "$T/want" "$T/got"
    cat "$T/a.pmmseal" | list -0 - | tr '\0\n' '\n?' | sed 's|/$||' | sort >"$T/got2"
    diff "$T/want" "$T/got2"
}

@test "list escapes what is no plain character: one line an entry" {
    odd_tree
    list "$T/a.pmmseal" >"$T/list"
    [ "$(wc -l <"$T/list")" = "$(find "$T/src" -print0 | tr -dc '\0' | wc -c)" ]
    ! LC_ALL=C grep -q '[[:cntrl:]]' "$T/list" || fail "a control byte came through"
}

@test "list -l shows type, mode, owner, size and link as tar -tv does" {
    small_tree "$T/src"
    chmod 4711 "$T/src/hello"
    backup -q -o "$T/a.pmmseal" "$T/src"
    list -l "$T/a.pmmseal" >"$T/list"
    grep -Eq '^-rws--x--x .* 6 .* hello$' "$T/list"
    grep -Eq '^drwx.* nginx/$' "$T/list"
    grep -Eq '^l.* nginx/link -> \.\./hello$' "$T/list"
    grep -Eq '^h.* nginx/conf.hard link to nginx/conf$' "$T/list"
}

@test "list --json is one valid object an entry, with every field true, and a report" {
    odd_tree
    list --json "$T/a.pmmseal" >"$T/all"
    [ "$(tail -n 1 "$T/all" | jq -r '.command, .exit' | tr '\n' ' ')" = 'list 0 ' ]
    head -n -1 "$T/all" >"$T/list" # the last line is the report
    jq -es 'length > 10 and all(.[]; .path and .type and .mode and .mtime)' "$T/list" >/dev/null
    [ "$(wc -l <"$T/list")" = "$(jq -s length "$T/list")" ]
    [ "$(jq -r 'select(.path == "hello") | .size' "$T/list")" = 6 ]
    [ "$(jq -r 'select(.path == "hello") | .type' "$T/list")" = file ]
    [ "$(jq -r 'select(.path == "nginx/link") | .link' "$T/list")" = ../hello ]
    [ "$(jq -r 'select(.path == "nginx/conf.hard") | .type' "$T/list")" = hardlink ]
    [ "$(jq -r 'select(.path_hex) | .path_hex' "$T/list")" = "$(printf 'bad\xffbyte' | od -An -tx1 | tr -d ' \n')" ]
}

@test "list PATH lists what that means; a PATH that matches nothing is 1" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    [ "$(list "$T/a.pmmseal" ./logs/ | tr '\n' ' ')" = 'logs/ logs/old/ logs/old/pmm.log.1 logs/pmm.log ' ]
    [ "$(list "$T/a.pmmseal" "$T/src/logs/old" | tr '\n' ' ')" = 'logs/old/ logs/old/pmm.log.1 ' ]
    [ "$(cat "$T/a.pmmseal" | list - logs/old | tr '\n' ' ')" = 'logs/old/ logs/old/pmm.log.1 ' ]
    expect 1 list "$T/a.pmmseal" hello nothing
    says nothing
    grep -qx hello "$T/said.out"
}

@test "info without a key says what the header says, with one also the manifest" {
    small_tree "$T/src"
    backup -q --name web -o "$T/a.pmmseal" "$T/src"
    expect 0 setsid -w "$PMM_SEAL" info --json "$T/a.pmmseal"
    [ "$(fact .version)" = 1 ]
    [ "$(fact .slots)" = 1 ]
    [ "$(fact .archive_bytes)" = "$(stat -c %s "$T/a.pmmseal")" ]
    [ "$(fact .authenticated)" = false ]
    [ "$(fact .source)" = null ]
    expect 0 info --json "$T/a.pmmseal"
    [ "$(fact .authenticated)" = true ]
    [ "$(fact .name)" = web ]
    [ "$(fact .source)" = "$T/src" ]
    [ "$(fact .entries)" = "$(find "$T/src" | wc -l)" ]
    expect 4 seal info --passphrase-file "$T/other" "$T/a.pmmseal"
}

@test "verify --json counts entries and bytes" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 verify --json "$T/a.pmmseal"
    [ "$(fact .entries)" = "$(find "$T/src" | wc -l)" ]
    [ "$(fact .archive_bytes)" = "$(stat -c %s "$T/a.pmmseal")" ]
    expect_sh 0 'cat "$T/a.pmmseal" | verify --json -'
    [ "$(fact .entries)" = "$(find "$T/src" | wc -l)" ]
}

@test "the independent reader finds the same tar: names and content" {
    unseal=$E2E/../reference/unseal.py
    [ -f "$unseal" ] || skip "no tests/reference/unseal.py"
    $PYTHON -c 'import nacl, zstandard' 2>/dev/null || skip "needs python3-nacl and python3-zstandard"
    "$E2E/nasty-tree" "$T/src"
    rm -r "$T/src/deep" "$T/src/sparse/over-8-gib"
    backup -q -o "$T/a.pmmseal" "$T/src"
    $PYTHON "$unseal" --passphrase-file "$T/pass" "$T/a.pmmseal" >"$T/tar.zst"
    zstd -dqc "$T/tar.zst" >"$T/tar"
    tar -tf "$T/tar" --quoting-style=literal | tr '\n' '?' | sed 's|/?|?|g' >"$T/got"
    list -0 "$T/a.pmmseal" | tr '\0\n' '??' | sed 's|/?|?|g' >"$T/want"
    # tar writes "./", list "./" or the name below it
    [ "$(sed 's|^\./\?||; s|?\./|?|g' "$T/got" | md5sum)" = "$(sed 's|^\./\?||; s|?\./|?|g' "$T/want" | md5sum)" ]
    mkdir "$T/new"
    tar -xpf "$T/tar" -C "$T/new" --numeric-owner --xattrs --xattrs-include='*' --acls 2>"$T/said.err"
    cmp "$T/src/sizes/five-megabytes" "$T/new/sizes/five-megabytes"
    cmp "$T/src/sparse/many" "$T/new/sparse/many"
    [ "$(readlink "$T/src/links/long")" = "$(readlink "$T/new/links/long")" ]
}
