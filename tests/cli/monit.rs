//! `rpmctl monit` where it cannot draw.

use crate::here::Here;

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let said = "error: monit needs a terminal, on standard input and output\n  \
                without one: rpmctl status, rpmctl logs -f; over ssh: ssh -t HOST rpmctl monit\n";
    for args in [
        &["monit"][..],
        &["dash", "api"],
        &["dashboard"],
        &["--user", "monit"],
    ] {
        Here::new().run(args).is(1, "", said);
    }
}
