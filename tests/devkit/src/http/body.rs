//! A response body that does as told: bytes, pauses, a hang, a reset.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::log::UnderWay;

/// One thing a body does.
pub(super) enum Step {
    Bytes(Bytes),
    Pause(Duration),
    /// These bytes again and again.
    Endless(Bytes),
    /// Nothing more, and no end.
    Hang,
    /// The connection is reset.
    Reset(Arc<Notify>),
}

/// A body that walks its steps; it holds the call's place in the log until it is dropped.
pub(super) struct SteppedBody {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    _under_way: UnderWay,
}

impl SteppedBody {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>, under_way: UnderWay) -> Self {
        Self { steps: steps.into_iter().collect(), pause: None, _under_way: under_way }
    }
}

impl Body for SteppedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Step::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Pause(duration)) => self.pause = Some(Box::pin(tokio::time::sleep(duration))),
                Some(Step::Endless(bytes)) => {
                    self.steps.push_front(Step::Endless(bytes.clone()));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Reset(cut)) => {
                    cut.notify_one();
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }
}
