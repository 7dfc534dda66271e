load helpers

prepare() {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
}
# No terminal, whatever runs the tests; and never longer than 20 s.
alone() { setsid -w timeout 20 "$PMM_SEAL" "$@" </dev/null; }

@test "a passphrase comes from a file, a descriptor or a command" {
    prepare
    expect 0 alone verify --passphrase-file "$T/pass" "$T/a.pmmseal"
    expect_sh 0 'seal verify --passphrase-fd 7 "$T/a.pmmseal" 7<"$T/pass"'
    expect_sh 0 'cat "$T/pass" | seal verify --passphrase-fd 0 "$T/a.pmmseal"'
    expect 0 alone verify --passphrase-command "cat '$T/pass'" "$T/a.pmmseal"
}

@test "a command that prints a passphrase is not told another one" {
    prepare
    export PMM_SEAL_NEW_PASSPHRASE=another-one-of-some-words PMM_SEAL_PASSPHRASE_FILE=/nowhere
    expect 0 alone rekey --passphrase-command "env >'$T/env'; cat '$T/pass'" "$T/a.pmmseal"
    if grep -E '^PMM_SEAL_(NEW_)?PASSPHRASE' "$T/env"; then fail "it is told"; fi
    unset PMM_SEAL_PASSPHRASE_FILE
    PMM_SEAL_PASSPHRASE=another-one-of-some-words expect 0 alone verify "$T/a.pmmseal"
}

@test "a passphrase comes from the environment" {
    prepare
    PMM_SEAL_PASSPHRASE=$PASSPHRASE expect 0 alone verify "$T/a.pmmseal"
    PMM_SEAL_PASSPHRASE_FILE=$T/pass expect 0 alone verify "$T/a.pmmseal"
    PMM_SEAL_PASSPHRASE_COMMAND="cat '$T/pass'" expect 0 alone verify "$T/a.pmmseal"
}

@test "two sources at once are usage; an option goes before the environment" {
    prepare
    expect 2 alone verify --passphrase-file "$T/pass" --passphrase-command 'echo x' "$T/a.pmmseal"
    expect_sh 2 'alone verify --passphrase-file "$T/pass" --passphrase-fd 7 "$T/a.pmmseal" 7<"$T/pass"'
    PMM_SEAL_PASSPHRASE=x PMM_SEAL_PASSPHRASE_FILE=$T/pass expect 2 alone verify "$T/a.pmmseal"
    PMM_SEAL_PASSPHRASE=wrong expect 0 alone verify --passphrase-file "$T/pass" "$T/a.pmmseal"
}

@test "no source and no terminal is 4 at once, and names what was tried" {
    prepare
    start=$SECONDS
    expect 4 alone verify "$T/a.pmmseal"
    says --passphrase-file
    says PMM_SEAL_PASSPHRASE
    expect 4 alone backup --kdf interactive -o "$T/b.pmmseal" "$T/src"
    absent "$T/b.pmmseal"
    [ $((SECONDS - start)) -lt 10 ]
}

@test "standard input for both archive and passphrase is usage" {
    prepare
    expect_sh 2 'cat "$T/a.pmmseal" | seal verify --passphrase-fd 0 -'
    expect_sh 2 'cat "$T/a.pmmseal" | seal restore --passphrase-fd 0 - "$T/new"'
    absent "$T/new"
}

@test "a file that others can read is refused with the chmod to run" {
    prepare
    chmod 604 "$T/pass"
    expect 7 alone verify --passphrase-file "$T/pass" "$T/a.pmmseal"
    says chmod
    says "$T/pass"
    expect 0 alone verify --passphrase-file "$T/pass" --passphrase-file-insecure "$T/a.pmmseal"
    chmod 640 "$T/pass"
    expect 0 alone verify --passphrase-file "$T/pass" "$T/a.pmmseal"
}

@test "a file on a read-only mount may be readable by others" {
    need_mounts
    prepare
    mkdir "$T/secrets"
    export T PMM_SEAL
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/secrets"
        cp "$T/pass" "$T/secrets/pass"
        chmod 644 "$T/secrets/pass"
        rc=0; "$PMM_SEAL" verify --passphrase-file "$T/secrets/pass" "$T/a.pmmseal" || rc=$?
        [ $rc = 7 ]
        mount -o remount,ro "$T/secrets"
        "$PMM_SEAL" verify --passphrase-file "$T/secrets/pass" "$T/a.pmmseal"'
}

