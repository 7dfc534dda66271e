load helpers

prepare() {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    cp "$T/a.pmmseal" "$T/bad.pmmseal"
    "$E2E/surgeon" flip "$T/bad.pmmseal" "$("$E2E/surgeon" records "$T/a.pmmseal" | awk '$2 == 1 { print $1 + 500; exit }')"
}
# No staging directory anywhere near.
clean() { [ -z "$(find "$T" -name '.pmm-seal-*' -o -name '.*.tmp')" ] || fail "left: $(find "$T" -name '.pmm-seal-*')"; }

@test "an absent target appears" {
    prepare
    expect 0 restore "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    clean
}

@test "a target whose parent is absent exits 1 and makes nothing" {
    prepare
    expect 1 restore "$T/a.pmmseal" "$T/no/out"
    absent "$T/no"
}

@test "an empty directory is filled" {
    prepare
    mkdir "$T/out"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    clean
}

@test "a directory with only lost+found counts as empty, and lost+found stays" {
    prepare
    mkdir -p "$T/out/lost+found"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    present "$T/out/lost+found"
    same_trees --ignore lost+found "$T/src" "$T/out"
    clean
}

@test "a directory with content is refused and untouched" {
    prepare
    mkdir "$T/out"
    echo old >"$T/out/old"
    touch -d @1000000000 "$T/out"
    cp -a "$T/out" "$T/copy"
    expect 7 restore "$T/a.pmmseal" "$T/out"
    says --replace
    same_trees "$T/copy" "$T/out"
    clean
}

@test "--replace puts the new in the place of the old" {
    prepare
    mkdir "$T/out"
    echo old >"$T/out/old"
    expect 0 restore --replace "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    clean
}

@test "--replace of a damaged archive leaves the old as it was" {
    prepare
    mkdir -p "$T/out/sub"
    echo old >"$T/out/sub/old"
    cp -a "$T/out" "$T/copy"
    expect 5 restore --replace "$T/bad.pmmseal" "$T/out"
    same_trees "$T/copy" "$T/out"
    expect_sh 5 'cat "$T/bad.pmmseal" | restore --replace - "$T/out"'
    same_trees "$T/copy" "$T/out"
    expect_sh 5 'head -c -1 "$T/a.pmmseal" | restore --replace - "$T/out"'
    same_trees "$T/copy" "$T/out"
    clean
}

@test "what the disk has changed is found by reading back, and not put in place" {
    need_strace
    prepare
    local how
    for how in '' --replace; do
        rm -rf "$T/out"
        [ -z "$how" ] || mkdir "$T/out"
        rc=0
        # The first byte of the first file becomes another one on its way to the disk.
        traced -o "$T/trace" -e inject=pwrite64:poke_enter=@arg2=ff:when=1 "$PMM_SEAL" restore -q $how \
            --passphrase-file "$T/pass" "$T/a.pmmseal" "$T/out" 2>"$T/said.err" || rc=$?
        [ $rc = 1 ]
        says 'read-back failed'
        [ -z "$how" ] || rmdir "$T/out"
        absent "$T/out"
    done
    clean
}

@test "--replace with a wrong passphrase leaves the old as it was" {
    prepare
    mkdir "$T/out"
    echo old >"$T/out/old"
    cp -a "$T/out" "$T/copy"
    expect 4 seal restore --replace --passphrase-file "$T/other" "$T/a.pmmseal" "$T/out"
    same_trees "$T/copy" "$T/out"
    clean
}

@test "a failed restore to an absent target leaves nothing" {
    prepare
    expect 5 restore "$T/bad.pmmseal" "$T/out"
    absent "$T/out"
    expect_sh 5 'cat "$T/bad.pmmseal" | restore - "$T/out"'
    absent "$T/out"
    clean
}

@test "a file as target is usage, and stays" {
    prepare
    echo file >"$T/out"
    expect 2 restore "$T/a.pmmseal" "$T/out"
    content "$T/out" file
}

@test "a symlink as target is followed, and the link stays" {
    prepare
    mkdir "$T/real"
    ln -s real "$T/out"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    [ -L "$T/out" ]
    same_trees "$T/src" "$T/real"
}

@test "an empty mount point is filled, and stays a mount point" {
    need_mounts
    prepare
    mkdir "$T/out"
    export -f with_pass restore same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs -o size=20m,mode=700 none "$T/out"
        restore "$T/a.pmmseal" "$T/out"
        mountpoint -q "$T/out"
        same_trees "$T/src" "$T/out"'
}

@test "--replace swaps the content of a mount point, and a failure leaves the old" {
    need_mounts
    prepare
    mkdir "$T/out"
    export -f with_pass restore same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs -o size=20m,mode=755 none "$T/out"
        mkdir "$T/out/sub"
        echo old >"$T/out/sub/old"
        cp -a "$T/out" "$T/copy"
        rc=0; restore "$T/a.pmmseal" "$T/out" || rc=$?
        [ $rc = 7 ]
        same_trees "$T/copy" "$T/out"
        rc=0; restore --replace "$T/bad.pmmseal" "$T/out" || rc=$?
        [ $rc = 5 ]
        same_trees "$T/copy" "$T/out"
        restore --replace "$T/a.pmmseal" "$T/out"
        mountpoint -q "$T/out"
        same_trees "$T/src" "$T/out"'
}

