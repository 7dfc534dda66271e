# The test vectors of the format: tests/vectors/README.md. Each has one fault, or none.
load helpers

VECTORS=$E2E/../vectors

# Without them the tests say so, and not that all is well.
need_vectors() {
    $PYTHON -c 'import nacl, zstandard' || fail "needs python3-nacl and python3-zstandard"
}

@test "every archive of the vectors is judged as its recipe says: whole, damaged, refused, wrong passphrase" {
    need_vectors
    TMPDIR=$T "$VECTORS/try" --directory "$PMM_SEAL" >"$T/tap" || fail "$(grep -A 3 '^not ok' "$T/tap" | head -n 60)"
    [ "$(grep -c '^ok' "$T/tap")" -ge 150 ]
}

@test "the README of the vectors has all recipes, and what is expected of them" {
    need_vectors
    "$VECTORS/make" --table >"$T/table"
    sed -n '/^| recipe/,$p' "$VECTORS/README.md" | diff - "$T/table"
}

# bats test_tags=full
@test "every recipe is complete, and what it says may be released is of its tar" {
    need_vectors
    "$VECTORS/make" --check
}

# bats test_tags=full
@test "every command and unseal.py answer each vector as its recipe says, and a failed restore leaves nothing" {
    need_vectors
    TMPDIR=$T VECTORS_SLOW=yes "$VECTORS/try" "$PMM_SEAL" >"$T/tap" || fail "$(grep -A 3 '^not ok' "$T/tap" | head -n 60)"
    [ "$(grep -c '^ok' "$T/tap")" -ge 150 ]
}
