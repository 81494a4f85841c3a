d=$1
read -r t x </proc/uptime && t=${t%.*}${t#*.} || exit 0
[ "$SERVICE_RESULT" = timeout ] && late=$t || late=
if [ -e "$d/wait.cut" ]; then
[ "$late" ] && cp "$d/wait.cut" "$d/wait" || rm -f "$d/wait.cut"
exit 0
fi
[ -r "$d/starts" ] && [ "$late" ] && read -r n l <"$d/starts" && echo "$n $t" >"$d/starts"
[ -r "$d/wait" ] && read -r w l e x <"$d/wait" || exit 0
[ "${e:-0}" -gt 0 ] && [ "$SERVICE_RESULT" = signal ] && [ -z "$EXIT_CODE" ] && rm -f "$d/wait" && exit 0
echo "$w ${late:-$l} $t $SERVICE_RESULT ${EXIT_CODE:--} ${EXIT_STATUS:--}" >"$d/wait"
exit 0
