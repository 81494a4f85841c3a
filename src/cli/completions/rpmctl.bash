# Readline breaks words at colons and @, which are in names and hosts (COMP_WORDBREAKS): the line itself says more.
_rpmctl_names() {
    local word=$1 program=${COMP_WORDS[0]/#\~\//$HOME/} name escaped quoted=""
    shift
    local before=${word%"${word##*[:@=]}"}
    # In quotes it breaks none, and takes a name as it is.
    if [[ $word == [\"\']* ]]; then
        quoted=yes word=${word:1} before=""
    fi
    while IFS= read -r name; do
        printf -v escaped %q "$name"
        if [[ -z $quoted && $escaped == "$word"* ]]; then
            COMPREPLY+=("${escaped#"$before"}")
        elif [[ $name == "$word"* ]]; then
            COMPREPLY+=("${name#"$before"}")
        fi
    done < <(command "$program" "$@" 2>/dev/null)
}

_rpmctl_and_names() {
    _rpmctl "$@"
    local line=${COMP_LINE:0:COMP_POINT} words=() word="" command="" flag="" count=0 kind="" user=() at last
    # With a backslash before it, or in quotes, a blank is part of a name.
    local rest=${line//'\ '/$'\001'} marked="" quote="" char
    for ((at = 0; at < ${#rest}; at++)); do
        char=${rest:at:1}
        case $char in
            "$quote") quote="" ;;
            [\"\']) [[ -n $quote ]] || quote=$char ;;
            [[:blank:]]) [[ -z $quote ]] || char=$'\002' ;;
        esac
        marked+=$char
    done
    read -ra words <<<"$marked"
    last=${#words[@]}
    if [[ $marked != *[[:blank:]] ]]; then
        ((last--))
        word=${words[last]//$'\001'/'\ '}
        word=${word//$'\002'/ }
    fi
    for ((at = 1; at < last; at++)); do
        flag=""
        case ${words[at]} in
            # Another machine's names are not asked for.
            -H* | --host | --host=*) kind=none ;;&
            --user) user=(--user) ;;
            @VALUED@)
                flag=${words[at]}
                ((++at))
                ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${words[at]}; else ((++count)); fi ;;
        esac
    done
    # Flags, commands, and what a flag takes are clap's.
    [[ -n $command && $word != -* && ! (-n $flag && $at -gt $last) ]] || return 0
    case $kind,$command in
        none,*) ;;
        @KINDS@
        *,completions) return 0 ;;
    esac
    # clap offers flags and placeholders here; where nothing is offered, readline takes files.
    COMPREPLY=()
    case $kind,$count in
        targets,*) _rpmctl_names "$word" "${user[@]}" __targets ;;
        apps,*) _rpmctl_names "$word" "${user[@]}" __targets --apps ;;
        target,0) _rpmctl_names "$word" "${user[@]}" __targets ;;
        app,0) _rpmctl_names "$word" "${user[@]}" __targets --apps ;;
    esac
    [[ -z $kind ]] || compopt +o default +o bashdefault 2>/dev/null
    return 0
}

complete -F _rpmctl_and_names -o bashdefault -o default rpmctl
