# Names that restores keep for themselves, and what others can do with them.
load helpers

journal() { # DIRECTORY: as a swap that replaced "conf" and brought "precious" would have it
    mkdir -p "$1"
    chmod 700 "$1"
    printf 'O100644conf\0Nprecious\0E\0' >"$1/.pmm-seal-swap"
    echo EVIL >"$1/0"
}

@test "a planted journal is not stored, so no later restore obeys it" {
    small_tree "$T/src"
    mkdir "$T/src/sub"
    journal "$T/src/sub/.pmm-seal-old.abcdef"
    expect 3 backup -o "$T/a.pmmseal" "$T/src"
    says name-reserved
    expect 3 restore "$T/a.pmmseal" "$T/out"
    absent "$T/out/sub/.pmm-seal-old.abcdef"
    echo good >"$T/out/sub/conf"
    echo kept >"$T/out/sub/precious"
    expect 3 restore "$T/a.pmmseal" "$T/out/sub/other"
    content "$T/out/sub/conf" good
    content "$T/out/sub/precious" kept
}

@test "an empty directory with such a name does not stop a backup" {
    small_tree "$T/src"
    mkdir -m 700 "$T/src/.pmm-seal-old.aaaaaa"
    expect 3 backup -o "$T/a.pmmseal" "$T/src"
    says name-reserved
    expect 0 backup --accept name-reserved -o "$T/b.pmmseal" "$T/src"
}

@test "a file with such a name is an ordinary file" {
    small_tree "$T/src"
    echo data >"$T/src/.pmm-seal-trash.user-1"
    echo data >"$T/src/.pmm-seal-trash.abcdef"
    expect 0 backup -o "$T/a.pmmseal" "$T/src"
    expect 0 restore "$T/a.pmmseal" "$T/out"
    content "$T/out/.pmm-seal-trash.user-1" data
    content "$T/out/.pmm-seal-trash.abcdef" data
}

@test "too few descriptors are a failure, not a warning" {
    d="$T/src"
    mkdir "$d"
    for _ in $(seq 100); do d="$d/d" && mkdir "$d"; done
    echo deep >"$d/file"
    expect_sh 1 '(ulimit -n 64; backup -o "$T/a.pmmseal" "$T/src")'
    says 'ulimit -n'
    absent "$T/a.pmmseal"
    expect 0 backup -o "$T/a.pmmseal" "$T/src"
}

@test "a killed backup's temporary file goes with the next, whatever the archive is called" {
    small_tree "$T/src"
    mkdir "$T/d"
    : >"$T/d/.o1.pmmseal.abcdef.tmp"
    expect 0 backup -o "$T/d/o2" "$T/src"
    [ "$(ls -A "$T/d")" = o2 ]
}
