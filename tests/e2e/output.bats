load helpers

clean() { [ -z "$(find "$T" -name '.*.tmp')" ] || fail "left: $(find "$T" -name '.*.tmp')"; }

@test "an archive that is there is not overwritten without --force" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    cp "$T/a.pmmseal" "$T/copy"
    expect 7 backup -o "$T/a.pmmseal" "$T/src"
    cmp "$T/a.pmmseal" "$T/copy"
    expect 0 backup --force -o "$T/a.pmmseal" "$T/src"
    ! cmp -s "$T/a.pmmseal" "$T/copy" || fail "not overwritten"
    expect 0 verify "$T/a.pmmseal"
    clean
}

@test "--force keeps the old archive when the backup fails" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    cp "$T/a.pmmseal" "$T/copy"
    expect 4 seal backup --kdf interactive --force --passphrase-file "$T/none" -o "$T/a.pmmseal" "$T/src"
    expect 1 backup --force -o "$T/a.pmmseal" "$T/nowhere"
    cmp "$T/a.pmmseal" "$T/copy"
    clean
}

@test "a directory gets an archive with a name of its own, two in a second get two" {
    small_tree "$T/src"
    mkdir "$T/d"
    for i in 1 2 3; do
        expect 0 backup --name nightly -o "$T/d/" "$T/src"
    done
    [ "$(ls "$T/d" | wc -l)" = 3 ]
    [ "$(ls "$T/d" | grep -cE '^nightly-[0-9]{8}T[0-9]{6}Z(-[0-9]+)?\.pmmseal$')" = 3 ]
    for f in "$T/d"/*; do expect 0 verify "$f"; done
    clean
}

@test "a missing directory exits 1 and says to make it" {
    small_tree "$T/src"
    expect 1 backup -o "$T/none/" "$T/src"
    says mkdir
    expect 1 backup -o "$T/none/a.pmmseal" "$T/src"
    absent "$T/none"
}

@test "a directory that cannot be written exits 1" {
    user_dir "$T/u"
    as_user mkdir "$T/u/src" "$T/u/d"
    as_user touch "$T/u/src/f"
    as_user chmod 555 "$T/u/d"
    expect 1 user_seal backup --kdf interactive -o "$T/u/d/" "$T/u/src"
    empty_dir "$T/u/d"
}

@test "an archive is for its owner only, whatever the umask" {
    small_tree "$T/src"
    for mask in 000 022 077; do
        (umask $mask && backup -q -o "$T/$mask.pmmseal" "$T/src")
        [ "$(stat -c %a "$T/$mask.pmmseal")" = 600 ]
    done
}

@test "a full device as standard output exits 1" {
    small_tree "$T/src"
    expect_sh 1 'backup -q -o - "$T/src" 1>/dev/full'
    expect 1 backup -q -o /dev/full "$T/src"
    expect_sh 1 'seal -h >/dev/full'
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect_sh 1 'list "$T/a.pmmseal" >/dev/full'
    expect_sh 1 'info --json "$T/a.pmmseal" >/dev/full'
}

@test "a full disk exits 1 and leaves nothing" {
    need_mounts
    mkdir "$T/src" "$T/d"
    random_file "$T/src/big" 12000000
    export -f with_pass backup
    export T PMM_SEAL
    expect 0 unshare -m bash -ec '
        mount -t tmpfs -o size=5m none "$T/d"
        rc=0; backup -o "$T/d/a.pmmseal" "$T/src" || rc=$?
        [ $rc = 1 ]
        [ -z "$(ls "$T/d")" ]
        rc=0; backup -o "$T/d/" "$T/src" || rc=$?
        [ $rc = 1 ]
        [ -z "$(ls "$T/d")" ]'
    says space
}

@test "an archive is never written to a terminal" {
    small_tree "$T/src"
    command -v script >/dev/null || skip "no script(1)"
    # A file, not exported functions: script runs its command with SHELL or, without it, sh.
    cat >"$T/to-terminal" <<'END'
exec "$PMM_SEAL" backup --passphrase-file "$T/pass" -q -o - "$T/src"
END
    export T PMM_SEAL
    expect_sh 7 'env -u SHELL script -qec "sh \"\$T/to-terminal\"" /dev/null </dev/null >"$T/tty"'
    grep -q 'terminal' "$T/tty"
    grep -q -- '-t' "$T/tty"
}

@test "a directory keeps one passphrase: another one is 4, --new-passphrase is meant" {
    small_tree "$T/src"
    mkdir "$T/d"
    backup -q -o "$T/d/" "$T/src"
    expect 4 seal backup --kdf interactive --passphrase-file "$T/other" -o "$T/d/" "$T/src"
    says --new-passphrase
    [ "$(ls "$T/d" | wc -l)" = 1 ]
    expect 0 seal backup --kdf interactive --passphrase-file "$T/other" --name another -o "$T/d/" "$T/src"
    expect 0 seal backup --kdf interactive --passphrase-file "$T/other" --new-passphrase -o "$T/d/" "$T/src"
    [ "$(ls "$T/d" | wc -l)" = 3 ]
}

@test "archives of one directory share salt, and no key" {
    small_tree "$T/src"
    mkdir "$T/d"
    backup -q --json -o "$T/d/a-20260101T000000Z.pmmseal" --name a "$T/src" >"$T/first"
    backup -q --json -o "$T/d/a-20260102T000000Z.pmmseal" --name a "$T/src" >"$T/second"
    [ "$(jq .slots_shared "$T/first")" = false ]
    [ "$(jq .slots_shared "$T/second")" = true ]
    salt() { tail -c +177 "$1" | head -c 16 | od -An -tx1; } # slot at 160, its salt at 16
    [ "$(salt "$T/d/a-20260101T000000Z.pmmseal")" = "$(salt "$T/d/a-20260102T000000Z.pmmseal")" ]
    [ "$(jq -r .key_check "$T/first")" != "$(jq -r .key_check "$T/second")" ]
}

@test "the archive does not contain itself" {
    small_tree "$T/src"
    expect 0 backup -o "$T/src/a.pmmseal" "$T/src"
    list "$T/src/a.pmmseal" >"$T/list"
    ! grep -q pmmseal "$T/list" || fail "it does"
    expect_sh 0 'backup -q -o - "$T/src" >"$T/src/b.out"'
    list "$T/src/b.out" >"$T/list"
    ! grep -q b.out "$T/list" || fail "it does"
}

@test "without -o the archive goes to standard output" {
    small_tree "$T/src"
    expect_sh 0 'backup -q "$T/src" >"$T/a.pmmseal"'
    expect 0 verify "$T/a.pmmseal"
}

@test "what a killed backup left is removed by the next into the directory, what lives is not" {
    mkdir "$T/src" "$T/d"
    seq 1 6000000 >"$T/src/numbers"
    how=$("$E2E/signalled" "exists:$T/d/.a.pmmseal.*.tmp" KILL "$PMM_SEAL" backup --kdf interactive \
        --passphrase-file "$T/pass" --level 19 --threads 1 -q -o "$T/d/a.pmmseal" "$T/src")
    [ "$how" = 'signal 9' ]
    [ "$(ls -A "$T/d" | wc -l)" = 1 ]
    "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" --level 19 --threads 1 -q \
        -o "$T/d/lives.pmmseal" "$T/src" 3>&- &
    pid=$!
    mine $pid
    wait_for 20 sh -c "ls '$T'/d/.lives.pmmseal.*.tmp >/dev/null 2>&1"
    small_tree "$T/small"
    expect 0 backup -o "$T/d/b.pmmseal" "$T/small"
    [ "$(ls -A "$T/d" | sed 's/\.[A-Za-z0-9]*\.tmp$//' | sort | tr '\n' ' ')" = '.lives.pmmseal b.pmmseal ' ] ||
        fail "there is: $(ls -A "$T/d")"
    kill -TERM $pid
    wait $pid || true
    [ "$(ls -A "$T/d")" = b.pmmseal ]
}

@test "a symlink as output is followed and stays" {
    small_tree "$T/src"
    mkdir "$T/d"
    ln -s d/real.pmmseal "$T/a.pmmseal"
    expect 0 backup -o "$T/a.pmmseal" "$T/src"
    [ -L "$T/a.pmmseal" ]
    expect 0 verify "$T/d/real.pmmseal"
}

@test "an empty SOURCE is refused, a missing one exits 1, a file is usage" {
    mkdir "$T/src"
    expect 7 backup -o "$T/a.pmmseal" "$T/src"
    mkdir "$T/src/lost+found"
    expect 7 backup -o "$T/a.pmmseal" "$T/src"
    expect 1 backup -o "$T/a.pmmseal" "$T/none"
    expect 2 backup -o "$T/a.pmmseal" "$T/pass"
    absent "$T/a.pmmseal"
    clean
}

@test "what cannot be read is 3, a SOURCE that cannot be read is 1 and writes nothing" {
    user_dir "$T/u"
    as_user mkdir -p "$T/u/src/closed" "$T/u/d"
    as_user sh -c "echo a >'$T/u/src/fine'; echo b >'$T/u/src/secret'; echo c >'$T/u/src/closed/c'; chmod 000 '$T/u/src/secret' '$T/u/src/closed'"
    expect 3 user_seal backup --kdf interactive -o "$T/u/a.pmmseal" "$T/u/src"
    says file-unreadable
    says dir-unreadable
    expect 3 user_seal verify "$T/u/a.pmmseal"
    expect 3 user_seal restore "$T/u/a.pmmseal" "$T/u/out"
    content "$T/u/out/fine" a
    absent "$T/u/out/secret"
    expect 0 user_seal backup --kdf interactive --accept file-unreadable,dir-unreadable --name b -o "$T/u/b.pmmseal" "$T/u/src"
    as_user chmod 000 "$T/u/src"
    expect 1 user_seal backup --kdf interactive -o "$T/u/d/" "$T/u/src"
    empty_dir "$T/u/d"
    as_user chmod 700 "$T/u/src"
}

@test "a dry run needs no passphrase and writes nothing" {
    small_tree "$T/src"
    mkdir "$T/d"
    expect 0 setsid -w "$PMM_SEAL" backup -n --json -o "$T/d/" "$T/src"
    [ "$(fact .entries)" = "$(find "$T/src" | wc -l)" ]
    empty_dir "$T/d"
}

@test "backup --json counts what find counts" {
    small_tree "$T/src"
    expect 0 backup --json -o "$T/a.pmmseal" "$T/src"
    [ "$(fact .entries)" = "$(find "$T/src" | wc -l)" ]
    [ "$(fact .dirs)" = "$(find "$T/src" -type d | wc -l)" ]
    [ "$(fact .archive)" = "$T/a.pmmseal" ]
    [ "$(fact .archive_bytes)" = "$(stat -c %s "$T/a.pmmseal")" ]
    [ "$(fact .exit)" = 0 ]
    # With the archive on stdout the report goes elsewhere, and the archive is whole.
    expect_sh 0 'backup --json -o - "$T/src" >"$T/b.pmmseal"'
    expect 0 verify "$T/b.pmmseal"
}

@test "an archive is on the disk before it gets its name, and its directory after" {
    need_root # only root reads the names in a process that lets nobody look into its memory
    need_strace
    small_tree "$T/src"
    mkdir "$T/d"
    traced -y -o "$T/calls" -e trace=fsync,rename,renameat,renameat2,link,linkat \
        "$PMM_SEAL" backup -q --kdf interactive --passphrase-file "$T/pass" -o "$T/d/a.pmmseal" "$T/src"
    # fsync(4</d/.a.pmmseal...tmp>)  renameat2(..., "a.pmmseal", ...)  fsync(3</d>)
    [ "$(sed -nE -e 's#.*fsync\(.*/\.a\.pmmseal\.[^>]*>.*= 0$#file#p' -e 's#.*(rename|link).*"a\.pmmseal".*= 0$#name#p' \
        -e 's#.*fsync\([0-9]+<[^>]*/d>\).*= 0$#directory#p' "$T/calls" | tr '\n' ' ')" = 'file name directory ' ]
}
