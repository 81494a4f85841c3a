d=$1
read -r t x </proc/uptime && t=${t%.*}${t#*.} || exit 0
[ "$SERVICE_RESULT" = timeout ] && late=$t || late=
if [ -e "$d/wait.cut" ]; then
[ "$late" ] && cp "$d/wait.cut" "$d/wait" || rm -f "$d/wait.cut"
exit 0
fi
[ -r "$d/starts" ] && [ "$late" ] && read -r n l <"$d/starts" && echo "$n $t" >"$d/starts"
[ -r "$d/wait" ] && read -r w l e x <"$d/wait" || exit 0
case ${EXIT_CODE:-$SERVICE_RESULT} in signal | success) [ "${e:-0}" -gt 0 ] && rm -f "$d/wait" && exit 0 ;; esac
echo "$w ${late:-$l} $t $SERVICE_RESULT ${EXIT_CODE:--} ${EXIT_STATUS:--}" >"$d/wait"
exit 0
