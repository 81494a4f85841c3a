//! The machine that cases are checked on: a host.toml instead of files, users and programs.
#![allow(dead_code)] // each program that includes this uses a part of it

use std::path::{Path, PathBuf};

use rpmctl::config::{self, Checked, Options, Written};
use rpmctl::model::host::{Found, Host, Kind, Program, Questions};

/// A machine as host.toml describes it; what is not in it is not there.
pub struct Machine {
    pub table: toml::Table,
}

impl Machine {
    pub fn read(path: &Path) -> Machine {
        let text = std::fs::read_to_string(path).unwrap();
        Machine {
            table: text.parse().unwrap(),
        }
    }

    /// What this one does not say as `other` says it.
    pub fn over(mut self, other: Machine) -> Machine {
        for (key, value) in other.table {
            self.table.entry(key).or_insert(value);
        }
        self
    }

    pub fn options(&self) -> Options {
        let text = |key: &str| Some(self.table.get(key)?.as_str().unwrap().to_owned());
        Options {
            profile: text("profile"),
            only: self.list("only"),
            user_manager: self.table.contains_key("user_manager"),
            home: text("home").map(PathBuf::from),
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        let array = self.table.get(key).and_then(|list| list.as_array());
        let items = array.into_iter().flatten();
        items
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    }

    /// `file`, `folder`, `dynamic`, `static`, `privileged`, `#!…`, `not executable dynamic`, `odd: words`.
    fn found(&self, path: &Path) -> Found {
        let files = self.table["files"].as_table().unwrap();
        let Some(what) = files.get(path.to_str().unwrap()) else {
            return Found::Missing;
        };
        let what = what.as_str().unwrap();
        let (executable, what) = match what.strip_prefix("not executable ") {
            Some(what) => (false, what),
            None => (what != "file", what),
        };
        let kind = match what {
            "folder" => return Found::Directory,
            "file" => Kind::Plain,
            "dynamic" => Kind::Dynamic,
            "static" => Kind::Static,
            "privileged" => Kind::Privileged,
            other => match other.split_once("odd: ") {
                Some((_, words)) => return Found::Other(words.to_owned()),
                None => {
                    let line = other
                        .strip_prefix("#!")
                        .unwrap_or_else(|| panic!("{other:?}"));
                    Kind::Script(line.split(' ').map(str::to_owned).collect())
                }
            },
        };
        Found::File(Program {
            path: path.to_path_buf(),
            executable,
            kind,
        })
    }

    fn program(&self, name: &str) -> Option<Program> {
        let folders = self.list("path").into_iter();
        folders
            .map(|folder| Path::new(&folder).join(name))
            .find_map(|path| match self.found(&path) {
                Found::File(program) if program.executable => Some(program),
                _ => None,
            })
    }

    fn answer(&self, questions: &Questions, host: &mut Host) {
        for path in &questions.paths {
            assert!(path.is_absolute(), "{path:?}");
            assert_eq!(
                host.paths.insert(path.clone(), self.found(path)),
                None,
                "asked twice"
            );
        }
        for name in &questions.programs {
            host.programs.insert(name.clone(), self.program(name));
        }
        for name in &questions.users {
            host.users
                .insert(name.clone(), self.list("users").contains(name));
        }
        for name in &questions.groups {
            host.groups
                .insert(name.clone(), self.list("groups").contains(name));
        }
    }

    pub fn check(&self, text: &str) -> (Written, Checked) {
        self.check_with(text, &self.options())
    }

    pub fn check_with(&self, text: &str, options: &Options) -> (Written, Checked) {
        let written = config::read(
            text,
            Path::new("/srv/shop/ecosystem.toml"),
            "ecosystem.toml",
        );
        let mut host = Host {
            cpus: self.table["cpus"].as_integer().unwrap() as u32,
            root: true,
            ..Host::default()
        };
        for _ in 0..20 {
            let questions = config::questions(&written, &host, options);
            if questions == Questions::default() {
                let checked = config::check(&written, &host, options);
                return (written, checked);
            }
            self.answer(&questions, &mut host);
        }
        panic!("the questions do not end");
    }
}
