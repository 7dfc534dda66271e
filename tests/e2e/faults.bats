load helpers

# tests/faults makes calls fail, one at a time, and looks at what is left: see the top of tests/faults/run.

need_shim() {
    [ "$(uname -m)" = x86_64 ] || skip "the shim is for x86_64"
    case $(ldd "$PMM_SEAL") in
    *asan*) skip "a preloaded malloc does not go with the address sanitizer" ;;
    *libarchive*) ;;
    *) skip "nothing can be preloaded into a static program" ;;
    esac
}

# On a file system in memory, where there can be one: nothing of this is about the disk.
faults() {
    local place=$T/place
    mkdir "$place"
    if root && unshare -m true 2>/dev/null; then
        unshare -m sh -c 'mount -t tmpfs -o size=512m none "$0" && exec "$@"' \
            "$place" "$PYTHON" -B "$E2E/../faults/run" "$@" "$PMM_SEAL" "$place"
    else
        "$PYTHON" -B "$E2E/../faults/run" "$@" "$PMM_SEAL" "$place"
    fi
}

@test "a call that fails, or a kill, leaves nothing half, nothing lost and no exit 0: a sample of each command" {
    need_shim
    expect 0 faults --plain || return 1
    grep -q ' faults tried, 0 wrong, ' "$T/said.out"
    tail -n 1 "$T/said.out" >&3
}

# bats test_tags=full
@test "each kind of call in each command fails in each way, and the program is killed at each change" {
    need_shim
    faults --most "${PMM_SEAL_FAULTS:-8}" >"$T/rows" || { grep -A 3 WRONG "$T/rows"; tail -n 1 "$T/rows"; return 1; }
    sed 's/^/# /' "$T/rows" >&3
}
