function __rpmctl_names
    set -l words (commandline -opc)
    # Another machine's names are not asked for.
    string match -qr -- '^(-H|--host)' $words; and return
    set -l user
    contains -- --user $words; and set user --user
    command rpmctl $user __targets $argv 2>/dev/null
end
function __rpmctl_first
    # The program, the command, and nothing but flags behind them.
    test (count (string match -v -- '-*' (commandline -opc))) -le 2
end
