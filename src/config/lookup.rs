//! The machine's answers, and a list of what was asked and not yet answered. The same code that checks a file thereby says what must be looked up.

use std::cell::RefCell;
use std::path::Path;

use crate::model::host::{Found, Host, Program, Questions};

use super::problem::Problem;

pub struct Lookup<'a> {
    pub host: &'a Host,
    open: RefCell<Questions>,
}

/// Why there is no result.
pub enum Failure {
    /// An answer is missing; it is on the list.
    Unanswered,
    Problem(Box<Problem>),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Problem(Box::new(problem))
    }
}

pub type Outcome<T> = Result<T, Failure>;

impl<'a> Lookup<'a> {
    pub fn new(host: &'a Host) -> Lookup<'a> {
        Lookup {
            host,
            open: RefCell::default(),
        }
    }

    pub fn unanswered(self) -> Questions {
        self.open.into_inner()
    }

    pub fn path(&self, path: &Path) -> Outcome<&'a Found> {
        self.host.paths.get(path).ok_or_else(|| {
            let mut open = self.open.borrow_mut();
            if !open.paths.iter().any(|asked| asked == path) {
                open.paths.push(path.to_path_buf());
            }
            Failure::Unanswered
        })
    }

    /// None where PATH has no such program.
    pub fn program(&self, name: &str) -> Outcome<Option<&'a Program>> {
        match self.host.programs.get(name) {
            Some(found) => Ok(found.as_ref()),
            None => Err(note(&mut self.open.borrow_mut().programs, name)),
        }
    }

    pub fn user(&self, name: &str) -> Outcome<bool> {
        match self.host.users.get(name) {
            Some(known) => Ok(*known),
            None => Err(note(&mut self.open.borrow_mut().users, name)),
        }
    }

    pub fn group(&self, name: &str) -> Outcome<bool> {
        match self.host.groups.get(name) {
            Some(known) => Ok(*known),
            None => Err(note(&mut self.open.borrow_mut().groups, name)),
        }
    }
}

fn note(list: &mut Vec<String>, name: &str) -> Failure {
    if !list.iter().any(|asked| asked == name) {
        list.push(name.to_owned());
    }
    Failure::Unanswered
}
