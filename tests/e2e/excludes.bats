load helpers

tree() {
    mkdir -p "$T/src/a/b/c" "$T/src/a/cache" "$T/src/cache" "$T/src/x/y/cache"
    for f in top.log a/one.log a/b/two.log a/b/c/three.txt a/cache/k cache/k x/y/cache/k 'star*' .hidden; do
        echo "$f" >"$T/src/$f"
    done
}
# With these options the archive holds exactly what FIND's expression finds, "." included.
holds() { # 'names, one a line' OPTIONS
    local want=$1
    shift
    backup -q --force "$@" -o "$T/a.pmmseal" "$T/src"
    list "$T/a.pmmseal" | sed 's|/$||' | grep -vxF . | sort >"$T/got"
    printf '%s\n' $want | sort >"$T/want"
    diff "$T/want" "$T/got"
}
all() { (cd "$T/src" && set -f && find . -mindepth 1 "$@" | sed 's|^\./||'); }

@test "a name matches at any depth and takes its content along" {
    tree
    set -f
    holds "$(all -not -path '*cache*')" --exclude cache
}

@test "a pattern with / is anchored" {
    tree
    set -f
    holds "$(all -not -path './cache*')" --exclude /cache
    holds "$(all -not -path './cache*')" --exclude ./cache
    holds "$(all -not -path './a/cache*')" --exclude a/cache
    holds "$(all -not -path './cache/k')" --exclude 'cache/*'
}

@test "* stops at /, ** does not" {
    tree
    set -f
    holds "$(all -not -path './a/one.log')" --exclude 'a/*.log'
    holds "$(all -not -path './a/*.log')" --exclude 'a/**/*.log'
    holds "$(all -not -name '*.log')" --exclude '*.log'
    holds "$(all -not -path './a/?*')" --exclude 'a/**'
}

@test "classes, quoting, and directories only" {
    tree
    set -f
    holds "$(all -not -name 'star*')" --exclude 'star\*'
    holds "$(all -not -name 'three.txt' -not -name 'two.log')" --exclude 't[hw]*.*'
    touch "$T/src/x/cache"
    holds "$(all -not -path './cache*' -not -path './a/cache*' -not -path './x/y/cache*')" --exclude 'cache/'
}

@test "patterns from a file, comments passed over; several sum up" {
    tree
    set -f
    printf '# comment\n\n*.log\n/cache\n' >"$T/list"
    holds "$(all -not -name '*.log' -not -path './cache*' -not -name '.hidden')" --exclude-from "$T/list" --exclude .hidden
    expect 1 backup --exclude-from "$T/none" -o "$T/b.pmmseal" "$T/src"
}

@test "a pattern that matches nothing is a note, not a warning" {
    tree
    expect 0 backup --exclude nothing-like-it -o "$T/a.pmmseal" "$T/src"
    says exclude-unused
}

@test "-x leaves out what is mounted, without it is a note" {
    need_mounts
    tree
    mkdir "$T/src/mnt"
    export -f with_pass backup list
    export T PMM_SEAL
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/src/mnt"
        echo inside >"$T/src/mnt/inside"
        backup -o "$T/a.pmmseal" "$T/src"
        backup -x -o "$T/x.pmmseal" --name x "$T/src"'
    says mount-included
    list "$T/a.pmmseal" | grep -qx mnt/inside
    list "$T/x.pmmseal" | grep -qx mnt/
    ! list "$T/x.pmmseal" | grep -qx mnt/inside || fail "mnt/inside is in it"
}
