function __rpmctl_names
    set -l words (commandline -opc)
    # Another machine's names are not asked for.
    string match -qr -- '^(-H|--host$|--host=)' $words; and return
    set -l user
    contains -- --user $words; and set user --user
    command rpmctl $user __targets $argv 2>/dev/null
end
function __rpmctl_first
    # The program, the command, and nothing behind them but flags and what those take.
    set -l count 0
    set -l valued 0
    for word in (commandline -opc)
        if test $valued = 1
            set valued 0
        else if contains -- $word @VALUED@
            set valued 1
        else if not string match -q -- '-*' $word
            set count (math $count + 1)
        end
    end
    test $valued = 0 -a $count -le 2
end
