load helpers

@test "every command has a help that fits 80 columns and names the exit statuses" {
    for c in backup verify list info restore diff rekey; do
        for h in --help -h; do
            expect 0 seal $c $h
            grep -q "pmm-seal $c" "$T/said.out"
            grep -q 'Exit status' "$T/said.out"
            [ "$(awk '{ if (length > m) m = length } END { print m }' "$T/said.out")" -le 80 ]
            [ ! -s "$T/said.err" ]
        done
        expect 0 seal help $c
    done
    expect 0 seal --help
    expect 0 seal help
    for c in backup verify list info restore diff rekey; do
        grep -q "^  $c " "$T/said.out"
    done
}

@test "-V names the version" {
    expect 0 seal -V
    grep -q '^pmm-seal [0-9]' "$T/said.out"
    expect 0 seal --version
}

@test "what is not understood is usage: exit 2, and a pointer to the help" {
    expect 2 seal
    expect 2 seal nonsense
    expect 2 seal --nonsense
    expect 2 seal backup --nonsense
    says -h
    expect 2 seal backup
    expect 2 seal verify
    expect 2 seal verify a b
    expect 2 seal restore a
    expect 2 seal diff a
    expect 2 seal backup --level 20 -o x "$T"
    expect 2 seal backup --level 0 -o x "$T"
    expect 2 seal backup --level x -o x "$T"
    expect 2 seal backup --threads 0 -o x "$T"
    expect 2 seal backup --kdf nothing -o x "$T"
    expect 2 seal backup --name ../x -o x "$T"
    expect 2 seal backup --exclude '' -o x "$T"
    expect 2 seal verify --replace x
    expect 2 seal verify --progress often x
    expect 2 seal restore --owner x:y a b
    expect 2 seal verify --passphrase-fd x a
    expect 2 seal verify ''
    [ ! -s "$T/said.out" ]
}

@test "options may be shortened never: a script must not break with the next version" {
    expect 2 seal verify --thread 1 x
    expect 2 seal backup --excl x -o y "$T"
}

@test "messages begin with the program's name and escape control bytes" {
    mkdir "$T/src"
    expect 1 backup -o "$T/a.pmmseal" "$T/$(printf 'x\033[31m\ny')"
    grep -q '^pmm-seal: ' "$T/said.err"
    [ "$(grep -vc '^pmm-seal: ' "$T/said.err")" = 0 ]
    ! grep -q "$(printf '\033')" "$T/said.err" || fail "an escape reached the terminal"
}

@test "-q is silent on success, warnings stay" {
    small_tree "$T/src"
    expect 0 backup -q -o "$T/a.pmmseal" "$T/src"
    [ ! -s "$T/said.out" ]
    [ ! -s "$T/said.err" ]
    expect 0 verify -q "$T/a.pmmseal"
    [ ! -s "$T/said.out" ]
    [ ! -s "$T/said.err" ]
    expect 0 restore -q "$T/a.pmmseal" "$T/new"
    [ ! -s "$T/said.out" ]
    [ ! -s "$T/said.err" ]
}

@test "--json is one object also when the command fails, with the exit status in it" {
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 verify --json "$T/a.pmmseal"
    [ "$(fact .exit)" = 0 ]
    [ "$(fact .command)" = verify ]
    "$E2E/surgeon" flip "$T/a.pmmseal" 5000
    expect 5 verify --json "$T/a.pmmseal"
    [ "$(fact .exit)" = 5 ]
    [ "$(fact .error.text)" != null ]
    [ "$(jq -s length "$T/said.out")" = 1 ]
}
