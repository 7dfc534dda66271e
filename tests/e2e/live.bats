load helpers

# A backup to a FIFO that nobody reads for now stands still in the middle of the first big
# file: what is changed then is changed under its eyes.
start() { # [OPTIONS]: in the background
    mkdir -p "$T/src"
    [ -f "$T/src/big" ] || random_file "$T/src/big" 64000000
    mkfifo "$T/fifo"
    "$PMM_SEAL" backup --threads 1 --kdf interactive -q --passphrase-file "$T/pass" "$@" -o "$T/fifo" "$T/src" 2>"$T/said.err" >/dev/null &
    PID=$!
    mine $PID
    exec 8<"$T/fifo"
    head -c 1000000 <&8 >"$T/head" # big is open and being read
}
finish() { # STATUS
    local rc=0
    cat "$T/head" - <&8 >"$T/a.pmmseal"
    exec 8<&-
    wait $PID || rc=$?
    [ $rc = "$1" ] || fail "status $rc, expected $1: $(cat "$T/said.err")"
}
# The archive works, and the warning ID comes with it.
carried() {
    expect 3 verify "$T/a.pmmseal"
    says "$1"
    expect 3 restore "$T/a.pmmseal" "$T/new"
    says "$1"
    expect 0 restore --accept "$1" "$T/a.pmmseal" "$T/new2"
}

@test "a file that shrinks while it is read is 3, and the archive works" {
    start
    truncate -s 40000000 "$T/src/big"
    finish 3
    says file-changed
    says big
    carried file-changed
    [ "$(stat -c %s "$T/new/big")" = 64000000 ]
    cmp -n 40000000 "$T/src/big" "$T/new/big"
}

@test "a file that grows while it is read is 3, its first part is there" {
    start
    cp "$T/src/big" "$T/before"
    echo more >>"$T/src/big"
    finish 3
    says file-changed
    carried file-changed
    cmp "$T/before" "$T/new/big"
}

@test "a file that is written to while it is read is 3" {
    start
    printf x | dd of="$T/src/big" conv=notrunc bs=1 seek=63000000 2>/dev/null
    finish 3
    says file-changed
    carried file-changed
}

@test "--accept file-changed makes it 0, also in the archive's life" {
    start --accept file-changed
    echo more >>"$T/src/big"
    finish 0
    expect 0 verify --accept file-changed "$T/a.pmmseal"
}

@test "a file or directory that vanishes before it is read is 3, the rest is there" {
    mkdir -p "$T/src/z-dir"
    echo z >"$T/src/z-dir/f"
    echo z >"$T/src/z-file"
    echo z >"$T/src/z-stays"
    start
    rm -r "$T/src/z-dir" "$T/src/z-file"
    finish 3
    says file-vanished
    says z-file
    expect 3 restore "$T/a.pmmseal" "$T/new"
    content "$T/new/z-stays" z
    absent "$T/new/z-file" "$T/new/z-dir"
}

@test "a directory that becomes a symlink is not followed" {
    mkdir -p "$T/src/z-dir" "$T/secret"
    echo in >"$T/src/z-dir/f"
    echo secret >"$T/secret/f"
    start
    rm -r "$T/src/z-dir"
    ln -s "$T/secret" "$T/src/z-dir"
    finish_any
    restore "$T/a.pmmseal" "$T/new" || [ $? = 3 ]
    ! grep -rq secret "$T/new/z-dir/f" 2>/dev/null || [ -L "$T/new/z-dir" ]
    [ ! -d "$T/new/z-dir" ] || [ -L "$T/new/z-dir" ]
}
finish_any() {
    cat "$T/head" - <&8 >"$T/a.pmmseal"
    exec 8<&-
    wait $PID || [ $? = 3 ]
}

@test "a file that was not changed is no warning, though others come and go elsewhere" {
    start
    touch "$T/elsewhere"
    finish 0
    expect 0 verify "$T/a.pmmseal"
}
