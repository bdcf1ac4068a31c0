# Sourced by the scripts that let somebody wait.

# step WHAT COMMAND…: runs COMMAND quietly, says what is going on and how long it took; its last lines if it fails.
step() {
    local what=$1 began=$SECONDS status=0 ticker='' log
    shift
    log=$(mktemp)
    if [ -t 2 ]; then tick "$what" & ticker=$!; else echo "$what ..." >&2; fi
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ -n "$ticker" ]; then kill "$ticker"; wait "$ticker" || :; printf '\r\033[K' >&2; fi 2>/dev/null
    if [ "$status" = 0 ]; then
        say 32 "$what: $((SECONDS - began)) s"
    else
        tail -n 25 "$log" >&2
        say 31 "$what: failed after $((SECONDS - began)) s"
    fi
    rm -f "$log"
    return "$status"
}

# Counts the seconds on a terminal; ends with the script even if that is killed.
tick() {
    local what=$1 began=$SECONDS
    while printf '\r%s ... %d s' "$what" $((SECONDS - began)) >&2 && kill -0 "$$" 2>/dev/null; do
        sleep 1 >/dev/null 2>&1
    done
}

# say COLOUR TEXT: a line on stderr, coloured on a terminal only (31 red, 32 green).
say() {
    if [ -t 2 ]; then printf '\033[%sm%s\033[0m\n' "$1" "$2" >&2; else printf '%s\n' "$2" >&2; fi
}
