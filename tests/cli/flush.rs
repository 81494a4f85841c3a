//! `rpmctl flush` needs no service manager.

use crate::here::Here;

/// Two apps of a user, as apply leaves their units.
fn two() -> Here {
    let here = Here::new();
    let apps = "[[apps]]\nname = \"api\"\nscript = \"sleep 100\"\ninstances = 2\nexec_mode = \"fork\"\n\n[[apps]]\nname = \"web\"\nscript = \"sleep 100\"\n";
    here.write("ecosystem.toml", apps);
    here.shell(
        "\"$RPMCTL\" render --root root >/dev/null && mkdir -p home/.config/systemd && cp -r root/etc/systemd/system home/.config/systemd/user",
    )
    .is(0, "", "");
    here
}

#[test]
fn every_app_when_none_is_named() {
    let here = two();
    here.run(&["--user", "flush"])
        .is(0, "flushed   api\nflushed   web\n", "");
    assert_eq!(
        here.tree("home/.local"),
        ["state/rpmctl/flushed/api", "state/rpmctl/flushed/web"]
    );
}

#[test]
fn one_of_them() {
    let here = two();
    here.run(&["--user", "flush", "api@1", "web"])
        .is(0, "flushed   api@1\nflushed   web\n", "");
    here.shell("\"$RPMCTL\" --user flush api --json | sed 's/\"since_us\":[0-9]*/\"since_us\":1/'")
        .is(
            0,
            "{\"apps\":[{\"files\":[],\"instances\":null,\"name\":\"api\",\"notes\":[],\"since_us\":1,\"vacuumed\":null}],\"changed\":true}\n",
            "",
        );
    here.run(&["--user", "flush", "wep"]).is(
        1,
        "",
        "error: no app is called wep\n  did you mean web?\n",
    );
}

#[test]
fn nothing_to_do_is_no_failure() {
    let here = Here::new();
    here.run(&["--user", "flush"])
        .is(0, "nothing to do: there are no apps\n", "");
    here.run(&["--user", "flush", "--json"])
        .is(0, "{\"apps\":[],\"changed\":false}\n", "");
    here.run(&["--user", "flush", "api"]).is(
        1,
        "",
        "error: there are no apps\n  apply an ecosystem file first: rpmctl apply ecosystem.toml\n",
    );
    assert_eq!(here.tree("home"), [""; 0]);
}

#[test]
fn vacuum_says_why_not() {
    let here = two();
    here.run(&["--user", "flush", "web", "--vacuum"]).is(
        0,
        "flushed   web\n",
        "note: web: --vacuum: its lines are in the machine's journal, which stays: a user's services have no journal of their own\n",
    );
}

#[test]
fn what_cannot_be_written_is_named() {
    let here = two();
    here.write("home/.local", "");
    here.run(&["--user", "flush", "web"]).is(
        1,
        "",
        "error: DIR/home/.local/state/rpmctl/flushed/web: not a directory\n",
    );
}
