#!/bin/sh
if [ "$1" = reply ]; then
    IFS=$(printf '\t') read -r name param
    case $name in
        '') echo greet ;;
        greet) echo "hello $param" ;;
        *) echo "error: unknown action $name" ;;
    esac
    exit
fi
printf '# TYPE queue_length gauge\nqueue_length 3\n' >"$RPMCTL_METRICS.new"
mv "$RPMCTL_METRICS.new" "$RPMCTL_METRICS"
exec socat "UNIX-LISTEN:$RPMCTL_ACTIONS,fork,unlink-early" "EXEC:sh $0 reply"
