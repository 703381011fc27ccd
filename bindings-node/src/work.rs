//! Work that may wait for the disk: here and now, or on one of Node's threads with a Promise.

use keyfold::{Error, ErrorKind, Result};

use crate::answer::Answer;
use crate::failure::{self, guard};
use crate::raw::{Js, Settled, Value};

/// Does the work. `later` gives a Promise, which is resolved with a failure as well: nothing here throws.
pub fn run<'a>(
    js: Js<'a>,
    later: bool,
    job: impl FnOnce() -> Result<Answer> + Send + 'static,
) -> Result<Value<'a>> {
    if later { js.promise(Job(Some(Box::new(job)))) } else { job()?.into_js(js) }
}

pub struct Job(Option<Box<dyn FnOnce() -> Result<Answer> + Send>>);

impl napi::Task for Job {
    type Output = Result<Answer>;
    type JsValue = Settled;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let job = self.0.take();
        Ok(guard(|| match job {
            Some(job) => job(),
            None => Err(Error::new(ErrorKind::Internal, "work was done twice")),
        }))
    }

    fn resolve(&mut self, env: napi::Env, output: Self::Output) -> napi::Result<Settled> {
        let js = Js::of(&env);
        guard(|| output?.into_js(js))
            .or_else(|error| guard(|| failure::to_js(js, &error)))
            .map(Settled::from)
            .map_err(|error| napi::Error::from_reason(error.message()))
    }
}
