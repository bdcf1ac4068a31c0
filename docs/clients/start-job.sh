#!/usr/bin/env bash
# Asks for jobs and shows what comes of them, by RabbitMQ's management API, to try things by hand:
#
#     start-job.sh REQUEST.json [options of rabbitmqadmin, such as --config FILE --node NAME]
#
# rabbitmqadmin is the command that the management plugin gives at /cli/rabbitmqadmin (version 1, a Python script). It
# publishes with a confirm and the mandatory flag. The same request again starts nothing twice. Ends with 0 if all its
# jobs are Successful, with 1 if not, with 4 without the broker.

set -euo pipefail
request=$1 prefix=${JOBRELAY_PREFIX:-jobrelay}
shift
options=("$@")
admin() { rabbitmqadmin "${options[@]}" "$@" 2>&1; }
fail() { # with what rabbitmqadmin said, of which the last line tells why
    local why=${1##*$'\n'} code=4 said='no connection to the broker'
    local todo="check the options, and run this again with the same file: its requestId starts nothing twice"
    case $1 in *'Not found'* | *'Access refused'* | *'NOT routed'*)
        code=1 said='the broker refuses it'
        todo='check JOBRELAY_PREFIX, that a worker was started with it, and this user with its rights'
    esac
    echo "error: $said (${why#'*** '}); $todo" >&2
    exit "$code"
}
id=$(grep -oE '"requestId" *: *"[A-Za-z0-9._:-]+"' "$request" | head -n 1 | cut -d '"' -f 4)
queue=start-job.$id.$$

# A queue of our own, there before the request is sent; it goes by itself if this is killed.
said=$(admin --quiet declare queue "name=$queue" durable=false 'arguments={"x-expires": 600000}') || fail "$said"
trap 'admin --quiet delete queue "name=$queue" >/dev/null || true' EXIT
for key in 'job.#' 'request.#'; do
    said=$(admin --quiet declare binding "source=$prefix.events" "destination=$queue" "routing_key=$key") || fail "$said"
done

properties='{"content_type": "application/json", "delivery_mode": 2, "correlation_id": "'$id'", "message_id": "'$id'"}'
tries=30
until said=$(admin publish "exchange=$prefix.requests" routing_key=job.start "properties=$properties" <"$request"); do
    echo "no confirm: the same request is sent again" >&2
    ((tries-- > 0)) || fail "$said"
    sleep 1
done
case $said in *'NOT routed'*) fail "$said" ;; esac

running='' well=yes
while :; do
    # With tabs between them: the routing key, …, the body. They are ours once they are read.
    got=$(admin --format=tsv get "queue=$queue" ackmode=ack_requeue_false count=1000) || fail "$got"
    while IFS=$'\t' read -r key _ _ body _; do
        case $body in *'"requestId":"'"$id"'"'*) ;; *) continue ;; esac
        printf '%s %s\n' "$key" "$body"
        job=$(grep -oE '"subject":"[^"]+"' <<<"$body" | head -n 1)
        case $key in
            request.rejected | request.cancelled) exit 1 ;;
            job.created) running+=" $job" ;;
            job.state.successful) running=${running/ $job/} ;;
            job.state.faulted | job.state.stopped | job.tracking-expired) running=${running/ $job/} well='' ;;
        esac
        # All job.created come before the first job.state.
        case $key in job.* | request.duplicate) if [ -z "$running" ]; then [ -n "$well" ] && exit 0 || exit 1; fi ;; esac
    done < <(tail -n +2 <<<"$got")
    sleep 1
done