@test "what is mounted in the target stays mounted, and what the archive does not have stays there" {
    need_mounts
    prepare
    mkdir -p "$T/out/volume"
    export -f with_pass restore same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/out/volume"
        echo data >"$T/out/volume/data"
        restore --replace "$T/a.pmmseal" "$T/out"
        mountpoint -q "$T/out/volume"
        [ "$(cat "$T/out/volume/data")" = data ]
        same_trees "$T/src/nginx" "$T/out/nginx"
        same_trees "$T/src/logs" "$T/out/logs"'
    says mount-kept
}

@test "a mount that is no child of the target itself is refused, and nothing is touched" {
    need_mounts
    prepare
    mkdir -p "$T/out/deep/volume"
    export -f with_pass restore
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/out/deep/volume"
        echo data >"$T/out/deep/volume/data"
        rc=0; restore --replace "$T/a.pmmseal" "$T/out" || rc=$?
        [ $rc = 7 ]
        [ "$(cat "$T/out/deep/volume/data")" = data ]'
    says "$T/out/deep/volume"
}

@test "what an archive holds empty does not empty a mount, and an archive in the target is not replaced away" {
    need_mounts
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    mkdir -p "$T/vol/empty"
    cp "$T/a.pmmseal" "$T/vol/b.pmmseal"
    expect 7 restore --replace "$T/vol/b.pmmseal" "$T/vol"
    says 'lies in what is to be replaced'
    rm "$T/vol/b.pmmseal"
    export -f with_pass restore
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/vol/empty"
        echo precious >"$T/vol/empty/archive"
        restore --replace "$T/a.pmmseal" "$T/vol"
        [ "$(cat "$T/vol/empty/archive")" = precious ]'
    says mount-kept
}

@test "a part of the archive's own place is not replaced away, and everything is not a part" {
    small_tree "$T/src"
    mkdir -p "$T/vol"
    backup -q -o "$T/a.pmmseal" "$T/src"
    restore -q --replace "$T/a.pmmseal" "$T/vol"
    cp "$T/a.pmmseal" "$T/vol/logs/b.pmmseal"
    expect 7 restore --replace "$T/vol/logs/b.pmmseal" "$T/vol" logs
    says 'lies in what is to be replaced'
    present "$T/vol/logs/b.pmmseal"
    expect 0 restore --replace "$T/vol/logs/b.pmmseal" "$T/vol" nginx
    expect 2 restore "$T/a.pmmseal" "$T/vol" .
    expect 2 restore "$T/a.pmmseal" "$T/new" "$T/src"
    absent "$T/new"
}

@test "what is mounted from the target itself is refused, and what is mounted over it does not count" {
    need_mounts
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    export -f with_pass restore same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mkdir "$T/vol"
        mount -t tmpfs none "$T/vol"
        mkdir "$T/vol/nginx" "$T/vol/elsewhere"
        echo kept >"$T/vol/elsewhere/data"
        mount --bind "$T/vol/elsewhere" "$T/vol/nginx"
        rc=0; restore --replace "$T/a.pmmseal" "$T/vol" || rc=$?
        [ $rc = 7 ]
        [ "$(cat "$T/vol/nginx/data")" = kept ]
        mount -t tmpfs none "$T/vol"
        restore "$T/a.pmmseal" "$T/vol"
        same_trees "$T/src" "$T/vol"'
}

@test "with --replace the owners and the root of a mount are restored, too" {
    need_mounts
    small_tree "$T/src"
    chmod 711 "$T/src/nginx"
    backup -q -o "$T/a.pmmseal" "$T/src"
    mkdir -p "$T/vol/nginx"
    export -f with_pass restore diff_ same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/vol/nginx"
        restore --replace "$T/a.pmmseal" "$T/vol"
        chown 7:7 "$T/vol/nginx/conf"
        chmod 777 "$T/vol/nginx"
        restore --replace "$T/a.pmmseal" "$T/vol"
        diff_ "$T/a.pmmseal" "$T/vol"'
}

@test "a file mounted in the target stays: same is a note, different is 3" {
    need_mounts
    small_tree "$T/src"
    echo archived >"$T/src/key"
    backup -q -o "$T/a.pmmseal" "$T/src"
    mkdir "$T/vol"
    echo archived >"$T/file"
    touch "$T/vol/key"
    export -f with_pass restore same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount --bind "$T/file" "$T/vol/key"
        restore "$T/a.pmmseal" "$T/vol" 2>"$T/note"
        grep -q mount-same "$T/note"
        same_trees "$T/src/logs" "$T/vol/logs"
        echo newer >"$T/file"
        rc=0; restore --replace "$T/a.pmmseal" "$T/vol" 2>"$T/warning" || rc=$?
        [ $rc = 3 ]
        grep -q mount-differs "$T/warning"
        [ "$(cat "$T/vol/key")" = newer ]
        same_trees "$T/src/logs" "$T/vol/logs"'
}

