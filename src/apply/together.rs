//! Futures side by side in one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// What each came to, in their order, when the last is done.
pub async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        match results.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn side_by_side_and_in_their_order() {
        let (first, hears_first) = tokio::sync::oneshot::channel();
        let (second, hears_second) = tokio::sync::oneshot::channel();
        // Each waits for the other's word: one after the other they would wait for ever.
        let speak = |word,
                     to: tokio::sync::oneshot::Sender<u8>,
                     from: tokio::sync::oneshot::Receiver<u8>| async move {
            to.send(word).unwrap();
            from.await.unwrap()
        };
        let results = together(vec![
            speak(1, first, hears_second),
            speak(2, second, hears_first),
        ])
        .await;
        assert_eq!(results, [2, 1]);
    }
}
