(( $+functions[_rpmctl_names] )) ||
_rpmctl_names() {
    # Flags before the command are not in opt_args any more.
    local -a names user typed=(${(z)LBUFFER})
    # Another machine's names are not asked for.
    (( typed[(I)-H*] || typed[(I)--host] || typed[(I)--host=*] )) && return 1
    (( typed[(I)--user] )) && user=(--user)
    names=(${(f)"$(_call_program targets rpmctl $user __targets "$@" 2>/dev/null)"})
    compadd -V targets -a names
}
(( $+functions[_rpmctl_targets] )) ||
_rpmctl_targets() { _rpmctl_names }
(( $+functions[_rpmctl_apps] )) ||
_rpmctl_apps() { _rpmctl_names --apps }