@test "certificates mounted in the target: filled if empty, same is a note, different is 3 and stays" {
    need_mounts
    small_tree "$T/src"
    chmod 640 "$T/src/nginx/conf"
    backup -q -o "$T/a.pmmseal" "$T/src"
    mkdir -p "$T/vol" "$T/certs"
    export -f with_pass restore same_trees
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/vol"
        mkdir "$T/vol/nginx"
        mount -t tmpfs none "$T/vol/nginx"
        restore "$T/a.pmmseal" "$T/vol"
        mountpoint -q "$T/vol/nginx"
        same_trees "$T/src/nginx" "$T/vol/nginx"
        same_trees "$T/src/logs" "$T/vol/logs"
        [ -z "$(find "$T/vol" -name ".pmm-seal*")" ]

        touch "$T/vol/nginx/conf"
        restore --replace "$T/a.pmmseal" "$T/vol" 2>"$T/note"
        grep -q mount-same "$T/note"

        rm -rf "$T/vol"/[!n]*
        echo renewed >"$T/vol/nginx/conf"
        rc=0; restore "$T/a.pmmseal" "$T/vol" 2>"$T/warning" || rc=$?
        [ $rc = 3 ]
        grep -q "mount-differs" "$T/warning"
        grep -q "conf (" "$T/warning"
        [ "$(cat "$T/vol/nginx/conf")" = renewed ]
        same_trees "$T/src/logs" "$T/vol/logs"

        restore --replace "$T/a.pmmseal" "$T/vol"
        mountpoint -q "$T/vol/nginx"
        same_trees "$T/src/nginx" "$T/vol/nginx"

        echo renewed >"$T/vol/nginx/conf"
        mount -o remount,ro "$T/vol/nginx"
        rc=0; restore --replace "$T/a.pmmseal" "$T/vol" 2>"$T/readonly" || rc=$?
        [ $rc = 3 ]
        grep -q mount-not-restored "$T/readonly"
        [ "$(cat "$T/vol/nginx/conf")" = renewed ]
        [ -z "$(find "$T/vol" -name ".pmm-seal*")" ]'
}

@test "a full target exits 1 before anything is written, with --ignore-space after, and leaves nothing" {
    need_mounts
    mkdir "$T/src" "$T/out"
    random_file "$T/src/big" 12000000
    backup -q -o "$T/a.pmmseal" "$T/src"
    export -f with_pass restore
    export T PMM_SEAL E2E
    expect 0 unshare -m bash -ec '
        mount -t tmpfs -o size=10m none "$T/out"
        mkdir "$T/out/sub"
        for o in "" --ignore-space; do
            rc=0; restore $o "$T/a.pmmseal" "$T/out/sub/new" 2>"$T/why" || rc=$?
            [ $rc = 1 ]
            if [ -z "$o" ]; then grep -q "not enough space at" "$T/why"; else grep -q "No space left" "$T/why"; fi
            [ -z "$(ls -A "$T/out/sub")" ]
            rc=0; cat "$T/a.pmmseal" | restore $o - "$T/out/sub/new" || rc=$?
            [ $rc = 1 ]
            [ -z "$(ls -A "$T/out/sub")" ]
        done'
}

@test "a target that cannot be written exits 1" {
    need_root
    prepare
    mkdir "$T/locked"
    chmod 755 "$T/locked"
    chmod 644 "$T/a.pmmseal"
    expect 1 user_seal restore "$T/a.pmmseal" "$T/locked/out"
    empty_dir "$T/locked"
}

@test "a target or a source that another run holds exits 6" {
    prepare
    mkdir "$T/out"
    expect 6 flock -s "$T/out" "$PMM_SEAL" restore --passphrase-file "$T/pass" "$T/a.pmmseal" "$T/out"
    empty_dir "$T/out"
    expect 6 flock -x "$T/src" "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" -o "$T/b.pmmseal" "$T/src"
    absent "$T/b.pmmseal"
    expect 0 flock -s "$T/src" "$PMM_SEAL" backup --kdf interactive --passphrase-file "$T/pass" -o "$T/b.pmmseal" "$T/src"
}

@test "an archive that a rekey holds exits 6, one that is read cannot be rekeyed" {
    prepare
    expect 6 flock -x "$T/a.pmmseal" "$PMM_SEAL" verify --passphrase-file "$T/pass" "$T/a.pmmseal"
    expect 6 flock -s "$T/a.pmmseal" "$PMM_SEAL" rekey --heal --passphrase-file "$T/pass" "$T/a.pmmseal"
    expect 0 flock -s "$T/a.pmmseal" "$PMM_SEAL" verify --passphrase-file "$T/pass" "$T/a.pmmseal"
}

@test "what a killed restore left is removed by the next, and named" {
    prepare
    mkdir -p "$T/.pmm-seal-restore.abcDEF/half"
    echo x >"$T/.pmm-seal-restore.abcDEF/half/x"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    says leftover-removed
    same_trees "$T/src" "$T/out"
    clean
}
