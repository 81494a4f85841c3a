# Readline breaks words at colons and @, which are in names and hosts (COMP_WORDBREAKS): the line itself says more.
_rpmctl_names() {
    local word=$1 program=${COMP_WORDS[0]/#\~\//$HOME/} name escaped
    shift
    word=${word#[\"\']}
    local before=${word%"${word##*[:@=]}"}
    while IFS= read -r name; do
        printf -v escaped %q "$name"
        if [[ $escaped == "$word"* ]]; then
            COMPREPLY+=("${escaped#"$before"}")
        elif [[ $name == "$word"* ]]; then
            COMPREPLY+=("${name#"$before"}")
        fi
    done < <(command "$program" "$@" 2>/dev/null)
}

_rpmctl_and_names() {
    _rpmctl "$@"
    local line=${COMP_LINE:0:COMP_POINT} words=() word="" command="" flag="" count=0 kind="" user=() at last
    # With a backslash before it a blank is part of a name.
    read -ra words <<<"${line//'\ '/$'\001'}"
    last=${#words[@]}
    if [[ $line != *[[:blank:]] || $line == *'\ ' ]]; then
        ((last--))
        word=${words[last]//$'\001'/'\ '}
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
