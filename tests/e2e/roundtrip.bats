load helpers

nasty() {
    "$E2E/nasty-tree" "$T/src"
    backup -q "$@" -o "$T/a.pmmseal" "$T/src"
}

@test "a tree of everything comes back exactly, through a file, with 1 thread" {
    nasty --threads 1
    expect 0 restore --threads 1 "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
}

@test "a tree of everything comes back exactly, through a file, with 4 threads" {
    nasty --threads 4
    expect 0 verify --threads 4 "$T/a.pmmseal"
    expect 0 restore --threads 4 "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
    expect 0 diff_ "$T/a.pmmseal" "$T/src"
    expect 0 diff_ "$T/a.pmmseal" "$T/out"
}

@test "a tree of everything comes back exactly, through a pipe, with 1 thread" {
    "$E2E/nasty-tree" "$T/src"
    expect_sh 0 'set -o pipefail; backup --threads 1 -q -o - "$T/src" | restore --threads 1 - "$T/out"'
    same_trees "$T/src" "$T/out"
}

@test "a tree of everything comes back exactly, through a pipe, with 4 threads" {
    "$E2E/nasty-tree" "$T/src"
    expect_sh 0 'set -o pipefail; backup --threads 4 -q -o - "$T/src" | restore --threads 4 - "$T/out"'
    same_trees "$T/src" "$T/out"
}

@test "an ordinary user's tree comes back exactly" {
    user_dir "$T/u"
    as_user "$E2E/nasty-tree" "$T/u/src"
    expect 0 user_seal backup --kdf interactive -o "$T/u/a.pmmseal" "$T/u/src"
    expect 0 user_seal restore "$T/u/a.pmmseal" "$T/u/out"
    same_trees "$T/u/src" "$T/u/out"
}

@test "an ordinary user who restores root's backup gets the content, and owners are a warning" {
    need_root
    user_dir "$T/u"
    small_tree "$T/src"
    chown 26:26 "$T/src/hello"
    backup -q -o "$T/a.pmmseal" "$T/src"
    chmod 644 "$T/a.pmmseal"
    expect 3 user_seal restore "$T/a.pmmseal" "$T/u/out"
    says owner-not-set
    same_trees --no-owner "$T/src" "$T/u/out"
    expect 0 user_seal restore --no-owner --accept owner-not-set "$T/a.pmmseal" "$T/u/out2"
    same_trees --no-owner "$T/src" "$T/u/out2"
}

@test "--owner UID:GID gives everything to one owner" {
    need_root
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 restore --owner 26:27 "$T/a.pmmseal" "$T/out"
    [ "$(find "$T/out" -printf '%U:%G\n' | sort -u)" = 26:27 ]
}

@test "levels 1 and 19 and an archive of one empty file come back" {
    mkdir "$T/src"
    : >"$T/src/only"
    for level in 1 19 auto; do
        backup -q --level $level -o "$T/$level.pmmseal" "$T/src"
        expect 0 restore "$T/$level.pmmseal" "$T/out-$level"
        same_trees "$T/src" "$T/out-$level"
    done
}

@test "content of exactly one chunk, and one byte more or less, comes back" {
    mkdir "$T/src"
    for n in 2095103 2095104 2096127 2096128 2096129 2097152 4194304; do
        rm -f "$T/src/f"
        random_file "$T/src/f" $n
        backup -q --force -o "$T/a.pmmseal" "$T/src"
        rm -rf "$T/out"
        expect 0 restore "$T/a.pmmseal" "$T/out"
        same_trees "$T/src" "$T/out"
    done
}

@test "many small files come back" {
    mkdir -p "$T/src/d"
    # scripts/test --full asks for more of them, and a big file with them
    n=8000
    if [ -n "${PMM_SEAL_E2E_BIG:-}" ]; then
        n=100000
        random_file "$T/src/big" 1073741824
    fi
    (cd "$T/src/d" && seq 1 $n | split -l 1 -a 4)
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 verify "$T/a.pmmseal"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    same_trees "$T/src" "$T/out"
}

@test "the same tree twice gives two archives that share nothing" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    backup -q --name other -o "$T/b.pmmseal" "$T/src"
    a=$(tail -c +4097 "$T/a.pmmseal" | head -c 4096 | md5sum)
    b=$(tail -c +4097 "$T/b.pmmseal" | head -c 4096 | md5sum)
    [ "$a" != "$b" ]
    [ "$(info --json "$T/a.pmmseal" | jq -r .archive_id)" != "$(info --json "$T/b.pmmseal" | jq -r .archive_id)" ]
}

@test "no name and no content can be read in an archive" {
    mkdir -p "$T/src/Sekretnaja-Papka"
    for i in $(seq 1000); do echo "very secret content"; done >"$T/src/Sekretnaja-Papka/file"
    backup -q --name plain -o "$T/a.pmmseal" "$T/src"
    host=$(hostname)
    [ ${#host} -ge 8 ] || host=Sekretnaja # a short name is found in any noise
    refuted=0
    grep -aq -e Sekretnaja -e 'very secret' -e "$host" -e "$T" "$T/a.pmmseal" || refuted=1
    [ $refuted = 1 ]
}
