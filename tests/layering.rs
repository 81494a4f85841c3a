//! Who may import whom: reads the table in src/lib.rs and every source under src, and fails on any use that the
//! table does not allow, naming the line.

#[path = "layering/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folder → the folders it may import.
type Rules = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_import_is_one_the_table_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (read, breaches) = check(&src);
    let folders = rules(&fs::read_to_string(src.join("lib.rs")).expect("lib.rs")).len();
    assert!(
        read >= folders,
        "only {read} sources read for {folders} folders under {}",
        src.display()
    );
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_table_is_read_as_it_is_meant() {
    let table = "//! | folder | may import |\n//! |---|---|\n//! | `model` | nothing of ours |\n\
                 //! | `disk`, `bus` | `model`; never each other |\n//! | `apply` | `model` and the edges |\n\
                 //! | `cli` | everything; nobody imports `cli` |\n";
    let rules = rules(table);
    let allowed = |folder: &str| rules[folder].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(allowed("model"), Vec::<&str>::new());
    assert_eq!(allowed("bus"), ["model"]);
    assert_eq!(allowed("apply"), ["bus", "disk", "model"]);
    assert_eq!(allowed("cli"), ["apply", "bus", "cli", "disk", "model"]);
}

/// Every way to name another folder, planted in a copy of src; each must be caught, at its line.
#[test]
fn a_planted_breach_is_caught() {
    let copy = tempfile::tempdir().expect("folder for the copy");
    let src = copy.path().join("src");
    copy_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &src);
    assert_eq!(
        check(&src).1,
        Vec::<String>::new(),
        "the copy is clean before anything is planted"
    );

    let model = "`model` may import nothing of ours, but imports";
    let planted = [
        ("use crate::systemd::Manager;", format!("{model} `systemd`")),
        ("use crate::{\n    cli,\n};", format!("{model} `cli`")),
        ("use super::super::host;", format!("{model} `host`")),
        ("use super::super::{plan::Plan};", format!("{model} `plan`")),
        (
            "mod inner { use super::super::super::apply; }",
            format!("{model} `apply`"),
        ),
        (
            "fn f() -> &'static str { let _ = '\"'; crate::units::NAME }",
            format!("{model} `units`"),
        ),
        (
            "use crate::*;",
            "`model` imports all of the crate: name the folder".to_string(),
        ),
        (
            "use crate as ours;",
            "`model` imports all of the crate: name the folder".to_string(),
        ),
    ];
    for (text, message) in &planted {
        let file = src.join("model/planted.rs");
        fs::write(
            &file,
            format!(
                "//! Use of crate::cli in a comment.\nconst A: &str = \"crate::cli\";\n{text}\n"
            ),
        )
        .expect("plant");
        let line = 3 + text[..text.find(" cli").unwrap_or(0)].matches('\n').count();
        assert_eq!(
            check(&src).1,
            [format!("{}:{line}: {message}", file.display())],
            "{text}"
        );
        fs::remove_file(&file).expect("remove");
    }

    let harmless = "use super::Name;\nuse self::inner::A;\nmod inner {\n    use super::super::Name;\n}\n\
                    /* use crate::cli; /* */ use crate::host; */\npub(crate) const R: &str = r#\"use crate::cli;\"#;\n";
    fs::write(src.join("model/planted.rs"), harmless).expect("plant");
    assert_eq!(check(&src).1, Vec::<String>::new());

    let edge = src.join("journal/planted.rs");
    fs::write(
        &edge,
        "use crate::model::Name;\nuse crate::process::Sample;\n",
    )
    .expect("plant");
    let message = "`journal` may import `model`, but imports `process`";
    assert_eq!(check(&src).1, [format!("{}:2: {message}", edge.display())]);
    fs::remove_file(&edge).expect("remove");

    fs::create_dir(src.join("helpers")).expect("new folder");
    fs::write(src.join("helpers/mod.rs"), "\n").expect("plant");
    let breaches = check(&src).1;
    assert_eq!(
        breaches,
        [format!(
            "{}: `helpers` is not in the table of lib.rs",
            src.join("helpers/mod.rs").display()
        )]
    );
}

/// How many sources were read, and the imports in them that are not allowed, as `file:line: what`.
fn check(src: &Path) -> (usize, Vec<String>) {
    let rules = rules(&fs::read_to_string(src.join("lib.rs")).expect("lib.rs"));
    let mut read = 0;
    let mut breaches = Vec::new();
    for file in source_files(src) {
        let module = source::module_of(file.strip_prefix(src).expect("under src"));
        // lib.rs and main.rs: the module list and the exit code.
        let Some(folder) = module.first() else {
            continue;
        };
        read += 1;
        let Some(allowed) = rules.get(folder) else {
            breaches.push(format!(
                "{}: `{folder}` is not in the table of lib.rs",
                file.display()
            ));
            continue;
        };
        for import in source::imports(&fs::read_to_string(&file).expect("source"), &module) {
            let at = format!("{}:{}", file.display(), import.line);
            match import.folder {
                None => breaches.push(format!(
                    "{at}: `{folder}` imports all of the crate: name the folder"
                )),
                Some(other) if other == *folder || allowed.contains(&other) => {}
                Some(other) => {
                    let names: Vec<String> =
                        allowed.iter().map(|name| format!("`{name}`")).collect();
                    let may = if names.is_empty() {
                        "nothing of ours".into()
                    } else {
                        names.join(", ")
                    };
                    breaches.push(format!(
                        "{at}: `{folder}` may import {may}, but imports `{other}`"
                    ));
                }
            }
        }
    }
    (read, breaches)
}

/// The rows of the table in lib.rs's doc comment.
///
/// # Panics
/// When there is none, or a row names no folder.
fn rules(lib: &str) -> Rules {
    let rows: Vec<(Vec<String>, &str)> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! |"))
        .map(|row| row.split('|').collect::<Vec<_>>())
        .filter(|cells| cells[0].contains('`'))
        .map(|cells| (quoted(cells[0]), cells[1]))
        .collect();
    assert!(
        !rows.is_empty(),
        "no table of imports in the doc comment of lib.rs"
    );
    let all = || rows.iter().flat_map(|(folders, _)| folders.clone());
    let edges = || {
        rows.iter()
            .filter(|(_, may)| may.contains("never each other"))
            .flat_map(|(folders, _)| folders.clone())
    };
    let mut rules = Rules::new();
    for (folders, may) in &rows {
        // Behind the semicolon stands what is not allowed.
        let may = may.split(';').next().unwrap_or_default();
        let mut allowed: BTreeSet<String> = quoted(may).into_iter().collect();
        if may.contains("the edges") {
            allowed.extend(edges());
        }
        if may.contains("everything") {
            allowed.extend(all());
        }
        assert!(
            !allowed.is_empty() || may.contains("nothing"),
            "what may {folders:?} import? {may:?} names nothing"
        );
        for name in &allowed {
            assert!(
                all().any(|folder| folder == *name),
                "the table allows `{name}`, which has no row"
            );
        }
        rules.extend(
            folders
                .iter()
                .map(|folder| (folder.clone(), allowed.clone())),
        );
    }
    rules
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_string)
        .collect()
}

/// Every `.rs` under a folder, sorted; folders that are crates of their own are left out.
fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() && !path.join("lib.rs").exists() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy_sources(from: &Path, to: &Path) {
    for file in source_files(from) {
        let copy = to.join(file.strip_prefix(from).expect("under src"));
        fs::create_dir_all(copy.parent().expect("folder")).expect("folder");
        fs::copy(&file, copy).expect("copy");
    }
}
