TZ=UTC systemctl show -p InactiveExitTimestamp -p InactiveExitTimestampMonotonic -p NextElapseUSecRealtime "$@" | {
on= now= at= due=
while IFS== read -r k v; do
case $k in
InactiveExitTimestampMonotonic) on=$now now=$v ;;
InactiveExitTimestamp) at=${at:-$v} ;;
NextElapseUSecRealtime) due=$v ;;
esac
done
[ -z "$on" ] || [ $((now-on)) -ge 2000000 ] || [ "${due#* }" \> "${at#* }" ] || exit 1
}
