echo
f=$1/run c=0 x=-
read -r t y </proc/uptime && t=${t%.*}${t#*.} || t=0
[ -r "$f" ] && x= && read -r c x y <"$f"
[ "$x" = - ] || c=$((c+1))
echo $c $t $$ 2>/dev/null >"$f"
if [ "$2" -gt 0 ]; then
f=$1/starts n=0 l=0
[ -r "$f" ] && read -r n l <"$f"
[ $((t-l)) -lt "$3" ] && n=$((n+1)) || n=1
if [ $n -gt "$2" ]; then echo "<2>gave up: $2 starts in a row ended before min_uptime (max_restarts)"; exit 199; fi
echo $n $t >"$f"
fi
shift 3
exec "$@"
