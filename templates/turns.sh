i=$1
shift
[ ! -x "$0" ] || exec "$0" "$@"
echo "<4>$0 is gone: systemctl restarts what runs"
[ "$1" = --user ] || set --
systemctl $1 list-units --plain --full --no-legend --state=active -- "$i" | while read -r i x; do systemctl $1 restart "$i" || exit; done