@test "one line end is trimmed, LF or CR LF, and nothing else" {
    prepare
    for end in '\n' '\r\n'; do
        (umask 077; printf "%s$end" "$PASSPHRASE" >"$T/p")
        expect 0 alone verify --passphrase-file "$T/p" "$T/a.pmmseal"
    done
    for end in '\n\n' ' ' '\r\n\r\n' '\r'; do
        rm "$T/p"
        (umask 077; printf "%s$end" "$PASSPHRASE" >"$T/p")
        expect 4 alone verify --passphrase-file "$T/p" "$T/a.pmmseal"
    done
}

@test "an empty passphrase is refused" {
    prepare
    for text in '' '\n' '\r\n'; do
        (umask 077; printf "$text" >"$T/p")
        expect 4 alone backup --kdf interactive --passphrase-file "$T/p" -o "$T/b.pmmseal" "$T/src"
        expect 4 alone verify --passphrase-file "$T/p" "$T/a.pmmseal"
        rm "$T/p"
    done
    PMM_SEAL_PASSPHRASE= expect 4 alone verify "$T/a.pmmseal"
    expect 4 alone verify --passphrase-command true "$T/a.pmmseal"
    absent "$T/b.pmmseal"
}

@test "1024 bytes of any kind are a passphrase, 1025 are too many" {
    small_tree "$T/src"
    (umask 077; head -c 4000 /dev/urandom | tr -d '\n\r' | head -c 1024 >"$T/long"; { cat "$T/long"; printf x; } >"$T/longer")
    expect 0 alone backup --kdf interactive --allow-weak-passphrase --passphrase-file "$T/long" -o "$T/l.pmmseal" "$T/src"
    expect 0 alone verify --passphrase-file "$T/long" "$T/l.pmmseal"
    expect 4 alone verify --passphrase-file "$T/longer" "$T/l.pmmseal"
}

@test "a weak new passphrase is refused, an old one is taken" {
    small_tree "$T/src"
    write_secret "$T/weak" password1
    expect 7 alone backup --kdf interactive --passphrase-file "$T/weak" -o "$T/w.pmmseal" "$T/src"
    says --allow-weak-passphrase
    absent "$T/w.pmmseal"
    mkdir "$T/d"
    expect 0 alone backup --kdf interactive --allow-weak-passphrase --passphrase-file "$T/weak" -o "$T/d/" "$T/src"
    expect 0 alone backup --kdf interactive --passphrase-file "$T/weak" -o "$T/d/" "$T/src"
    [ "$(ls "$T/d" | wc -l)" = 2 ]
}

@test "a command that fails, or a file that is not there, exits 4" {
    prepare
    expect 4 alone verify --passphrase-command false "$T/a.pmmseal"
    expect 4 alone verify --passphrase-command "cat '$T/pass'; exit 3" "$T/a.pmmseal"
    expect 4 alone verify --passphrase-file "$T/none" "$T/a.pmmseal"
}

@test "the passphrase is never to be seen in /proc while the program runs" {
    small_tree "$T/src"
    random_file "$T/src/big" 60000000
    mkfifo "$T/fifo"
    PMM_SEAL_PASSPHRASE=$PASSPHRASE "$PMM_SEAL" backup --kdf interactive -q -o "$T/fifo" "$T/src" >/dev/null 2>&1 &
    pid=$!
    mine $pid
    exec 8<"$T/fifo"
    head -c 100000 <&8 >/dev/null # the header is out: the key was derived
    [ -r /proc/$pid/cmdline ]
    seen=0
    tr '\0' '\n' </proc/$pid/cmdline | grep -qF 'battery staple' && seen=cmdline
    if cat /proc/$pid/environ >"$T/environ" 2>/dev/null; then
        grep -aqF 'battery staple' "$T/environ" && seen=environ
    fi
    exec 8<&-
    wait $pid || true
    [ $seen = 0 ] || fail "seen in $seen"
}

@test "a passphrase given as an argument is refused and not repeated" {
    prepare
    expect 2 alone verify --passphrase=hunter2 "$T/a.pmmseal"
    silent_about hunter2
    expect 2 alone verify --password hunter2 "$T/a.pmmseal"
    silent_about hunter2
}

@test "the passphrase command does not see the passphrase of the environment, nor eats the archive" {
    prepare
    expect_sh 0 'cat "$T/a.pmmseal" | seal verify --passphrase-command "cat >/dev/null; cat $T/pass" -'
}
