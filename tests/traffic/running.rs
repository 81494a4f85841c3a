//! Traffic that runs in the bed's network, in a thread of its own, until it is told to stop.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::bed::Bed;

/// Between the traffic and whoever waits for it.
#[derive(Default)]
pub struct Meter {
    answered: AtomicU64,
    over: AtomicBool,
}

impl Meter {
    pub fn count(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// To be stopped: begin no further request.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Stops on drop as well.
pub struct Running<T> {
    meter: Arc<Meter>,
    thread: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Running<T> {
    pub fn start<F>(bed: &Bed, traffic: impl FnOnce(Arc<Meter>) -> F + Send + 'static) -> Running<T>
    where
        F: Future<Output = T>,
    {
        let network = format!("/proc/{}/ns/net", bed.leader());
        let network = File::open(network).expect("network of the bed");
        let meter = Arc::new(Meter::default());
        let of_traffic = Arc::clone(&meter);
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("setns");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(traffic(of_traffic))
        });
        Running {
            meter,
            thread: Some(thread),
        }
    }

    /// Returns when `more` further requests were answered.
    ///
    /// # Panics
    /// When they were not within a minute.
    pub fn wait_for(&self, more: u64) {
        let answered = || self.meter.answered.load(Ordering::Relaxed);
        let (before, begun) = (answered(), Instant::now());
        while answered() < before + more {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{} of {more} requests were answered in a minute",
                answered() - before
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the traffic has to say, once what it began is finished.
    pub fn stop(mut self) -> T {
        self.meter.over.store(true, Ordering::Relaxed);
        self.join()
    }

    /// The same for traffic that ends by itself.
    pub fn finish(mut self) -> T {
        self.join()
    }

    fn join(&mut self) -> T {
        let thread = self.thread.take().expect("joined once");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.meter.over.store(true, Ordering::Relaxed);
    }
}
