//! Panics in work end that work and nothing else.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// The work panicked; the text is the panic's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

impl Panicked {
    fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "a panic without a message".to_owned()))
    }
}

/// Runs `work`; a panic is its error.
///
/// What `work` touches may be left half changed: the caller drops it and looks at it no more.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let panicked = Panicked::from_payload(&*payload);
        // A payload may panic when it is dropped. Then its drop is not completed; a second one would end the process.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        panicked
    })
}

/// Polls `future`, and drops it as soon as it is over. `None` is left in its place then.
pub(super) fn poll_once<F: Future + ?Sized>(
    future: &mut Option<Pin<Box<F>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, Panicked>>
where
    F::Output: Sized,
{
    let polled = catch(|| future.as_mut().expect("work is not polled after its end").as_mut().poll(cx));
    let done = match polled {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(output)) => Ok(output),
        Err(panicked) => Err(panicked),
    };
    let dropped = catch(|| drop(future.take()));
    Poll::Ready(done.and_then(|output| dropped.map(|()| output)))
}

#[cfg(test)]
mod tests {
    use std::{future::ready, task::Waker};

    use super::*;

    fn poll<T>(future: impl Future<Output = T> + 'static) -> Poll<Result<T, Panicked>> {
        let mut future: Option<Pin<Box<dyn Future<Output = T>>>> = Some(Box::pin(future));
        poll_once(&mut future, &mut Context::from_waker(Waker::noop()))
    }

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("in the drop");
        }
    }

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        assert_eq!(poll(async { panic!("plain") }), Poll::Ready(Err::<(), _>(Panicked("plain".into()))));
        assert_eq!(poll(async { panic!("with {}", 1) }), Poll::Ready(Err::<(), _>(Panicked("with 1".into()))));
        let odd = async { std::panic::panic_any(PanicsWhenDropped) };
        assert_eq!(poll(odd), Poll::Ready(Err::<(), _>(Panicked("a panic without a message".into()))));
    }

    #[test]
    fn a_panic_in_the_drop_is_the_works_too() {
        let guard = PanicsWhenDropped;
        let mut ready = ready(());
        let work = std::future::poll_fn(move |cx| {
            let _ = &guard;
            Pin::new(&mut ready).poll(cx)
        });
        assert_eq!(poll(work), Poll::Ready(Err(Panicked("in the drop".into()))));
    }

    #[test]
    fn what_does_not_panic_passes() {
        assert_eq!(poll(ready(7)), Poll::Ready(Ok(7)));
        assert_eq!(poll(std::future::pending::<()>()), Poll::Pending);
    }
}
