//! The Node versions and packages that the tests run.

use std::path::PathBuf;
use std::sync::OnceLock;

#[path = "../nodes/mod.rs"]
mod npm;

/// Every major that is supported.
const MAJORS: [u32; 6] = [14, 16, 18, 20, 22, 24];

#[derive(Debug)]
pub struct Node {
    pub major: u32,
    pub program: String,
    /// Its folder, with its npm.
    pub bin: String,
}

impl Node {
    /// PATH with this one first.
    pub fn path(&self) -> String {
        format!("{}:{}", self.bin, std::env::var("PATH").unwrap())
    }
}

/// Node of every major.
pub fn all() -> &'static [Node] {
    static NODES: OnceLock<Vec<Node>> = OnceLock::new();
    NODES.get_or_init(|| {
        let node = |major: &u32| Node {
            major: *major,
            program: npm::node(*major).to_str().unwrap().to_owned(),
            bin: npm::bin(*major).to_str().unwrap().to_owned(),
        };
        MAJORS.iter().map(node).collect()
    })
}

/// The newest.
pub fn newest() -> &'static Node {
    all().last().unwrap()
}

/// Runs `test` with each, and says with which it failed.
pub fn each(test: impl Fn(&Node)) {
    for node in all() {
        eprintln!("node {}", node.major);
        test(node);
    }
}

/// A node_modules folder with what apps of the tests require.
pub fn packages() -> PathBuf {
    let wanted = [
        "express@4.21.2",
        "signal-exit3@npm:signal-exit@3.0.7",
        "signal-exit4@npm:signal-exit@4.1.0",
        "tsx@4.19.2",
        "ts-node@10.9.2",
        "typescript@5.4.5",
        "yarn@1.22.22",
        "pnpm@9.15.0",
    ];
    npm::fetched("preload", &wanted.map(str::to_owned), |_| {}).join("node_modules")
}

/// A node_modules folder with the libraries that talk to PM2, by the names that the tests have for them.
pub fn talkers() -> PathBuf {
    let wanted = [
        "io6@npm:@pm2/io@6.1.0",
        "io5@npm:@pm2/io@5.0.2",
        "tx2@1.0.5",
        "pmx@1.6.8",
    ];
    npm::fetched("talkers", &wanted.map(str::to_owned), |_| {}).join("node_modules")
}
