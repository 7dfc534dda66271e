load helpers

prepare() {
    small_tree "$T/src"
    touch -d @1000000000.5 "$T/src/nginx"
    backup -q -o "$T/a.pmmseal" "$T/src"
}
# Only $1... of the source, with the directories on the way.
only() {
    mkdir -p "$T/want"
    (cd "$T/src" && tar -cf - --no-recursion "$@") | tar -xpf - -C "$T/want"
}

@test "a directory named in four ways brings the directory with its content and nothing else" {
    prepare
    n=0
    for p in nginx ./nginx nginx/ ./nginx/ "$T/src/nginx"; do
        n=$((n + 1))
        expect 0 restore "$T/a.pmmseal" "$T/out$n" "$p"
        [ "$(ls -A "$T/out$n")" = nginx ]
        same_trees "$T/src/nginx" "$T/out$n/nginx"
    done
}

@test "the same from a pipe" {
    prepare
    n=0
    for p in nginx ./nginx/ "$T/src/nginx"; do
        n=$((n + 1))
        expect_sh 0 'cat "$T/a.pmmseal" | restore - "$T/out$1" "$2"' $n "$p"
        [ "$(ls -A "$T/out$n")" = nginx ]
        same_trees "$T/src/nginx" "$T/out$n/nginx"
    done
}

@test "several PATHs, one inside another, bring what each means once" {
    prepare
    expect 0 restore "$T/a.pmmseal" "$T/out" logs logs/old hello
    [ "$(ls -A "$T/out" | tr '\n' ' ')" = 'hello logs ' ]
    same_trees "$T/src/logs" "$T/out/logs"
}

@test "parents of a PATH keep their metadata and have no other content" {
    prepare
    chmod 2750 "$T/src/logs"
    touch -d @1111111111.25 "$T/src/logs"
    backup -q --force -o "$T/a.pmmseal" "$T/src"
    expect 0 restore "$T/a.pmmseal" "$T/out" logs/old
    [ "$(cd "$T/out" && find . | sort | tr '\n' ' ')" = '. ./logs ./logs/old ./logs/old/pmm.log.1 ' ]
    [ "$(stat -c %a "$T/out/logs")" = 2750 ]
    same_trees "$T/src/logs/old" "$T/out/logs/old"
}

@test "a PATH that matches nothing is named, exits 1, and nothing is made: from a file" {
    prepare
    expect 1 restore "$T/a.pmmseal" "$T/out" hello no/such
    says no/such
    absent "$T/out"
}

@test "a PATH that matches nothing is named, exits 1, and nothing is made: from a pipe" {
    prepare
    expect_sh 1 'cat "$T/a.pmmseal" | restore - "$T/out" hello no/such'
    says no/such
    absent "$T/out"
    [ -z "$(ls -A "$T" | grep pmm-seal-restore)" ]
}

@test "a name that only begins like a PATH does not match" {
    prepare
    expect 1 restore "$T/a.pmmseal" "$T/out" ngin
    expect 1 restore "$T/a.pmmseal" "$T/out" nginx/con
    absent "$T/out"
}

@test "a PATH with .. is usage" {
    prepare
    expect 2 restore "$T/a.pmmseal" "$T/out" ../etc
    expect 2 restore "$T/a.pmmseal" "$T/out" nginx/../../etc
    absent "$T/out"
}

@test "a hard link without its primary becomes the file, from a file" {
    mkdir -p "$T/src/a" "$T/src/b"
    echo shared >"$T/src/a/first"
    ln "$T/src/a/first" "$T/src/b/second"
    ln "$T/src/a/first" "$T/src/b/third"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect 0 restore "$T/a.pmmseal" "$T/out" b
    content "$T/out/b/second" shared
    [ "$T/out/b/second" -ef "$T/out/b/third" ]
    absent "$T/out/a"
}

@test "a hard link without its primary is named, exits 1, nothing in place: from a pipe" {
    mkdir -p "$T/src/a" "$T/src/b"
    echo shared >"$T/src/a/first"
    ln "$T/src/a/first" "$T/src/b/second"
    backup -q -o "$T/a.pmmseal" "$T/src"
    expect_sh 1 'cat "$T/a.pmmseal" | restore - "$T/out" b'
    says b/second
    says a/first
    absent "$T/out"
    expect_sh 0 'cat "$T/a.pmmseal" | restore - "$T/out" a b'
    [ "$T/out/a/first" -ef "$T/out/b/second" ]
}

@test "PATHs into a target with content add to it and touch nothing else" {
    prepare
    mkdir "$T/out"
    echo mine >"$T/out/mine"
    expect 0 restore "$T/a.pmmseal" "$T/out" nginx
    content "$T/out/mine" mine
    same_trees "$T/src/nginx" "$T/out/nginx"
}

@test "a PATH that stands there already is refused, with --replace it alone is swapped" {
    prepare
    mkdir -p "$T/out/nginx" "$T/out/logs"
    echo old >"$T/out/nginx/old"
    echo keep >"$T/out/logs/keep"
    expect 7 restore "$T/a.pmmseal" "$T/out" nginx
    content "$T/out/nginx/old" old
    expect 0 restore --replace "$T/a.pmmseal" "$T/out" nginx
    same_trees "$T/src/nginx" "$T/out/nginx"
    content "$T/out/logs/keep" keep
    [ "$(ls -A "$T/out" | tr '\n' ' ')" = 'logs nginx ' ]
}

@test "a dry run checks everything and writes nothing" {
    prepare
    expect 0 restore -n "$T/a.pmmseal" "$T/out"
    absent "$T/out"
    cp "$T/a.pmmseal" "$T/bad"
    "$E2E/surgeon" flip "$T/bad" 5000
    expect 5 restore -n "$T/bad" "$T/out"
    absent "$T/out"
}

@test "a stdin that is a file is read as one" {
    prepare
    expect_sh 0 'restore - "$T/out" <"$T/a.pmmseal"'
    same_trees "$T/src" "$T/out"
}

@test "restore --json tells what was made and proved" {
    prepare
    expect 0 restore --json "$T/a.pmmseal" "$T/out"
    [ "$(fact .command)" = restore ]
    [ "$(fact .exit)" = 0 ]
    [ "$(fact .entries)" = "$(find "$T/src" | wc -l)" ]
    [ "$(fact .warnings)" = 0 ]
    [ "$(fact .read_back)" = true ]
    [ "$(fact .proven)" = "$(find "$T/src" -type f -printf '%i\n' | sort -u | wc -l)" ]
}
